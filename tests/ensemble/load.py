"""The load under which faults happen, and what its clients saw of each."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field

from confluent_kafka import Message
from tests.real_clients import Traffic


@dataclass(frozen=True, slots=True)
class Seen:
    """By clients, between two moments."""

    acknowledged: int
    errors: int
    longest_pause_s: float
    """Between two acknowledgements of any one partition."""
    longest_silence_s: float
    """Between two records that the consumer got of any one partition."""


@dataclass(slots=True, repr=False)
class Load(Traffic):
    """An idempotent producer with acks=all, and a consumer that reads along."""

    read_at: dict[int, list[float]] = field(default_factory=dict)

    def _write_down(self, who: str, messages: list[Message], seen: dict[int, int]) -> None:
        # Named: a dataclass with slots is made anew, and plain super() would look for the first.
        Traffic._write_down(self, who, messages, seen)
        now = time.monotonic()
        for partition in {m.partition() for m in messages if m.error() is None}:
            assert partition is not None
            self.read_at.setdefault(partition, []).append(now)

    def between(self, begin: float, end: float, faults_before: int) -> Seen:
        """``faults_before``: how many faults of clients were known at ``begin``."""
        acknowledged: dict[int, list[float]] = {n: [] for n in range(self.partitions)}
        for send in list(self.history.sends):
            if send.offset is not None and begin <= send.completed <= end:
                acknowledged[int(send.key)].append(send.completed)
        read = {
            n: [t for t in list(self.read_at.get(n, ())) if begin <= t <= end]
            for n in range(self.partitions)
        }
        return Seen(
            acknowledged=sum(map(len, acknowledged.values())),
            errors=len(self.faults) - faults_before,
            longest_pause_s=max(_longest(times, begin, end) for times in acknowledged.values()),
            longest_silence_s=max(_longest(times, begin, end) for times in read.values()),
        )

    def acknowledged_since(self, moment: float, partition: int | None = None) -> int:
        """How many records, of one partition or all."""
        return sum(
            send.offset is not None
            and send.completed > moment
            and (partition is None or int(send.key) == partition)
            for send in list(self.history.sends)
        )


def _longest(times: list[float], begin: float, end: float) -> float:
    moments = [begin, *sorted(times), end]
    return max(after - before for before, after in itertools.pairwise(moments))
