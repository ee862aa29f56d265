"""DelayedFetch, watches: readers wait for partitions to change, and hear which ones did.

A ``FetchWatch`` is the reader's side: it lives as long as a fetch session, or as one fetch without
session that waits. ``PartitionWatches`` is the side of one partition. A position of a session is a
mere key to both, and what is in between is this protocol: the watch goes where a position's
partition is (``move``), the partition says that it has changed, and the watch wakes its fetch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final, Protocol, cast

from barnabas.pace import PacedCalls
from barnabas.replication.fetch_session import SessionPartition
from barnabas.types import NO_OFFSET, UNKNOWN_BROKER_EPOCH, TopicPartition


class Parked(Protocol):
    """A fetch that waits."""

    min_bytes: int

    def wake(self) -> None:
        """Something it watches has changed enough to look again."""
        ...

    def finish(self) -> None:
        """Its reader wants the answer now."""
        ...

    def make_way(self) -> None:
        """Its reader has sent the next one."""
        ...

    def look_at_all(self) -> None:
        """What nobody tells of may have changed too."""
        ...


class Watched(Protocol):
    """A partition, as far as its readers' watches need it."""

    topic_partition: TopicPartition
    watches: PartitionWatches

    def no_longer_copied(self, replica: int) -> None:
        """A follower has taken it out of its session."""
        ...


class Copied(Protocol):
    """A partition, as far as it hears of its followers from their watches."""

    def note_silent_fetch(self, replica: int, fetched_ms: int) -> None:
        """See ``Partition``."""
        ...


class FetchWatch:
    """What one reader waits for: the partitions that changed since it last looked.

    An incremental fetch looks only at partitions that are named or dirty, so an idle partition
    costs nothing.
    """

    __slots__ = (
        "_scheduled",
        "_wakes",
        "acl_generation",
        "broker_epoch",
        "bytes_seen",
        "dirty",
        "early",
        "last_fetch_ms",
        "parked",
        "places",
        "replica_id",
    )

    def __init__(self, wakes: PacedCalls, replica_id: int) -> None:
        """``wakes``: those of the broker."""
        self._wakes = wakes
        self._scheduled = False
        self.replica_id = replica_id
        self.dirty: dict[SessionPartition, None] = {}
        self.early: dict[SessionPartition, bool] = {}
        """Of a follower's session: positions that have not been counted, because the follower knows
        of a role or a topic that this broker has not been told of yet. They are not dirty until it
        is told. The value: whether the partition is known, and tells of its roles itself."""
        self.places: dict[SessionPartition, Watched] = {}
        """Where each position's partition was when it was last looked at."""
        self.parked: Parked | None = None
        self.bytes_seen = 0
        """Bytes found at the last look plus those appended since: an estimate, to skip looks that
        cannot satisfy ``min_bytes``."""
        self.last_fetch_ms = 0
        self.broker_epoch = UNKNOWN_BROKER_EPOCH
        """Incarnation of the follower that fetched last."""
        self.acl_generation = 0
        """Of the ACLs by which its reader fetched last."""

    def move(self, position: SessionPartition, place: Watched, *, to_log_end: bool) -> None:
        """Hear of changes at ``place`` for this position, and nowhere else. ``to_log_end``: of the
        log end, as followers; else of the high watermark."""
        self._leave(position)
        self.places[position] = place
        place.watches.add(position, self, to_log_end=to_log_end)

    def forget(self, position: SessionPartition) -> None:
        """Nobody waits at this position any longer."""
        self._leave(position)
        self.dirty.pop(position, None)
        self.early.pop(position, None)

    def look_at_early(self) -> None:
        """Look at all that was early, with the next look."""
        self.dirty.update(dict.fromkeys(self.early))

    def drop(self, position: SessionPartition) -> None:
        """The reader has taken this position out of its session."""
        place = self.places.get(position)
        self.forget(position)
        if place is not None and self.replica_id >= 0:
            place.no_longer_copied(self.replica_id)

    def _leave(self, position: SessionPartition) -> None:
        place = self.places.pop(position, None)
        if place is not None:
            place.watches.remove(position)

    def wake(self, *, force: bool = False) -> None:
        """Let the parked fetch look again, soon and only once. ``force``: also if ``min_bytes``
        cannot be there yet."""
        parked = self.parked
        if parked is None or self._scheduled:
            return
        if force or self.bytes_seen >= parked.min_bytes:
            self._scheduled = True
            self._wakes.add(self._run, first=self.replica_id >= 0)

    def _run(self) -> None:
        self._scheduled = False
        if self.parked is not None:
            self.parked.wake()


class EarlyFollowers:
    """The watches of followers that know more of roles and topics than this broker."""

    __slots__ = ("_orders", "_watches")

    def __init__(self) -> None:
        self._watches: dict[FetchWatch, None] = {}
        self._orders = 0

    def add(self, watch: FetchWatch) -> None:
        """One knows more, by its fetch that waits or by positions of its session."""
        self._watches[watch] = None

    def fetch_ended(self, watch: FetchWatch) -> None:
        """Its fetch waits no longer. What its session has found early is still to be told."""
        if not watch.early:
            self._watches.pop(watch, None)

    def drop(self, watch: FetchWatch) -> None:
        """Its session has ended."""
        self._watches.pop(watch, None)

    @property
    def roles_change(self) -> bool:
        """Whether a LeaderAndIsr is being carried out: who is early need not be told so, because
        this broker may have heard of the role already."""
        return self._orders > 0

    @contextmanager
    def roles_changing(self) -> Iterator[None]:
        """A LeaderAndIsr is carried out. At its end those that knew of it first look again, but for
        positions whose partitions have told them of their roles."""
        self._orders += 1
        try:
            yield
        finally:
            self._orders -= 1
            for watch in list(self._watches):
                unknown = [entry for entry, is_known in watch.early.items() if not is_known]
                watch.dirty.update(dict.fromkeys(unknown))
                if watch.parked is None:
                    self.fetch_ended(watch)
                else:
                    watch.parked.look_at_all()
                    watch.wake(force=True)


NOBODY: Final = cast("dict[SessionPartition, FetchWatch]", MappingProxyType({}))
"""Of most partitions of a large cluster. Nothing can be added to it."""
NOWHERE: Final = (NO_OFFSET, NO_OFFSET)


class PartitionWatches:
    """Who waits for one partition."""

    __slots__ = ("_limits", "_partition", "consumers", "followers")

    def __init__(self, partition: Copied) -> None:
        self._partition = partition
        self.followers = NOBODY
        """Who waits for the log end."""
        self.consumers = NOBODY
        """Who waits for the high watermark."""
        self._limits: tuple[int, ...] = NOWHERE
        """The segments of the high watermark and of the last stable offset when consumers last
        heard of either, by their base offsets."""

    def add(self, position: SessionPartition, watch: FetchWatch, *, to_log_end: bool) -> None:
        """Tell ``watch`` of changes."""
        if to_log_end:
            if self.followers is NOBODY:
                self.followers = {}
            self.followers[position] = watch
        else:
            if self.consumers is NOBODY:
                self.consumers = {}
            self.consumers[position] = watch

    def remove(self, position: SessionPartition) -> None:
        """End that."""
        if self.followers:
            self.followers.pop(position, None)
            self.followers = self.followers or NOBODY
        if self.consumers:
            self.consumers.pop(position, None)

    def tell_followers(self, appended: int = 0, *, wake: bool, force: bool = False) -> None:
        """The partition has changed for those who read up to the log end: by so many bytes.
        ``wake``: fetches that wait may look now, and must if ``force``; else the next one does."""
        self._tell(self.followers, appended, wake=wake, force=force)

    def tell_consumers(self, appended: int = 0, *, wake: bool, force: bool = False) -> None:
        """The same for those who read up to the high watermark."""
        self._tell(self.consumers, appended, wake=wake, force=force)

    def limits_moved(self, *segments: int) -> None:
        """The high watermark has moved; into other segments, all consumers are behind."""
        crossed, self._limits = segments != self._limits, segments
        self.tell_consumers(wake=True, force=crossed)

    def tell_all(self) -> None:
        """Every fetch that waits must look again now."""
        self.tell_followers(wake=True, force=True)
        self.tell_consumers(wake=True, force=True)

    def _tell(
        self,
        watches: dict[SessionPartition, FetchWatch],
        appended: int,
        *,
        wake: bool,
        force: bool,
    ) -> None:
        for position, watch in watches.items():
            if position not in watch.dirty:
                watch.dirty[position] = None
                if watch.replica_id >= 0 and position not in watch.early:
                    self._partition.note_silent_fetch(watch.replica_id, watch.last_fetch_ms)
            watch.bytes_seen += appended
            if wake and watch.parked is not None:
                watch.wake(force=force)
