"""ListOffsets, OffsetForLeaderEpoch and Fetch in every version."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from tests.api import kit

from barnabas.api import fetch as fetch_api
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.replication.results import FetchedPartition, FetchResult

LIST, EPOCH, FETCH = ApiKey.LIST_OFFSETS, ApiKey.OFFSET_FOR_LEADER_EPOCH, ApiKey.FETCH
LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED = -1, -2, -3, -4, -5


def _listing(timestamp: int, topic: str = "t", epoch: int = -1, partition: int = 0) -> Message:
    part = Message(partition_index=partition, timestamp=timestamp, current_leader_epoch=epoch)
    return Message(
        replica_id=-1, isolation_level=0, topics=[Message(name=topic, partitions=[part])]
    )


async def _list(client: kit.Client, version: int, message: Message) -> Any:
    return (await client.ask(LIST, version, message)).topics[0].partitions[0]


def test_list_offsets_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        assert (await _list(client, 9, _listing(MAX_TIMESTAMP))).offset == -1
        await client.produce("t", b"a", b"b", b"c")
        first = {LATEST: 1, EARLIEST: 1, MAX_TIMESTAMP: 7, EARLIEST_LOCAL: 8, LATEST_TIERED: 9}
        expected = {
            LATEST: (-1, 3),
            EARLIEST: (-1, 0),
            MAX_TIMESTAMP: (kit.NOW_MS + 2, 2),
            EARLIEST_LOCAL: (-1, 0),
            LATEST_TIERED: (-1, -1),
            kit.NOW_MS + 1: (kit.NOW_MS + 1, 1),
            kit.NOW_MS + 9: (-1, -1),
            -6: (-1, -1),
        }
        for version in kit.versions(LIST):
            for timestamp, pair in expected.items():
                found = await _list(client, version, _listing(timestamp))
                if timestamp == -6 or version < first.get(timestamp, 0):
                    assert found.error_code == ErrorCode.UNSUPPORTED_VERSION
                    assert (found.timestamp, found.offset) == (-1, -1)
                else:
                    assert found.error_code == 0
                    assert (found.timestamp, found.offset) == pair
                    if version >= 4 and found.offset >= 0:
                        assert found.leader_epoch == 0

    kit.run(scenario)


def test_list_offsets_refused() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert (await _list(client, 5, _listing(LATEST, "nobody"))).error_code == unknown
        assert (await _list(client, 5, _listing(LATEST, partition=4))).error_code == unknown
        newer = await _list(client, 5, _listing(LATEST, epoch=3))
        assert newer.error_code == ErrorCode.UNKNOWN_LEADER_EPOCH
        twice = _listing(LATEST)
        twice.topics[0].partitions *= 2
        answer = await client.ask(LIST, 5, twice)
        assert [p.error_code for p in answer.topics[0].partitions] == [
            ErrorCode.INVALID_REQUEST
        ] * 2

    kit.run(scenario)


def test_only_a_debugging_consumer_may_ask_a_follower() -> None:
    async def scenario(client: kit.Client) -> None:
        view = await client.ask(ApiKey.METADATA, 1, Message(topics=[]))
        leader, follower = view.controller_id, 3 - view.controller_id
        message = kit.create_message(
            "t", -1, -1, assignments=[Message(partition_index=0, broker_ids=[leader, follower])]
        )
        await client.ask(ApiKey.CREATE_TOPICS, 5, message, broker=leader)
        records = kit.produce_message("t", b"a", b"b")
        await client.ask(ApiKey.PRODUCE, 9, records, broker=leader)
        for replica, expected in ((-1, ErrorCode.NOT_LEADER_OR_FOLLOWER), (-2, ErrorCode.NONE)):
            message = _listing(LATEST)
            message.replica_id = replica
            answer = await client.ask(LIST, 5, message, broker=follower)
            (found,) = answer.topics[0].partitions
            assert found.error_code == expected
            if expected == ErrorCode.NONE:
                assert found.offset == 2

    kit.run(scenario, brokers=2)


def test_offset_for_leader_epoch_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await client.produce("t", b"a", b"b")
        for version in kit.versions(EPOCH):
            for topic, current, epoch, expected in (
                ("t", -1, 0, (0, 0, 2)),
                ("t", 0, 5, (0, -1, -1)),
                ("t", 4, 0, (ErrorCode.UNKNOWN_LEADER_EPOCH, -1, -1)),
                ("nobody", -1, 0, (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, -1)),
            ):
                part = Message(partition=0, current_leader_epoch=current, leader_epoch=epoch)
                message = Message(replica_id=-1, topics=[Message(topic=topic, partitions=[part])])
                (found,) = (await client.ask(EPOCH, version, message)).topics[0].partitions
                assert (found.error_code, found.leader_epoch, found.end_offset) == expected

    kit.run(scenario)


def _fetching(topic: str, topic_id: object, **others: Any) -> Message:
    part = Message(
        partition=0,
        current_leader_epoch=-1,
        fetch_offset=0,
        last_fetched_epoch=-1,
        log_start_offset=-1,
        partition_max_bytes=1 << 20,
    )
    for name in ("fetch_offset", "current_leader_epoch"):
        if name in others:
            setattr(part, name, others.pop(name))
    return Message(
        **{
            "replica_id": -1,
            "max_wait": 0,
            "min_bytes": 1,
            "max_bytes": 1 << 20,
            "isolation_level": 0,
            "session_id": 0,
            "session_epoch": -1,
            "topics": [Message(topic=topic, topic_id=topic_id, partitions=[part])],
            "forgotten_topics_data": [],
            "rack_id": "",
            **others,
        }
    )


def test_fetch_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        created = await client.create("t")
        await client.produce("t", b"a", b"b")
        for version in kit.versions(FETCH):
            answer = await client.ask(FETCH, version, _fetching("t", created.topic_id))
            assert getattr(answer, "error_code", 0) == 0
            (topic,) = answer.responses
            if version >= 13:
                assert topic.topic_id == created.topic_id
            else:
                assert topic.topic == "t"
            (found,) = topic.partitions
            assert (found.error_code, found.high_watermark) == (0, 2)
            assert found.last_stable_offset == 2
            assert b"a" in found.records
            beyond = _fetching("t", created.topic_id, fetch_offset=9)
            found = (await client.ask(FETCH, version, beyond)).responses[0].partitions[0]
            assert found.error_code == ErrorCode.OFFSET_OUT_OF_RANGE
            stranger = _fetching("nobody", kit.STRANGER)
            found = (await client.ask(FETCH, version, stranger)).responses[0].partitions[0]
            expected = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            if version >= 13:
                expected = ErrorCode.UNKNOWN_TOPIC_ID
            assert found.error_code == expected
            if version >= 9:
                newer = _fetching("t", created.topic_id, current_leader_epoch=7)
                found = (await client.ask(FETCH, version, newer)).responses[0].partitions[0]
                assert found.error_code == ErrorCode.UNKNOWN_LEADER_EPOCH

    kit.run(scenario)


def test_a_fetch_session_answers_only_what_changed() -> None:
    async def scenario(client: kit.Client) -> None:
        created = await client.create("t")
        full = await client.ask(FETCH, 15, _fetching("t", created.topic_id, session_epoch=0))
        assert full.session_id > 0
        again = {"session_id": full.session_id, "topics": []}
        message = _fetching("t", created.topic_id, session_epoch=1, **again)
        assert (await client.ask(FETCH, 15, message)).responses == ()
        await client.produce("t", b"a")
        message = _fetching("t", created.topic_id, session_epoch=2, **again)
        assert b"a" in (await client.ask(FETCH, 15, message)).responses[0].partitions[0].records
        message = _fetching("t", created.topic_id, session_epoch=2, **again)
        lost = await client.ask(FETCH, 15, message)
        assert lost.error_code == ErrorCode.INVALID_FETCH_SESSION_EPOCH

    kit.run(scenario)


def test_consumers_that_cannot_read_zstd_are_refused_its_topics() -> None:
    """Whatever else there is to be said, and wherever; only ``compression.type`` counts."""

    async def scenario(client: kit.Client) -> None:
        created = await client.create("z", **{"compression.type": "zstd"})
        await client.create("t")
        await client.produce("z", b"a" * 100)
        await client.produce("t", b"a" * 100)
        for version in kit.versions(FETCH):
            asked = _fetching("z", created.topic_id)
            asked.topics.append(_fetching("t", created.topic_id).topics[0])
            found = (await client.ask(FETCH, version, asked)).responses[0].partitions[0]
            if version >= 10:
                assert (found.error_code, found.high_watermark) == (0, 1)
                continue
            assert found.error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
            assert (found.high_watermark, found.records or b"") == (-1, b"")
            beyond = _fetching("z", created.topic_id, fetch_offset=9)
            found = (await client.ask(FETCH, version, beyond)).responses[0].partitions[0]
            assert found.error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
            other = (await client.ask(FETCH, version, asked)).responses[1].partitions[0]
            assert (other.error_code, other.high_watermark) == (0, 1)

    kit.run(scenario)


def test_any_negative_epoch_of_a_fetch_is_none() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        asked = _fetching("t", kit.STRANGER, current_leader_epoch=-7)
        found = (await client.ask(FETCH, 12, asked)).responses[0].partitions[0]
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
                answer = await client.ask(FETCH, version, asked, broker=follower)
                (found,) = answer.responses[0].partitions
                served = version >= 11 or replica == -3
                assert found.error_code == (0 if served else refused)
                assert found.high_watermark == (1 if served else -1)
                beyond = _fetching("t", kit.STRANGER, replica_id=replica, fetch_offset=2)
                answer = await client.ask(FETCH, version, beyond, broker=follower)
                (found,) = answer.responses[0].partitions
                assert found.error_code == (ErrorCode.OFFSET_OUT_OF_RANGE if served else refused)

    kit.run(scenario, brokers=2)


def test_old_consumers_are_not_told_of_a_storage_error() -> None:
    """They would take it for one that no retry can mend; the original converts it too."""
    hosted: dict[object, object] = {}
    services = cast("Any", SimpleNamespace(replicas=SimpleNamespace(partitions=hosted)))
    for version in kit.versions(FETCH):
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
