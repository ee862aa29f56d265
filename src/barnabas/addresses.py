"""Connects to an address that came from outside.

Hosts and ports come from requests and znodes. For an impossible name (``a..b``, a label of more
than 63 letters, a NUL) or a port beyond 65535 asyncio raises UnicodeError, ValueError or
OverflowError. Here each of them becomes an OSError, like any other address that cannot be reached.
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
    """Open a TCP connection, with TLS if there is a context, and return its protocol. Every failure
    raises OSError."""
    loop = asyncio.get_running_loop()
    try:
        _, made = await loop.create_connection(protocol, host, port, ssl=tls)
    except ssl.SSLError:
        raise  # one of them is a ValueError as well
    except (ValueError, OverflowError) as error:
        raise OSError(errno.EINVAL, f"{host!a}:{port} is not an address: {error}") from error
    return made
