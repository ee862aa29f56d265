"""Planted in replication: leaders, followers, what is acknowledged and read."""

from __future__ import annotations

from typing import Any

from tests.simulation.planted.patches import Patches, nothing

from barnabas.controller import replicas
from barnabas.errors import ErrorCode
from barnabas.replication import fetch_reader, leadership, neighbours, partition
from barnabas.replication.controller_orders import ControllerOrders
from barnabas.replication.fetch_reader import FetchReader
from barnabas.replication.fetcher import ReplicaFetcher
from barnabas.replication.isr import PendingShrink
from barnabas.replication.neighbours import Standing
from barnabas.replication.orders import Orders
from barnabas.replication.partition import Partition
from barnabas.replication.produce import ProducePath
from barnabas.replication.truncation import EpochEnd, Truncation
from barnabas.storage.log import Log
from barnabas.types import NO_EPOCH


class _Deaf:
    """A history of producers, or its state, that does not hear of batches."""

    def __init__(self, history: Any) -> None:
        self._history = history

    def apply(self, *_: Any) -> None:
        return

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._history, name)
        return _Deaf(value) if name == "state" else value


def truncate_to_watermark(patches: Patches) -> None:
    def add(self: ReplicaFetcher, held: Partition, topic_id: Any) -> None:
        own = held.log_or_raise()
        if own.log_end_offset > own.high_watermark:
            held.truncate_to(own.high_watermark, leader_epoch=held.leader_epoch, reason="planted")
        before(self, held, topic_id)

    before = patches.set(ReplicaFetcher, "add", add)


def end_of_next_epoch(patches: Patches) -> None:
    def divergence(log: Log, entry: Any) -> EpochEnd | None:
        asked = entry.last_fetched_epoch
        if asked == NO_EPOCH:
            return None
        later = [e.start_offset for e in log.epochs.entries if e.epoch > asked]
        end = min(later, default=log.log_end_offset)
        return EpochEnd(asked, end) if end < entry.fetch_offset else None

    def point(leader: EpochEnd, *, log_end_offset: int, **_: Any) -> Truncation:
        return Truncation(min(leader.end_offset, log_end_offset), final=True)

    patches.set(fetch_reader, "_divergence", divergence)
    patches.set(partition, "truncation_point", point)


def no_epoch_truncation(patches: Patches) -> None:
    patches.set(fetch_reader, "_divergence", lambda log, entry: None)


def unfenced_lookup(patches: Patches) -> None:
    """Positions are still counted in the right epoch only."""
    patches.set(Partition, "check_epoch", lambda self, epoch: None)

    def read(
        self: Any, held: Partition, entry: Any, params: Any, *, first: bool, **rest: Any
    ) -> Any:
        same = entry.current_leader_epoch == held.leader_epoch
        return before(self, held, entry, params, first=first and same, **rest)

    before = patches.set(fetch_reader.FetchReader, "read", read)


def unfenced_position(patches: Patches) -> None:
    patches.set(Partition, "check_epoch", lambda self, epoch: None)


def early_join(patches: Patches) -> None:
    def may_expand(*args: Any, leader_epoch_start: int, **rest: Any) -> bool:
        return bool(before(*args, leader_epoch_start=0, **rest))

    before = patches.set(leadership, "may_expand", may_expand)


def ack_before_isr(patches: Patches) -> None:
    patches.set(ProducePath, "_is_safe", lambda *args: True)


def requested_isr(patches: Patches) -> None:
    patches.set(PendingShrink, "maximal", property(lambda self: self.proposed))


def below_min_isr(patches: Patches) -> None:
    def candidate(*args: Any, min_isr: int, **rest: Any) -> int | None:
        return before(*args, min_isr=0, **rest)

    before = patches.set(leadership, "high_watermark_candidate", candidate)


def deposed_leads_on(patches: Patches) -> None:
    patches.set(ControllerOrders, "resign", lambda self, name, elected: False)


def stale_controller_obeyed(patches: Patches) -> None:
    def stale(self: Any, request: Any) -> ErrorCode:
        self.controller_epoch = NO_EPOCH
        return before(self, request)

    before = patches.set(ControllerOrders, "_stale", stale)


def late_orders_obeyed(patches: Patches) -> None:
    patches.set(Orders, "is_history", lambda self, epoch, sender: False)


def duplicate_after_failover(patches: Patches) -> None:
    def append(self: Log, records: Any) -> Any:
        history = self._history
        self._history = _Deaf(history)  # type: ignore[assignment]
        try:
            return before(self, records)
        finally:
            self._history = history

    before = patches.set(Log, "append_as_follower", append)


def leader_counts_unflushed(patches: Patches) -> None:
    class TakenForFlushed:
        """A log that says of all it has that it is on the disk."""

        def __init__(self, log: Any) -> None:
            self._log = log

        def __getattr__(self, name: str) -> Any:
            return getattr(self._log, "log_end_offset" if name == "flushed_offset" else name)

    def advance(self: Partition, leadership: Any, log: Any, min_isr: int) -> Any:
        return before(self, leadership, TakenForFlushed(log), min_isr)

    before = patches.set(Partition, "_advance", advance)


def follower_acks_unflushed(patches: Patches) -> None:
    patches.set(ReplicaFetcher, "_flush", nothing)


def dead_member_kept(patches: Patches) -> None:
    async def shrink(*_: Any, **__: Any) -> dict[Any, Any]:
        return {}

    patches.set(replicas, "shrink", shrink)
    silent_member_kept(patches)


def silent_member_kept(patches: Patches) -> None:
    patches.set(Partition, "maybe_shrink_isr", lambda self: None)


def follower_shows_its_end(patches: Patches) -> None:
    def read(self: Any, held: Partition, entry: Any, params: Any, **rest: Any) -> Any:
        if held.leadership is None:
            params.to_log_end = True
        return before(self, held, entry, params, **rest)

    before = patches.set(fetch_reader.FetchReader, "read", read)


def move_not_throttled(patches: Patches) -> None:
    patches.set(FetchReader, "_is_throttled", lambda *args: False)


def dead_leader_named(patches: Patches) -> None:
    patches.set(neighbours, "standing", lambda now, gone_since: Standing.NAMED)


def successor_awaited_too_long(patches: Patches) -> None:
    patches.set(neighbours, "SUCCESSOR_S", 60.0)
