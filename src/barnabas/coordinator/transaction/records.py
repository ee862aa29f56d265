"""TransactionLog: the records of ``__transaction_state``, byte for byte (reference 7.4). Pure.

Written: keys v0, values v0. Read: values v0 and v1 (flexible, with tags that are skipped), which a
newer release may have written; a key of an unknown version is passed over.
"""

from __future__ import annotations

import struct
from typing import Final

from barnabas.coordinator.transaction.states import TransactionState
from barnabas.coordinator.transaction.transaction import TransactionValue
from barnabas.errors import ErrorCode, InvalidRequest, KafkaError
from barnabas.protocol.wire import (
    MALFORMED,
    read_count,
    read_length,
    read_string,
    read_tags,
    string_bytes,
)
from barnabas.types import TopicPartition

TRANSACTION_TOPIC: Final = "__transaction_state"
KEY_VERSION: Final = 0
VALUE_VERSION: Final = 0
FLEXIBLE_VERSION: Final = 1

_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")
_VALUE_START = struct.Struct(">hqhib")
_VALUE_END = struct.Struct(">qq")
_WRITTEN_STATES: Final = frozenset(TransactionState) - {TransactionState.PREPARE_EPOCH_FENCE}


def encode_key(transactional_id: str) -> bytes:
    """Key of one transactional id."""
    return _I16.pack(KEY_VERSION) + string_bytes(transactional_id, flexible=False)


def encode_value(value: TransactionValue) -> bytes:
    """Value of one transactional id."""
    pieces = [
        _VALUE_START.pack(
            VALUE_VERSION,
            value.producer_id,
            value.producer_epoch,
            value.timeout_ms,
            value.state,
        )
    ]
    if value.state is TransactionState.EMPTY:
        pieces.append(_I32.pack(-1))
    else:
        topics = by_topic(value.partitions)
        pieces.append(_I32.pack(len(topics)))
        for topic, numbers in topics.items():
            pieces.append(string_bytes(topic, flexible=False))
            pieces.append(struct.pack(f">i{len(numbers)}i", len(numbers), *numbers))
    pieces.append(_VALUE_END.pack(value.last_update_ms, value.start_ms))
    return b"".join(pieces)


def by_topic(partitions: tuple[TopicPartition, ...]) -> dict[str, list[int]]:
    """Numbers of partitions by topic, both in the order of their first appearance."""
    topics: dict[str, list[int]] = {}
    for topic, number in partitions:
        topics.setdefault(topic, []).append(number)
    return topics


def decode_key(data: bytes | None) -> str | None:
    """The transactional id of a key; None for keys we do not know. Raises CORRUPT_MESSAGE."""
    if data is None:
        return None
    try:
        if _I16.unpack_from(data)[0] != KEY_VERSION:
            return None
        found, end = read_string(data, 2, flexible=False)
        if end > len(data):
            raise InvalidRequest(f"{end} bytes in {len(data)}")
    except (*MALFORMED, InvalidRequest) as error:
        raise _corrupt("key", error) from error
    return found


def decode_value(data: bytes) -> TransactionValue:
    """The value of a key. Raises CORRUPT_MESSAGE."""
    try:
        version, producer_id, epoch, timeout_ms, state = _VALUE_START.unpack_from(data)
        if version not in (VALUE_VERSION, FLEXIBLE_VERSION) or state not in _WRITTEN_STATES:
            raise InvalidRequest(f"version {version}, state {state}")
        partitions, end = _partitions(data, version == FLEXIBLE_VERSION)
        last_update_ms, start_ms = _VALUE_END.unpack_from(data, end)
    except (*MALFORMED, InvalidRequest) as error:
        raise _corrupt("value", error) from error
    return TransactionValue(
        producer_id=producer_id,
        producer_epoch=epoch,
        timeout_ms=timeout_ms,
        state=TransactionState(state),
        partitions=partitions,
        last_update_ms=last_update_ms,
        start_ms=start_ms,
    )


def _partitions(data: bytes, flexible: bool) -> tuple[tuple[TopicPartition, ...], int]:
    """The partitions of a value, and where they end; null is none."""
    at = _VALUE_START.size
    topics, after = read_length(data, at, flexible=flexible, wide=True)
    if topics < 0:
        return (), after
    topics, at = read_count(data, at, 3, flexible=flexible)
    found: list[TopicPartition] = []
    for _ in range(topics):
        topic, at = read_string(data, at, flexible=flexible)
        count, at = read_count(data, at, 4, flexible=flexible)
        found += [TopicPartition(topic, n) for n in struct.unpack_from(f">{count}i", data, at)]
        at += 4 * count
        if flexible:
            at = read_tags(data, at)
    return tuple(found), at


def _corrupt(what: str, error: Exception) -> KafkaError:
    return KafkaError(ErrorCode.CORRUPT_MESSAGE, f"__transaction_state {what}: {error}")
