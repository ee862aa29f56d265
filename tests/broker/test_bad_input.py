"""What hostile or broken clients send to a running broker: Kafka's error or a closed connection,
and nobody else notices."""

from __future__ import annotations

import os
import random
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast

import pytest
from tests.cluster_kit import Cluster, no_traceback
from tests.raw_client import RawConnection, topics_named, values
from tests.real_clients import Traffic

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.codec import encode_request
from barnabas.protocol.message import Message

pytestmark = pytest.mark.processes

TOPIC = "victim"
HEADER = struct.Struct(">hhih")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One broker, on which a real client works all the while; it is judged at the end."""
    with Cluster(directory=tmp_path_factory.mktemp("bad"), brokers=1) as running:
        running.create_topic(TOPIC, 2, replicas=1)
        traffic = Traffic(running.bootstrap, TOPIC, 2, per_second=200)
        traffic.start()
        traffic.wait_for_more(20, 10)
        pid = running.pid("broker:1")
        yield running
        traffic.wait_for_more(20, 10)
        traffic.assert_sound()
        assert running.pid("broker:1") == pid
        assert running.state("broker:1") == "running"
        assert no_traceback(running.log("broker:1")), running.log("broker:1")[-3000:]


@pytest.fixture
def raw(cluster: Cluster) -> Iterator[RawConnection]:
    with RawConnection(cluster.port) as connection:
        yield connection


def _still_served(cluster: Cluster) -> None:
    with RawConnection(cluster.port) as another:
        answer = another.ask(ApiKey.METADATA, 4, topics_named([TOPIC]))
        assert answer.topics[0].error_code == 0


# Frames


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">i", 2**31 - 1),
        struct.pack(">i", 2_000_000_000) + b"x" * 1000,
        struct.pack(">i", -1),
        struct.pack(">i", -(2**31)),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        struct.pack(">i", 0),
        struct.pack(">i", 3) + b"abc",
        struct.pack(">i", 10) + b"\xff" * 10,
    ],
    ids=["2 GB", "2e9", "-1", "min", "HTTP", "TLS", "empty", "short", "ff"],
)
def test_what_is_no_frame_ends_the_connection(
    cluster: Cluster, raw: RawConnection, data: bytes
) -> None:
    raw.send(data)
    assert raw.is_closed()
    _still_served(cluster)


def test_half_frames_wait_and_go_with_their_connection(cluster: Cluster) -> None:
    whole = encode_request(ApiKey.METADATA, 4, 7, "raw", topics_named([TOPIC]))
    for cut in range(1, len(whole), 3):
        with RawConnection(cluster.port) as half:
            half.send(whole[:cut])
    _still_served(cluster)


def test_a_frame_that_comes_byte_by_byte_is_answered(raw: RawConnection) -> None:
    for byte in encode_request(ApiKey.METADATA, 4, 7, "raw", topics_named([TOPIC])):
        raw.send(bytes([byte]))
    assert raw.answer(ApiKey.METADATA, 4).topics[0].name == TOPIC


def test_random_bytes(cluster: Cluster) -> None:
    chance = random.Random(1)
    for _ in range(200):
        with RawConnection(cluster.port) as connection:
            size = chance.randrange(1, 400)
            body = chance.randbytes(size)
            connection.send_frame(body)
            connection.socket.shutdown(socket.SHUT_WR)
            connection.is_closed()
    _still_served(cluster)


def test_requests_with_flipped_bytes(cluster: Cluster) -> None:
    chance = random.Random(2)
    frames = [
        encode_request(ApiKey.METADATA, 12, 7, "raw", Message(topics=[Message(name=TOPIC)])),
        encode_request(ApiKey.METADATA, 4, 7, "raw", topics_named([TOPIC])),
        encode_request(ApiKey.API_VERSIONS, 3, 7, "raw", Message()),
        encode_request(ApiKey.LIST_OFFSETS, 7, 7, "raw", Message(topics=[])),
        encode_request(ApiKey.DESCRIBE_CONFIGS, 4, 7, "raw", Message(resources=[])),
    ]
    for _ in range(300):
        frame = bytearray(chance.choice(frames))
        for _ in range(chance.randrange(1, 4)):
            # Never of a kind that changes topics: only its versions and contents are spoilt.
            frame[chance.randrange(6, len(frame))] = chance.randrange(256)
        with RawConnection(cluster.port) as connection:
            connection.send(bytes(frame))
            connection.socket.shutdown(socket.SHUT_WR)
            connection.receive_frame()
    _still_served(cluster)


# Keys and versions


@pytest.mark.parametrize("key", [-1, 76, 500, 32767, 52])
def test_unknown_keys_end_the_connection(raw: RawConnection, key: int) -> None:
    raw.send_frame(HEADER.pack(key, 0, 7, -1) + bytes(20))
    assert raw.is_closed()


@pytest.mark.parametrize("version", [-1, 99, 32767])
@pytest.mark.parametrize("key", [ApiKey.METADATA, ApiKey.FETCH, ApiKey.CREATE_TOPICS])
def test_unknown_versions_end_the_connection(raw: RawConnection, key: int, version: int) -> None:
    raw.send_frame(HEADER.pack(key, version, 7, -1) + bytes(20))
    assert raw.is_closed()


@pytest.mark.parametrize("version", [5, 99, 32767])
def test_api_versions_of_the_future_are_answered_in_version_0(
    raw: RawConnection, version: int
) -> None:
    raw.send_frame(HEADER.pack(ApiKey.API_VERSIONS, version, 7, 3) + b"raw\0\4raw\2" + b"1\0")
    answer = raw.answer(ApiKey.API_VERSIONS, 0)
    assert answer.error_code == ErrorCode.UNSUPPORTED_VERSION
    assert {a.api_key for a in answer.api_keys} >= {ApiKey.API_VERSIONS}
    # The connection lives on, so that the client can ask again.
    assert raw.ask(ApiKey.API_VERSIONS, 0, Message()).error_code == 0


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_message_of_an_old_format_that_is_too_short(raw: RawConnection, version: int) -> None:
    name = TOPIC.encode()
    body = struct.pack(">hii", 1, 1000, 1) + struct.pack(">h", len(name)) + name
    body += struct.pack(">iii", 1, 0, 20) + bytes(20)
    raw.send_frame(HEADER.pack(ApiKey.PRODUCE, version, 7, -1) + body)
    frame = raw.receive_frame()
    assert frame is not None
    assert frame[:4] == struct.pack(">i", 7)
    assert struct.pack(">h", ErrorCode.CORRUPT_MESSAGE) in frame


# Array lengths


@pytest.mark.parametrize("count", [2**31 - 1, 100_000_000, -2, -(2**31)])
def test_impossible_array_lengths_end_the_connection(raw: RawConnection, count: int) -> None:
    raw.send_frame(HEADER.pack(ApiKey.METADATA, 4, 7, -1) + struct.pack(">i", count) + bytes(8))
    assert raw.is_closed()


@pytest.mark.parametrize("length", [b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\xff\xff\x7f"])
def test_impossible_compact_lengths_end_the_connection(raw: RawConnection, length: bytes) -> None:
    raw.send_frame(HEADER.pack(ApiKey.METADATA, 12, 7, -1) + b"\0" + length + bytes(8))
    assert raw.is_closed()


# Records


def test_a_wrong_checksum_is_a_corrupt_message(raw: RawConnection) -> None:
    batch = bytearray(values(b"one"))
    batch[-1] ^= 1
    assert raw.produce(TOPIC, 0, bytes(batch)).error_code == ErrorCode.CORRUPT_MESSAGE


def test_oversized_batches_are_too_large(cluster: Cluster, raw: RawConnection) -> None:
    cluster.create_topic("small", 1, replicas=1, max_message_bytes="1000")
    result = raw.produce("small", 0, values(os.urandom(2000)))
    assert result.error_code == ErrorCode.MESSAGE_TOO_LARGE
    assert raw.produce("small", 0, values(b"fits")).error_code == 0


@pytest.mark.parametrize("magic", [0, 1, 3, 127])
def test_other_magics_are_refused(raw: RawConnection, magic: int) -> None:
    batch = bytearray(values(b"one"))
    batch[16] = magic
    assert raw.produce(TOPIC, 0, bytes(batch)).error_code in (
        ErrorCode.INVALID_RECORD,
        ErrorCode.CORRUPT_MESSAGE,
    )


@pytest.mark.parametrize(
    "spoil",
    [
        lambda b: b[:-1],
        lambda b: b[:30],
        lambda b: b[:8] + struct.pack(">i", 2**31 - 1) + b[12:],
        lambda b: b[:8] + struct.pack(">i", -5) + b[12:],
        lambda b: b + b,
        lambda b: b"",
        lambda b: b"\0" * 200,
    ],
    ids=["cut", "header", "2 GB", "negative", "two", "none", "zeros"],
)
def test_misshapen_batches_are_refused(raw: RawConnection, spoil: object) -> None:
    assert callable(spoil)
    result = raw.produce(TOPIC, 0, spoil(values(b"one")))
    assert result.error_code in (
        ErrorCode.CORRUPT_MESSAGE,
        ErrorCode.INVALID_RECORD,
        ErrorCode.MESSAGE_TOO_LARGE,
    )
    assert result.base_offset == -1


def test_partitions_that_are_not_there(raw: RawConnection) -> None:
    for topic, partition in [("nowhere", 0), (TOPIC, 2), (TOPIC, -1), (TOPIC, 2**31 - 1)]:
        result = raw.produce(topic, partition, values(b"one"))
        assert result.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


@pytest.mark.parametrize("acks", [2, -2, 32767])
def test_other_acks_are_refused(raw: RawConnection, acks: int) -> None:
    result = raw.produce(TOPIC, 0, values(b"one"), acks=acks)
    assert result.error_code == ErrorCode.INVALID_REQUIRED_ACKS


# Topics


def _create(raw: RawConnection, **topic: object) -> int:
    fields: dict[str, object] = {
        "num_partitions": 1,
        "replication_factor": 1,
        "assignments": [],
        "configs": [],
        **topic,
    }
    request = Message(topics=[Message(**fields)], timeout=5000, validate_only=False)
    return int(raw.ask(ApiKey.CREATE_TOPICS, 7, request).topics[0].error_code)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a b", "ü", "x" * 250, "a\0b", "../../etc/passwd", "a\nb"]
)
def test_illegal_topic_names(raw: RawConnection, name: str) -> None:
    assert _create(raw, name=name) == ErrorCode.INVALID_TOPIC_EXCEPTION


def test_impossible_topics(raw: RawConnection) -> None:
    for expected, fields in [
        (ErrorCode.INVALID_REPLICATION_FACTOR, {"replication_factor": 2}),
        (ErrorCode.INVALID_REPLICATION_FACTOR, {"replication_factor": 0}),
        (ErrorCode.INVALID_PARTITIONS, {"num_partitions": 0}),
        (ErrorCode.INVALID_PARTITIONS, {"num_partitions": -7}),
        (ErrorCode.INVALID_CONFIG, {"configs": [Message(name="no.such.thing", value="1")]}),
        (ErrorCode.INVALID_CONFIG, {"configs": [Message(name="retention.ms", value="x")]}),
        (ErrorCode.INVALID_CONFIG, {"configs": [Message(name="cleanup.policy", value="eat")]}),
        (
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            {
                "num_partitions": -1,
                "replication_factor": -1,
                "assignments": [Message(partition_index=0, broker_ids=[1, 1])],
            },
        ),
    ]:
        assert _create(raw, name="impossible", **cast("dict[str, Any]", fields)) == expected
    assert _create(raw, name=TOPIC) == ErrorCode.TOPIC_ALREADY_EXISTS


# Connections


def test_slow_clients_delay_nobody(cluster: Cluster) -> None:
    whole = encode_request(ApiKey.METADATA, 4, 7, "raw", topics_named([TOPIC]))
    slow = [RawConnection(cluster.port) for _ in range(200)]
    try:
        for position in range(10):
            for connection in slow:
                connection.send(whole[position : position + 1])
            started = time.monotonic()
            _still_served(cluster)
            assert time.monotonic() - started < 1.0
    finally:
        for connection in slow:
            connection.socket.close()


def test_a_client_that_never_reads_is_not_served_without_end(cluster: Cluster) -> None:
    with RawConnection(cluster.port) as deaf:
        deaf.socket.settimeout(3.0)  # it blocks for good once the broker has had enough
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = encode_request(ApiKey.DESCRIBE_CONFIGS, 4, 7, "raw", _all_settings())
        with suppress(TimeoutError):
            for _ in range(100_000):
                deaf.send(request * 50)
            pytest.fail("it takes everything")
        _still_served(cluster)
    assert _resident_mib(cluster.pid("broker:1")) < 400


def _all_settings() -> Message:
    return Message(
        resources=[Message(resource_type=4, resource_name="1", configuration_keys=None)],
        include_synonyms=True,
        include_documentation=True,
    )


def _resident_mib(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:
        line = next(text for text in status if text.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


def test_thousands_of_connections_come_and_go(cluster: Cluster) -> None:
    descriptors = f"/proc/{cluster.pid('broker:1')}/fd"
    before = len(os.listdir(descriptors))
    for _ in range(10):
        connections = []
        for number in range(300):
            connection = socket.create_connection(("127.0.0.1", cluster.port))
            if number % 3 == 0:
                # A reset rather than a goodbye.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if number % 3 == 1:
                connection.send(b"\0\0")
            connections.append(connection)
        for connection in connections:
            connection.close()
    _still_served(cluster)
    deadline = time.monotonic() + 5
    while len(os.listdir(descriptors)) > before + 5:
        assert time.monotonic() < deadline, "descriptors leak"
        time.sleep(0.05)
