"""In which order the controller's orders have come. Pure.

An order waits: for our registration, for the settings of a topic, for the disk. One that came
later, over another connection, may be carried out meanwhile; what the earlier one still has to say
of the same partition is history then, in whatever epoch: a replica that was deleted must not be
made again, nor one that was made again be deleted.

An order may also come long after it was sent. When a way is cut, the controller gives its
connection up and makes another one later. But its system still sends what was written into the old
one when the way is open again, perhaps after the orders of the new one. Nothing in an
UpdateMetadata, or in a StopReplica that deletes, says how old it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from barnabas.types import NO_EPOCH, TopicPartition


class Sender(NamedTuple):
    """Where an order came from."""

    client_id: str
    connection: int
    """Its number; connections that came later have greater ones. 0: not known."""


UNKNOWN_SENDER: Final = Sender("", 0)


class Orders:
    """``with arrive() as number`` for as long as an order is being carried out."""

    __slots__ = ("_arrived", "_carried_out", "_epoch", "_sender", "_under_way")

    def __init__(self) -> None:
        self._epoch = NO_EPOCH
        self._sender = UNKNOWN_SENDER
        """Who has sent the latest order, in which controller epoch."""
        self._arrived = 0
        self._under_way = 0
        self._carried_out: dict[TopicPartition, int] = {}

    def is_history(self, controller_epoch: int, sender: Sender) -> bool:
        """Whether an order that comes now was sent before the latest one, by the same controller
        over an earlier connection. Ask once for each, when it comes."""
        known = self._sender
        same = (controller_epoch, sender.client_id) == (self._epoch, known.client_id)
        if same and sender.connection < known.connection:
            return True
        if same or controller_epoch >= self._epoch:
            self._epoch, self._sender = controller_epoch, sender
        return False

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
