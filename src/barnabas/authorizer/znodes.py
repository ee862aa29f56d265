"""ZkAclStore, AclZNode: paths and bodies of ACLs in ZooKeeper, byte for byte as Kafka's. Pure.

Literal patterns are at ``/kafka-acl/<Type>/<name>``, their notifications in ``/kafka-acl-changes``.
Prefixed patterns are at ``/kafka-acl-extended/prefixed/<Type>/<name>``, their notifications in
``/kafka-acl-extended-changes``. Names are not escaped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from barnabas.authorizer.acl import (
    RESOURCE_TYPES,
    AccessControlEntry,
    AclOperation,
    AclPermissionType,
    PatternType,
    ResourcePattern,
    ResourceType,
)
from barnabas.names import is_path_name
from barnabas.zookeeper.errors import MalformedZNode

VERSION: Final = 1
BODY_BYTES_MAX: Final = 1_000_000
"""ZooKeeper accepts requests of a little more than this; for a larger one it closes the connection.
"""
CHANGE_NAME: Final = "acl_changes_"

_TYPES: Final = {kind.label: kind for kind in RESOURCE_TYPES}
_OPERATIONS: Final = {
    operation.label: operation for operation in AclOperation if operation > AclOperation.ANY
}
_PERMISSIONS: Final = {p.label: p for p in (AclPermissionType.ALLOW, AclPermissionType.DENY)}


class AclStore(NamedTuple):
    """Where the ACLs of one type of pattern are stored."""

    pattern_type: PatternType
    path: str
    changes: str

    def type_path(self, resource_type: ResourceType) -> str:
        """The parent of a type's resources."""
        return f"{self.path}/{resource_type.label}"

    def resource_path(self, pattern: ResourcePattern) -> str:
        """The node of a pattern."""
        return f"{self.type_path(pattern.resource_type)}/{pattern.name}"

    @property
    def change_prefix(self) -> str:
        """The path prefix of notifications, which are sequential nodes."""
        return f"{self.changes}/{CHANGE_NAME}"


LITERAL_STORE: Final = AclStore(PatternType.LITERAL, "/kafka-acl", "/kafka-acl-changes")
PREFIXED_STORE: Final = AclStore(
    PatternType.PREFIXED, "/kafka-acl-extended/prefixed", "/kafka-acl-extended-changes"
)
STORES: Final = (LITERAL_STORE, PREFIXED_STORE)


def store_of(pattern: ResourcePattern) -> AclStore:
    """The store of a pattern's entries."""
    return PREFIXED_STORE if pattern.pattern_type is PatternType.PREFIXED else LITERAL_STORE


def start_paths() -> list[str]:
    """The nodes that a broker creates at its start if they are missing, in this order, with null
    data."""
    types = [store.type_path(kind) for store in STORES for kind in RESOURCE_TYPES]
    return [*types, *(store.changes for store in STORES)]


class _EntryJson(msgspec.Struct):
    principal: str
    permission_type: str = msgspec.field(name="permissionType")
    host: str
    operation: str


class _AclsJson(msgspec.Struct):
    acls: list[_EntryJson]
    version: int


class _ChangeJson(msgspec.Struct):
    version: int
    resource_type: str = msgspec.field(name="resourceType")
    name: str
    pattern_type: str = msgspec.field(name="patternType")


def encode_entries(entries: Iterable[AccessControlEntry]) -> bytes:
    """The body of a resource's node."""
    return msgspec.json.encode(
        _AclsJson(
            acls=[
                _EntryJson(e.principal, e.permission.label, e.host, e.operation.label)
                for e in entries
            ],
            version=VERSION,
        )
    )


def decode_entries(path: str, data: bytes | None) -> tuple[AccessControlEntry, ...]:
    """Raises MalformedZNode. An empty body has no entries."""
    if not data:
        return ()
    try:
        json = msgspec.json.decode(data, type=_AclsJson)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedZNode(path, str(error)) from error
    if json.version != VERSION:
        raise MalformedZNode(path, f"version {json.version} is not known")
    try:
        return tuple(
            AccessControlEntry(
                entry.principal,
                entry.host,
                _OPERATIONS[entry.operation],
                _PERMISSIONS[entry.permission_type],
            )
            for entry in json.acls
        )
    except KeyError as error:
        raise MalformedZNode(path, f"no operation or permission is called {error}") from None


def encode_change(pattern: ResourcePattern) -> bytes:
    """The body of a notification. It has the type's name in capitals, as ``TOPIC``."""
    kind = pattern.resource_type.name
    if pattern.pattern_type is PatternType.LITERAL:
        return f"{kind}:{pattern.name}".encode()
    return msgspec.json.encode(_ChangeJson(VERSION, kind, pattern.name, pattern.pattern_type.name))


def decode_change(store: AclStore, path: str, data: bytes | None) -> ResourcePattern:
    """The pattern that a notification names. Raises MalformedZNode."""
    try:
        if store.pattern_type is PatternType.LITERAL:
            kind, colon, name = (data or b"").decode().partition(":")
            if not colon:
                raise MalformedZNode(path, "names no resource")
        else:
            json = msgspec.json.decode(data or b"", type=_ChangeJson)
            if json.version > VERSION or json.pattern_type != store.pattern_type.name:
                raise MalformedZNode(path, "is of a kind that is not known")
            kind, name = json.resource_type, json.name
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedZNode(path, str(error)) from error
    found = ResourceType.__members__.get(kind.upper())
    if found not in RESOURCE_TYPES or not is_path_name(name):
        raise MalformedZNode(path, f"there is no resource {kind}:{name}")
    return ResourcePattern(found, name, store.pattern_type)
