"""Moves that lose their controller, or a broker, while they begin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from tests.virtual_time import run

from barnabas.cli import moving
from barnabas.cli.moving import Execution
from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unfinished, Unreachable
from barnabas.client.metadata import BrokerView, ClusterView, PartitionView, TopicView
from barnabas.client.reassignment import Move, Outcomes, moves_of, reassign
from barnabas.client.throttles import Throttles, find_throttles
from barnabas.errors import ErrorCode
from barnabas.testing import Cluster
from barnabas.types import TopicPartition

COUNT = 10
PARTITIONS = [TopicPartition("t", n) for n in range(COUNT)]
BEFORE, AFTER = (1, 2), (3, 2)
TARGETS = dict.fromkeys(PARTITIONS, AFTER)
LOST = Unreachable("the cluster has no controller that can be reached")


class FakeCluster:
    """A cluster as the commands' client sees it. ``fails`` is called before each request to the
    controller, and may raise."""

    timeout_ms = 10_000

    def __init__(self) -> None:
        self.replicas: dict[TopicPartition, tuple[int, ...]] = dict.fromkeys(PARTITIONS, BEFORE)
        self.brokers = [1, 2, 3]
        self.going: dict[TopicPartition, Sequence[int]] = {}
        self.asked: list[list[TopicPartition]] = []
        self.rates: tuple[int, ...] = ()
        self.fails: Callable[[str], None] = lambda _: None
        self.is_slow = False

    async def status(self, topics: Sequence[str] | None = None) -> ClusterView:
        partitions = tuple(
            PartitionView(
                partition=tp.partition,
                error=0,
                leader=2,
                leader_epoch=0,
                replicas=replicas,
                isr=replicas,
                offline=(),
            )
            for tp, replicas in self.replicas.items()
        )
        topic = TopicView(name="t", topic_id=None, error=0, internal=False, partitions=partitions)
        alive = {b: BrokerView(id=b, host="h", port=b, rack=None) for b in self.brokers}
        return ClusterView(cluster_id=None, controller_id=2, brokers=alive, topics={"t": topic})

    metadata = status

    def begin(self, targets: Mapping[TopicPartition, Sequence[int] | None]) -> Outcomes:
        outcomes: dict[TopicPartition, ClientError | None] = {}
        for tp, target in targets.items():
            assert target is not None
            if set(target).difference(self.brokers):
                outcomes[tp] = ClientError(str(tp), ErrorCode.INVALID_REPLICA_ASSIGNMENT)
                continue
            self.going[tp] = target
            outcomes[tp] = None
        return outcomes

    async def list_moves(self) -> list[Move]:
        self.fails("list")
        found = moves_of(self.going, self.replicas)
        if not self.is_slow:
            for tp, target in self.going.items():
                self.replicas[tp] = tuple(target)
            self.going = {}
        return found


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    fake = FakeCluster()

    async def reassign(_: Any, targets: Mapping[TopicPartition, Sequence[int] | None]) -> Outcomes:
        fake.asked.append(list(targets))
        fake.fails("reassign")
        return fake.begin(targets)

    async def list_moves(_: Any) -> list[Move]:
        return await fake.list_moves()

    async def set_throttle(_: Any, moves: Sequence[Move], rate: int) -> list[int]:
        fake.rates = tuple(sorted({r for m in moves for r in m.replicas}))
        return []

    async def clear_throttles(_: Any, going: Sequence[Move], topics: Any = None) -> list[str]:
        fake.rates = fake.rates if going else ()
        return []

    async def find_throttles(_: Any) -> Throttles:
        return Throttles(brokers=fake.rates, topics=())

    async def remaining_bytes(_: Any, moves: Sequence[Move]) -> int:
        return len(moves)

    for replaced in (
        reassign,
        list_moves,
        set_throttle,
        clear_throttles,
        find_throttles,
        remaining_bytes,
    ):
        monkeypatch.setattr(moving, replaced.__name__, replaced)
    monkeypatch.setattr(moving, "AT_ONCE", 4)
    return fake


def execution(cluster: FakeCluster, rate: int | None = 1000, timeout_s: float = 60) -> Execution:
    return Execution(client=cluster, targets=TARGETS, rate=rate, timeout_s=timeout_s)  # type: ignore[arg-type]


async def carried_out(cluster: FakeCluster, *, wait: bool = True) -> bool:
    found = execution(cluster)
    await found.prepare()
    return await found.run(wait=wait)


def test_a_lost_controller_is_waited_for_and_what_it_began_is_not_asked_again(
    cluster: FakeCluster,
) -> None:
    """The second request reaches a controller that dies when it has begun half of it; for half a
    minute there is none."""
    failures = 0

    def fails(request: str) -> None:
        nonlocal failures
        if request == "reassign" and len(cluster.asked) == 2 and not failures:
            cluster.begin(dict.fromkeys(cluster.asked[1][:2], AFTER))
            failures = 30
        if failures:
            failures -= 1
            raise LOST

    cluster.fails = fails
    cluster.is_slow = True

    async def main() -> None:
        found = execution(cluster)
        await found.prepare()
        assert await found.run(wait=False)
        asked = [tp for part in cluster.asked for tp in part]
        assert len(asked) == COUNT + 2, "two of the second request had not begun"
        assert cluster.asked[2][:2] == cluster.asked[1][2:]
        assert sorted(cluster.going) == PARTITIONS
        assert cluster.rates == (1, 2, 3), "the moves go on"

    run(main())


def test_without_an_end_everything_that_is_left_is_said(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: str) -> None:
        if len(cluster.asked) > 1:
            raise LOST

    cluster.fails = fails

    async def main() -> None:
        with pytest.raises(Unreachable, match="no controller that can be reached, for 60 s now"):
            await carried_out(cluster)

    run(main())
    assert capsys.readouterr().err.splitlines() == [
        "barnabas: no controller tells what has begun: barnabas cluster reassign --verify tells it"
        " later, barnabas cluster reassign --cancel --execute ends it",
        "barnabas: the throttle stays: barnabas cluster reassign --verify removes it when nothing"
        " moves",
    ]
    assert cluster.rates == (1, 2, 3)


def test_a_refusal_of_everything_leaves_no_throttle(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(request: str) -> None:
        if request == "reassign":
            raise ClientError("moves", ErrorCode.CLUSTER_AUTHORIZATION_FAILED)

    cluster.fails = fails

    async def main() -> None:
        with pytest.raises(ClientError, match="CLUSTER_AUTHORIZATION_FAILED"):
            await carried_out(cluster)

    run(main())
    assert not cluster.rates
    assert not capsys.readouterr().err


def test_what_has_not_begun_is_counted(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(request: str) -> None:
        if request == "reassign" and len(cluster.asked) == 2:
            raise ClientError("moves", ErrorCode.CLUSTER_AUTHORIZATION_FAILED)

    cluster.fails = fails
    cluster.is_slow = True

    async def main() -> None:
        with pytest.raises(ClientError, match="CLUSTER_AUTHORIZATION_FAILED"):
            await carried_out(cluster)

    run(main())
    assert capsys.readouterr().err.splitlines() == [
        "barnabas: 6 moves have not begun: the same command begins what is left",
        "barnabas: 4 moves go on without this command",
        "barnabas: so does their throttle of 1.0 kB/s: barnabas cluster reassign --verify removes"
        " it later",
    ]


def test_moves_to_a_broker_that_has_gone_begin_when_it_is_back(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = 0

    def fails(request: str) -> None:
        nonlocal looks
        if request == "reassign" and len(cluster.asked) == 2:
            cluster.brokers = [1, 2]
        if request == "list" and cluster.brokers == [1, 2]:
            looks += 1
            if looks > 20:
                cluster.brokers = [1, 2, 3]

    cluster.fails = fails

    async def main() -> None:
        assert await carried_out(cluster)

    run(main())
    assert set(cluster.replicas.values()) == {AFTER}
    assert capsys.readouterr().err.splitlines() == [
        "barnabas: 6 moves wait until all brokers are there: broker 3 is not registered"
    ]
    assert not cluster.rates


def test_a_broker_that_does_not_come_back_is_named(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(request: str) -> None:
        if request == "reassign":
            cluster.brokers = [1, 2]

    cluster.fails = fails

    async def main() -> None:
        with pytest.raises(
            Unfinished, match=r"10 moves wait .* broker 3 is not registered, for 60"
        ):
            await carried_out(cluster)

    run(main())
    assert not cluster.rates, "nothing moves"


def test_a_target_that_the_controller_does_not_know_is_refused_in_the_end(
    cluster: FakeCluster,
) -> None:
    """It is registered, as far as anybody says."""

    def begin(targets: Mapping[TopicPartition, Sequence[int] | None]) -> Outcomes:
        code = ErrorCode.INVALID_REPLICA_ASSIGNMENT
        return {tp: ClientError(str(tp), code) for tp in targets}

    cluster.begin = begin  # type: ignore[method-assign]

    async def main() -> None:
        assert not await carried_out(cluster)

    run(main())
    assert len(cluster.asked) == 3 * moving.REFUSALS_MAX


def test_a_real_controller_dies_while_moves_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client has no patience of its own, so every request to a controller that is away fails.
    Broker 4, which the moves are to, stays; the controller is another one, and comes back."""
    monkeypatch.setattr(moving, "AT_ONCE", 4)
    count = 12
    targets = {TopicPartition("moved", n): (4, 1 + n % 3) for n in range(count)}
    asked = 0

    async def main() -> None:
        async with Cluster(4, in_process=True) as cluster:
            before = {tp.partition: (target[1],) for tp, target in targets.items()}
            await cluster.create_topic("moved", assignments=before)
            if await cluster.controller() == 4:
                await cluster.kill(4)
                await cluster.wait_for_controller(not_on=4)
                await cluster.restart(4)

            async def counted(client: Any, part: Mapping[Any, Any]) -> Outcomes:
                nonlocal asked
                asked += 1
                if asked == 2:
                    killed = await cluster.kill_controller()
                    restarts.append(asyncio.create_task(cluster.restart(killed)))
                return await reassign(client, part)

            restarts: list[asyncio.Task[Any]] = []
            monkeypatch.setattr(moving, "reassign", counted)
            async with ClusterClient(cluster.bootstrap, "test", timeout_ms=100) as client:
                found = Execution(client=client, targets=targets, rate=10**9)
                await found.prepare()
                assert await found.run(), found.outcomes
                client.timeout_ms = 10_000
                assert await find_throttles(client) == Throttles(brokers=(), topics=())
                view = await client.metadata(["moved"])
                assert view.replicas() == targets
            await asyncio.gather(*restarts)

    asyncio.run(main())
    assert asked >= 3
