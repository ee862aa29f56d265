"""ElectLeaders in every version, on brokers that come and go."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

ELECT = ApiKey.ELECT_LEADERS
PREFERRED, UNCLEAN = 0, 1


def _request(*topics: tuple[str, list[int]], **others: Any) -> Message:
    asked = [Message(topic=topic, partitions=partitions) for topic, partitions in topics]
    return Message(
        **{"election_type": PREFERRED, "topic_partitions": asked, "timeout": 10_000, **others}
    )


def _codes(answer: Any) -> dict[tuple[str, int], int]:
    return {
        (topic.topic, p.partition_id): int(p.error_code)
        for topic in answer.replica_election_results
        for p in topic.partition_result
    }


async def _view(client: kit.Client, broker: int = 1) -> Any:
    return await client.ask(ApiKey.METADATA, 12, Message(topics=None), broker=broker)


def test_every_version_answers_for_every_partition() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", 2)
        for version in kit.versions(ELECT):
            answer = await client.ask(
                ELECT, version, _request(("t", [0, 7, 0]), ("u", [1]), ("t", [1]))
            )
            assert _codes(answer) == {
                ("t", 0): ErrorCode.ELECTION_NOT_NEEDED,
                ("t", 1): ErrorCode.ELECTION_NOT_NEEDED,
                ("t", 7): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
                ("u", 1): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            }
            if version > 0:
                assert answer.error_code == ErrorCode.NONE

    kit.run(scenario)


def test_all_partitions_leaves_out_those_that_need_nothing() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", 3)
        for kind in (PREFERRED, UNCLEAN):
            request = _request(topic_partitions=None, election_type=kind)
            assert _codes(await client.ask(ELECT, 2, request)) == {}

    kit.run(scenario)


def test_an_election_of_no_known_kind_is_refused() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        answer = await client.ask(ELECT, 2, _request(("t", [0]), election_type=9))
        assert answer.error_code == ErrorCode.INVALID_REQUEST
        assert _codes(answer) == {("t", 0): ErrorCode.INVALID_REQUEST}

    kit.run(scenario)


def test_a_preferred_leader_that_leaves_is_not_elected_and_only_the_controller_elects() -> None:
    async def scenario(client: kit.Client) -> None:
        assignments = [Message(partition_index=0, broker_ids=[2, 1])]
        created = kit.create_message("t", -1, -1, assignments=assignments)
        controller = (await _view(client)).controller_id
        await client.ask(ApiKey.CREATE_TOPICS, 7, created, broker=controller)
        leaving = Message(broker_id=2, broker_epoch=-1)
        await client.ask(ApiKey.CONTROLLED_SHUTDOWN, 3, leaving, broker=controller)
        other = 3 - controller
        refused = await client.ask(ELECT, 2, _request(("t", [0])), broker=other)
        assert _codes(refused) == {("t", 0): ErrorCode.NOT_CONTROLLER}
        # The preferred leader is about to leave: it is not elected, and nobody else needs to be.
        answer = await client.ask(ELECT, 2, _request(("t", [0])), broker=controller)
        assert _codes(answer) == {("t", 0): ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE}
        unclean = _request(topic_partitions=None, election_type=UNCLEAN)
        assert _codes(await client.ask(ELECT, 2, unclean, broker=controller)) == {}

    kit.run(scenario, brokers=2)


def _texts(answer: Any) -> list[tuple[int, str | None]]:
    return [
        (int(p.error_code), p.error_message)
        for topic in answer.replica_election_results
        for p in topic.partition_result
    ]


async def _create(client: kit.Client, name: str, replicas: list[int], controller: int) -> None:
    assignments = [Message(partition_index=0, broker_ids=replicas)]
    created = kit.create_message(name, -1, -1, assignments=assignments)
    answer = await client.ask(ApiKey.CREATE_TOPICS, 7, created, broker=controller)
    assert answer.topics[0].error_code == 0


async def _gone(client: kit.Client, controller: int) -> None:
    while True:
        if len((await _view(client, controller)).brokers) == 2:
            return
        await asyncio.sleep(0.1)


def test_the_texts_beside_a_dead_broker_are_the_original_s() -> None:
    """Recorded from 3.9.1: three brokers, one of them killed."""
    needless = (84, "Leader election not needed for topic partition.")

    async def scenario(client: kit.Client) -> None:
        controller = (await _view(client)).controller_id
        dead = next(b for b in (3, 2, 1) if b != controller)
        for name, replicas in (("f1", [dead, controller]), ("f2", [dead]), ("f3", [controller])):
            await _create(client, name, replicas, controller)
        client.simulation.processes[f"b{dead}"].kill()
        await _gone(client, controller)
        three = [("f1", [0]), ("f2", [0]), ("f3", [0])]
        answer = await client.ask(ELECT, 2, _request(*three), broker=controller)
        failed = "Failed to elect leader for partition {}-0 under strategy {}"
        preferred = "PreferredReplicaPartitionLeaderElectionStrategy"
        assert _texts(answer) == [
            (80, failed.format("f1", preferred)),
            (80, failed.format("f2", preferred)),
            needless,
        ]
        request = _request(*three, election_type=UNCLEAN)
        answer = await client.ask(ELECT, 2, request, broker=controller)
        unclean = "OfflinePartitionLeaderElectionStrategy(true)"
        assert _texts(answer) == [needless, (83, failed.format("f2", unclean)), needless]
        move = Message(partition_index=0, replicas=[controller])
        moves = Message(timeout=1000, topics=[Message(name="f2", partitions=[move])])
        await client.ask(ApiKey.ALTER_PARTITION_REASSIGNMENTS, 0, moves, broker=controller)
        growth = Message(topics=[Message(name="f2", count=3, assignments=None)], timeout=1000)
        growth.validate_only = True
        answer = await client.ask(ApiKey.CREATE_PARTITIONS, 3, growth, broker=controller)
        moving = "A partition reassignment is in progress for the topic 'f2'."
        assert (answer.results[0].error_code, answer.results[0].error_message) == (60, moving)

    kit.run(scenario, brokers=3)
