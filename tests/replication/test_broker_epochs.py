"""KIP-903: whose fetch counts for the ISR, and for which incarnation of its broker."""

from __future__ import annotations

from tests.replication.fetching import alone, follow, only, written
from tests.replication.support import Cluster, settle
from tests.virtual_time import run

from barnabas.errors import ErrorCode


def test_a_fetch_of_an_older_incarnation_is_refused() -> None:
    """Trap 23: its log may be gone; it neither counts nor joins."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            cluster.isr = (1,)
            cluster.elect(1, (1,))
            await cluster.announce(1)
            await written(cluster, "a")
            alone(cluster, 2)
            follow(cluster, 0, broker_epoch=500, epoch=1)
            answer = only(follow(cluster, 1, broker_epoch=499, epoch=1))
            assert answer.error == ErrorCode.NOT_LEADER_OR_FOLLOWER
            leadership = cluster.nodes[1].partition.leadership
            assert leadership is not None
            assert leadership.remotes[2].log_end_offset == 0
            await settle()
            assert not cluster.alter_requests
            assert cluster.isr == (1,)

    run(main())


def test_a_proposal_carries_the_epoch_of_the_fetch_that_caught_up() -> None:
    """The follower restarts between its fetch and the controller's decision: refused, reverted."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            cluster.elect(1, (1,))
            await cluster.announce(1)
            await written(cluster, "a")
            alone(cluster, 2)
            cluster.controller_open.clear()
            follow(cluster, 1, epoch=1)
            await settle()
            request = cluster.alter_requests[0]
            members = request.topics[0].partitions[0].new_isr_with_epochs
            assert [(m.broker_id, m.broker_epoch) for m in members] == [(1, 101), (2, 102)]
            cluster.broker_epochs[2] = 777  # it is back, with an empty log
            cluster.controller_open.set()
            await settle()
            leadership = cluster.nodes[1].partition.leadership
            assert leadership is not None
            assert leadership.state.committed == (1,)
            assert not leadership.state.in_flight
            assert cluster.isr == (1,)
            follow(cluster, 0, epoch=1, broker_epoch=777)
            await settle()
            assert len(cluster.alter_requests) == 1, "an empty log is not in sync"

    run(main())


def test_joining_needs_the_start_of_the_leaders_epoch() -> None:
    """Trap 4 (KAFKA-7128): the watermark of a fresh leader may lag behind."""

    async def main() -> None:
        async with Cluster(1, 2, 3) as cluster:
            await cluster.announce()
            cluster.isolate(3)
            cluster.isolate(2)
            await cluster.produced("a", acks=1)
            cluster.elect(1, (1, 3))
            await cluster.announce(1)
            log = cluster.nodes[1].partition.log
            assert log is not None
            assert (log.high_watermark, log.log_end_offset) == (0, 1)
            alone(cluster, 2)
            follow(cluster, 0, epoch=1)
            await settle()
            assert not cluster.alter_requests
            follow(cluster, 1, epoch=1)
            await settle()
            assert len(cluster.alter_requests) == 1

    run(main())


def test_a_dead_replica_does_not_join() -> None:
    """Trap 22 (KIP-841): only brokers alive in the metadata cache are eligible."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            cluster.elect(1, (1,))
            cluster.alive.pop(2)
            await cluster.announce(1)
            follow(cluster, 0, epoch=1)
            await settle()
            assert not cluster.alter_requests
            cluster.alive[2] = None
            await cluster.nodes[1].manager.update_metadata(cluster.update_metadata())
            follow(cluster, 0, epoch=1)
            await settle()
            assert len(cluster.alter_requests) == 1

    run(main())
