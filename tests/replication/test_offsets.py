"""ListOffsets, OffsetForLeaderEpoch, DeleteRecords: reference 4.9, 4.10, 5.12; traps 5 and 16."""

from __future__ import annotations

import asyncio

from tests.defaults import log_config
from tests.replication.support import T0, WALL_MS, Cluster, code, settle
from tests.virtual_time import run

from barnabas.api.request import at_once
from barnabas.errors import ErrorCode
from barnabas.replication.truncation import EpochEnd


def test_special_timestamps() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            await cluster.produced("a")
            await cluster.produced("b")
            cluster.isolate(2)
            cluster.produce("c")
            ask = cluster.nodes[1].manager.list_offset
            assert ask(T0, -1, version=9) == (-1, 2, 0)
            assert ask(T0, -1, version=9, replica_id=2).offset == 3, "followers ask for the end"
            assert ask(T0, -2, version=9) == (-1, 0, 0)
            assert ask(T0, -4, version=9) == (-1, 0, 0)
            assert ask(T0, -5, version=9) == (-1, -1, -1)
            assert ask(T0, -3, version=9).timestamp in (WALL_MS, -1)
            assert ask(T0, WALL_MS, version=9) == (WALL_MS, 0, 0)
            assert ask(T0, WALL_MS + 1, version=9) == (-1, -1, -1)
            manager = cluster.nodes[1].manager
            assert code(manager.list_offset, T0, -1, version=9, current_leader_epoch=9) == (
                ErrorCode.UNKNOWN_LEADER_EPOCH
            )
            assert code(cluster.nodes[2].manager.list_offset, T0, -1, version=9) == (
                ErrorCode.NOT_LEADER_OR_FOLLOWER
            )

    run(main())


def test_a_fresh_leader_does_not_tell_an_end_that_is_in_doubt() -> None:
    """Trap 5 (KIP-207): the watermark is below the start of its epoch."""

    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            cluster.isolate(2)
            await cluster.produced("a", acks=1)
            cluster.elect(1)
            await cluster.announce(1)
            manager = cluster.nodes[1].manager
            for timestamp in (-1, WALL_MS):
                assert code(manager.list_offset, T0, timestamp, version=5) == (
                    ErrorCode.OFFSET_NOT_AVAILABLE
                )
                assert code(manager.list_offset, T0, timestamp, version=4) == (
                    ErrorCode.LEADER_NOT_AVAILABLE
                )
            assert manager.list_offset(T0, -2, version=9).offset == 0
            cluster.heal()
            await cluster.announce(2)
            await asyncio.sleep(2)
            assert manager.list_offset(T0, -1, version=9).offset == 1

    run(main())


def test_ends_of_epochs() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            await cluster.produced("a")
            cluster.elect(1)
            cluster.elect(1)
            await cluster.announce()
            await cluster.produced("b")
            ask = cluster.nodes[1].manager.end_of_epoch
            assert ask(T0, 2, 0) == EpochEnd(0, 1)
            assert ask(T0, -1, 1) == EpochEnd(0, 1)
            assert ask(T0, 2, 2) == EpochEnd(2, 2)
            assert ask(T0, 2, 3) == EpochEnd(-1, -1)
            assert ask(T0, 2, -1) == EpochEnd(-1, -1), "trap 16: undefined"
            assert code(ask, T0, 1, 0) == ErrorCode.FENCED_LEADER_EPOCH

    run(main())


def test_delete_records_checks() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            await cluster.produced("a")
            manager = cluster.nodes[1].manager
            assert (await at_once(manager.delete_records([(T0, -2)], 10)))[0].error == (
                ErrorCode.OFFSET_OUT_OF_RANGE
            )
            cluster.isolate(2)
            slow = await at_once(manager.delete_records([(T0, -1)], 100))
            assert slow[0].error == ErrorCode.REQUEST_TIMED_OUT
            cluster.configs.config = log_config(cleanup_policy=("compact",))
            log = cluster.nodes[1].partition.log
            assert log is not None
            log.config = cluster.configs.config
            assert (await at_once(manager.delete_records([(T0, 1)], 10)))[0].error == (
                ErrorCode.POLICY_VIOLATION
            )
            other = await at_once(cluster.nodes[2].manager.delete_records([(T0, 1)], 10))
            assert other[0].error == ErrorCode.NOT_LEADER_OR_FOLLOWER
            await settle()

    run(main())
