"""SSLEngine.setEnabledCipherSuites for TLS 1.3, which Python's ``ssl`` has since 3.15 only.

Older Pythons have no function for it, but their OpenSSL has. It is called in the library that
``ssl`` itself is linked to, with the context that CPython keeps first in the object; so it is from
3.11 to 3.14. Then the context is asked which suites it has: if they are not those, nobody is served
with it. A Python whose OpenSSL is part of the interpreter has no library to call.
"""

from __future__ import annotations

import ctypes
import ssl
import sys
from collections.abc import Sequence
from typing import Final

from barnabas.errors import BadTls

SUITES: Final = (
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_GCM_SHA256",
)
"""Those of Java, in OpenSSL's order. With all of them nothing is to be chosen."""
_TLS_1_3: Final = "TLSv1.3"
_SET: Final = "set_ciphersuites"


def choose_suites(context: ssl.SSLContext, suites: Sequence[str]) -> None:
    """Let the context speak TLS 1.3 with these suites only, some of ``SUITES``. Raises BadTls if
    this Python cannot."""
    if set(suites) == set(SUITES):
        return
    text = ":".join(suites)
    of_python = getattr(context, _SET, None)
    if of_python is not None:
        of_python(text)
    elif not _by_library(context, text.encode()):
        raise BadTls(
            "ssl.cipher.suites: this Python cannot choose among the suites of TLSv1.3: name all of"
            f" {', '.join(SUITES)}, or none"
        )
    chosen = [c["name"] for c in context.get_ciphers() if c["protocol"] == _TLS_1_3]
    if chosen != list(suites):
        raise BadTls(f"ssl.cipher.suites: OpenSSL does not take {', '.join(suites)} of TLSv1.3")


def _by_library(context: ssl.SSLContext, suites: bytes) -> bool:
    path = getattr(sys.modules["_ssl"], "__file__", None)
    if sys.implementation.name != "cpython" or sys.version_info >= (3, 15) or path is None:
        return False
    try:
        function = ctypes.CDLL(path).SSL_CTX_set_ciphersuites
    except (OSError, AttributeError):
        return False
    function.argtypes, function.restype = (ctypes.c_void_p, ctypes.c_char_p), ctypes.c_int
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    return pointer is not None and function(pointer, suites) == 1
