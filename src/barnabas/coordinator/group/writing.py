"""Batches for ``__consumer_offsets``, and the errors that clients get for a failed write. Pure.

Headers are as the original writes them (reference 14): no producer id, base sequence 0 for
positions and -1 for groups and tombstones. One commit is one batch.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Final

from barnabas.coordinator.group.consumer.group import Change
from barnabas.coordinator.group.records.consumer_group import (
    encode_consumer_key,
    encode_consumer_value,
)
from barnabas.coordinator.group.records.group_metadata import (
    CommittedOffset,
    GroupRecord,
    encode_group_key,
    encode_group_value,
    encode_offset_key,
    encode_offset_value,
)
from barnabas.errors import ErrorCode
from barnabas.records.batch import Record, build_batch
from barnabas.records.compression import Codec
from barnabas.types import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, TopicPartition

_COMMON: Final[Mapping[ErrorCode, ErrorCode]] = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER: ErrorCode.NOT_COORDINATOR,
    ErrorCode.FENCED_LEADER_EPOCH: ErrorCode.NOT_COORDINATOR,
    ErrorCode.KAFKA_STORAGE_ERROR: ErrorCode.NOT_COORDINATOR,
}
OFFSET_ERRORS: Final[Mapping[ErrorCode, ErrorCode]] = {
    **_COMMON,
    ErrorCode.MESSAGE_TOO_LARGE: ErrorCode.INVALID_COMMIT_OFFSET_SIZE,
    ErrorCode.RECORD_LIST_TOO_LARGE: ErrorCode.INVALID_COMMIT_OFFSET_SIZE,
}
"""The error of a commit by the error of its append; others are passed on (reference 8.5)."""
GROUP_ERRORS: Final[Mapping[ErrorCode, ErrorCode]] = {
    **_COMMON,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.REBALANCE_IN_PROGRESS,
    ErrorCode.MESSAGE_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.RECORD_LIST_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
}
"""The error of a group's write by the error of its append."""
CONSUMER_GROUP_ERRORS: Final[Mapping[ErrorCode, ErrorCode]] = {
    **GROUP_ERRORS,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.COORDINATOR_NOT_AVAILABLE,
}
"""The error of a consumer group's write by the error of its append."""


def offsets_batch(
    group: str,
    offsets: Iterable[tuple[TopicPartition, CommittedOffset]],
    now_ms: int,
    *,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = NO_PRODUCER_EPOCH,
    codec: int = Codec.NONE,
) -> Generator[int, None, bytearray]:
    """One commit, in steps; with a producer id it is part of that producer's transaction."""
    records = []
    for partition, value in offsets:
        yield 1
        record = Record(
            timestamp=now_ms,
            key=encode_offset_key(group, partition.topic, partition.partition),
            value=encode_offset_value(value),
        )
        records.append(record)
    return build_batch(
        records,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=0,
        codec=codec,
        transactional=producer_id != NO_PRODUCER_ID,
    )


def group_batch(group: str, record: GroupRecord, now_ms: int, codec: int = Codec.NONE) -> bytearray:
    """The members of one group."""
    key, value = encode_group_key(group), encode_group_value(record)
    return build_batch([Record(timestamp=now_ms, key=key, value=value)], codec=codec)


def facts_batch(
    changes: Sequence[Change], taken_over: Sequence[bytes], now_ms: int, codec: int = Codec.NONE
) -> bytearray:
    """What has changed in a consumer group. ``taken_over`` are keys of a classic group whose place
    it takes: their tombstones come first."""
    records = [Record(timestamp=now_ms, key=key) for key in taken_over]
    for key, value, _ in changes:
        data = None if value is None else encode_consumer_value(key, value)
        records.append(Record(timestamp=now_ms, key=encode_consumer_key(key), value=data))
    return build_batch(records, codec=codec)


def tombstones_batch(
    group: str,
    partitions: Iterable[TopicPartition],
    now_ms: int,
    *,
    own_keys: Sequence[bytes] = (),
    codec: int = Codec.NONE,
) -> bytearray:
    """Tombstones for these positions, and for the records of the group itself."""
    keys = [encode_offset_key(group, p.topic, p.partition) for p in partitions]
    records = [Record(timestamp=now_ms, key=key) for key in [*keys, *own_keys]]
    return build_batch(records, codec=codec)
