"""Quotas that are exceeded: what is answered, and how long nothing more is served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.api import kit
from tests.api.test_client_quotas import alter

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

ANYBODY: dict[str, str | None] = {"user": "ANONYMOUS"}
METADATA = Message(topics=[])


async def set_quotas(client: kit.Client, entity: dict[str, str | None], **quotas: Any) -> None:
    """At broker 1, by a client of whom other quotas than a user's do not count."""
    answer = await client.ask(
        ApiKey.ALTER_CLIENT_QUOTAS, 1, alter(entity, **quotas), client_id="admin"
    )
    assert [entry.error_code for entry in answer.entries] == [0]


@asynccontextmanager
async def lasting(seconds: float) -> AsyncIterator[None]:
    """What is inside takes so long, in virtual time."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    yield
    assert loop.time() - began == pytest.approx(seconds, abs=0.05)


def fetching(offset: int = 0, **others: Any) -> Message:
    part = Message(
        partition=0,
        current_leader_epoch=-1,
        fetch_offset=offset,
        last_fetched_epoch=-1,
        log_start_offset=-1,
        partition_max_bytes=1 << 20,
    )
    fields = {
        "replica_id": -1,
        "max_wait": 0,
        "min_bytes": 1,
        "max_bytes": 1 << 20,
        "isolation_level": 0,
        "session_id": 0,
        "session_epoch": -1,
        "topics": [Message(topic="t", topic_id=None, partitions=[part])],
        "forgotten_topics_data": [],
        "rack_id": "",
    }
    return Message(**{**fields, **others})


@pytest.mark.parametrize("version", [3, 5, 8, 9, 11])
def test_a_produce_is_stored_and_told_to_wait(version: int) -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await set_quotas(client, ANYBODY, producer_byte_rate=1000.0)
        message = kit.produce_message("t", b"x" * 19_000)
        async with lasting(0):
            answer = await client.ask(ApiKey.PRODUCE, version, message)
            assert answer.responses[0].partition_responses[0].error_code == 0
            assert 9_000 < answer.throttle_time < 9_300
        async with lasting(0):  # only this connection
            await client.ask(ApiKey.METADATA, 12, METADATA, client_id="another")
        async with lasting(answer.throttle_time / 1000):
            await client.ask(ApiKey.METADATA, 12, METADATA)

    kit.run(scenario)


def test_without_an_answer_it_waits_as_well() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await set_quotas(client, ANYBODY, producer_byte_rate=1000.0)
        connection = await client.connection()
        for _ in range(3):  # the second and the third are not served before the wait is over
            connection.post(ApiKey.PRODUCE, 9, kit.produce_message("t", b"x" * 19_900, acks=0))
        await asyncio.sleep(1)
        found = await client.ask(ApiKey.FETCH, 11, fetching(), client_id="another")
        assert found.responses[0].partitions[0].high_watermark == 1
        await asyncio.sleep(10)
        found = await client.ask(ApiKey.FETCH, 11, fetching(), client_id="another")
        assert found.responses[0].partitions[0].high_watermark == 2

    kit.run(scenario)


def test_pipelined_produces_wait_for_each_other() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await set_quotas(client, ANYBODY, producer_byte_rate=1000.0)
        connection = await client.connection()
        message = kit.produce_message("t", b"x" * 11_900)
        loop = asyncio.get_running_loop()
        began, answered = loop.time(), []

        async def produce() -> None:
            answer: Any = await connection.send(ApiKey.PRODUCE, 9, message, timeout_ms=60_000)
            answered.append((round(loop.time() - began), round(answer.throttle_time, -3)))

        await asyncio.gather(*(produce() for _ in range(3)))
        assert answered == [(0, 2000), (2, 14_000), (16, 2000)]

    kit.run(scenario)


def test_a_fetch_that_exceeds_it_is_empty() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        for _ in range(10):
            await client.produce("t", b"x" * 10_000)
        await set_quotas(client, ANYBODY, consumer_byte_rate=2000.0)

        async def fetch(**others: Any) -> Any:
            return await client.ask(ApiKey.FETCH, 11, fetching(**others))

        first = await fetch()  # as much as ten seconds' quota, not all there is
        assert (first.responses, first.throttle_time < 100) == ((), True)  # with its first bytes
        first = await fetch()
        assert 10_000 < len(first.responses[0].partitions[0].records) <= 20_000
        second = await fetch(offset=2)
        assert (second.responses, second.session_id, second.error_code) == ((), 0, 0)
        assert 0 < second.throttle_time <= 11_000
        async with lasting(second.throttle_time / 1000):
            await client.ask(ApiKey.METADATA, 12, METADATA)

    kit.run(scenario)


def test_the_session_goes_on_over_a_throttled_fetch() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await client.produce("t", b"x" * 9_000)

        async def fetch(**others: Any) -> Any:
            return await client.ask(ApiKey.FETCH, 11, fetching(**others))

        begun = await fetch(session_epoch=0)
        assert begun.session_id
        await set_quotas(client, ANYBODY, consumer_byte_rate=1000.0)
        session = {"session_id": begun.session_id, "topics": []}
        assert (await fetch(session_epoch=1, **session)).throttle_time == 0
        throttled = await fetch(session_epoch=2, **session)
        assert throttled.throttle_time > 0
        assert (throttled.session_id, throttled.responses) == (begun.session_id, ())
        again = await fetch(session_epoch=2, **session)
        assert again.error_code == ErrorCode.INVALID_FETCH_SESSION_EPOCH
        await asyncio.sleep(12)
        after = await fetch(session_epoch=3, **session)
        assert after.responses[0].partitions[0].high_watermark == 1
        new = await fetch(session_epoch=0)
        assert new.throttle_time > 0
        assert new.session_id == 0  # none has begun

    kit.run(scenario)


def test_news_of_a_throttled_fetch_come_later() -> None:
    """A watermark that was not told is told by the next answer."""

    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await client.produce("t", b"x")

        async def fetch(**others: Any) -> Any:
            return await client.ask(ApiKey.FETCH, 11, fetching(**others))

        begun = await fetch(session_epoch=0, offset=1)
        session = {"session_id": begun.session_id, "topics": []}
        assert (await fetch(session_epoch=1, **session)).responses == ()
        await set_quotas(client, ANYBODY, consumer_byte_rate=20.0)
        await client.produce("t", b"y" * 500, client_id="producer")
        assert (await fetch(session_epoch=2, **session)).responses == ()
        await set_quotas(client, ANYBODY, consumer_byte_rate=None)
        told = await fetch(session_epoch=3, **session)
        assert told.responses[0].partitions[0].high_watermark == 2

    kit.run(scenario)


def test_requests_of_every_kind_are_throttled_for_their_time() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await client.produce("t", b"x")
        await set_quotas(client, {"client-id": "test"}, request_percentage=1e-6)
        versions = Message(client_software_name="a", client_software_version="1")
        for api, version, message in [
            (ApiKey.METADATA, 12, METADATA),
            (ApiKey.API_VERSIONS, 3, versions),
            (ApiKey.API_VERSIONS, 1, Message()),
            (ApiKey.DESCRIBE_CLUSTER, 1, Message(include_cluster_authorized_operations=False)),
            (ApiKey.FIND_COORDINATOR, 3, Message(key="g", key_type=0)),
            (ApiKey.PRODUCE, 9, kit.produce_message("t", b"y")),
        ]:
            answer = await client.ask(api, version, message)
            assert answer.throttle_time == 1000
            async with lasting(1):
                fetched = await client.ask(ApiKey.FETCH, 11, fetching())
            assert (fetched.throttle_time, fetched.responses) == (1000, ())
            await asyncio.sleep(1)
        await set_quotas(client, {"client-id": "test"}, request_percentage=None)
        assert (await client.ask(ApiKey.METADATA, 12, METADATA)).throttle_time == 0
        fetched = await client.ask(ApiKey.FETCH, 11, fetching())
        assert fetched.responses[0].partitions[0].high_watermark == 2

    kit.run(scenario)


def test_brokers_are_exempt() -> None:
    """Copies and orders of the controller go on, although nobody else may do anything."""

    async def scenario(client: kit.Client) -> None:
        await set_quotas(
            client,
            {"user": None},
            request_percentage=1e-6,
            consumer_byte_rate=1.0,
            producer_byte_rate=1e6,
        )
        await asyncio.sleep(2)
        created = await client.create("t", 1, 3)
        assert created.error_code == 0
        await asyncio.sleep(2)
        where = await client.ask(
            ApiKey.METADATA,
            12,
            Message(topics=[Message(name="t", topic_id=None)], allow_auto_topic_creation=False),
            client_id="another",
        )
        leader = where.topics[0].partitions[0].leader_id
        async with lasting(0):
            result = await client.produce("t", b"x" * 1000, broker=leader, client_id="third")
            assert result.error_code == 0

    kit.run(scenario, brokers=3)


def test_mutations_as_recorded() -> None:
    async def scenario(client: kit.Client) -> None:
        await set_quotas(client, ANYBODY, controller_mutation_rate=1.0)

        async def create(version: int, *names: str, partitions: int = 1) -> Any:
            topics = [kit.create_message(name, partitions).topics[0] for name in names]
            message = Message(topics=topics, timeout=10_000, validate_only=False)
            return await client.ask(ApiKey.CREATE_TOPICS, version, message)

        first = await create(6, "a", "b", "c", partitions=5)
        assert [t.error_code for t in first.topics] == [0, 0, 0]
        assert first.throttle_time == 0
        second = await create(6, "d")
        told = [(t.error_code, t.error_message) for t in second.topics]
        assert told == [(ErrorCode.THROTTLING_QUOTA_EXCEEDED, None)]
        assert 3000 < second.throttle_time <= 4000
        async with lasting(second.throttle_time / 1000):
            old = await create(5, "d", "e")
        assert [t.error_code for t in old.topics] == [0, 0]
        assert 1000 < old.throttle_time <= 2000
        message = Message(topic_names=["a", "b"], timeout=10_000)
        deleted = await client.ask(ApiKey.DELETE_TOPICS, 5, message)
        assert [t.error_code for t in deleted.responses] == [0, 89]
        assert 4000 < deleted.throttle_time <= 5000
        growing = Message(
            topics=[Message(name="d", count=4, assignments=None)],
            timeout=10_000,
            validate_only=False,
        )
        grown = await client.ask(ApiKey.CREATE_PARTITIONS, 3, growing)
        assert (grown.results[0].error_code, grown.throttle_time) == (0, 0)
        refused = await client.ask(ApiKey.CREATE_PARTITIONS, 3, growing)
        assert refused.results[0].error_code == ErrorCode.INVALID_PARTITIONS
        assert refused.throttle_time == 0
        growing.topics[0].count = 5
        refused = await client.ask(ApiKey.CREATE_PARTITIONS, 3, growing)
        told = [(r.error_code, r.error_message) for r in refused.results]
        assert told == [(ErrorCode.THROTTLING_QUOTA_EXCEEDED, None)]

    kit.run(scenario)


def test_a_longer_wait_takes_the_place_of_a_shorter() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await set_quotas(client, ANYBODY, producer_byte_rate=1000.0, request_percentage=1e-6)
        answer = await client.ask(ApiKey.PRODUCE, 9, kit.produce_message("t", b"x" * 14_000))
        assert answer.throttle_time > 4000
        async with lasting(answer.throttle_time / 1000):
            metadata = await client.ask(ApiKey.METADATA, 12, METADATA)
        assert metadata.throttle_time == 1000

    kit.run(scenario)


def test_a_client_that_leaves_is_forgotten() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await set_quotas(client, ANYBODY, producer_byte_rate=1.0)
        connection = await client.connection()
        message = kit.produce_message("t", b"x" * 14_000)
        answer: Any = await connection.send(ApiKey.PRODUCE, 9, message, timeout_ms=60_000)
        assert answer.throttle_time > 1e7
        connection.close()
        await asyncio.sleep(5)
        async with lasting(0):
            await client.ask(ApiKey.METADATA, 12, METADATA)

    kit.run(scenario)
