"""Begins Kerberos logins in a thread, since they may wait for the KDC. An edge."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import socket
from collections.abc import Awaitable, Callable

from barnabas.security.kerberos_settings import (
    MISSING,
    KerberosSettings,
    ZooKeeperPrincipal,
)
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


class ZooKeeperLogins:
    """Begins logins to ZooKeeper servers.

    A KDC may take longer than a server is waited for. The thread that asks it then goes on, and the
    next attempt at that server waits for the same thread. So threads do not pile up."""

    def __init__(self, settings: KerberosSettings, principal: ZooKeeperPrincipal) -> None:
        """Raises ValueError without the library."""
        try:
            from barnabas.security.sasl.gssapi import GssapiClient
        except ImportError:
            raise ValueError(MISSING) from None
        self._made = GssapiClient
        self._settings = dataclasses.replace(settings, service=principal.service)
        self._principal = principal
        self._left: dict[tuple[str, str], asyncio.Task[ClientLogin]] = {}
        """Logins that are being made, and that nobody waits for, by host and address."""

    async def begin(self, host: str, address: str) -> ClientLogin:
        """A login to the server at ``host``, as the settings name it, with this address. Raises
        AuthenticationFailed."""
        server = (host, address)
        making = self._left.pop(server, None)
        if making is None:
            work = asyncio.to_thread(self._make, host, address)
            making = asyncio.get_running_loop().create_task(work, name="zookeeper-kerberos")
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            if not making.done():
                self._left[server] = making
                making.add_done_callback(lambda made: self._forget(server, made))
            raise

    def _make(self, host: str, address: str) -> ClientLogin:
        principal = self._principal
        if principal.host:
            host = principal.host
        elif principal.canonicalize or _is_address(host):
            host = _canonical(host, address)
        return self._made(self._settings, host)

    def _forget(self, server: tuple[str, str], made: asyncio.Task[ClientLogin]) -> None:
        """A login that is done and still not waited for: a server takes it only for a while."""
        if not made.cancelled():
            made.exception()  # marks the exception as seen, so that asyncio does not log it
        if self._left.get(server) is made:
            del self._left[server]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _canonical(host: str, address: str) -> str:
    """The host to which an address belongs, if that host's name leads to the address too; otherwise
    ``host``. As InetAddress.getCanonicalHostName."""
    try:
        name = socket.gethostbyaddr(address)[0]
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return host
    return name if address in [where[0] for *_, where in found] else host
