"""Planted in the controller, and in what it hears from ZooKeeper."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.simulation.planted.patches import Patches

from barnabas.controller import broker_changes, partition_reassignment, partitions
from barnabas.controller.batch import ControlBatch
from barnabas.controller.context import ControllerContext
from barnabas.controller.silence import Silences
from barnabas.controller.store import FencedStore
from barnabas.zk import paths
from barnabas.zookeeper.client.operations import CheckOp
from barnabas.zookeeper.client.watches import WatchTable
from barnabas.zookeeper.server.sessions import Sessions


def unclean_election(patches: Patches) -> None:
    patches.set(partitions, "_allows_unclean", lambda *args: True)


def old_epoch_resumed(patches: Patches) -> None:
    patches.set(ControllerContext, "restarted_since", lambda self, p: ())
    patches.set(ControllerContext, "doubtful", lambda self, p: ())


def unfenced_controller(patches: Patches) -> None:
    def init(self: Any, *args: Any, **rest: Any) -> None:
        before(self, *args, **rest)
        self._check = CheckOp(paths.CONTROLLER_EPOCH, -1)

    before = patches.set(FencedStore, "__init__", init)


def silence_unheard(patches: Patches) -> None:
    patches.set(Silences, "look", lambda self, now_ms: [])


def blames_all_when_cut_off(patches: Patches) -> None:
    patches.set(Silences, "_hears_most", lambda self, now_ms: True)


def stopped_blames_others(patches: Patches) -> None:
    """Neither of the two rules by which a controller knows that it did not listen."""

    def look(self: Silences, now_ms: float) -> list[int]:
        self._looked_at_ms = now_ms
        return before(self, now_ms)

    before = patches.set(Silences, "look", look)
    patches.set(Silences, "_hears_most", lambda self, now_ms: True)


def silent_for_ever(patches: Patches) -> None:
    """Who was silent is not told that it is back."""

    async def unheard(term: Any, broker: Any) -> None:
        pass

    patches.set(broker_changes, "became_reachable", unheard)


def session_id_reused(patches: Patches) -> None:
    def init(self: Any, *, epoch: int, **rest: Any) -> None:
        before(self, epoch=1, **rest)

    before = patches.set(Sessions, "__init__", init)


def watch_not_rearmed(patches: Patches) -> None:
    def requests(self: Any, last_zxid: int) -> Iterator[Any]:
        return iter(())

    patches.set(WatchTable, "requests", requests)


def bounce_missed(patches: Patches) -> None:
    def difference(known: Any, registered: Any) -> Any:
        diff = before(known, registered)
        diff.bounced.clear()
        return diff

    before = patches.set(broker_changes, "difference", difference)


def moved_before_in_sync(patches: Patches) -> None:
    patches.set(partition_reassignment, "is_complete", lambda *args, **rest: True)


def own_write_not_recognised(patches: Patches) -> None:
    """A write whose answer was lost is taken for another controller's."""
    meet = FencedStore._meet

    def theirs(self: FencedStore, wanted: Any, found: Any) -> Any:
        return replace(meet(self, wanted, found), written=False)

    patches.set(FencedStore, "_meet", theirs)


def broker_left_out(patches: Patches) -> None:
    def metadata(self: ControlBatch, partitions: Any, broker_ids: Any = None) -> None:
        told = [*partitions]
        if told and broker_ids is None:
            broker_ids = sorted(self._context.brokers)[:-1]
        before(self, told, broker_ids)

    before = patches.set(ControlBatch, "metadata", metadata)
