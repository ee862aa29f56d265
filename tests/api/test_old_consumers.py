"""Fetch v0 to v3: message formats, limits, refusals, what does not fit, memory."""

from __future__ import annotations

import itertools
from collections.abc import Generator
from typing import Any

import pytest
from tests.api import kit
from tests.old_client import Message as OldMessage
from tests.old_client import message, read_messages

from barnabas.api.old_consumers import timed
from barnabas.api.request import at_once
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.records.batch import Record, build_batch
from barnabas.records.down_conversion import Converted

OLD = range(4)


def fetching(*topics: str, offset: int = 0, size: int = 1 << 20, **others: Any) -> Message:
    """A Fetch request for partition 0 of each topic."""
    part = {"partition": 0, "fetch_offset": offset, "partition_max_bytes": size}
    wanted = [Message(topic=topic, partitions=[Message(**part)]) for topic in topics]
    fields: dict[str, Any] = {"replica_id": -1, "max_wait": 0, "min_bytes": 0, "max_bytes": 1 << 20}
    return Message(**{**fields, "topics": wanted, **others})


async def fetched(client: kit.Client, version: int, request: Message) -> list[Any]:
    """Its partitions."""
    answer = await client.ask(ApiKey.FETCH, version, request)
    return [partition for topic in answer.responses for partition in topic.partitions]


def messages(partition: Any) -> list[OldMessage]:
    return read_messages(partition.records)


async def append(client: kit.Client, records: bytes | bytearray, topic: str = "t") -> int:
    """Append one batch; its base offset."""
    part = Message(index=0, records=bytes(records))
    asked = Message(
        transactional_id=None,
        acks=-1,
        timeout=1000,
        topic_data=[Message(name=topic, partition_data=[part])],
    )
    answer = await client.ask(ApiKey.PRODUCE, 9, asked)
    result = answer.responses[0].partition_responses[0]
    assert result.error_code == 0
    return int(result.base_offset)


def test_each_version_gets_its_format() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await client.produce("t", b"a", b"b")
        for version in OLD:
            (found,) = await fetched(client, version, fetching("t"))
            assert (found.error_code, found.high_watermark) == (0, 2)
            times = (kit.NOW_MS, kit.NOW_MS + 1) if version >= 2 else (-1, -1)
            got = [(m.offset, m.timestamp, m.value) for m in messages(found)]
            assert got == [(0, times[0], b"a"), (1, times[1], b"b")]

    kit.run(scenario)


def test_what_old_producers_wrote_comes_back() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        old = message(b"v", b"k", timestamp=5) + message(None, b"k", timestamp=6)
        part = Message(index=0, records=old)
        asked = Message(
            acks=-1, timeout=1000, topic_data=[Message(name="t", partition_data=[part])]
        )
        await client.ask(ApiKey.PRODUCE, 2, asked)
        (found,) = await fetched(client, 3, fetching("t"))
        assert messages(found) == [OldMessage(0, 5, b"k", b"v"), OldMessage(1, 6, b"k", None)]
        (found,) = await fetched(client, 3, fetching("t", offset=1))
        assert messages(found) == [OldMessage(1, 6, b"k", None)]

    kit.run(scenario)


def test_a_topic_may_forbid_conversion() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", **{"message.downconversion.enable": "false"})
        await client.create("u")
        await client.produce("u", b"a")
        for version in OLD:
            refused, other = await fetched(client, version, fetching("t", "u"))
            assert refused.error_code == ErrorCode.UNSUPPORTED_VERSION
            assert refused.high_watermark == -1
            assert not refused.records
            assert (other.error_code, len(messages(other))) == (0, 1)
        (found,) = (
            (await client.ask(ApiKey.FETCH, 4, fetching("t", isolation_level=0)))
            .responses[0]
            .partitions
        )
        assert found.error_code == 0

    kit.run(scenario)


def test_zstd_is_refused_where_a_batch_has_it() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await client.produce("t", b"a")
        await append(client, build_batch([Record(value=b"z")], codec=4))
        (found,) = await fetched(client, 3, fetching("t"))
        assert [m.value for m in messages(found)] == [b"a"]
        (found,) = await fetched(client, 3, fetching("t", offset=1))
        assert found.error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE

    kit.run(scenario)


@pytest.mark.parametrize("version", OLD)
def test_a_batch_beyond_the_limit(version: int) -> None:
    """KIP-74: before v3 nothing is longer than its limit."""

    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await client.produce("t", b"a" * 500)
        (found,) = await fetched(client, version, fetching("t", size=100))
        assert found.error_code == 0
        assert [len(m.value or b"") for m in messages(found)] == ([500] if version >= 3 else [])

    kit.run(scenario)


def test_an_answer_is_not_longer_than_what_was_read() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        for number in range(40):
            await client.produce("t", b"%d" % number)
        offset = 0
        seen: list[bytes | None] = []
        while offset < 40:
            (found,) = await fetched(client, 2, fetching("t", offset=offset, size=300))
            got = messages(found)
            assert len(found.records) <= 300
            assert got[0].offset == offset
            offset = got[-1].offset + 1
            seen += [m.value for m in got]
        assert seen == [b"%d" % number for number in range(40)]

    kit.run(scenario)


def test_errors_stay_errors() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        for version in OLD:
            beyond, stranger = await fetched(client, version, fetching("t", "nobody", offset=7))
            assert beyond.error_code == ErrorCode.OFFSET_OUT_OF_RANGE
            assert stranger.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            assert not beyond.records
            assert not stranger.records

    kit.run(scenario)


def test_the_time_of_a_conversion_is_that_of_its_steps() -> None:
    made = Converted()

    def steps() -> Generator[int, None, Converted]:
        yield 1
        yield 1
        return made

    looks = itertools.count()
    found, took_s = at_once(timed(steps(), lambda: float(next(looks))))
    assert found is made
    assert took_s == 3
