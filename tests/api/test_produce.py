"""Produce: every version, old formats, internal topics, acks."""

from __future__ import annotations

import asyncio
import struct

import pytest
from tests.api import kit
from tests.old_client import message

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.records.batch import Record, build_batch, parse_header, stamp_crc
from barnabas.records.header import HEADER

PRODUCE = ApiKey.PRODUCE
_EPOCH = (ErrorCode.INVALID_PRODUCER_EPOCH, True)


def test_every_version_appends() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        for number, version in enumerate(kit.versions(PRODUCE)):
            result = await client.produce("t", b"a", b"b", version=version)
            assert (result.error_code, result.base_offset) == (0, 2 * number)
            if version >= 5:
                assert result.log_start_offset == 0

    kit.run(scenario)


def test_records_of_old_message_formats_are_converted() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        for version, magic in ((0, 0), (1, 0), (2, 1)):
            old = message(b"value", b"key", magic=magic, timestamp=7)
            answer = await client.ask(PRODUCE, version, produced(old * 2))
            result = answer.responses[0].partition_responses[0]
            assert (result.error_code, result.base_offset) == (0, 2 * version)
        newer = await client.ask(PRODUCE, 3, produced(message(b"value")))
        refused = newer.responses[0].partition_responses[0]
        assert refused.error_code == ErrorCode.INVALID_RECORD

    kit.run(scenario)


def test_a_set_without_a_whole_message_is_appended_nowhere() -> None:
    """As in the original: that is no error."""

    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        for records in (b"", b"\0" * 11, message(b"value")[:-1], None):
            for version in range(3):
                answer = await client.ask(PRODUCE, version, produced(records))
                result = answer.responses[0].partition_responses[0]
                assert (result.error_code, result.base_offset) == (0, -1)
        appended = await client.produce("t", b"a")
        assert appended.base_offset == 0

    kit.run(scenario)


def produced(records: bytes | None) -> Message:
    partition = Message(index=0, records=records)
    topic = Message(name="t", partition_data=[partition])
    return Message(transactional_id=None, acks=-1, timeout=1000, topic_data=[topic])


def test_a_topic_without_partitions_is_left_out_of_the_answer() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        for version in kit.versions(PRODUCE):
            for topics in ([], [Message(name="t", partition_data=[])]):
                answer = await client.ask(
                    PRODUCE,
                    version,
                    Message(transactional_id=None, acks=-1, timeout=1000, topic_data=topics),
                )
                assert not answer.responses

    kit.run(scenario)


def test_an_internal_topic_that_is_not_there_is_unknown() -> None:
    async def scenario(client: kit.Client) -> None:
        refused = await client.produce("__transaction_state", b"a")
        assert refused.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    kit.run(scenario)


def test_internal_topics_are_for_the_admin_client_alone() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("__consumer_offsets")
        refused = await client.produce("__consumer_offsets", b"a", version=8)
        assert refused.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION
        assert refused.error_message
        let = await client.produce("__consumer_offsets", b"a", client_id="__admin_client")
        assert let.error_code == 0

    kit.run(scenario)


def test_errors_of_partitions_and_acks() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        unknown = await client.produce("nobody", b"a")
        assert unknown.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert unknown.base_offset == -1
        silly = await client.produce("t", b"a", acks=2)
        assert silly.error_code == ErrorCode.INVALID_REQUIRED_ACKS
        request = kit.produce_message("t", b"a")
        part = request.topic_data[0].partition_data[0]
        part.records = part.records[:-1] + b"\xff"
        answer = await client.ask(PRODUCE, 9, request)
        spoilt = answer.responses[0].partition_responses[0]
        assert spoilt.error_code == ErrorCode.CORRUPT_MESSAGE

    kit.run(scenario)


def test_refusals_say_where_the_log_starts_if_the_log_was_asked() -> None:
    """As the original; and whatever a batch is, it gets an answer, in a transaction or not."""

    def stamped(**fields: int) -> bytes:
        batch = build_batch([Record(timestamp=1, value=b"v")])
        HEADER.pack_into(batch, 0, *parse_header(batch)._replace(**fields))
        stamp_crc(batch, 0, len(batch))
        return bytes(batch)

    good = stamped()
    cases: list[tuple[bytes, ErrorCode, bool]] = [
        (stamped(record_count=2, last_offset_delta=1), ErrorCode.INVALID_RECORD, True),
        (stamped(base_offset=3), ErrorCode.INVALID_RECORD, True),
        (stamped(producer_id=9, producer_epoch=-5, base_sequence=0), *_EPOCH),
        (good + good, ErrorCode.INVALID_RECORD, False),
        (good[:-1], ErrorCode.INVALID_RECORD, False),
        (b"", ErrorCode.INVALID_RECORD, False),
        (good[:-1] + b"?", ErrorCode.CORRUPT_MESSAGE, False),
        (stamped(attributes=0x10), ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, False),
    ]
    for length in (48, 0, -1):
        damaged = good[:8] + length.to_bytes(4, "big", signed=True) + good[12:]
        cases.append((damaged, ErrorCode.CORRUPT_MESSAGE, False))

    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        for transactional_id in (None, "mine"):
            for batch, code, told in cases:
                message = Message(
                    transactional_id=transactional_id,
                    acks=-1,
                    timeout=1000,
                    topic_data=[
                        Message(name="t", partition_data=[Message(index=0, records=batch)])
                    ],
                )
                answer = await client.ask(PRODUCE, 9, message)
                result = answer.responses[0].partition_responses[0]
                if transactional_id and code is ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
                    continue
                assert (result.error_code, result.base_offset) == (code, -1), batch
                assert result.log_start_offset == (0 if told else -1), batch

    kit.run(scenario)


def test_without_acks_an_error_closes_the_connection() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        connection = await client.connection()
        connection.post(PRODUCE, 9, kit.produce_message("t", b"a", acks=0))
        result = await client.produce("t", b"b")
        assert (result.error_code, result.base_offset) == (0, 1)  # nothing answered the first
        connection.post(PRODUCE, 9, kit.produce_message("nobody", b"a", acks=0))
        await asyncio.sleep(1)
        assert not connection.is_open

    kit.run(scenario)


def test_more_replicas_in_sync_than_there_are_cannot_be_demanded() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", 1, 1, **{"min.insync.replicas": "2"})
        assert (await client.produce("t", b"a")).error_code == 0

    kit.run(scenario)


def test_another_leader_is_named() -> None:
    async def scenario(client: kit.Client) -> None:
        assignments = [Message(partition_index=0, broker_ids=[2])]
        for broker in (1, 2):
            view = await client.ask(ApiKey.METADATA, 1, Message(topics=[]), broker=broker)
        message = kit.create_message("t", -1, -1, assignments=assignments)
        await client.ask(ApiKey.CREATE_TOPICS, 5, message, broker=view.controller_id)
        answer = await client.ask(PRODUCE, 10, kit.produce_message("t", b"a"))
        result = answer.responses[0].partition_responses[0]
        assert result.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert (result.current_leader.leader_id, result.current_leader.leader_epoch) == (2, 0)
        assert [(e.node_id, e.host) for e in answer.node_endpoints] == [(2, "b2")]

    kit.run(scenario, brokers=2)


def test_a_version_from_the_future_closes_the_connection() -> None:
    async def scenario(client: kit.Client) -> None:
        connection = await client.connection()
        frame = struct.pack(">hhih", PRODUCE, 12, 0, -1)
        with pytest.raises(ConnectionError):
            await connection.wait(
                connection.send_frame(struct.pack(">i", len(frame)) + frame), 5000
            )

    kit.run(scenario)
