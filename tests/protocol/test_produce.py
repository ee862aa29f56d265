"""The hand-written Produce codec against the generated one, the recordings, and hostile bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocol import recorded

from barnabas.errors import ErrorCode, InvalidRequest
from barnabas.limits import PARTITIONS_AT_ONCE, REQUEST_PARTITIONS_MAX
from barnabas.protocol import codec
from barnabas.protocol.api import ApiKey
from barnabas.protocol.header import parse_request_header, parse_response_header
from barnabas.protocol.message import Message
from barnabas.protocol.produce import (
    NodeEndpoint,
    PartitionProduceResult,
    ProduceRequest,
    RecordError,
    begin_produce,
    encode_produce_request,
    encode_produce_response,
    encode_produce_response_in_steps,
    parse_produce,
)

VERSIONS = range(12)
TOPICS: list[tuple[str, list[tuple[int, bytes | None]]]] = [
    ("one", [(0, b"abc" * 100), (7, None), (8, b"")]),
    ("zwei-ü", []),
    ("", [(1, b"x")]),
]


def test_recorded_requests_parse_to_their_last_byte() -> None:
    rows = recorded.of(ApiKey.PRODUCE, is_request=True)
    assert rows
    for row in rows:
        frame = memoryview(bytearray(row.frame))
        _, offset = parse_request_header(frame)
        request = parse_produce(row.version, frame, offset)
        assert encode_produce_request(row.version, *request[:4]) == frame[offset:]
        records = request.topics[0][1][0][1]
        assert records is not None
        assert records[16] == 2


def test_recorded_answers_encode_back() -> None:
    rows = recorded.of(ApiKey.PRODUCE, is_request=False)
    assert rows
    for row in rows:
        _, offset = parse_response_header(0, row.version, row.frame)
        body: Any = codec.decode_response(0, row.version, row.frame, offset)
        frame = _encode_as_hot(row.version, row.correlation_id, body)
        assert frame[4:] == row.frame
        assert frame[:4] == len(row.frame).to_bytes(4, "big")


def _encode_as_hot(version: int, correlation_id: int, body: Message) -> bytes:
    """A decoded answer through the hand-written encoder."""
    topics = [
        (topic.name, [_result(version, partition) for partition in topic.partition_responses])
        for topic in body.responses
    ]
    endpoints = [
        NodeEndpoint(node.node_id, node.host, node.port, node.rack)
        for node in getattr(body, "node_endpoints", ())
    ]
    return encode_produce_response(version, correlation_id, topics, endpoints, body.throttle_time)


def _result(version: int, partition: Message) -> PartitionProduceResult:
    leader = getattr(partition, "current_leader", None)
    errors = getattr(partition, "record_errors", ())
    return PartitionProduceResult(
        partition.index,
        partition.error_code,
        partition.base_offset,
        partition.log_append_time,
        getattr(partition, "log_start_offset", -1),
        [RecordError(error.batch_index, error.batch_index_error_message) for error in errors],
        getattr(partition, "error_message", None),
        (leader.leader_id, leader.leader_epoch) if leader and leader.leader_id >= 0 else None,
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("transactional_id", [None, "", "t" * 200])
def test_requests_equal_the_generated_codec(version: int, transactional_id: str | None) -> None:
    body = encode_produce_request(version, transactional_id, -1, 1500, TOPICS)
    decoded = codec.decode_request(ApiKey.PRODUCE, version, body)
    assert codec.encode_body(ApiKey.PRODUCE, version, decoded, response=False) == body
    request = parse_produce(version, memoryview(bytearray(b"head" + body)), 4)
    assert request[:4] == (transactional_id if version >= 3 else None, -1, 1500, TOPICS)
    assert request.partition_count == sum(len(partitions) for _, partitions in TOPICS)


def test_records_are_a_writable_view_of_the_frame() -> None:
    frame = bytearray(encode_produce_request(9, None, 1, 0, [("t", [(0, b"records")])]))
    view = parse_produce(9, memoryview(frame)).topics[0][1][0][1]
    assert view is not None
    view[:3] = b"REC"
    assert b"RECords" in frame


def _message(topics: list[tuple[str, list[PartitionProduceResult]]]) -> Message:
    return Message(
        responses=[
            Message(
                name=name,
                partition_responses=[
                    Message(
                        index=result.partition,
                        error_code=result.error_code,
                        base_offset=result.base_offset,
                        log_append_time=result.log_append_time_ms,
                        log_start_offset=result.log_start_offset,
                        record_errors=[
                            Message(batch_index=index, batch_index_error_message=text)
                            for index, text in result.record_errors
                        ],
                        error_message=result.error_message,
                        current_leader=Message(
                            leader_id=result.current_leader[0],
                            leader_epoch=result.current_leader[1],
                        )
                        if result.current_leader
                        else None,
                    )
                    for result in results
                ],
            )
            for name, results in topics
        ],
        throttle_time=3,
    )


FENCED = PartitionProduceResult(1, ErrorCode.NOT_LEADER_OR_FOLLOWER, current_leader=(2, 5))
REFUSED = PartitionProduceResult(
    2,
    ErrorCode.INVALID_RECORD,
    record_errors=(RecordError(0, "why"), RecordError(4)),
    error_message="One or more records have been rejected",
)
GOOD = PartitionProduceResult(3, 0, 2**40, 1_700_000_000_000, 17)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "endpoints", [(), (NodeEndpoint(2, "h", 9092, "r"), NodeEndpoint(3, "", 1))]
)
@pytest.mark.parametrize(
    "topics",
    [
        [],
        [("t", [])],
        [("t", [GOOD])],
        [("x" * 126, [GOOD])],
        [("x" * 249, [GOOD])],
        [("t", [FENCED])],
        [("t", [REFUSED])],
        [("t", [FENCED, GOOD]), ("u", [REFUSED, GOOD])],
    ],
)
def test_answers_equal_the_generated_codec(
    version: int,
    topics: list[tuple[str, list[PartitionProduceResult]]],
    endpoints: tuple[NodeEndpoint, ...],
) -> None:
    message = _message(topics)
    message.node_endpoints = [Message(**endpoint._asdict()) for endpoint in endpoints]
    expected = codec.encode_response(ApiKey.PRODUCE, version, 9, message)
    assert encode_produce_response(version, 9, topics, endpoints, throttle_ms=3) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0\1\0\0\0\0\2\2t\2\0\0\0\0\xff\xff\xff\xff\x07abc",
        b"\0\0\1\0\0\0\0\xff\xff\xff\xff\x07",
        b"\0\0\1\0\0\0\0\2\2t\xff\xff\xff\xff\x07",
        b"\0\0\1\0\0\0\0\0\0",
        b"\0\0\1\0\0\0\0\2\0\1\0\0",
        b"\0\0\1\0\0\0\0\1\0X",
    ],
)
def test_malformed_requests(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_produce(9, memoryview(bytearray(body)))


@settings(max_examples=300)
@given(st.sampled_from(VERSIONS), st.data())
def test_mutated_requests_are_refused_or_understood(version: int, data: st.DataObject) -> None:
    body = bytearray(encode_produce_request(version, "t", 1, 0, TOPICS))
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(body) - 1) | st.integers(0, 40))
        body[position] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del body[data.draw(st.integers(0, len(body))) :]
    try:
        parse_produce(version, memoryview(body))
    except InvalidRequest:
        pass


@settings(max_examples=200)
@given(st.sampled_from(VERSIONS), st.binary(max_size=100))
def test_random_requests_are_refused_or_understood(version: int, body: bytes) -> None:
    try:
        parse_produce(version, memoryview(bytearray(body)))
    except InvalidRequest:
        pass


@pytest.mark.parametrize("version", [0, 3, 9])
@pytest.mark.parametrize("sizes", [(1000,), (1,) * 1000, (PARTITIONS_AT_ONCE,), (300, 0, 1, 128)])
def test_many_partitions_are_read_and_answered_with_pauses(
    version: int, sizes: tuple[int, ...]
) -> None:
    asked = [(f"t{at}", [(p, b"abc") for p in range(n)]) for at, n in enumerate(sizes)]
    body = memoryview(bytearray(encode_produce_request(version, None, -1, 1500, asked)))
    begun = begin_produce(version, body, 0)
    if max(sizes) <= PARTITIONS_AT_ONCE and len(sizes) < PARTITIONS_AT_ONCE:
        assert isinstance(begun, ProduceRequest)
    else:
        assert not isinstance(begun, ProduceRequest)
        assert len(list(begun)) >= max(*sizes, len(sizes)) // PARTITIONS_AT_ONCE - 2
    parsed = parse_produce(version, body)
    assert [(name, [p for p, _ in found]) for name, found in parsed.topics] == [
        (name, [p for p, _ in partitions]) for name, partitions in asked
    ]
    results = [(n, [PartitionProduceResult(p) for p, _ in found]) for n, found in asked]
    steps = encode_produce_response_in_steps(version, 1, results)
    assert len(list(steps)) == sum(sizes) // PARTITIONS_AT_ONCE
    frame = encode_produce_response(version, 1, results)
    _, offset = parse_response_header(ApiKey.PRODUCE, version, frame, 4)
    answer: Any = codec.decode_response(ApiKey.PRODUCE, version, frame, offset)
    assert [len(t.partition_responses) for t in answer.responses] == list(sizes)


@pytest.mark.parametrize("version", [0, 3, 9])
@pytest.mark.parametrize("topics", [1, 2, REQUEST_PARTITIONS_MAX + 1])
def test_more_partitions_than_a_request_may_have(version: int, topics: int) -> None:
    each = (REQUEST_PARTITIONS_MAX + topics) // topics if topics < 3 else 0
    asked = [(f"t{number}", [(p, b"") for p in range(each)]) for number in range(topics)]
    body = encode_produce_request(version, None, -1, 1500, asked)
    with pytest.raises(InvalidRequest, match=f"{REQUEST_PARTITIONS_MAX}"):
        parse_produce(version, memoryview(bytearray(body)))
    if topics < 3:
        del asked[0][1][each - topics :]
        body = encode_produce_request(version, None, -1, 1500, asked)
        parsed = parse_produce(version, memoryview(bytearray(body)))
        assert parsed.partition_count == REQUEST_PARTITIONS_MAX
