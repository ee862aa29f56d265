"""GroupMetadataManager.loadGroupsAndOffsets: from records to groups (reference 8.7). Pure.

Records are taken in the order of the log; the last one with a key counts. Positions committed in a
transaction wait for its marker. The load goes on after every batch, readable or not (trap 52).
"""

from __future__ import annotations

import logging

from barnabas.coordinator.group.classic.group import Group
from barnabas.coordinator.group.clock import Now
from barnabas.coordinator.group.consumer.group import ConsumerGroup
from barnabas.coordinator.group.kinds import AnyGroup
from barnabas.coordinator.group.offsets import GroupOffsets
from barnabas.coordinator.group.records.consumer_group import decode_consumer_value
from barnabas.coordinator.group.records.facts import ConsumerKey, EpochKey
from barnabas.coordinator.group.records.group_metadata import (
    GroupKey,
    GroupRecord,
    OffsetKey,
    decode_group_value,
    decode_key,
    decode_offset_value,
)
from barnabas.errors import KafkaError
from barnabas.records.batch import (
    BatchHeader,
    ControlType,
    Record,
    iterate_batches,
    iterate_records,
    read_marker,
)
from barnabas.types import Buffer, TopicPartition

log = logging.getLogger(__name__)


class Loading:
    """What has been read so far."""

    def __init__(self) -> None:
        self._groups: dict[str, GroupRecord] = {}
        self._consumer_groups: dict[str, ConsumerGroup] = {}
        self._offsets: dict[str, GroupOffsets] = {}
        self._in_transaction: dict[int, dict[str, None]] = {}
        """Groups for which a producer has committed and not ended."""

    def take(self, data: Buffer) -> int | None:
        """Read whole batches; the offset after the last one, None if there is not even one."""
        next_offset = None
        for header, at, _ in iterate_batches(data):
            next_offset = header.last_offset + 1
            try:
                if header.is_control:
                    self._marker(header, data, at)
                else:
                    for record in iterate_records(data, at):
                        self._record(header, record)
            except KafkaError as error:
                log.error("__consumer_offsets at %d is unreadable: %s", header.base_offset, error)
        return next_offset

    def _record(self, header: BatchHeader, record: Record) -> None:
        key = decode_key(record.key)
        if isinstance(key, OffsetKey):
            self._offset(header, record, key)
        elif isinstance(key, GroupKey):
            if record.value is None:
                self._groups.pop(key.group, None)
            else:
                self._groups[key.group] = decode_group_value(record.value)
        elif key is not None:
            self._fact(record, key)

    def _fact(self, record: Record, key: ConsumerKey) -> None:
        """Of a consumer group. Compaction may have left a group's epoch behind its members."""
        value = None if record.value is None else decode_consumer_value(key, record.value)
        if isinstance(key, EpochKey) and value is None:
            self._consumer_groups.pop(key.group, None)
        elif value is not None or key.group in self._consumer_groups:
            group = self._consumer_groups.setdefault(key.group, ConsumerGroup(key.group))
            group.load(key, value)

    def _offset(self, header: BatchHeader, record: Record, key: OffsetKey) -> None:
        partition = TopicPartition(key.topic, key.partition)
        offsets = self._offsets.get(key.group)
        if offsets is None:
            offsets = self._offsets[key.group] = GroupOffsets()
        if record.value is None:
            # These were also written for commits in transactions that are still open, whose markers
            # must not bring anything back.
            offsets.remove([partition])
            return
        value = decode_offset_value(record.value)
        if header.is_transactional:
            producer_id = header.producer_id
            offsets.applied_in_transaction(producer_id, partition, value, record.offset)
            self._in_transaction.setdefault(producer_id, {})[key.group] = None
        else:
            offsets.load(partition, value, record.offset)

    def _marker(self, header: BatchHeader, data: Buffer, at: int) -> None:
        marker = read_marker(data, at, header)
        if marker is None:
            return
        for group in self._in_transaction.pop(header.producer_id, ()):
            commit = marker.type == ControlType.COMMIT
            self._offsets[group].end_transaction(header.producer_id, commit=commit)

    def groups(self, now: Now) -> dict[str, AnyGroup]:
        """The groups that there are, by id; sessions of classic members start now."""
        found: dict[str, AnyGroup] = dict(self._consumer_groups)
        for group_id, record in self._groups.items():
            found[group_id] = Group.loaded(group_id, record, now)
        for group_id, offsets in self._offsets.items():
            if offsets:
                # A group without a record of its own keeps positions of consumers that do not join
                # a group.
                found.setdefault(group_id, Group(group_id)).offsets = offsets
        return found
