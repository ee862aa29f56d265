"""AclAuthorizer.configure: reads from a broker's settings who decides what clients may do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from barnabas.config.checks import Value
from barnabas.config.java import parse_integer, trim
from barnabas.config.settings import SETTINGS
from barnabas.errors import ConfigError
from barnabas.logs import visible
from barnabas.security.principal import KafkaPrincipal

AUTHORIZER: Final = "authorizer.class.name"
ACL_AUTHORIZER: Final = "kafka.security.authorizer.AclAuthorizer"
SUPER_USERS: Final = "super.users"
ALLOW_IF_NO_ACL: Final = "allow.everyone.if.no.acl.found"
_PREFIX: Final = "authorizer."
_OF_TLS: Final = ("zookeeper.ssl.", "zookeeper.clientCnxnSocket")
OWN_SETTINGS: Final = (SUPER_USERS, ALLOW_IF_NO_ACL)
"""The authorizer's own settings. They are not in KafkaConfig, and have no effect without it."""


_ZOOKEEPER: Final = "authorizer.zookeeper."
ZOOKEEPER_URL: Final = f"{_ZOOKEEPER}url"
_SESSION: Final = f"{_ZOOKEEPER}session.timeout.ms"
_CONNECTION: Final = f"{_ZOOKEEPER}connection.timeout.ms"
_IN_FLIGHT: Final = f"{_ZOOKEEPER}max.in.flight.requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class AclZooKeeper:
    """``authorizer.zookeeper.*``: a connection of the authorizer's own. None: as the broker's."""

    url: str | None
    session_timeout_ms: int | None
    connection_timeout_ms: int | None
    in_flight_max: int | None
    security: Mapping[str, Value]
    """Settings of TLS, by the names of those that they override (``zookeeper.ssl...``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """The settings of an authorizer."""

    class_name: str = ACL_AUTHORIZER
    """Kafka's own, or a Python class, which reads its settings itself."""
    super_users: frozenset[KafkaPrincipal] = frozenset()
    allow_if_no_acl: bool = False
    zookeeper: AclZooKeeper | None = None
    """None: the broker's own connection."""

    def reads(self, name: str) -> bool:
        """Whether a setting is the authorizer's own. Those of a plug-in may begin as its class's
        setting does; what it makes of them nobody here knows."""
        if name in OWN_SETTINGS:
            return True
        if self.class_name == ACL_AUTHORIZER:
            return name in (ZOOKEEPER_URL, _SESSION, _CONNECTION, _IN_FLIGHT) or _is_of_tls(name)
        return name.startswith(_PREFIX) and name != AUTHORIZER


def read_authorization(texts: Mapping[str, str]) -> Authorization | None:
    """The authorizer's settings; None if none is configured. Raises ConfigError for settings that
    Kafka's own cannot start with."""
    name = trim(texts.get(AUTHORIZER, ""))
    if not name:
        return None
    if name != ACL_AUTHORIZER:
        return Authorization(class_name=name)
    return Authorization(
        super_users=_super_users(texts.get(SUPER_USERS, "")),
        allow_if_no_acl=_flag(texts.get(ALLOW_IF_NO_ACL, "false")),
        zookeeper=_zookeeper(texts),
    )


def _is_of_tls(name: str) -> bool:
    base = name.removeprefix(_PREFIX)
    return base != name and base in SETTINGS and base.startswith(_OF_TLS)


def _zookeeper(texts: Mapping[str, str]) -> AclZooKeeper | None:
    given = {name: trim(text) for name, text in texts.items() if name.startswith(_ZOOKEEPER)}
    if not any(given.values()):
        return None
    return AclZooKeeper(
        url=given.get(ZOOKEEPER_URL) or None,
        session_timeout_ms=_number(given, _SESSION),
        connection_timeout_ms=_number(given, _CONNECTION),
        in_flight_max=_number(given, _IN_FLIGHT),
        security={
            name.removeprefix(_PREFIX): SETTINGS[name.removeprefix(_PREFIX)].parse(text)
            for name, text in given.items()
            if _is_of_tls(name)
        },
    )


def _number(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name)
    if not text:
        return None
    try:
        found = parse_integer(text, 32)
    except ValueError:
        found = 0
    if found < 1:
        raise ConfigError(f"{name}: a positive number is needed, not {visible(text)}")
    return found


def _super_users(text: str) -> frozenset[KafkaPrincipal]:
    """The users. They are separated by ``;`` only, since names of certificates have commas. Empty
    items at the end are ignored, as in Java."""
    items = trim(text).rstrip(";").split(";") if trim(text) else []
    try:
        return frozenset(KafkaPrincipal.parse(trim(item)) for item in items)
    except ValueError as error:
        raise ConfigError(f"{SUPER_USERS}: {visible(error)}") from None


def _flag(text: str) -> bool:
    """A Boolean, read as by Scala."""
    found = {"true": True, "false": False}.get(trim(text).lower())
    if found is None:
        raise ConfigError(f"{ALLOW_IF_NO_ACL}: must be true or false, not {visible(text)}")
    return found
