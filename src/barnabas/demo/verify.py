"""Compares the records in the log with those that were acknowledged. Pure except ``read_back``."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from barnabas.demo.stream import Acknowledged

READ_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``lost``: acknowledged but not in the log. ``duplicated``: in the log more than once.
    ``reordered``: after a record that was sent later, or at another offset than acknowledged."""

    lost: int
    duplicated: int
    reordered: int
    digests: Mapping[int, tuple[str, str]]
    """By partition: the SHA-256 of the acknowledged values, and of the values read, in order."""


def compare(
    acknowledged: Mapping[int, Acknowledged], read: Mapping[int, Sequence[tuple[int, bytes]]]
) -> Verdict:
    """Compare. ``read``: (offset, value) by partition, in the order of reading."""
    lost = duplicated = reordered = 0
    digests: dict[int, tuple[str, str]] = {}
    for partition in sorted({*acknowledged, *read}):
        expected = acknowledged.get(partition, Acknowledged())
        found = read.get(partition, ())
        wanted = set(expected.values)
        values = [value for _, value in found]
        lost += len(wanted.difference(values))
        duplicated += len(values) - len(set(values))
        offsets = dict(zip(expected.values, expected.offsets, strict=True))
        reordered += sum(offsets.get(value, offset) != offset for offset, value in found)
        numbers = [int(value[: value.index(b",")]) for value in values]
        reordered += sum(b < a for a, b in pairwise(numbers))
        digests[partition] = (
            _digest(sorted(expected.values, key=lambda v: offsets[v])),
            _digest([value for value in values if value in wanted]),
        )
    return Verdict(lost=lost, duplicated=duplicated, reordered=reordered, digests=digests)


def _digest(values: Sequence[bytes]) -> str:
    digest = hashlib.sha256()
    for value in values:
        digest.update(len(value).to_bytes(4, "big") + value)
    return digest.hexdigest()


def read_back(
    bootstrap: str, topic: str, partitions: int, security: Mapping[str, Any]
) -> dict[int, list[tuple[int, bytes]]]:
    """Read everything in the topic with kafka-python; partitions are assigned, not subscribed."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap.split(","),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=100,
        max_poll_records=10_000,
        max_partition_fetch_bytes=4 * 1024 * 1024,
        **security,
    )
    try:
        assigned = [TopicPartition(topic, p) for p in range(partitions)]
        consumer.assign(assigned)
        ends = consumer.end_offsets(assigned)
        consumer.seek_to_beginning(*assigned)
        read: dict[int, list[tuple[int, bytes]]] = {p: [] for p in range(partitions)}
        deadline = time.monotonic() + READ_TIMEOUT_S
        while any(consumer.position(tp) < ends[tp] for tp in assigned):
            if time.monotonic() > deadline:
                break
            for tp, records in consumer.poll(timeout_ms=1000).items():
                read[tp.partition] += [(r.offset, bytes(r.value)) for r in records]
        return read
    finally:
        consumer.close()
