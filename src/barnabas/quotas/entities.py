"""ClientQuotaEntity, ClientQuotaFilter, QuotaConfigs: the kinds of quotas, and whom one is for
(KIP-546, KIP-612). Pure.

Each part of an entity (user, client id, address) has a name. The name is a text, or ``DEFAULT`` for
all names without a quota of their own, or ``ABSENT`` where the entity has no such part.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from barnabas.errors import ErrorCode, KafkaError

ABSENT: Final = ""
DEFAULT: Final = None
Name: TypeAlias = str | None

USER: Final = "user"
CLIENT_ID: Final = "client-id"
IP: Final = "ip"

PRODUCER_BYTE_RATE: Final = "producer_byte_rate"
CONSUMER_BYTE_RATE: Final = "consumer_byte_rate"
REQUEST_PERCENTAGE: Final = "request_percentage"
CONTROLLER_MUTATION_RATE: Final = "controller_mutation_rate"
CONNECTION_CREATION_RATE: Final = "connection_creation_rate"

KEYS_OF_CLIENTS: Final[Mapping[str, str]] = {
    PRODUCER_BYTE_RATE: "LONG",
    CONSUMER_BYTE_RATE: "LONG",
    REQUEST_PERCENTAGE: "DOUBLE",
    CONTROLLER_MUTATION_RATE: "DOUBLE",
}
"""The quotas of a user, a client id or both, and the types of their values."""
KEYS_OF_ADDRESSES: Final[Mapping[str, str]] = {CONNECTION_CREATION_RATE: "INT"}
_GREATEST: Final = {"LONG": 2**63 - 1, "INT": 2**31 - 1}
_EPSILON: Final = 1e-6
"""A value this close to a whole number counts as whole."""

EXACT, FOR_DEFAULT, ANY = range(3)
"""How a filter matches a name, as the protocol numbers it."""
_FILTER_NAMES: Final = {USER: "user", CLIENT_ID: "client", IP: "ip"}


class Entity(NamedTuple):
    """Whom a quota is for: a user, a client id, both together, or an address."""

    user: Name = ABSENT
    client_id: Name = ABSENT
    ip: Name = ABSENT

    @property
    def is_address(self) -> bool:
        return self.ip != ABSENT

    @property
    def keys(self) -> Mapping[str, str]:
        """The quotas that this entity can have, and the types of their values."""
        return KEYS_OF_ADDRESSES if self.is_address else KEYS_OF_CLIENTS

    def parts(self) -> list[tuple[str, Name]]:
        """(type, name) of each part, a user first."""
        named = zip((USER, CLIENT_ID, IP), self, strict=True)
        return [(kind, name) for kind, name in named if name != ABSENT]

    def __str__(self) -> str:
        return ", ".join(f"{k} {'<default>' if n is DEFAULT else n}" for k, n in self.parts())


def entity_of(parts: Iterable[tuple[str, Name]]) -> Entity:
    """The entity that (type, name) pairs describe; if a type is named twice, the last one counts.
    Raises INVALID_REQUEST."""
    found = dict(parts)
    if not found:
        raise _invalid("Invalid empty client quota entity")
    for kind, name in found.items():
        if kind not in _FILTER_NAMES:
            raise _invalid(f"Unhandled client quota entity type: {kind}")
        if name == ABSENT:
            raise _invalid(f"Empty {kind} not supported")
    if IP in found and len(found) > 1:
        raise _invalid(
            "Invalid quota entity combination, IP entity should not be used with"
            " user/client ID entity."
        )
    return Entity(found.get(USER, ABSENT), found.get(CLIENT_ID, ABSENT), found.get(IP, ABSENT))


def checked_value(entity: Entity, key: str, value: float) -> float | int:
    """The value as it is stored: a whole number for rates of bytes and of connections. Raises
    INVALID_REQUEST, also for a quota that such an entity cannot have."""
    kind = entity.keys.get(key)
    if kind is None:
        raise _invalid(f"Invalid configuration key {key}")
    greatest = _GREATEST.get(kind)
    if greatest is None:
        return value
    if math.isnan(value):
        return 0
    whole = int(value + _EPSILON) if abs(value) <= greatest else None
    if whole is None or whole < 0 or whole > greatest or abs(whole - value) > _EPSILON:
        raise _invalid(f"Configuration {key} must be a {kind} value")
    return whole


class Component(NamedTuple):
    """What a filter requires of one part of an entity."""

    match_type: int
    name: Name = DEFAULT

    def matches(self, name: Name) -> bool:
        if self.match_type == ANY:
            return name != ABSENT
        return name == (self.name if self.match_type == EXACT else DEFAULT)


def component_for(name: Name) -> Component | None:
    """The filter component that matches this name; None if the name is absent."""
    if name == ABSENT:
        return None
    return Component(FOR_DEFAULT if name is DEFAULT else EXACT, name)


class Filter(NamedTuple):
    """Which entities are wanted; ``strict``: only those without any other part."""

    user: Component | None = None
    client_id: Component | None = None
    ip: Component | None = None
    strict: bool = False

    def matches(self, entity: Entity) -> bool:
        """Whether the entity is wanted. A filter for users or client ids finds no addresses."""
        if entity.is_address:
            return not (self.user or self.client_id) and self._part(self.ip, entity.ip)
        if self.ip is not None:
            return False
        return self._part(self.user, entity.user) and self._part(self.client_id, entity.client_id)

    def _part(self, component: Component | None, name: Name) -> bool:
        if component is None:
            return name == ABSENT or not self.strict
        return component.matches(name)


def filter_of(components: Iterable[tuple[str, int, Name]], *, strict: bool) -> Filter:
    """The filter that (type, match type, name) triples describe. Raises INVALID_REQUEST, and
    UNSUPPORTED_VERSION for an unknown type of entity. An unknown match type and an exact match
    without a name are UNKNOWN_SERVER_ERROR in Kafka."""
    found: dict[str, Component] = {}
    components = list(components)
    for _, match_type, name in components:
        if match_type not in (EXACT, FOR_DEFAULT, ANY):
            raise _invalid(f"There is no match type {match_type}.")
        if match_type == EXACT and name is None:
            raise _invalid("A filter for one entity has to name it.")
    for kind, match_type, name in components:
        if not kind:
            raise _invalid("Unexpected empty filter component entity type")
        if kind not in _FILTER_NAMES:
            raise KafkaError(
                ErrorCode.UNSUPPORTED_VERSION, f"Custom entity type '{kind}' not supported"
            )
        if kind in found:
            raise _invalid(f"Duplicate {_FILTER_NAMES[kind]} filter component entity type")
        found[kind] = Component(match_type, name)
    if IP in found and len(found) > 1:
        raise _invalid(
            "Invalid entity filter component combination, IP filter component should not be used"
            " with user or clientId filter component."
        )
    return Filter(found.get(USER), found.get(CLIENT_ID), found.get(IP), strict)


def _invalid(message: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_REQUEST, message)
