"""GroupMetadataManager, records of ``__consumer_offsets``, byte for byte (reference 8.6). Pure.

Written: offset keys v1 with values v3 (v1 where a client of old asked for a retention of its own),
group keys v2 with values v3. Read: offset values v0-4 and group values v0-4; versions 4 are Kafka's
flexible ones, with unknown tags skipped. A key of an unknown version is passed over, as in the
original: a newer release may have written it.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from barnabas.coordinator.group.records.consumer_group import decode_consumer_key
from barnabas.coordinator.group.records.facts import ConsumerKey
from barnabas.coordinator.group.records.fields import (
    BROKEN,
    Reader,
    corrupt,
    plain_bytes,
    plain_nullable,
    plain_string,
)
from barnabas.types import NO_EPOCH, NO_TIMESTAMP

OFFSET_KEY_VERSION: Final = 1
GROUP_KEY_VERSION: Final = 2
OFFSET_VALUE_VERSION: Final = 3
OFFSET_VALUE_VERSION_WITH_EXPIRY: Final = 1
GROUP_VALUE_VERSION: Final = 3
FLEXIBLE_VERSION: Final = 4

_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")
_I64 = struct.Struct(">q")
_OFFSET_KEY_START: Final = b"\x00\x01"
_OFFSET_V3 = struct.Struct(">hqihq")
"""The fields of a value without metadata, as most commits are: version, offset, leader epoch,
length 0, time."""


class OffsetKey(NamedTuple):
    """Key of one position: group and partition."""

    group: str
    topic: str
    partition: int
    version: int = OFFSET_KEY_VERSION


class GroupKey(NamedTuple):
    """Key of one group's members."""

    group: str


Key: TypeAlias = OffsetKey | GroupKey | ConsumerKey


class CommittedOffset(NamedTuple):
    """One position: how far a group has read a partition. Times are wall ms."""

    offset: int
    leader_epoch: int = NO_EPOCH
    metadata: str = ""
    commit_ms: int = NO_TIMESTAMP
    expire_ms: int | None = None
    """Set if the client asked for a retention of its own (OffsetCommit v2-4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRecord:
    """A member as it is kept."""

    id: str
    instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    subscription: bytes
    assignment: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRecord:
    """A group's members as they are kept, and their generation."""

    protocol_type: str
    generation: int
    protocol: str | None
    leader: str | None
    state_since_ms: int = NO_TIMESTAMP
    members: tuple[MemberRecord, ...] = field(default=())


# Writing


def encode_offset_key(group: str, topic: str, partition: int) -> bytes:
    """Key of one committed offset."""
    version = _I16.pack(OFFSET_KEY_VERSION)
    return version + plain_string(group) + plain_string(topic) + _I32.pack(partition)


def encode_group_key(group: str) -> bytes:
    """Key of one group's members."""
    return _I16.pack(GROUP_KEY_VERSION) + plain_string(group)


def encode_offset_value(value: CommittedOffset) -> bytes:
    """Value of one committed offset."""
    if value.expire_ms is not None:
        return b"".join(
            (
                _I16.pack(OFFSET_VALUE_VERSION_WITH_EXPIRY),
                _I64.pack(value.offset),
                plain_string(value.metadata),
                _I64.pack(value.commit_ms),
                _I64.pack(value.expire_ms),
            )
        )
    return b"".join(
        (
            _I16.pack(OFFSET_VALUE_VERSION),
            _I64.pack(value.offset),
            _I32.pack(value.leader_epoch),
            plain_string(value.metadata),
            _I64.pack(value.commit_ms),
        )
    )


def encode_group_value(value: GroupRecord) -> bytes:
    """Value of one group."""
    pieces = [
        _I16.pack(GROUP_VALUE_VERSION),
        plain_string(value.protocol_type),
        _I32.pack(value.generation),
        plain_nullable(value.protocol),
        plain_nullable(value.leader),
        _I64.pack(value.state_since_ms),
        _I32.pack(len(value.members)),
    ]
    for member in value.members:
        pieces += (
            plain_string(member.id),
            plain_nullable(member.instance_id),
            plain_string(member.client_id),
            plain_string(member.client_host),
            _I32.pack(member.rebalance_timeout_ms),
            _I32.pack(member.session_timeout_ms),
            plain_bytes(member.subscription),
            plain_bytes(member.assignment),
        )
    return b"".join(pieces)


# Reading


def decode_key(data: bytes | None) -> Key | None:
    """The typed key of a record; None for a version that this release does not know. Raises
    CORRUPT_MESSAGE."""
    if data is None:
        return None
    if data[:2] == _OFFSET_KEY_START and (key := _offset_key(data)) is not None:
        return key
    try:
        reader = Reader(data)
        if reader.version in (0, OFFSET_KEY_VERSION):
            return OffsetKey(reader.string(), reader.string(), reader.i32(), reader.version)
        if reader.version == GROUP_KEY_VERSION:
            return GroupKey(reader.string())
        return decode_consumer_key(reader)
    except BROKEN as error:
        raise corrupt("key", error) from error


def _offset_key(data: bytes) -> OffsetKey | None:
    """Reads the usual form of a key without a Reader, for loads read many. None for any other form;
    then the Reader reads it, or raises."""
    middle = 4 + int.from_bytes(data[2:4], "big")
    end = middle + 2 + int.from_bytes(data[middle : middle + 2], "big")
    if end + 4 != len(data):
        return None
    try:
        group, topic = data[4:middle].decode(), data[middle + 2 : end].decode()
    except UnicodeDecodeError:
        return None
    # Positions of all groups share the names of their topics.
    return OffsetKey(group, sys.intern(topic), int.from_bytes(data[end:], "big", signed=True))


def decode_offset_value(data: bytes) -> CommittedOffset:
    """The value of an offset key. Raises CORRUPT_MESSAGE."""
    if len(data) == _OFFSET_V3.size:
        version, offset, leader_epoch, length, commit_ms = _OFFSET_V3.unpack(data)
        if version == OFFSET_VALUE_VERSION and length == 0:
            return CommittedOffset(offset, leader_epoch, "", commit_ms)
    try:
        reader = Reader(data)
        version = _known(reader)
        offset = reader.i64()
        leader_epoch = reader.i32() if version >= 3 else NO_EPOCH
        metadata = reader.string()
        commit_ms = reader.i64()
        expire_ms = reader.i64() if version == 1 else NO_TIMESTAMP
    except BROKEN as error:
        raise corrupt("offset value", error) from error
    return CommittedOffset(
        offset, leader_epoch, metadata, commit_ms, None if expire_ms < 0 else expire_ms
    )


def decode_group_value(data: bytes) -> GroupRecord:
    """The value of a group key. Raises CORRUPT_MESSAGE."""
    try:
        reader = Reader(data)
        version = _known(reader)
        return GroupRecord(
            protocol_type=reader.string(),
            generation=reader.i32(),
            protocol=reader.nullable(),
            leader=reader.nullable(),
            state_since_ms=reader.i64() if version >= 2 else NO_TIMESTAMP,
            members=tuple(_member(reader, version) for _ in range(reader.count())),
        )
    except BROKEN as error:
        raise corrupt("group value", error) from error


def _member(reader: Reader, version: int) -> MemberRecord:
    member_id = reader.string()
    instance_id = reader.nullable() if version >= 3 else None
    client_id, client_host = reader.string(), reader.string()
    rebalance_timeout_ms = reader.i32() if version >= 1 else -1
    session_timeout_ms = reader.i32()
    member = MemberRecord(
        id=member_id,
        instance_id=instance_id,
        client_id=client_id,
        client_host=client_host,
        rebalance_timeout_ms=session_timeout_ms if version < 1 else rebalance_timeout_ms,
        session_timeout_ms=session_timeout_ms,
        subscription=reader.bytes(),
        assignment=reader.bytes(),
    )
    reader.tags()
    return member


def _known(reader: Reader) -> int:
    if not 0 <= reader.version <= FLEXIBLE_VERSION:
        raise ValueError(f"version {reader.version}")
    if reader.version == FLEXIBLE_VERSION:
        reader.flexible()
    return reader.version
