"""Connecting to an address that somebody else has named.

Hosts and ports come from requests and znodes. A name that is none (``a..b``, a label of more than
63 letters, a NUL) or a port beyond 65535 makes asyncio raise UnicodeError, ValueError or
OverflowError. For who connects it is an address at which nobody can be reached: an OSError.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Callable
from typing import TypeVar

_P = TypeVar("_P", bound=asyncio.BaseProtocol)


async def connect(
    protocol: Callable[[], _P], host: str, port: int, tls: ssl.SSLContext | None = None
) -> _P:
    """Open a TCP connection, over TLS with a context for it; its protocol. Raises OSError, whatever
    is wrong."""
    loop = asyncio.get_running_loop()
    try:
        _, made = await loop.create_connection(protocol, host, port, ssl=tls)
    except ssl.SSLError:
        raise  # one of them is a ValueError as well
    except (ValueError, OverflowError) as error:
        raise OSError(errno.EINVAL, f"{host!a}:{port} is not an address: {error}") from error
    return made
