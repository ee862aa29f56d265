"""Greedy and hostile clients beside others, on one broker: bounds of memory, and who is closed."""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from bench import hostile
from tests.cluster_kit import Cluster, no_traceback, wait_for
from tests.raw_client import RawConnection, topics_named

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.codec import decode_response
from barnabas.protocol.header import parse_response_header
from barnabas.protocol.message import Message

pytestmark = pytest.mark.processes

MB = 1024 * 1024


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    settings = {"barnabas.unfinished.request.timeout.ms": "2000"}
    with Cluster(
        directory=tmp_path_factory.mktemp("hostile"), brokers=1, overrides=settings
    ) as running:
        running.create_topic(hostile.TOPIC, 1, replicas=1)
        request = hostile.produce(1, 900_000, acks=1)
        with hostile.connect(running.port) as connection:
            for _ in range(70):
                connection.sendall(request)
                hostile.receive(connection)
        yield running
        assert running.state("broker:1") == "running"
        assert no_traceback(running.log("broker:1")), running.log("broker:1")[-3000:]


@pytest.fixture
def peak(cluster: Cluster) -> Iterator[None]:
    """No test may take more than 256 MB of memory."""
    pid = cluster.pid("broker:1")
    with suppress(OSError), open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")
    before = hostile.memory_mb(pid, "VmRSS")
    yield
    assert hostile.memory_mb(pid, "VmHWM") <= before + 256


def _still_served(cluster: Cluster) -> None:
    with RawConnection(cluster.port) as another:
        answer = another.ask(ApiKey.METADATA, 4, topics_named([hostile.TOPIC]))
        assert answer.topics[0].error_code == 0


def _deaf(port: int, data: bytes) -> socket.socket:
    connection = hostile.connect(port, 4096)
    connection.setblocking(False)
    with suppress(BlockingIOError):
        connection.send(data)
    return connection


@pytest.mark.usefixtures("peak")
def test_answers_that_nobody_reads_are_bounded_on_one_connection(cluster: Cluster) -> None:
    with _deaf(cluster.port, hostile.fetch() * 60):
        for _ in range(20):
            _still_served(cluster)


@pytest.mark.usefixtures("peak")
def test_answers_that_nobody_reads_are_bounded_on_many(cluster: Cluster) -> None:
    deaf = [_deaf(cluster.port, hostile.fetch() * 3) for _ in range(60)]
    for _ in range(20):
        _still_served(cluster)
    for connection in deaf:
        connection.close()
    # And who does read is served as before.
    with hostile.connect(cluster.port) as reader:
        reader.sendall(hostile.fetch())
        assert len(hostile.receive(reader)) > 900_000


@pytest.mark.usefixtures("peak")
def test_waiting_fetches_hold_no_records(cluster: Cluster) -> None:
    data = hostile.fetch(max_wait=1000, min_bytes=2**31 - 1) * 100
    deaf = [_deaf(cluster.port, data) for _ in range(5)]
    _still_served(cluster)
    for connection in deaf:
        connection.close()


def test_claims_cost_what_was_sent(cluster: Cluster) -> None:
    pid = cluster.pid("broker:1")
    before = hostile.memory_mb(pid, "VmRSS")
    claims = [_deaf(cluster.port, struct.pack(">i", 100 * MB) + b"\0") for _ in range(300)]
    _still_served(cluster)
    assert hostile.memory_mb(pid, "VmRSS") <= before + 32
    for connection in claims:
        connection.close()


def test_a_request_that_does_not_come_on_ends_its_connection(cluster: Cluster) -> None:
    with RawConnection(cluster.port, timeout_s=30) as half:
        half.send(struct.pack(">i", 1000) + b"\0")
        assert half.is_closed()


@pytest.mark.usefixtures("peak")
def test_unfinished_requests_are_bounded_together(cluster: Cluster) -> None:
    data = struct.pack(">i", 100 * MB) + bytes(2 * MB)
    opened = [_deaf(cluster.port, data) for _ in range(150)]
    rest = [memoryview(data)] * len(opened)
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        for number, connection in enumerate(opened):
            with suppress(OSError):
                rest[number] = rest[number][connection.send(rest[number]) :]
    _still_served(cluster)
    for connection in opened:
        connection.close()


def test_a_resource_named_repeatedly_is_described_once(cluster: Cluster) -> None:
    with RawConnection(cluster.port) as raw:
        resource = Message(resource_type=4, resource_name="1", configuration_keys=None)
        some = Message(resource_type=2, resource_name=hostile.TOPIC, configuration_keys=["a"])
        others = Message(
            resource_type=2, resource_name=hostile.TOPIC, configuration_keys=["retention.ms"]
        )
        answer = raw.ask(
            ApiKey.DESCRIBE_CONFIGS,
            4,
            Message(
                resources=[resource] * 1000 + [some, others],
                include_synonyms=False,
                include_documentation=False,
            ),
        )
    assert [(r.resource_type, r.resource_name) for r in answer.results] == [
        (4, "1"),
        (2, hostile.TOPIC),
    ]
    assert [c.name for c in answer.results[1].configs] == ["retention.ms"]


def test_more_names_than_a_request_may_have_end_its_connection(cluster: Cluster) -> None:
    with RawConnection(cluster.port, timeout_s=30) as raw:
        raw.send(hostile.metadata([f"n{number}" for number in range(200_000)]))
        assert raw.is_closed()
    _still_served(cluster)


def test_more_partitions_than_a_request_may_create_are_refused(cluster: Cluster) -> None:
    with hostile.connect(cluster.port) as connection:
        connection.sendall(hostile.create(10_010))
        frame = hostile.receive(connection)
    answer: Any = decode_response(ApiKey.CREATE_TOPICS, 7, frame, 5)
    codes = [topic.error_code for topic in answer.topics]
    assert codes.count(ErrorCode.NONE) == 10_000
    assert codes.count(ErrorCode.POLICY_VIOLATION) == 10


@pytest.mark.usefixtures("peak")
def test_nothing_is_done_for_clients_that_have_gone(cluster: Cluster) -> None:
    files = f"/proc/{cluster.pid('broker:1')}/fd"
    before = len(os.listdir(files))
    data = hostile.describe([(4, "1")] * 2000) * 200
    asking = [_deaf(cluster.port, data) for _ in range(100)]
    _still_served(cluster)
    for connection in asking:  # so that the system tells the broker at once
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    wait_for(lambda: len(os.listdir(files)) <= before, 5, "the connections end")


@pytest.mark.usefixtures("peak")
def test_many_partitions_are_fetched_and_too_many_refused(cluster: Cluster) -> None:
    with hostile.connect(cluster.port) as connection:
        for count in (20_000, 20_001):
            connection.sendall(hostile.fetch(partitions=count))
            _still_served(cluster)
            frame = hostile.receive(connection)
            answer: Any = decode_response(ApiKey.FETCH, 12, frame, 5)
            if count > 20_000:
                assert answer.error_code == ErrorCode.INVALID_REQUEST
                assert not answer.responses
            else:
                assert sum(len(topic.partitions) for topic in answer.responses) == count


@pytest.mark.usefixtures("peak")
def test_many_partitions_are_produced_to_and_too_many_refused(cluster: Cluster) -> None:
    with hostile.connect(cluster.port) as connection:
        connection.sendall(hostile.produce(20_000))
        _still_served(cluster)
        answer: Any = decode_response(ApiKey.PRODUCE, 9, hostile.receive(connection), 5)
        codes = [p.error_code for topic in answer.responses for p in topic.partition_responses]
        assert codes.count(ErrorCode.NONE) == 1
        assert codes.count(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) == 19_999
    with RawConnection(cluster.port, timeout_s=30) as raw:
        raw.send(hostile.produce(20_001))
        assert raw.is_closed()
    _still_served(cluster)


@pytest.mark.usefixtures("peak")
def test_nobody_waits_for_the_fetches_of_who_has_gone(cluster: Cluster) -> None:
    pid = cluster.pid("broker:1")
    data = hostile.fetch(max_wait=2**31 - 1, min_bytes=2**31 - 1, partitions=5000)
    before = hostile.memory_mb(pid, "VmRSS")
    for _ in range(60):
        with hostile.connect(cluster.port) as connection:
            connection.sendall(data)
            _still_served(cluster)
    assert hostile.memory_mb(pid, "VmRSS") <= before + 64


LONG = {
    ApiKey.LIST_OFFSETS: (hostile.list_offsets, 7),
    ApiKey.OFFSET_FETCH: (hostile.offset_fetch, 7),
    ApiKey.OFFSET_COMMIT: (hostile.offset_commit, 8),
    ApiKey.OFFSET_FOR_LEADER_EPOCH: (hostile.epochs, 4),
}


def _positions_are_served(port: int) -> bool:
    with RawConnection(port) as raw:
        finding = Message(key="hostile", key_type=0, coordinator_keys=["hostile"])
        raw.ask(ApiKey.FIND_COORDINATOR, 4, finding)
        asked = Message(group_id="hostile", topics=[], require_stable=False)
        return bool(raw.ask(ApiKey.OFFSET_FETCH, 7, asked).error_code == 0)


@pytest.mark.parametrize("api", LONG)
def test_long_requests_give_way_and_are_answered_in_full(cluster: Cluster, api: ApiKey) -> None:
    make, version = LONG[api]
    wait_for(lambda: _positions_are_served(cluster.port), 30, "the group has a coordinator")
    with hostile.connect(cluster.port) as long:
        long.sendall(make(90_000))
        _still_served(cluster)
        assert not select.select([long], [], [], 0)[0]  # others did not wait for it
        frame = hostile.receive(long)
    _, offset = parse_response_header(api, version, frame)
    answer: Any = decode_response(api, version, frame, offset)
    numbers = [
        getattr(p, "partition_index", getattr(p, "partition", None))
        for topic in answer.topics
        for p in topic.partitions
    ]
    assert numbers == list(range(90_000))


def test_refused_requests_leave_nothing_behind(cluster: Cluster) -> None:
    pid = cluster.pid("broker:1")
    data = hostile.metadata([f"n{number}" for number in range(500_000)])
    before = hostile.memory_mb(pid, "VmRSS")
    for _ in range(15):
        with RawConnection(cluster.port, timeout_s=30) as raw:
            raw.send(data)
            assert raw.is_closed()
    assert hostile.memory_mb(pid, "VmRSS") <= before + 128
