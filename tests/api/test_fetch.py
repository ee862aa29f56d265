"""Fetch: every version, odd limits and replica ids, transactions."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.api import kit
from tests.api.kit import Client
from tests.api.transaction_kit import begun, describe_producers, latest, run

from barnabas.api import fetch as fetch_api
from barnabas.errors import ErrorCode
from barnabas.protocol import fetch as fetch_codec
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.records.batch import iterate_batches
from barnabas.replication.results import FetchedPartition, FetchResult

VERSIONS = (4, 7, 11, 12)


def _fetching(topic: str, topic_id: object = None, **others: Any) -> Message:
    """A Fetch request for some partitions of a topic, from 0 on."""
    part = {
        "current_leader_epoch": others.pop("current_leader_epoch", -1),
        "fetch_offset": others.pop("fetch_offset", 0),
        "last_fetched_epoch": -1,
        "log_start_offset": -1,
        "partition_max_bytes": 1 << 20,
    }
    wanted = [Message(partition=number, **part) for number in range(others.pop("partitions", 1))]
    return Message(
        **{
            "replica_id": -1,
            "max_wait": 0,
            "min_bytes": 1,
            "max_bytes": 1 << 20,
            "isolation_level": 0,
            "session_id": 0,
            "session_epoch": -1,
            "topics": [Message(topic=topic, topic_id=topic_id, partitions=wanted)],
            "forgotten_topics_data": [],
            "rack_id": "",
            **others,
        }
    )


def _parts(answer: Any) -> list[tuple[int, bool]]:
    """(error code, whether there are records) of each partition."""
    return [(p.error_code, bool(p.records)) for t in answer.responses for p in t.partitions]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_isolation_level_that_does_not_exist(version: int) -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await client.produce("t", b"a")
        for level in (2, -1, 127, -128):
            answer = await client.ask(ApiKey.FETCH, version, _fetching("t", isolation_level=level))
            assert answer.error_code == (ErrorCode.INVALID_REQUEST if version >= 7 else 0)
            assert _parts(answer) == [(ErrorCode.INVALID_REQUEST, False)]

    kit.run(scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_leader_does_not_copy_from_itself(version: int) -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await client.produce("t", b"a")
        answer = await client.ask(ApiKey.FETCH, version, _fetching("t", replica_id=1))
        assert _parts(answer) == [(ErrorCode.NOT_LEADER_OR_FOLLOWER, False)]

    kit.run(scenario)


@pytest.mark.parametrize("version", [7, 11, 12])
def test_another_broker_may_ask_for_more_partitions_than_a_client(
    version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Java follower names all of them in one request."""
    monkeypatch.setattr(fetch_codec, "REQUEST_PARTITIONS_MAX", 4)
    monkeypatch.setattr(fetch_api, "FOLLOWER_PARTITIONS_MAX", 6)

    async def scenario(client: kit.Client) -> None:
        await client.create("t", 6)
        alive, unknown, consumer = 1, 7, -1
        for count, replica, served in (
            (4, consumer, True),
            (5, consumer, False),
            (5, unknown, False),
            (6, alive, True),
            (7, alive, False),
        ):
            message = _fetching("t", partitions=count, replica_id=replica)
            answer = await client.ask(ApiKey.FETCH, version, message)
            assert answer.error_code == (0 if served else ErrorCode.INVALID_REQUEST)
            assert len(_parts(answer)) == (count if served else 0)

    kit.run(scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_limit_below_zero_is_an_error_of_the_first_partition(version: int) -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", 3)
        for number in range(3):
            message = kit.produce_message("t", b"a", partition=number)
            await client.ask(ApiKey.PRODUCE, 9, message)
        for limit in (-1, -(2**31)):
            answer = await client.ask(
                ApiKey.FETCH, version, _fetching("t", partitions=3, max_bytes=limit)
            )
            refused = (ErrorCode.UNKNOWN_SERVER_ERROR, False)
            assert _parts(answer) == [refused, (0, True), (0, False)]
        answer = await client.ask(ApiKey.FETCH, version, _fetching("t", partitions=3, max_bytes=0))
        assert _parts(answer) == [(0, True), (0, False), (0, False)]

    kit.run(scenario)


def test_fetch_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        created = await client.create("t")
        await client.produce("t", b"a", b"b")
        for version in kit.versions(ApiKey.FETCH):
            answer = await client.ask(ApiKey.FETCH, version, _fetching("t", created.topic_id))
            assert getattr(answer, "error_code", 0) == 0
            (topic,) = answer.responses
            if version >= 13:
                assert topic.topic_id == created.topic_id
            else:
                assert topic.topic == "t"
            (found,) = topic.partitions
            assert (found.error_code, found.high_watermark) == (0, 2)
            if version >= 4:
                assert found.last_stable_offset == 2
            assert b"a" in found.records
            beyond = _fetching("t", created.topic_id, fetch_offset=9)
            found = (await client.ask(ApiKey.FETCH, version, beyond)).responses[0].partitions[0]
            assert found.error_code == ErrorCode.OFFSET_OUT_OF_RANGE
            stranger = _fetching("nobody", kit.STRANGER)
            found = (await client.ask(ApiKey.FETCH, version, stranger)).responses[0].partitions[0]
            expected = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            if version >= 13:
                expected = ErrorCode.UNKNOWN_TOPIC_ID
            assert found.error_code == expected
            if version >= 9:
                newer = _fetching("t", created.topic_id, current_leader_epoch=7)
                found = (await client.ask(ApiKey.FETCH, version, newer)).responses[0].partitions[0]
                assert found.error_code == ErrorCode.UNKNOWN_LEADER_EPOCH

    kit.run(scenario)


def test_a_fetch_session_answers_only_what_changed() -> None:
    async def scenario(client: kit.Client) -> None:
        created = await client.create("t")
        full = await client.ask(ApiKey.FETCH, 15, _fetching("t", created.topic_id, session_epoch=0))
        assert full.session_id > 0
        again = {"session_id": full.session_id, "topics": []}
        message = _fetching("t", created.topic_id, session_epoch=1, **again)
        assert (await client.ask(ApiKey.FETCH, 15, message)).responses == ()
        await client.produce("t", b"a")
        message = _fetching("t", created.topic_id, session_epoch=2, **again)
        assert (
            b"a" in (await client.ask(ApiKey.FETCH, 15, message)).responses[0].partitions[0].records
        )
        message = _fetching("t", created.topic_id, session_epoch=2, **again)
        lost = await client.ask(ApiKey.FETCH, 15, message)
        assert lost.error_code == ErrorCode.INVALID_FETCH_SESSION_EPOCH

    kit.run(scenario)


def test_consumers_that_cannot_read_zstd_are_refused_its_topics() -> None:
    """Whatever else there is to be said, and wherever; only ``compression.type`` counts."""

    async def scenario(client: kit.Client) -> None:
        created = await client.create("z", **{"compression.type": "zstd"})
        await client.create("t")
        await client.produce("z", b"a" * 100)
        await client.produce("t", b"a" * 100)
        for version in kit.versions(ApiKey.FETCH):
            asked = _fetching("z", created.topic_id)
            asked.topics.append(_fetching("t", created.topic_id).topics[0])
            found = (await client.ask(ApiKey.FETCH, version, asked)).responses[0].partitions[0]
            if version >= 10:
                assert (found.error_code, found.high_watermark) == (0, 1)
                continue
            assert found.error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
            assert (found.high_watermark, found.records or b"") == (-1, b"")
            beyond = _fetching("z", created.topic_id, fetch_offset=9)
            found = (await client.ask(ApiKey.FETCH, version, beyond)).responses[0].partitions[0]
            assert found.error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
            other = (await client.ask(ApiKey.FETCH, version, asked)).responses[1].partitions[0]
            assert (other.error_code, other.high_watermark) == (0, 1)

    kit.run(scenario)


def test_any_negative_epoch_of_a_fetch_is_none() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        asked = _fetching("t", kit.STRANGER, current_leader_epoch=-7)
        found = (await client.ask(ApiKey.FETCH, 12, asked)).responses[0].partitions[0]
        assert (found.error_code, found.high_watermark) == (0, 0)

    kit.run(scenario)


def test_a_consumer_may_read_a_follower_from_version_11_on() -> None:
    """Only a copy in another log directory may read more than consumers, and in any version."""

    async def scenario(client: kit.Client) -> None:
        view = await client.ask(ApiKey.METADATA, 1, Message(topics=[]))
        leader, follower = view.controller_id, 3 - view.controller_id
        spread = [Message(partition_index=0, broker_ids=[leader, follower])]
        create = kit.create_message("t", -1, -1, assignments=spread)
        await client.ask(ApiKey.CREATE_TOPICS, 7, create, broker=leader)
        await asyncio.sleep(1)
        assert (await client.produce("t", b"a", broker=leader)).error_code == 0
        await asyncio.sleep(1)
        refused = ErrorCode.NOT_LEADER_OR_FOLLOWER
        for version in (4, 10, 11, 12):
            for replica in (-1, -2, -3):
                asked = _fetching("t", kit.STRANGER, replica_id=replica)
                answer = await client.ask(ApiKey.FETCH, version, asked, broker=follower)
                (found,) = answer.responses[0].partitions
                served = version >= 11 or replica == -3
                assert found.error_code == (0 if served else refused)
                assert found.high_watermark == (1 if served else -1)
                beyond = _fetching("t", kit.STRANGER, replica_id=replica, fetch_offset=2)
                answer = await client.ask(ApiKey.FETCH, version, beyond, broker=follower)
                (found,) = answer.responses[0].partitions
                assert found.error_code == (ErrorCode.OFFSET_OUT_OF_RANGE if served else refused)

    kit.run(scenario, brokers=2)


def test_old_consumers_are_not_told_of_a_storage_error() -> None:
    """They would take it for one that no retry can mend; the original converts it too."""
    hosted: dict[object, object] = {}
    services = cast("Any", SimpleNamespace(replicas=SimpleNamespace(partitions=hosted)))
    for version in kit.versions(ApiKey.FETCH):
        broken = FetchedPartition(
            topic="t", topic_id=None, partition=0, error=ErrorCode.KAFKA_STORAGE_ERROR
        )
        request = cast("Any", SimpleNamespace(api_version=version))
        result = FetchResult(error=ErrorCode.NONE, session_id=0, partitions=[broken])
        (told,) = fetch_api._for_old(services, request, result).partitions
        expected = ErrorCode.KAFKA_STORAGE_ERROR
        if version <= 5:
            expected = ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert told.error == expected


async def _fetch(client: Client, topic: str, isolation: int, offset: int = 0, **fields: Any) -> Any:
    values = {"min_bytes": 0, "isolation_level": isolation, "fetch_offset": offset, **fields}
    answer = await client.ask(ApiKey.FETCH, 12, _fetching(topic, **values))
    return answer.responses[0].partitions[0]


def test_what_readers_see_of_open_and_aborted_transactions() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t", 1)
        txn = await begun(client)
        await client.produce("t", b"plain")
        await txn.add(("t", 0))
        await txn.produce("t", count=3)
        assert (await latest(client, "t", 0), await latest(client, "t", 1)) == (4, 1)
        everything, committed = await _fetch(client, "t", 0), await _fetch(client, "t", 1)
        assert (everything.high_watermark, everything.last_stable_offset) == (4, 1)
        assert everything.aborted_transactions is None
        assert [h.base_offset for h, _, _ in iterate_batches(everything.records)] == [0, 1]
        assert [h.base_offset for h, _, _ in iterate_batches(committed.records)] == [0]
        assert committed.aborted_transactions == ()
        producers = await describe_producers(client, "t")
        (me,) = [p for p in producers if p.producer_id == txn.producer_id]
        assert (me.producer_epoch, me.last_sequence, me.current_txn_start_offset) == (0, 2, 1)
        assert await txn.end(False) is ErrorCode.NONE
        await txn.in_state("CompleteAbort")
        assert (await latest(client, "t", 0), await latest(client, "t", 1)) == (5, 5)
        committed = await _fetch(client, "t", 1)
        assert [h.base_offset for h, _, _ in iterate_batches(committed.records)] == [0, 1, 4]
        (aborted,) = committed.aborted_transactions
        assert (aborted.producer_id, aborted.first_offset) == (txn.producer_id, 1)
        (me,) = [
            p for p in await describe_producers(client, "t") if p.producer_id == txn.producer_id
        ]
        assert (me.current_txn_start_offset, me.coordinator_epoch) == (-1, 0)

    run(scenario)


def test_a_reader_waits_at_the_stable_offset_and_nowhere_above() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t", **{"segment.bytes": "1000"})
        txn = await begun(client)
        await txn.add(("t", 0))
        for _ in range(3):
            await txn.produce("t")
        loop = asyncio.get_running_loop()
        for isolation, offset, waits in ((1, 0, True), (1, 2, False), (1, 3, False), (0, 3, True)):
            before = loop.time()
            await _fetch(client, "t", isolation, offset, max_wait=2000, min_bytes=1)
            assert (loop.time() - before > 1.9) is waits, (isolation, offset)
        for _ in range(20):
            await txn.produce("t")
        before = loop.time()
        behind = asyncio.ensure_future(_fetch(client, "t", 1, max_wait=20_000, min_bytes=1 << 19))
        await asyncio.sleep(0.5)
        assert not behind.done()
        assert await txn.end(True) is ErrorCode.NONE
        assert len((await behind).records) > 500
        assert loop.time() - before < 2, "what is stable now lies in a later segment"

    run(scenario)
