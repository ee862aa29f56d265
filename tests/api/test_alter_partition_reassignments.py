"""AlterPartitionReassignments and ListPartitionReassignments on whole brokers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.zk import paths
from barnabas.zk.znodes import decode_topic


def _moves(topic: str, *targets: Sequence[int] | None) -> Message:
    """One target for each partition, from 0 on."""
    asked = [Message(partition_index=i, replicas=t) for i, t in enumerate(targets)]
    return Message(timeout=10_000, topics=[Message(name=topic, partitions=asked)])


def _errors(answer: Any) -> list[int]:
    return [int(p.error_code) for topic in answer.responses for p in topic.partitions]


async def _view(client: kit.Client) -> Any:
    return await client.ask(ApiKey.METADATA, 12, Message(topics=None))


async def _until_nothing_moves(client: kit.Client) -> None:
    controller = await client.controller()
    async with asyncio.timeout(30):
        while True:
            everything = Message(timeout=1000, topics=None)
            if not (
                await client.ask(
                    ApiKey.LIST_PARTITION_REASSIGNMENTS, 0, everything, broker=controller
                )
            ).topics:
                return
            await asyncio.sleep(0.1)


async def _until_led_by(client: kit.Client, leader: int) -> Any:
    async with asyncio.timeout(10):
        while True:
            part = (await _view(client)).topics[0].partitions[0]
            if part.leader_id == leader:
                return part
            await asyncio.sleep(0.1)


def test_a_partition_moves_with_all_its_records_and_back_by_election() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.place("t", (1, 2))
        written = await client.produce("t", b"one", b"two")
        assert written.error_code == ErrorCode.NONE
        controller = await client.controller()
        begun = await client.ask(
            ApiKey.ALTER_PARTITION_REASSIGNMENTS, 0, _moves("t", (3, 1)), broker=controller
        )
        assert (begun.error_code, _errors(begun)) == (ErrorCode.NONE, [ErrorCode.NONE])
        await _until_nothing_moves(client)
        part = await _until_led_by(client, 1)
        assert (list(part.replica_nodes), sorted(part.isr_nodes)) == ([3, 1], [1, 3])
        dirs = await client.ask(ApiKey.DESCRIBE_LOG_DIRS, 4, Message(topics=None), broker=2)
        assert [t.name for d in dirs.results for t in d.topics] == [], "2 has deleted its log"
        partitions = [Message(topic="t", partitions=[0])]
        elect = Message(election_type=0, topic_partitions=partitions, timeout=10_000)
        answer = await client.ask(ApiKey.ELECT_LEADERS, 2, elect, broker=controller)
        (result,) = answer.replica_election_results[0].partition_result
        assert result.error_code == ErrorCode.NONE
        assert (await _until_led_by(client, 3)).leader_id == 3
        latest = Message(partition_index=0, timestamp=-1, current_leader_epoch=-1)
        ends = Message(
            replica_id=-1,
            isolation_level=0,
            topics=[Message(name="t", partitions=[latest])],
        )
        told = await client.ask(ApiKey.LIST_OFFSETS, 7, ends, broker=3)
        assert told.topics[0].partitions[0].offset == 2

    kit.run(scenario, brokers=3)


def test_a_move_to_a_broker_that_cannot_follow_is_listed_refuses_growth_and_is_cancelled() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.place("t", (1, 2), (2, 1))
        controller = await client.controller()
        # 2 stays in sync, 3 would: asked for and cancelled in one breath, 3 has not joined yet.
        begin = asyncio.create_task(
            client.ask(
                ApiKey.ALTER_PARTITION_REASSIGNMENTS, 0, _moves("t", (1, 2, 3)), broker=controller
            )
        )
        listing = client.ask(
            ApiKey.LIST_PARTITION_REASSIGNMENTS,
            0,
            Message(timeout=1000, topics=None),
            broker=controller,
        )
        grow = Message(
            topics=[Message(name="t", count=3, assignments=None)],
            timeout=0,
            validate_only=False,
        )
        growth = client.ask(ApiKey.CREATE_PARTITIONS, 3, grow, broker=controller, client_id="x")
        cancel = client.ask(
            ApiKey.ALTER_PARTITION_REASSIGNMENTS, 0, _moves("t", None), broker=controller
        )
        listed, cancelled, grown = await asyncio.gather(listing, cancel, growth)
        assert _errors(await begin) == [ErrorCode.NONE]
        (part,) = listed.topics[0].partitions
        assert (part.partition_index, list(part.replicas)) == (0, [1, 2, 3])
        assert (list(part.adding_replicas), list(part.removing_replicas)) == ([3], [])
        assert _errors(cancelled) == [ErrorCode.NONE]
        assert grown.results[0].error_code in (
            ErrorCode.REASSIGNMENT_IN_PROGRESS,
            ErrorCode.REQUEST_TIMED_OUT,
        )
        again = await client.ask(
            ApiKey.ALTER_PARTITION_REASSIGNMENTS, 0, _moves("t", None, None), broker=controller
        )
        assert _errors(again) == [ErrorCode.NO_REASSIGNMENT_IN_PROGRESS] * 2
        zookeeper = await kit.zookeeper(client.env)
        data, _ = await zookeeper.get(paths.topic_path("t"))
        await zookeeper.close()
        znode = decode_topic("t", data)
        assert znode.partitions[0] == (1, 2)
        assert (znode.adding, znode.removing) == ({}, {})

    kit.run(scenario, brokers=3)


def test_each_partition_is_refused_for_itself() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.place("t", (1,), (1,))
        controller = await client.controller()
        for target, error in (
            ((), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
            ((1, 1), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
            ((9,), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
            (None, ErrorCode.NO_REASSIGNMENT_IN_PROGRESS),
        ):
            asked = _moves("t", target, (1,))
            answer = await client.ask(
                ApiKey.ALTER_PARTITION_REASSIGNMENTS, 0, asked, broker=controller
            )
            assert _errors(answer) == [error, ErrorCode.NONE]
        unknown = await client.ask(
            ApiKey.ALTER_PARTITION_REASSIGNMENTS, 0, _moves("nobody", (1,)), broker=controller
        )
        assert _errors(unknown) == [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
        other = next(b for b in (1, 2) if b != controller)
        for api, asked in (
            (ApiKey.ALTER_PARTITION_REASSIGNMENTS, _moves("t", (1,))),
            (ApiKey.LIST_PARTITION_REASSIGNMENTS, Message(timeout=0, topics=None)),
        ):
            answer = await client.ask(api, 0, asked, broker=other)
            assert answer.error_code == ErrorCode.NOT_CONTROLLER
        some = Message(timeout=0, topics=[Message(name="t", partition_indexes=[0, 9])])
        assert (
            await client.ask(ApiKey.LIST_PARTITION_REASSIGNMENTS, 0, some, broker=controller)
        ).topics == ()

    kit.run(scenario, brokers=2)
