"""AclAuthorizer.configure: reads from a broker's settings who decides what clients may do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from barnabas.config.java import trim
from barnabas.errors import ConfigError
from barnabas.logs import visible
from barnabas.security.principal import KafkaPrincipal

AUTHORIZER: Final = "authorizer.class.name"
ACL_AUTHORIZER: Final = "kafka.security.authorizer.AclAuthorizer"
SUPER_USERS: Final = "super.users"
ALLOW_IF_NO_ACL: Final = "allow.everyone.if.no.acl.found"
_PREFIX: Final = "authorizer."
OWN_SETTINGS: Final = (SUPER_USERS, ALLOW_IF_NO_ACL)
"""The authorizer's own settings. They are not in KafkaConfig, and have no effect without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """The settings of an authorizer."""

    class_name: str = ACL_AUTHORIZER
    """Kafka's own, or a Python class, which reads its settings itself."""
    super_users: frozenset[KafkaPrincipal] = frozenset()
    allow_if_no_acl: bool = False

    def reads(self, name: str) -> bool:
        """Whether a setting is the authorizer's own. Those of a plug-in may begin as its class's
        setting does; what it makes of them nobody here knows."""
        if name in OWN_SETTINGS:
            return True
        is_plug_in = self.class_name != ACL_AUTHORIZER
        return is_plug_in and name.startswith(_PREFIX) and name != AUTHORIZER


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
    )


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
