"""AuthenticateCallbackHandler: classes that know users, passwords and tokens (KIP-86, KIP-255)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field

from barnabas.plugins.base import Plugin
from barnabas.security.sasl.scram import ScramCredential


class AuthenticateCallbackHandler(Plugin):
    """What the handlers have in common. There is one instance for each listener and mechanism.

    The broker sets the three attributes before it calls ``configure``. A method that answers a
    login may be a coroutine: then it may wait for a directory or a provider, and the broker serves
    others meanwhile. A login whose answer does not come in ten seconds is refused.
    """

    listener_name: str
    mechanism: str
    """As ``SCRAM-SHA-512``."""
    options: Mapping[str, str]
    """Those of the listener's JAAS entry, ``sasl.jaas.config``."""


class PlainServerCallbackHandler(AuthenticateCallbackHandler, ABC):
    """``listener.name.LISTENER.plain.sasl.server.callback.handler.class``: checks passwords."""

    @abstractmethod
    def authenticate(self, username: str, password: str) -> bool | Awaitable[bool]:
        """Whether this is the user's password: only True lets him in. Whatever it raises refuses
        the login."""


class ScramServerCallbackHandler(AuthenticateCallbackHandler, ABC):
    """``listener.name.LISTENER.scram-sha-512.sasl.server.callback.handler.class`` (or ``-256``):
    knows credentials, in the place of those in ZooKeeper. Delegation tokens stay Kafka's."""

    @abstractmethod
    def credential(
        self, username: str
    ) -> ScramCredential | Awaitable[ScramCredential | None] | None:
        """A user's credential for the mechanism of this handler; None if there is none. Whatever it
        raises refuses the login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthBearerToken:
    """What a token says."""

    principal_name: str
    """Who has it."""
    lifetime_ms: int
    """When it ends, in ms since 1970."""
    value: str = field(default="", repr=False)
    """The token itself; needed of a login only."""


class OAuthBearerLoginCallbackHandler(AuthenticateCallbackHandler, ABC):
    """``listener.name.LISTENER.oauthbearer.sasl.login.callback.handler.class``: gives the token
    with which this broker logs in to others."""

    @abstractmethod
    def token(self) -> OAuthBearerToken | Awaitable[OAuthBearerToken]:
        """A token, with its ``value``. It is asked for the next one before that ends, as
        ``sasl.login.refresh.*`` say. If it raises, the old one is used as long as it is valid;
        after that, no connection to other brokers is made."""


class SaslClientCallbackHandler(AuthenticateCallbackHandler, ABC):
    """``sasl.client.callback.handler.class``: gives name and password with which this broker logs
    in to others by PLAIN or SCRAM."""

    @abstractmethod
    def credentials(self) -> tuple[str, str] | Awaitable[tuple[str, str]]:
        """(name, password). It is asked for each connection. If it raises, that is not made."""


class OAuthBearerValidatorCallbackHandler(AuthenticateCallbackHandler, ABC):
    """``listener.name.LISTENER.oauthbearer.sasl.server.callback.handler.class``: checks tokens."""

    @abstractmethod
    def validate(self, token: str) -> OAuthBearerToken | Awaitable[OAuthBearerToken | None] | None:
        """What a token says; None if it is not valid. ``token``: as the client sent it, so nothing
        in it is true before it is checked. Whatever it raises refuses the login."""
