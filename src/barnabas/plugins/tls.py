"""SslEngineFactory: a class that makes the TLS of listeners and of connections (KIP-519)."""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod

from barnabas.plugins.base import Plugin


class SslEngineFactory(Plugin, ABC):
    """``ssl.engine.factory.class``: keys and certificates from elsewhere than a store.

    There is one instance for a listener, and one for connections to other brokers' listeners of
    that name. ``configure`` has all settings; what ``ssl.*`` say of stores is the factory's to
    obey. What they require must hold: with ``ssl.client.auth`` a server context that does not ask
    for certificates is refused, and so is a client context that does not check host names unless
    ``ssl.endpoint.identification.algorithm`` is empty.
    """

    listener_name: str
    """Set before ``configure``."""

    @abstractmethod
    def server_context(self) -> ssl.SSLContext:
        """The context for accepted connections."""

    @abstractmethod
    def client_context(self) -> ssl.SSLContext:
        """The context for connections to other brokers."""

    def should_be_rebuilt(self) -> bool:
        """Whether new connections need another context. It is asked every five seconds: answer from
        memory. If making that fails, the old one stays."""
        return False
