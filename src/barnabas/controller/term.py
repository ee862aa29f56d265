"""One term of a controller: everything that ends with its resignation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from barnabas.controller.batch import ControlBatch
from barnabas.controller.channels import Channels
from barnabas.controller.context import ControllerContext, PartitionInfo
from barnabas.controller.settings import ControllerSettings
from barnabas.controller.store import FencedStore
from barnabas.seams import Observer
from barnabas.types import LeaderAndIsr

T = TypeVar("T")

CHUNK = 500
"""Partitions that are worked on without a pause for the loop."""
CHUNKS_AT_ONCE = 3


class Chosen(NamedTuple):
    """How a leader was found."""

    strategy: str
    passed_over: dict[int, str]
    """Who stood before it in the assignment, and why it does not lead."""


class Term:
    """Context, store and channels of one term, and the operations that all flows share."""

    def __init__(
        self,
        *,
        context: ControllerContext,
        store: FencedStore,
        channels: Channels,
        settings: ControllerSettings,
        observer: Observer,
        broker_id: int,
    ) -> None:
        self.context = context
        self.store = store
        self.channels = channels
        self.settings = settings
        self.observer = observer
        self.broker_id = broker_id

    def batch(self) -> ControlBatch:
        """An empty batch; ``send`` sends it."""
        settings = self.settings
        return ControlBatch(self.context, self.broker_id, settings.listener, settings.versions)

    def send(self, batch: ControlBatch) -> None:
        """Queue what a batch has collected."""
        self.store.ensure_open()
        self.channels.send(batch.requests())

    async def send_in_turns(self, batch: ControlBatch) -> None:
        """``send`` for what may be all partitions: others on the loop have their turns meanwhile.
        Not beside anything else of this term that sends: what is sent later must not be first."""
        self.store.ensure_open()
        steps = batch.in_steps()
        while True:
            try:
                next(steps)
            except StopIteration as done:
                self.store.ensure_open()
                self.channels.send(done.value)
                return
            await asyncio.sleep(0)

    def send_metadata(
        self, partitions: Iterable[PartitionInfo] = (), broker_ids: Iterable[int] | None = None
    ) -> None:
        """An UpdateMetadata to all brokers, or to these."""
        batch = self.batch()
        batch.metadata(partitions, broker_ids)
        self.send(batch)

    def close(self) -> None:
        """Resign: nothing of this term is written or sent any more."""
        self.store.close()
        self.channels.stop()

    def adopt(
        self,
        p: PartitionInfo,
        leadership: LeaderAndIsr,
        mzxid: int,
        *,
        reason: str,
        elected: Chosen | None = None,
    ) -> None:
        """Remember what ZooKeeper holds now, and tell the observer what has changed."""
        before, p.leadership, p.mzxid = p.leadership, leadership, mzxid
        tp = p.topic_partition
        if elected is not None:
            p.offline_noted = False
            self.observer.note(
                "leader_elected",
                topic=tp.topic,
                partition=tp.partition,
                leader=leadership.leader,
                epoch=leadership.leader_epoch,
                isr=list(leadership.isr),
                unclean=leadership.recovering,
                was=None if before is None else before.leader,
                isr_before=None if before is None else list(before.isr),
                strategy=elected.strategy,
                reason=reason,
                passed_over=elected.passed_over,
                replicas=p.assignment.replicas,
                partition_epoch=leadership.partition_epoch,
            )
        if before is not None and before.isr != leadership.isr:
            self.observer.note(
                "isr_changed",
                topic=tp.topic,
                partition=tp.partition,
                isr=list(leadership.isr),
                epoch=leadership.leader_epoch,
                isr_before=list(before.isr),
                reason=reason,
                replicas=p.assignment.replicas,
                leader=leadership.leader,
                partition_epoch=leadership.partition_epoch,
            )


async def together(*flows: Awaitable[Any]) -> list[Any]:
    """Run flows that do not depend on each other side by side, so that their requests to ZooKeeper
    leave together, the first one's before the others'. All end before this does. Raises the
    exception of the first that failed."""
    outcomes = await asyncio.gather(*flows, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes


async def in_chunks(items: Sequence[T], work: Callable[[Sequence[T]], Awaitable[None]]) -> None:
    """Work on chunks of ``items``, ``CHUNKS_AT_ONCE`` side by side: while some wait for ZooKeeper,
    the next is decided. They begin in their order. If one fails no other begins, and its exception
    is raised when those under way have ended."""
    if len(items) <= CHUNK:
        if items:
            await work(items)
        return
    waiting = chunks(items, CHUNK)

    async def some(turn: int) -> None:
        for _ in range(turn):
            await asyncio.sleep(0)  # what the ones before ask for leaves first
        for chunk in waiting:
            try:
                await work(chunk)
            except BaseException:
                waiting.close()
                raise

    await together(*(some(turn) for turn in range(CHUNKS_AT_ONCE)))


def chunks(items: Sequence[T], size: int = CHUNK) -> Generator[Sequence[T], None, None]:
    """Slices of at most ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
