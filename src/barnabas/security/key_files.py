"""Gives OpenSSL a private key, which it reads only from files, without writing it to disk. An edge.

On Linux the file is in memory (``memfd_create``), elsewhere it is a temporary file of this user.
"""

from __future__ import annotations

import os
import ssl
import tempfile

from barnabas.security.stores import Identity


def load_identity(context: ssl.SSLContext, identity: Identity) -> None:
    """Give ``context`` a key and its chain. ssl.SSLError if they do not belong together."""
    text = identity.key + b"\n" + identity.chain
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("identity")
        try:
            os.write(descriptor, text)
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(text)
        file.flush()
        context.load_cert_chain(file.name)
