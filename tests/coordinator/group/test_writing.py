"""The batches that a coordinator of groups writes."""

from __future__ import annotations

from tests.coordinator.group.offset_kit import GOLDEN, NOW, offsets_batch

from barnabas.coordinator.group.classic.group import Group
from barnabas.coordinator.group.loading import Loading
from barnabas.coordinator.group.records.group_metadata import CommittedOffset
from barnabas.coordinator.group.writing import group_batch, tombstones_batch
from barnabas.records.batch import (
    iterate_batches,
    iterate_records,
    parse_header,
    stamp,
)
from barnabas.records.compression import Codec
from barnabas.types import TopicPartition


def test_we_write_the_batches_of_the_original_byte_for_byte() -> None:
    data = (GOLDEN / f"broker-1/__consumer_offsets-1/{0:020d}.log").read_bytes()
    loading = Loading()
    rewritten = 0
    for header, position, size in iterate_batches(data):
        original = data[position : position + size]
        if header.is_control:
            continue
        loading.take(original)
        group = loading.groups(NOW)["golden-group"]
        assert isinstance(group, Group)
        records = list(iterate_records(data, position))
        if header.base_sequence == -1:
            members = [(m.id, m.assignment) for m in group.members.values()]
            batch = group_batch(group.id, group.record(members), header.base_timestamp)
        else:
            partitions = [TopicPartition("flights", int(r.key[-1])) for r in records if r.key]
            if header.is_transactional:
                group.offsets.end_transaction(header.producer_id, commit=True)
            batch = offsets_batch(
                group.id,
                [(p, group.offsets.committed[p].value) for p in partitions],
                header.base_timestamp,
                producer_id=header.producer_id,
                producer_epoch=header.producer_epoch,
            )
        stamp(batch, 0, header.base_offset, header.partition_leader_epoch)
        assert bytes(batch) == original
        rewritten += 1
    assert rewritten == 5


def test_batches_are_compressed_if_the_setting_says_so() -> None:
    offsets = [(TopicPartition("t", n), CommittedOffset(n)) for n in range(50)]
    plain = offsets_batch("g", offsets, 5)
    packed = offsets_batch("g", offsets, 5, codec=Codec.GZIP)
    assert parse_header(packed).codec == Codec.GZIP
    assert len(packed) < len(plain) / 2
    assert list(iterate_records(packed)) == list(iterate_records(plain))
    partitions = [partition for partition, _ in offsets]
    gone = tombstones_batch("g", partitions, 5, codec=Codec.LZ4)
    assert parse_header(gone).codec == Codec.LZ4
