"""DelayedFetch, rules: when a fetch is answered, also ReplicaManager's own, one by one.

Pure.

Answered without waiting:

1.  The session is unknown, out of step, or left empty; or nothing is asked for.
2.  Every partition was refused before its log was looked at: an unknown topic, topic id or
    partition. Beside others such a refusal does not end the wait. Ours: a follower waits all the
    same, and with a leader epoch newer than ours as well. Its LeaderAndIsr has overtaken ours, and
    an error would cost it its back-off; with our LeaderAndIsr the fetch looks again.
3.  ``max_wait_ms`` is 0 or less. Ours: or a follower begins a session with it. Nothing can follow
    such a request before its answer, so whatever that follower is told to copy next would wait.
    With a refusal as in 2 it waits a little (``fetch.py``, ``EARLY_WAIT_MS``).
4.  ``min_bytes`` were read. It never counts for more than ``max_bytes`` or ``fetch.max.bytes``.

Answered without waiting, and as soon as it becomes true for a fetch that waits; one partition is
enough:

5.  This broker does not lead it any more, or does not host it where any replica would do.
6.  It has become unknown: its topic was deleted.
7.  Its log directory is offline.
8.  The reader's leader epoch is older than ours; a consumer's also if it is newer.
9.  The reader's offset is out of range, or its topic id is another one.
10. The offset is above what the reader may see: above the log end after a truncation, above the
    high watermark, or with READ_COMMITTED above the last stable offset. At that limit it waits.
11. The limit lies in a later segment than the offset: the reader is behind, and a read does not
    cross segments.
12. The epoch that the reader fetched last diverges from ours.
13. Up to the limit ``min_bytes`` are there, over all partitions, each counted up to its own
    maximum: also when less could be read, because a batch did not fit into what was left of
    ``max_bytes``.

Whatever ends the wait, the answer has what can be read at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass

from barnabas.replication.results import FetchedPartition


@dataclass(slots=True)
class Tally:
    """What one request has found so far, over all its partitions."""

    min_bytes: int
    asked: int
    """Partitions of the request, or of its session."""
    from_follower: bool
    begins: bool = False
    """A follower asks for a session."""
    read: int = 0
    """Bytes of records in the answer."""
    ahead: int = 0
    """Bytes up to the reader's limits, whether they were read or not."""
    throttled: int = 0
    """Those of ``read`` that a quota for moves allowed."""
    refused: int = 0
    ended: int = 0

    def add(self, found: FetchedPartition) -> None:
        """Count what a look at a partition found."""
        self.read += found.size
        self.ahead += found.ahead
        self.throttled += found.throttled
        self.refused += found.refused
        self.ended += found.ends_wait

    def remove(self, found: FetchedPartition) -> None:
        """Count it no longer: the partition is looked at again."""
        self.read -= found.size
        self.ahead -= found.ahead
        self.throttled -= found.throttled
        self.refused -= found.refused
        self.ended -= found.ends_wait

    @property
    def is_complete(self) -> bool:
        """Whether waiting longer has no point."""
        if self.read >= self.min_bytes or self.ahead >= self.min_bytes or self.ended:
            return True
        if self.begins and not self.refused:
            return True
        return self.refused == self.asked and (not self.from_follower or not self.asked)
