"""In which order the controller's orders have come. Pure.

An order waits: for our registration, for the settings of a topic, for the disk. One that came
later, over another connection, may be carried out meanwhile; what the earlier one still has to say
of the same partition is history then, in whatever epoch: a replica that was deleted must not be
made again, nor one that was made again be deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from barnabas.types import TopicPartition


class Orders:
    """``with arrive() as number`` for as long as an order is being carried out."""

    __slots__ = ("_arrived", "_carried_out", "_under_way")

    def __init__(self) -> None:
        self._arrived = 0
        self._under_way = 0
        self._carried_out: dict[TopicPartition, int] = {}

    @contextmanager
    def arrive(self) -> Iterator[int]:
        """The place of an order that has come now."""
        self._arrived += 1
        self._under_way += 1
        try:
            yield self._arrived
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._carried_out.clear()

    def is_overtaken(self, number: int, partition: TopicPartition) -> bool:
        """Whether a later order has been carried out for a partition."""
        return self._carried_out.get(partition, 0) > number

    def carried_out(self, number: int, partition: TopicPartition) -> None:
        """Order ``number`` has been carried out for a partition."""
        self._carried_out[partition] = number
