"""The hand-written Fetch codecs against the generated one, the recordings, and hostile bytes."""

from __future__ import annotations

import random
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocol import generated, recorded

from barnabas.errors import InvalidRequest
from barnabas.limits import PARTITIONS_AT_ONCE, REQUEST_PARTITIONS_MAX
from barnabas.protocol import codec, fetch
from barnabas.protocol.api import ApiKey
from barnabas.protocol.fetch import (
    REPLICA_STATE_FROM,
    FetchPartition,
    FetchPartitionData,
    FetchRequest,
    FetchTopicData,
    TooManyPartitions,
    encode_fetch_response,
    encode_fetch_response_in_steps,
    parse_fetch_request,
    sender_of,
)
from barnabas.protocol.fetch_client import (
    FetchResponse,
    decode_fetch_response,
    encode_fetch_request,
)
from barnabas.protocol.header import parse_request_header, parse_response_header
from barnabas.protocol.message import Message
from barnabas.protocol.produce import NodeEndpoint

VERSIONS = range(18)
FIRST_FETCH = bytes.fromhex(
    "0001001100000000001262726f6b65722d312d666574636865722d3000000001f40000000100a000000000000000"
    "0000000002e4214b4263854c418ccbc507fce1366e0200000000000000000000000000000000ffffffff00000000"
    "00000000001000000000010101010d00000001000000000000001a00"
)


def test_a_followers_first_fetch() -> None:
    """The test vector of reference 14."""
    topic_id = uuid.UUID("e4214b42-6385-4c41-8ccb-c507fce1366e")
    partition = FetchPartition(0, 0, 0, -1, 0, 1 << 20)
    frame = encode_fetch_request(
        0, "broker-1-fetcher-0", [(topic_id, [partition])], replica_id=1, replica_epoch=26
    )
    assert frame == len(FIRST_FETCH).to_bytes(4, "big") + FIRST_FETCH
    _, offset = parse_request_header(FIRST_FETCH)
    request = parse_fetch_request(17, FIRST_FETCH, offset)
    assert request.replica_id == 1
    assert request.replica_epoch == 26
    assert request.topics == [("", topic_id, [partition])]


def test_recorded_requests_encode_back() -> None:
    rows = recorded.of(ApiKey.FETCH, is_request=True)
    assert len(rows) == 824
    for row in rows:
        header, offset = parse_request_header(row.frame)
        request = parse_fetch_request(row.version, row.frame, offset)
        frame = _encode_as_follower(row.correlation_id, header.client_id or "", request)
        if row.version == 17:
            assert frame[4:] == row.frame
        else:
            assert frame[4 + offset :] == row.frame[offset:]


def _encode_as_follower(correlation_id: int, client_id: str, request: FetchRequest) -> bytes:
    return encode_fetch_request(
        correlation_id,
        client_id,
        [(topic.topic_id or uuid.UUID(int=0), topic.partitions) for topic in request.topics],
        replica_id=request.replica_id,
        replica_epoch=request.replica_epoch,
        max_wait_ms=request.max_wait_ms,
        min_bytes=request.min_bytes,
        max_bytes=request.max_bytes,
        isolation_level=request.isolation_level,
        session_id=request.session_id,
        session_epoch=request.session_epoch,
        forgotten=[
            (topic.topic_id or uuid.UUID(int=0), topic.partitions) for topic in request.forgotten
        ],
        rack_id=request.rack_id,
    )


def test_recorded_answers_encode_back() -> None:
    rows = recorded.of(ApiKey.FETCH, is_request=False)
    assert len(rows) == 815
    for row in rows:
        view = memoryview(row.frame)
        _, offset = parse_response_header(ApiKey.FETCH, row.version, view)
        response = decode_fetch_response(row.version, view, offset)
        buffers = _encode_as_leader(row.version, row.correlation_id, response)
        assert b"".join(buffers) == len(row.frame).to_bytes(4, "big") + row.frame


def _encode_as_leader(
    version: int, correlation_id: int, response: FetchResponse
) -> list[bytes | bytearray | memoryview]:
    topics = [
        FetchTopicData(
            "",
            topic_id if isinstance(topic_id, uuid.UUID) else None,
            [
                FetchPartitionData(
                    *data[:5],
                    records=[data.records],
                    aborted_transactions=data.aborted_transactions,
                    preferred_read_replica=data.preferred_read_replica,
                    diverging_epoch=data.diverging_epoch,
                    current_leader=data.current_leader,
                )
                for data in partitions
            ],
        )
        for topic_id, partitions in response.topics
    ]
    return encode_fetch_response(
        version,
        correlation_id,
        topics,
        error_code=response.error_code,
        session_id=response.session_id,
        throttle_ms=response.throttle_ms,
        node_endpoints=response.node_endpoints,
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_requests_of_every_version_equal_the_generated_codec(version: int) -> None:
    chance = random.Random(version)
    schema = codec.message_schema(ApiKey.FETCH, version, response=False)
    for _ in range(20):
        message = generated.message(schema, chance)
        body = codec.encode_body(ApiKey.FETCH, version, message, response=False)
        decoded: Any = codec.decode_request(ApiKey.FETCH, version, body)
        request = parse_fetch_request(version, memoryview(b"head" + body), 4)
        _assert_same_request(request, decoded)


def _assert_same_request(request: FetchRequest, decoded: Message) -> None:
    assert request.replica_id == max(decoded.replica_id, decoded.replica_state.replica_id)
    assert request.replica_epoch == decoded.replica_state.replica_epoch
    assert request.max_wait_ms == decoded.max_wait
    assert request[3:6] == (decoded.min_bytes, decoded.max_bytes, decoded.isolation_level)
    assert request.session_id == decoded.session_id
    assert request.session_epoch == decoded.session_epoch
    assert request.rack_id == decoded.rack_id
    assert len(request.topics) == len(decoded.topics)
    for ours, theirs in zip(request.topics, decoded.topics, strict=True):
        assert ours.topic == theirs.topic
        assert ours.topic_id == theirs.topic_id
        names = FetchPartition._fields
        assert [part._asdict() for part in ours.partitions] == [
            {name: getattr(part, name, -1) for name in names} for part in theirs.partitions
        ]
    assert [(t.topic, t.topic_id, t.partitions) for t in request.forgotten] == [
        (t.topic, t.topic_id, t.partitions) for t in decoded.forgotten_topics_data
    ]


ID = uuid.UUID(int=77)
DATA = [
    FetchPartitionData(0, 0, 10, 9, 1, records=[b"abc", bytearray(b"def"), memoryview(b"g")]),
    FetchPartitionData(1, 0, 10, 9, 1, records=(), aborted_transactions=[]),
    FetchPartitionData(2, 0, 5, 4, 0, records=[b"x" * 300], aborted_transactions=[(1, 2), (3, 4)]),
    FetchPartitionData(3, 0, 5, 5, 0, diverging_epoch=(3, 44)),
    FetchPartitionData(4, 74, current_leader=(2, 8), aborted_transactions=[]),
    FetchPartitionData(5, 6, records=None, diverging_epoch=(1, 2), current_leader=(2, 8)),
    FetchPartitionData(6, 0, 1, 1, 0, preferred_read_replica=4),
]
NODES = [NodeEndpoint(2, "host", 9092, None), NodeEndpoint(3, "other", 9093, "rack")]


def _message(version: int, data: list[FetchPartitionData]) -> Message:
    def partition(item: FetchPartitionData) -> Message:
        epoch, leader = item.diverging_epoch, item.current_leader
        aborted = item.aborted_transactions
        return Message(
            partition_index=item.partition,
            **{name: getattr(item, name) for name in item._fields[1:5]},
            records=None if item.records is None else b"".join(item.records),
            aborted_transactions=aborted
            and [Message(producer_id=producer, first_offset=first) for producer, first in aborted],
            preferred_read_replica=item.preferred_read_replica,
            diverging_epoch=epoch and Message(epoch=epoch[0], end_offset=epoch[1]),
            current_leader=leader and Message(leader_id=leader[0], leader_epoch=leader[1]),
        )

    return Message(
        throttle_time=5,
        error_code=0,
        session_id=123,
        responses=[
            Message(topic="t", topic_id=ID, partitions=[partition(item) for item in data]),
            Message(topic="u", topic_id=None, partitions=[]),
        ],
        node_endpoints=[Message(**node._asdict()) for node in NODES],
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("data", [DATA, [], *([item] for item in DATA)])
def test_answers_of_every_version_equal_the_generated_codec(
    version: int, data: list[FetchPartitionData]
) -> None:
    buffers = encode_fetch_response(
        version,
        11,
        [FetchTopicData("t", ID, data), FetchTopicData("u", None, [])],
        session_id=123,
        throttle_ms=5,
        node_endpoints=NODES,
    )
    expected = codec.encode_response(ApiKey.FETCH, version, 11, _message(version, data))
    assert b"".join(buffers) == expected
    for item in data:
        for records in item.records or ():
            assert any(buffer is records for buffer in buffers)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_made_with_pauses_is_the_same(version: int) -> None:
    many = [FetchTopicData("t", ID, DATA * 100), FetchTopicData("u", ID, DATA[:1])]
    steps = encode_fetch_response_in_steps(version, 3, many, session_id=1, node_endpoints=NODES)
    pauses = 0
    while True:
        try:
            next(steps)
            pauses += 1
        except StopIteration as end:
            made = b"".join(end.value)
            break
    assert pauses == -(-len(DATA) * 100 // PARTITIONS_AT_ONCE) + 1
    at_once = encode_fetch_response(version, 3, many, session_id=1, node_endpoints=NODES)
    assert made == b"".join(at_once)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_without_topics(version: int) -> None:
    frame = b"".join(encode_fetch_response(version, 1, [], error_code=70))
    _, offset = parse_response_header(ApiKey.FETCH, version, frame, 4)
    body: Any = codec.decode_response(ApiKey.FETCH, version, frame, offset)
    assert body.responses == ()
    assert body.error_code == (70 if version >= 7 else 0)


def test_a_followers_answer_is_parsed_without_copies() -> None:
    frame = bytearray(b"".join(encode_fetch_response(17, 1, [FetchTopicData("", ID, DATA)])))
    view = memoryview(frame)
    response = decode_fetch_response(17, view[4:], 5)
    ((topic_id, partitions),) = response.topics
    assert topic_id == ID
    assert [bytes(part.records) for part in partitions[:3]] == [b"abcdefg", b"", b"x" * 300]
    assert partitions[0].aborted_transactions is None
    assert partitions[1].aborted_transactions == []
    assert partitions[2].aborted_transactions == [(1, 2), (3, 4)]
    assert partitions[3].diverging_epoch == (3, 44)
    assert partitions[4].current_leader == (2, 8)
    partitions[0].records[0:1] = b"A"
    assert b"Abcdefg" in frame
    with pytest.raises(InvalidRequest):
        decode_fetch_response(12, view[4:], 5)


REQUEST = FIRST_FETCH[29:]
ANSWER = b"".join(
    encode_fetch_response(17, 1, [FetchTopicData("", ID, DATA)], node_endpoints=NODES)
)


@settings(max_examples=400)
@given(st.sampled_from(VERSIONS), st.booleans(), st.data())
def test_mutated_bytes_are_refused_or_understood(
    version: int, is_answer: bool, data: st.DataObject
) -> None:
    frame = bytearray(ANSWER if is_answer else REQUEST)
    for _ in range(data.draw(st.integers(0, 3))):
        position = data.draw(st.integers(0, len(frame) - 1))
        frame[position] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del frame[data.draw(st.integers(0, len(frame))) :]
    try:
        if is_answer:
            decode_fetch_response(17, memoryview(frame), 9)
        else:
            parse_fetch_request(version, frame)
    except InvalidRequest:
        pass


@settings(max_examples=200)
@given(st.sampled_from(VERSIONS), st.binary(max_size=120))
def test_random_bytes_are_refused_or_understood(version: int, body: bytes) -> None:
    for parse in (
        lambda: parse_fetch_request(version, body),
        lambda: decode_fetch_response(17, memoryview(body), 0),
    ):
        try:
            parse()
        except InvalidRequest:
            pass


@pytest.mark.parametrize("version", VERSIONS)
def test_who_sends_a_fetch_is_told_without_its_partitions(version: int) -> None:
    for replica in (-1, 0, 7):
        body = _asked(version, [3], [], replica)
        assert sender_of(version, b"head" + body, 4) == replica
        assert parse_fetch_request(version, body).replica_id == replica
    assert sender_of(version, b"abc") == -1
    if version >= 7:
        kept = version < REPLICA_STATE_FROM
        assert sender_of(version, _asked(version, [3], [1], 7)) == (7 if kept else -1)


def _asked(version: int, topics: list[int], forgotten: list[int], replica: int = -1) -> bytes:
    """A fetch that names so many partitions of each topic, and forgets so many of each."""
    names = {"topic": "t", "topic_id": ID}
    partition = Message(
        partition=0,
        current_leader_epoch=-1,
        fetch_offset=0,
        last_fetched_epoch=-1,
        log_start_offset=-1,
        partition_max_bytes=1,
    )
    message = Message(
        cluster_id=None,
        replica_id=replica,
        replica_state=Message(replica_id=replica, replica_epoch=-1),
        max_wait=0,
        min_bytes=1,
        max_bytes=1,
        isolation_level=0,
        session_id=0,
        session_epoch=-1,
        topics=[Message(**names, partitions=[partition] * count) for count in topics],
        forgotten_topics_data=[
            Message(**names, partitions=list(range(count))) for count in forgotten
        ],
        rack_id="",
    )
    return codec.encode_body(ApiKey.FETCH, version, message, response=False)


@pytest.mark.parametrize(
    ("version", "most"), [*((v, 300) for v in VERSIONS), (VERSIONS[-1], REQUEST_PARTITIONS_MAX)]
)
def test_more_partitions_than_a_fetch_may_have(
    version: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "REQUEST_PARTITIONS_MAX", most)
    assert parse_fetch_request(version, _asked(version, [most - 1, 1], [])).partition_count == most
    for topics in ([most + 1], [1, most], [0] * (most + 1)):
        with pytest.raises(TooManyPartitions):
            parse_fetch_request(version, _asked(version, topics, []))
    more = parse_fetch_request(version, _asked(version, [most + 1], []), 0, most + 1)
    assert more.partition_count == most + 1
    if version < 7:
        return
    assert parse_fetch_request(version, _asked(version, [1], [most])).partition_count == most
    for forgotten in ([most + 1], [most, 1], [0] * (most + 1)):
        with pytest.raises(TooManyPartitions):
            parse_fetch_request(version, _asked(version, [1], forgotten))
