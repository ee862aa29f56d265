"""KafkaZkClient for the controller: pipelined reads, and writes that only the present one can do.

Every write is ``multi[check(/controller_epoch, zkVersion), op]`` (reference 2.4): once
another controller was elected, none of ours is applied (trap 30), and ``ControllerMoved`` is
raised. Kafka sends one operation in each multi; here several share one check, and if such a multi
is refused its operations are sent again one by one, so that each gets its own answer.

A lost connection is waited for and the same request sent again, so a write may meet its own first
attempt: ``update_states`` and ``create_states`` recognise it by reading what is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, cast

from msgspec.structs import replace

from barnabas.controller.settings import ControllerSettings
from barnabas.types import LeaderAndIsr, TopicPartition
from barnabas.zk import paths
from barnabas.zk.znodes import decode_partition_state, encode_partition_state
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import (
    CheckOp,
    ChildrenOp,
    CreateOp,
    DeleteOp,
    GetManyOp,
    GetOp,
    MultiOp,
    MultiPart,
    MultiResult,
    Operation,
    SetOp,
)
from barnabas.zookeeper.errors import (
    BadVersion,
    ConnectionLoss,
    MalformedZNode,
    NodeExists,
    NoNode,
    NotEmpty,
    SessionExpired,
    ZooKeeperError,
)
from barnabas.zookeeper.messages import Stat

T = TypeVar("T")
Read: TypeAlias = "tuple[bytes, Stat] | ZooKeeperError"
"""A node's data and Stat, or why they could not be read."""


READS_PER_REQUEST = 64
"""States that are read by one request."""


class ControllerMoved(Exception):
    """This broker is not controller any more: stop the work and resign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateWrite:
    """The outcome of a write of one partition state. ``leadership`` and ``mzxid`` are what
    ZooKeeper holds now. With ``written`` that is what was to be written, else the state that was
    there instead (None: unknown, ``problem`` says why)."""

    written: bool
    leadership: LeaderAndIsr | None
    mzxid: int = -1
    problem: str = ""


class FencedStore:
    """The access of one term; ``close`` ends it, and operations under way then raise. Everything
    raises ControllerMoved or SessionExpired when the term is over."""

    def __init__(
        self,
        client: ZooKeeperClient,
        settings: ControllerSettings,
        *,
        epoch: int,
        epoch_zk_version: int,
    ) -> None:
        self._client = client
        self._settings = settings
        self.epoch = epoch
        self._check = CheckOp(paths.CONTROLLER_EPOCH, epoch_zk_version)
        self._open = True

    def close(self) -> None:
        """The term is over."""
        self._open = False

    def ensure_open(self) -> None:
        """Raise ControllerMoved after ``close``."""
        if not self._open:
            raise ControllerMoved

    # --- reading and plain operations

    async def submit(self, op: Operation[T]) -> T:
        """One operation, unfenced; raises its error."""
        outcome = (await self.submit_all([op]))[0]
        if isinstance(outcome, ZooKeeperError):
            raise outcome
        return outcome

    async def submit_all(self, ops: Sequence[Operation[T]]) -> list[T | ZooKeeperError]:
        """Many at once, unfenced; results or errors in order. Connection loss is waited out."""
        outcomes: list[T | ZooKeeperError | None] = [None] * len(ops)
        pending = list(range(len(ops)))
        while pending:
            self.ensure_open()
            results = await self._client.submit_all(
                [ops[i] for i in pending], self._settings.requests_in_flight
            )
            self.ensure_open()
            again = []
            for i, result in zip(pending, results, strict=True):
                if isinstance(result, ConnectionLoss):
                    again.append(i)
                elif isinstance(result, SessionExpired):
                    raise result
                else:
                    outcomes[i] = result
            if again:
                await self._wait_connected()
            pending = again
        return cast("list[T | ZooKeeperError]", outcomes)

    async def _wait_connected(self) -> None:
        await asyncio.sleep(self._settings.zookeeper_retry_backoff_ms / 1000)
        await self._client.connected()

    async def data(self, wanted: Iterable[str], *, watch: bool = False) -> list[Read]:
        """``(data, Stat)`` of each path, or the error (NoNode)."""
        return await self.submit_all([GetOp(path, watch) for path in wanted])

    async def _read_many(self, wanted: Sequence[str]) -> list[Read]:
        """``data`` without watches, many nodes in a request. What such a request was not answered
        for is read one by one: the server may be too old, or the nodes too large for one frame."""
        size = READS_PER_REQUEST
        groups = [wanted[i : i + size] for i in range(0, len(wanted), size)]
        self.ensure_open()
        answers = await self._client.submit_all(
            [GetManyOp(group) for group in groups], self._settings.requests_in_flight
        )
        self.ensure_open()
        found: list[Read] = []
        for group, answer in zip(groups, answers, strict=True):
            if isinstance(answer, SessionExpired):
                raise answer
            found += await self.data(group) if isinstance(answer, ZooKeeperError) else answer
        return found

    # --- fenced writes

    async def fenced(
        self, ops: Sequence[MultiPart], *, at_once: int | None = None
    ) -> list[MultiResult | ZooKeeperError]:
        """Results or errors in order. ``at_once``: how many in one multi; None: as many as the
        settings say. Raises ControllerMoved if the check fails."""
        size = at_once or self._settings.operations_per_multi
        groups = [ops[i : i + size] for i in range(0, len(ops), size)]
        outcomes = await self._multis(groups)
        results: list[MultiResult | ZooKeeperError] = []
        singly: list[int] = []
        for group, outcome in zip(groups, outcomes, strict=True):
            if isinstance(outcome, ZooKeeperError) and len(group) > 1:
                singly += range(len(results), len(results) + len(group))
                results += [outcome] * len(group)
            elif isinstance(outcome, ZooKeeperError):
                results.append(outcome)
            else:
                results += outcome[1:]
        if singly:
            alone = await self._multis([[ops[i]] for i in singly])
            for i, outcome in zip(singly, alone, strict=True):
                results[i] = outcome if isinstance(outcome, ZooKeeperError) else outcome[1]
        return results

    async def _multis(
        self, groups: Sequence[Sequence[MultiPart]]
    ) -> list[list[MultiResult] | ZooKeeperError]:
        outcomes = await self.submit_all([MultiOp([self._check, *g]) for g in groups])
        for outcome in outcomes:
            if isinstance(outcome, BadVersion | NoNode) and outcome.path == paths.CONTROLLER_EPOCH:
                raise ControllerMoved
        return outcomes

    async def delete_all(self, wanted: Iterable[str]) -> None:
        """Delete nodes, fenced; those that are gone already are fine."""
        for outcome in await self.fenced([DeleteOp(path) for path in wanted]):
            if isinstance(outcome, ZooKeeperError) and not isinstance(outcome, NoNode):
                raise outcome

    async def delete_topics(self, numbers: Mapping[str, Iterable[int]]) -> None:
        """Delete the nodes of topics with these partitions, fenced, deepest first. All are asked
        for at once; the tree of a topic that has more nodes is read first."""
        roots = {paths.topic_path(topic): None for topic in numbers}
        wanted = [path for topic, known in numbers.items() for path in _nodes_of(topic, known)]
        outcomes = await self.fenced([DeleteOp(path) for path in wanted])
        for path, outcome in zip(wanted, outcomes, strict=True):
            if isinstance(outcome, NotEmpty):
                if path in roots:
                    await self._delete_tree(path)
            elif isinstance(outcome, ZooKeeperError) and not isinstance(outcome, NoNode):
                raise outcome

    async def _delete_tree(self, root: str) -> None:
        """Delete a node and everything below it, fenced, deepest first."""
        await self.delete_all(await self._below(root))

    async def _below(self, root: str) -> list[str]:
        levels = [[root]]
        while levels[-1]:
            found = await self.submit_all([ChildrenOp(path) for path in levels[-1]])
            levels.append(
                [
                    f"{path}/{name}"
                    for path, outcome in zip(levels[-1], found, strict=True)
                    if not isinstance(outcome, ZooKeeperError)
                    for name in outcome[0]
                ]
            )
        return [path for level in reversed(levels) for path in level]

    # --- partition states

    async def read_states(
        self, partitions: Sequence[TopicPartition]
    ) -> list[tuple[LeaderAndIsr, int] | None]:
        """``(leadership, mzxid)`` of each; None where there is no state, or none to be read."""
        outcomes = await self._read_many([paths.partition_state_path(*tp) for tp in partitions])
        return [_state(tp, outcome) for tp, outcome in zip(partitions, outcomes, strict=True)]

    async def update_states(
        self, wanted: Sequence[tuple[TopicPartition, LeaderAndIsr]]
    ) -> list[StateWrite]:
        """Set states whose version still is ``partition_epoch``."""
        ops = [
            SetOp(
                paths.partition_state_path(*tp),
                encode_partition_state(state),
                state.partition_epoch,
            )
            for tp, state in wanted
        ]
        return await self._state_writes(wanted, await self.fenced(ops))

    async def create_states(
        self, wanted: Sequence[tuple[TopicPartition, LeaderAndIsr]], not_before: int
    ) -> list[StateWrite]:
        """Create the nodes of new partitions, parents first. ``not_before``: a zxid that is surely
        lower, taken for the mzxid (a create does not tell it)."""
        outcomes = await self._create_states(wanted)
        # The parent is made with the first partitions of a topic, and others are made at the same
        # time. If the connection was lost, these may have been sent again before it was there.
        orphans = [i for i, outcome in enumerate(outcomes) if isinstance(outcome, NoNode)]
        again = await self._create_states([wanted[i] for i in orphans])
        for i, outcome in zip(orphans, again, strict=True):
            outcomes[i] = outcome
        made = [
            outcome if isinstance(outcome, ZooKeeperError) else _version_zero(not_before)
            for outcome in outcomes
        ]
        return await self._state_writes(wanted, made)

    async def _create_states(
        self, wanted: Sequence[tuple[TopicPartition, LeaderAndIsr]]
    ) -> list[MultiResult | ZooKeeperError]:
        """Of each state's node, in order."""
        ops: list[MultiPart] = []
        last: list[int] = []
        made: dict[str, None] = {}
        for tp, state in wanted:
            if tp.topic not in made:
                made[tp.topic] = None
                if tp.partition == 0 or not await self._has_partitions(tp.topic):
                    ops.append(CreateOp(paths.partitions_path(tp.topic), None))
            ops.append(CreateOp(paths.partition_path(*tp), None))
            ops.append(CreateOp(paths.partition_state_path(*tp), encode_partition_state(state)))
            last.append(len(ops) - 1)
        results = await self.fenced(ops)
        return [results[i] for i in last]

    async def _has_partitions(self, topic: str) -> bool:
        path = paths.partitions_path(topic)
        return not isinstance((await self.data([path]))[0], ZooKeeperError)

    async def _state_writes(
        self, wanted: Sequence[tuple[TopicPartition, LeaderAndIsr]], outcomes: Sequence[object]
    ) -> list[StateWrite]:
        """Turn outcomes into state writes; states whose write was refused are read again."""
        unclear = [
            i for i, outcome in enumerate(outcomes) if isinstance(outcome, BadVersion | NodeExists)
        ]
        found = dict(
            zip(unclear, await self.read_states([wanted[i][0] for i in unclear]), strict=True)
        )
        writes = []
        for i, (outcome, (_, state)) in enumerate(zip(outcomes, wanted, strict=True)):
            if isinstance(outcome, Stat):
                now = replace(state, partition_epoch=outcome.version)
                writes.append(StateWrite(written=True, leadership=now, mzxid=outcome.mzxid))
            elif i in found:
                writes.append(self._meet(state, found[i]))
            else:
                writes.append(StateWrite(written=False, leadership=None, problem=str(outcome)))
        return writes

    def _meet(self, wanted: LeaderAndIsr, found: tuple[LeaderAndIsr, int] | None) -> StateWrite:
        """Whether the state found is this controller's own write, whose answer was lost, or
        another's."""
        if found is None:
            return StateWrite(written=False, leadership=None, problem="no state to be read")
        state, mzxid = found
        if replace(state, partition_epoch=wanted.partition_epoch) == wanted:
            return StateWrite(written=True, leadership=state, mzxid=mzxid)
        if state.controller_epoch > self.epoch:
            problem = f"written by the controller of epoch {state.controller_epoch}"
            return StateWrite(written=False, leadership=None, problem=problem)
        return StateWrite(written=False, leadership=state, mzxid=mzxid)


def _nodes_of(topic: str, numbers: Iterable[int]) -> list[str]:
    """The nodes of a topic with these partitions, deepest first."""
    known = list(numbers)
    return [
        *(paths.partition_state_path(topic, number) for number in known),
        *(paths.partition_path(topic, number) for number in known),
        paths.partitions_path(topic),
        paths.topic_path(topic),
    ]


def _state(tp: TopicPartition, outcome: Read) -> tuple[LeaderAndIsr, int] | None:
    if isinstance(outcome, ZooKeeperError):
        return None
    data, stat = outcome
    path = paths.partition_state_path(*tp)
    try:
        return decode_partition_state(path, data, stat.version), stat.mzxid
    except MalformedZNode:
        return None


def _version_zero(mzxid: int) -> Stat:
    return Stat(mzxid, mzxid, 0, 0, 0, 0, 0, 0, 0, 0, mzxid)
