"""The records of consumer groups in ``__consumer_offsets``, byte for byte as 3.9 has them. Pure.

Keys v3 (group epoch), v4 (topics), v5 (member), v6 (target epoch), v7 (target of a member) and v8
(what a member owns now); every value is v0 and flexible, tagged fields are passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from barnabas.coordinator.group.records.assignment import Assignment
from barnabas.coordinator.group.records.facts import (
    ConsumerKey,
    ConsumerValue,
    CurrentFacts,
    CurrentKey,
    EpochKey,
    MemberFacts,
    MemberKey,
    MemberState,
    TargetEpochKey,
    TargetKey,
    TopicFacts,
    TopicsKey,
)
from barnabas.coordinator.group.records.fields import (
    BROKEN,
    Reader,
    compact_count,
    compact_nullable,
    compact_string,
    corrupt,
    plain_string,
)

VALUE_VERSION: Final = 0
_I8 = struct.Struct(">b")
_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")
_NO_TAGS = b"\x00"
_NO_CLASSIC_MEMBER = b"\x01\x00\x01\x00"
"""One tagged field, of tag 0 and one byte: null. There the original keeps the classic protocol's
data of a member; it always writes the field."""
_VALUE_START = _I16.pack(VALUE_VERSION)

_VERSIONS: Final[Mapping[type[Any], int]] = {
    EpochKey: 3,
    TopicsKey: 4,
    MemberKey: 5,
    TargetEpochKey: 6,
    TargetKey: 7,
    CurrentKey: 8,
}
_KEYS: Final[Mapping[int, type[Any]]] = {version: key for key, version in _VERSIONS.items()}


# Writing


def encode_consumer_key(key: ConsumerKey) -> bytes:
    """The key of a record."""
    return _I16.pack(_VERSIONS[type(key)]) + b"".join(plain_string(part) for part in key)


def encode_consumer_value(key: ConsumerKey, value: ConsumerValue) -> bytes:
    """The value of a record with this key."""
    tags = _NO_CLASSIC_MEMBER if isinstance(key, MemberKey) else _NO_TAGS
    return _VALUE_START + _ENCODERS[type(key)](value) + tags


def _encode_epoch(epoch: int) -> bytes:
    return _I32.pack(epoch)


def _encode_topics(topics: Mapping[str, TopicFacts]) -> bytes:
    pieces = [compact_count(len(topics))]
    for name, topic in topics.items():
        pieces += (topic.id.bytes, compact_string(name), _I32.pack(topic.partitions))
        pieces.append(compact_count(len(topic.racks)))
        for partition, racks in topic.racks.items():
            pieces += (_I32.pack(partition), compact_count(len(racks)))
            pieces += [compact_string(rack) for rack in racks]
            pieces.append(_NO_TAGS)
        pieces.append(_NO_TAGS)
    return b"".join(pieces)


def _encode_member(member: MemberFacts) -> bytes:
    return b"".join(
        (
            compact_nullable(member.instance_id),
            compact_nullable(member.rack_id),
            compact_string(member.client_id),
            compact_string(member.client_host),
            compact_count(len(member.topics)),
            *(compact_string(topic) for topic in member.topics),
            compact_string(member.regex or ""),
            _I32.pack(member.rebalance_timeout_ms),
            compact_nullable(member.assignor),
        )
    )


def _encode_assignment(assignment: Assignment) -> bytes:
    pieces = [compact_count(len(assignment))]
    for topic_id, numbers in assignment.items():
        pieces += (topic_id.bytes, compact_count(len(numbers)))
        pieces += (struct.pack(f">{len(numbers)}i", *numbers), _NO_TAGS)
    return b"".join(pieces)


def _encode_current(current: CurrentFacts) -> bytes:
    return b"".join(
        (
            _I32.pack(current.epoch),
            _I32.pack(current.previous_epoch),
            _I8.pack(current.state),
            _encode_assignment(current.assigned),
            _encode_assignment(current.revoking),
        )
    )


_ENCODERS: Final[Mapping[type[Any], Callable[[Any], bytes]]] = {
    EpochKey: _encode_epoch,
    TopicsKey: _encode_topics,
    MemberKey: _encode_member,
    TargetEpochKey: _encode_epoch,
    TargetKey: _encode_assignment,
    CurrentKey: _encode_current,
}


# Reading


def decode_consumer_key(reader: Reader) -> ConsumerKey | None:
    """The key of which the version has been read; None if the version is not ours."""
    kind = _KEYS.get(reader.version)
    if kind is None:
        return None
    key: ConsumerKey = kind(*(reader.string() for _ in kind._fields))
    return key


def decode_consumer_value(key: ConsumerKey, data: bytes) -> ConsumerValue:
    """The value of a record with this key. Raises CORRUPT_MESSAGE."""
    try:
        reader = Reader(data)
        if reader.version != VALUE_VERSION:
            raise ValueError(f"version {reader.version}")
        reader.flexible()
        return _DECODERS[type(key)](reader)
    except BROKEN as error:
        raise corrupt(f"{type(key).__name__} value", error) from error


def _decode_topics(reader: Reader) -> Mapping[str, TopicFacts]:
    topics: dict[str, TopicFacts] = {}
    for _ in range(reader.count()):
        topic_id, name, partitions = reader.topic_id(), reader.string(), reader.i32()
        racks: dict[int, tuple[str, ...]] = {}
        for _ in range(reader.count()):
            partition = reader.i32()
            racks[partition] = tuple(reader.string() for _ in range(reader.count()))
            reader.tags()
        reader.tags()
        topics[name] = TopicFacts(id=topic_id, partitions=partitions, racks=racks)
    return topics


def _decode_member(reader: Reader) -> MemberFacts:
    return MemberFacts(
        instance_id=reader.nullable(),
        rack_id=reader.nullable(),
        client_id=reader.string(),
        client_host=reader.string(),
        topics=tuple(reader.string() for _ in range(reader.count())),
        regex=reader.nullable() or None,
        rebalance_timeout_ms=reader.i32(),
        assignor=reader.nullable(),
    )


def _decode_assignment(reader: Reader) -> Assignment:
    assignment: dict[Any, tuple[int, ...]] = {}
    for _ in range(reader.count()):
        topic_id = reader.topic_id()
        assignment[topic_id] = tuple(sorted(reader.i32() for _ in range(reader.count())))
        reader.tags()
    return assignment


def _decode_current(reader: Reader) -> CurrentFacts:
    epoch, previous_epoch, number = reader.i32(), reader.i32(), reader.i8()
    known = number in MemberState._value2member_map_
    return CurrentFacts(
        epoch=epoch,
        previous_epoch=previous_epoch,
        state=MemberState(number) if known else MemberState.UNKNOWN,
        assigned=_decode_assignment(reader),
        revoking=_decode_assignment(reader),
    )


_DECODERS: Final[Mapping[type[Any], Callable[[Reader], ConsumerValue]]] = {
    EpochKey: Reader.i32,
    TopicsKey: _decode_topics,
    MemberKey: _decode_member,
    TargetEpochKey: Reader.i32,
    TargetKey: _decode_assignment,
    CurrentKey: _decode_current,
}
