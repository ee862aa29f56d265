"""A throttle for moves holds back replicas, and never a produce: nothing waits for who is held
back, and who is waited for is not held back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.replication.fetching import alone, in_session, only, written
from tests.replication.support import T0, TOPIC_ID, Cluster, settle
from tests.replication.test_fetcher import Rig, batch, data, with_rig
from tests.virtual_time import run

from barnabas.quotas.replication import ALL
from barnabas.replication.results import FetchResult
from barnabas.replication.settings import ReplicationContext
from barnabas.types import TopicPartition


def used_up(context: ReplicationContext) -> None:
    """Throttles of "t" that allow nothing for a long time."""
    for quota in (context.quotas.leader, context.quotas.follower):
        quota.set_topic("t", ALL)
        quota.limit = 1000
        quota.record(1_000_000, context.now_ms())


class Outsider:
    """Broker 3 follows broker 1 by hand. It is not in the ISR, and throttled."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.session = 0
        self.epoch = 0

    def fetch(self, *offsets: int, **fields: Any) -> object:
        """Ask from an offset, or without one for what the session has."""
        answer = in_session(
            self.cluster,
            self.session,
            self.epoch,
            dict(enumerate(offsets)),
            replica_id=3,
            broker_epoch=self.cluster.nodes[3].epoch,
            leader_epoch=self.cluster.leader_epoch,
            **fields,
        )
        self.epoch += 1
        if isinstance(answer, FetchResult) and answer.session_id:
            self.session = answer.session_id
        return answer

    def leave(self) -> None:
        """Take the partition out of the session, as a follower does that is over its throttle."""
        self.fetch(forgotten=[(TOPIC_ID, 0)])
        self.session = self.epoch = 0  # a session of nothing ends


def with_outsider(body: Callable[[Cluster, Outsider], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            await cluster.announce()
            await written(cluster, "a", "b")
            alone(cluster, 3)
            cluster.elect(1, (1, 2))
            await cluster.announce(1, 2)
            cluster.controller_open.clear()  # whoever may join does not before the test is over
            used_up(cluster.nodes[1].manager.context)
            await body(cluster, Outsider(cluster))

    run(main())


def is_acknowledged(outcome: object) -> bool:
    return not isinstance(outcome, asyncio.Future) or outcome.done()


def test_who_is_far_behind_is_held_back_and_not_waited_for() -> None:
    async def body(cluster: Cluster, outsider: Outsider) -> None:
        assert only(outsider.fetch(0)).size == 0
        await written(cluster, "c")

    with_outsider(body)


def test_who_has_just_caught_up_is_waited_for_and_gets_everything() -> None:
    """It is where the leader's log ended when it fetched last. The watermark is beyond that, so it
    cannot join the ISR, and waits for it all the same."""

    async def body(cluster: Cluster, outsider: Outsider) -> None:
        outsider.fetch(0)
        await written(cluster, "c")
        answer = only(outsider.fetch(2))
        assert (answer.size > 0, answer.high_watermark) == (True, 3)
        waiting = cluster.produce("d")
        await settle()
        assert not is_acknowledged(waiting)
        assert only(outsider.fetch(3)).size > 0, "about to join: the ISR change is on its way"
        await settle()
        assert not is_acknowledged(waiting)
        assert only(outsider.fetch(4)).high_watermark == 4
        await settle()
        assert is_acknowledged(waiting)

    with_outsider(body)


@pytest.mark.parametrize("keeps_id", [False, True])
def test_who_puts_it_off_with_a_new_session_is_not_waited_for(keeps_id: bool) -> None:
    """Its connection has broken: the new session does not name what is put off, so nobody takes it
    out of the old one."""

    async def body(cluster: Cluster, outsider: Outsider) -> None:
        cluster.partitions = [0, 1]
        await cluster.announce(1)
        outsider.fetch(0, 0)
        await written(cluster, "c")
        outsider.fetch(2)
        waiting = cluster.produce("d")
        await settle()
        assert not is_acknowledged(waiting)
        leader = cluster.nodes[1].manager
        before = outsider.session
        assert {w.replica_id for w in leader.partitions[T0].watches.followers.values()} == {2, 3}
        answer = in_session(
            *(cluster, before if keeps_id else 0, 0, {1: 0}),
            replica_id=3,
            broker_epoch=cluster.nodes[3].epoch,
            leader_epoch=cluster.leader_epoch,
        )
        assert isinstance(answer, FetchResult)
        await settle()
        assert is_acknowledged(waiting)
        assert answer.session_id not in (0, before)
        assert not leader.fetch_session(before)
        assert {w.replica_id for w in leader.partitions[T0].watches.followers.values()} == {2}
        followers = leader.partitions[TopicPartition("t", 1)].watches.followers
        assert [w.replica_id for w in followers.values()] == [3]

    with_outsider(body)


def test_sessions_of_other_partitions_stay() -> None:
    """A Java follower may have several fetchers, each with a session of its own."""

    async def body(cluster: Cluster, outsider: Outsider) -> None:
        cluster.partitions = [0, 1]
        await cluster.announce(1)
        outsider.fetch(0)
        first = outsider.session
        answer = in_session(
            *(cluster, 0, 0, {1: 0}),
            replica_id=3,
            broker_epoch=cluster.nodes[3].epoch,
            leader_epoch=cluster.leader_epoch,
        )
        assert isinstance(answer, FetchResult)
        leader = cluster.nodes[1].manager
        assert [len(leader.fetch_session(n)) for n in (first, answer.session_id)] == [1, 1]

    with_outsider(body)


def test_who_has_stopped_asking_is_not_waited_for() -> None:
    async def body(cluster: Cluster, outsider: Outsider) -> None:
        outsider.fetch(0)
        await written(cluster, "c")
        outsider.fetch(2)
        waiting = cluster.produce("d")
        await settle()
        assert not is_acknowledged(waiting)
        outsider.leave()
        await settle()
        assert is_acknowledged(waiting)
        await written(cluster, "e")

    with_outsider(body)


def test_a_member_of_the_isr_is_waited_for_when_it_has_stopped_asking() -> None:
    async def body(cluster: Cluster, outsider: Outsider) -> None:
        outsider.fetch(2)  # about to join: the controller may have it in the ISR already
        outsider.leave()
        waiting = cluster.produce("c")
        await settle()
        assert not is_acknowledged(waiting)
        assert only(outsider.fetch(2)).size > 0

    with_outsider(body)


def test_who_has_lost_its_log_is_held_back_although_it_had_caught_up() -> None:
    async def body(cluster: Cluster, outsider: Outsider) -> None:
        outsider.fetch(0)
        await written(cluster, "c")
        outsider.fetch(2)
        answer = outsider.fetch(0)
        assert isinstance(answer, FetchResult)
        assert answer.partitions == [], "nothing to tell"
        await written(cluster, "d")

    with_outsider(body)


@pytest.mark.parametrize("isr", [(1, 2), (1,)])
def test_a_follower_in_the_isr_asks_whatever_its_throttle(isr: tuple[int, ...]) -> None:
    """In a new epoch it does not know the watermark yet, only what the controller says."""

    async def body(rig: Rig) -> None:
        await rig.start()
        await rig.leader.answer(data(batch(0, "a"), high_watermark=1))
        used_up(rig.node.manager.context)
        rig.follow(rig.partition, 1, isr)
        rig.fetcher.add(rig.partition, TOPIC_ID)
        await settle()
        wanted = rig.leader.last().get(T0)
        assert (wanted is not None and wanted.current_leader_epoch == 1) == (2 in isr)

    with_rig(body)


def test_a_used_up_rate_holds_back_all_that_the_leader_was_asked_for() -> None:
    """Not only what has just been copied: with many partitions there is always another one."""

    async def body(rig: Rig) -> None:
        quota = rig.node.manager.context.quotas.follower
        quota.set_topic("t", ALL)
        quota.limit = 100
        other = rig.host(1)
        for partition in (rig.partition, other):
            rig.follow(partition, 1, (1,))
            rig.fetcher.add(partition, TOPIC_ID)
        await settle(10)
        assert [name.partition for name in rig.leader.last()] == [0, 1]
        await rig.leader.answer(data(batch(0, "a" * 500, epoch=1), high_watermark=9))
        request, _ = rig.leader.asked[-1]
        assert request.named == ()
        assert sorted(number for _, number in request.forgotten) == [0, 1]

    with_rig(body)
