"""The edge of Kerberos: what may wait for the KDC is done by a thread, never by the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from barnabas.security.kerberos_settings import MISSING, KerberosSettings
from barnabas.security.sasl.mechanism import ClientLogin


def kerberos_logins(settings: KerberosSettings) -> Callable[[str], Awaitable[ClientLogin]]:
    """Begins a login to a host. ValueError without the library."""
    try:
        from barnabas.security.sasl.gssapi import GssapiClient
    except ImportError:
        raise ValueError(MISSING) from None

    async def begin(host: str) -> ClientLogin:
        """Raises AuthenticationFailed."""
        return await asyncio.to_thread(GssapiClient, settings, host)

    return begin
