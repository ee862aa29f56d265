"""Begins Kerberos logins in a thread, since they may wait for the KDC. An edge."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from barnabas.security.kerberos_settings import MISSING, KerberosSettings
from barnabas.security.sasl.mechanism import ClientLogin


def kerberos_logins(settings: KerberosSettings) -> Callable[[str], Awaitable[ClientLogin]]:
    """A function that begins a login to a host. Raises ValueError without the library."""
    try:
        from barnabas.security.sasl.gssapi import GssapiClient
    except ImportError:
        raise ValueError(MISSING) from None

    async def begin(host: str) -> ClientLogin:
        """Raises AuthenticationFailed."""
        return await asyncio.to_thread(GssapiClient, settings, host)

    return begin
