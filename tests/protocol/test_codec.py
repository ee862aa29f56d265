"""Every recorded frame, kio and kafka-python as oracles for every version, and hostile bytes."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kio.index import load_request_schema, load_response_schema
from kio.schema.index import api_key_map, schema_name_map
from kio.serial import entity_reader, entity_writer
from tests.protocol import generated, recorded
from tests.protocol.entities import plain

from barnabas.api.request import at_once
from barnabas.errors import ErrorCode, InvalidRequest
from barnabas.protocol import codec
from barnabas.protocol.api import API_TABLE, CONTROLLER_APIS, ApiKey
from barnabas.protocol.header import parse_request_header, parse_response_header
from barnabas.protocol.message import Message, Shared
from barnabas.protocol.messages.leader_and_isr import LeaderAndIsrRequest
from barnabas.protocol.messages.metadata import MetadataRequest


def test_every_recorded_frame_decodes_to_its_last_byte_and_encodes_back() -> None:
    assert len(recorded.frames()) == 2446
    for api, version, is_request, correlation_id, frame in recorded.frames():
        if is_request:
            header, offset = parse_request_header(frame)
            assert header[:3] == (api, version, correlation_id)
            body = codec.decode_request(api, version, frame, offset)
            again = codec.encode_request(api, version, correlation_id, header.client_id, body)
        else:
            got, offset = parse_response_header(api, version, frame)
            assert got == correlation_id
            body = codec.decode_response(api, version, frame, offset)
            again = codec.encode_response(api, version, correlation_id, body)
        assert again == len(frame).to_bytes(4, "big") + frame


def test_controller_messages_are_among_the_recorded() -> None:
    rows = [row for row in recorded.frames() if row.api in CONTROLLER_APIS]
    assert len(rows) == 405


@pytest.mark.parametrize("key", [key for key in ApiKey if key not in CONTROLLER_APIS])
def test_every_version_equals_kio(key: ApiKey) -> None:
    api = API_TABLE[key]
    chance = random.Random(int(key))
    described = schema_name_map[api_key_map[key]]
    for version in range(min(described), api.max_version + 1):
        for response in (False, True):
            load = load_response_schema if response else load_request_schema
            entity_type = load(key, version)
            assert entity_type.__flexible__ == api.is_flexible(version)
            schema = codec.message_schema(key, version, response=response)
            messages = [Message(), *(generated.message(schema, chance) for _ in range(3))]
            for message in messages:
                _compare_with_kio(key, version, message, entity_type, response=response)


def _compare_with_kio(
    key: ApiKey, version: int, message: Message, entity_type: type, *, response: bool
) -> None:
    body = codec.encode_body(key, version, message, response=response)
    entity: Any
    entity, size = entity_reader(entity_type)(body, 0)
    assert size == len(body)
    written = io.BytesIO()
    entity_writer(entity_type)(written, entity)
    assert written.getvalue() == body
    assert codec.encode_body(key, version, plain(entity), response=response) == body
    decode = codec.decode_response if response else codec.decode_request
    decoded = decode(key, version, b"head" + body, 4)
    if message.__dict__:
        assert decoded == message
    assert codec.encode_body(key, version, decoded, response=response) == body


@pytest.mark.parametrize("key", ApiKey)
def test_every_version_round_trips(key: ApiKey) -> None:
    chance = random.Random(int(key))
    for version in range(API_TABLE[key].max_version + 1):
        for response in (False, True):
            schema = codec.message_schema(key, version, response=response)
            decode = codec.decode_response if response else codec.decode_request
            for _ in range(5):
                message = generated.message(schema, chance)
                body = codec.encode_body(key, version, message, response=response)
                assert decode(key, version, body) == message
                assert len(body) >= schema.least_size


def test_one_message_with_the_union_of_fields_serves_every_version() -> None:
    message = Message(
        throttle_time=7,
        topics=[
            Message(
                name="t",
                topic_id=uuid.UUID(int=5),
                error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
                partitions=[],
                is_internal=False,
            )
        ],
        brokers=[Message(node_id=1, host="h", port=9, rack=None)],
        controller_id=1,
        cluster_id="c",
    )
    for version in range(13):
        body = codec.encode_body(ApiKey.METADATA, version, message, response=True)
        back: Any = codec.decode_response(ApiKey.METADATA, version, body)
        assert back.topics[0].name == "t"
        assert back.topics[0].error_code == 3
        assert back.throttle_time == (7 if version >= 3 else 0)
    message.topics[0].nmae = "t"
    with pytest.raises(TypeError, match=r"MetadataResponse\.Topic has no nmae"):
        codec.encode_body(ApiKey.METADATA, 1, message, response=True)


def test_a_value_that_does_not_fit_is_our_fault() -> None:
    with pytest.raises(struct.error):
        codec.encode_body(ApiKey.HEARTBEAT, 4, Message(throttle_time=2**40), response=True)
    with pytest.raises(TypeError):
        codec.encode_body(ApiKey.METADATA, 1, Message(brokers=None), response=True)


# Bad input


@pytest.mark.parametrize("count", [b"\xff\xff\xff\xff\x07", b"\xff\xff\xff\x7f", b"\x80\x80\x04"])
def test_a_huge_array_is_refused_before_memory_is_taken(count: bytes) -> None:
    for version, body in ((12, b"\0\0\0\0"), (4, b"\0\0\0\0\0")):  # makes the decoders
        codec.decode_request(ApiKey.METADATA, version, body)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequest, match="array length"):
            codec.decode_request(ApiKey.METADATA, 12, count + bytes(100))
        with pytest.raises(InvalidRequest, match="array length"):
            codec.decode_request(ApiKey.METADATA, 4, b"\x7f\xff\xff\xff" + bytes(100))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("version", "body"),
    [
        (12, b""),
        (12, b"\xff\xff\xff\xff\xff\xff"),
        (12, b"\0\0\0\1"),
        (12, b"\2" + bytes(15)),
        (12, b"\2" + bytes(16) + b"\3\xff\xff\0\0\0\0"),
        (4, b"\xff\xff\xff\xfe\0"),
        (4, b"\0\0\0\1\xff\xff\0"),
        (4, b"\0\0\0\1\xff\xfe\0"),
        (4, b"\0\0\0\1\0\x09a\0"),
        (99, b""),
    ],
)
def test_malformed_bodies(version: int, body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        codec.decode_request(ApiKey.METADATA, version, body)


def test_bytes_after_a_request_are_passed_over() -> None:
    """librdkafka's request for all topics: four bytes that mean something, then three zeros."""
    decoded: Any = codec.decode_request(ApiKey.METADATA, 12, b"\0\0\0\0" + bytes(3))
    assert decoded.topics is None
    with pytest.raises(InvalidRequest, match="ends at"):
        codec.decode_response(ApiKey.METADATA, 12, b"\0\0\0\0\1\0\0\0\0\0\1\0" + b"!")


def test_a_body_beyond_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "BODY_BYTES_MAX", 3)
    with pytest.raises(InvalidRequest, match="4 bytes"):
        codec.decode_request(ApiKey.METADATA, 12, b"\0\0\0\0")


def test_an_unknown_api_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        codec.decode_request(52, 0, b"")


def _decode(row: recorded.Recorded, frame: bytes) -> None:
    """Parse as the broker or its client would; InvalidRequest is the only way to fail."""
    try:
        if row.is_request:
            header, offset = parse_request_header(frame)
            codec.decode_request(header.api_key, header.api_version, frame, offset)
        else:
            _, offset = parse_response_header(row.api, row.version, frame)
            codec.decode_response(row.api, row.version, frame, offset)
    except InvalidRequest:
        pass


@settings(max_examples=400)
@given(st.sampled_from(recorded.kinds()), st.data())
def test_mutated_frames_are_refused_or_understood(
    row: recorded.Recorded, data: st.DataObject
) -> None:
    frame = bytearray(row.frame)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(frame) - 1))
        frame[position] = data.draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)) | st.integers(0, 255))
    if data.draw(st.booleans()):
        del frame[data.draw(st.integers(0, len(frame))) :]
    _decode(row, bytes(frame))


@settings(max_examples=300)
@given(st.sampled_from(recorded.kinds()), st.binary(max_size=200))
def test_random_bodies_are_refused_or_understood(row: recorded.Recorded, tail: bytes) -> None:
    _decode(row, row.frame[:8] + tail)


@pytest.mark.parametrize("names", [["n"] * 5000, [f"topic-{number}" for number in range(5000)]])
def test_more_elements_than_allowed_are_refused_before_they_are_read(names: list[str]) -> None:
    message = Message(topics=[Message(name=name) for name in names])
    body = codec.encode_body(ApiKey.METADATA, 9, message, response=False)
    steps = codec.decode_request_in_steps(ApiKey.METADATA, 9, body, elements_max=4999)
    with pytest.raises(InvalidRequest, match="more than 4999 elements"):
        assert len(list(steps)) <= 2
    allowed = codec.decode_request_in_steps(ApiKey.METADATA, 9, body, elements_max=5000)
    for _ in range(5000):
        next(allowed)
    found, count = at_once(allowed)
    assert isinstance(found, MetadataRequest)
    assert count == 5000
    assert [topic.name for topic in found.topics or ()] == names


def roles(*numbers: int) -> list[LeaderAndIsrRequest.TopicState]:
    return [
        LeaderAndIsrRequest.TopicState(
            topic_name="t",
            topic_id=uuid.UUID(int=7),
            partition_states=[
                LeaderAndIsrRequest.PartitionState(
                    partition_index=number,
                    controller_epoch=1,
                    leader=2,
                    leader_epoch=3,
                    isr=(2, 3),
                    partition_epoch=4,
                    replicas=(2, 3, 5),
                    adding_replicas=(),
                    removing_replicas=(),
                    is_new=False,
                    leader_recovery_state=0,
                )
                for number in numbers
            ],
        )
    ]


@pytest.mark.parametrize("version", [5, 6, 7])
def test_messages_with_a_shared_array_are_encoded_like_all_others(version: int) -> None:
    shared = Shared(roles(0, 1))
    for epoch, topics in ((11, shared), (12, shared), (13, Shared([]))):
        encoded, expected = (
            codec.encode_body(
                ApiKey.LEADER_AND_ISR,
                version,
                LeaderAndIsrRequest(
                    controller_id=1,
                    controller_epoch=1,
                    broker_epoch=epoch,
                    topic_states=states,
                    live_leaders=[],
                ),
                response=False,
            )
            for states in (topics, list(topics))
        )
        assert encoded == expected
    assert len(shared.encoded) == 1
