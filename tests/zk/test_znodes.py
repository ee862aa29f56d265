"""Kafka's znode bodies, against every body in the recorded trees and ZooKeeper frames."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.places import GOLDEN

from barnabas.errors import InvalidRequest
from barnabas.types import Broker, Endpoint, LeaderAndIsr, TopicPartition
from barnabas.zk import paths
from barnabas.zk import znodes as bodies
from barnabas.zookeeper import jute
from barnabas.zookeeper.errors import MalformedZNode
from barnabas.zookeeper.messages import CreateRequest, OpCode, SetDataRequest


def _recorded_trees() -> dict[tuple[str, bytes], int]:
    """Every (path, data) that any recorded tree holds, with the node's czxid."""
    found = {}
    for tree in sorted((GOLDEN / "znodes").glob("*.json")):
        for path, node in json.loads(tree.read_text()).items():
            if node["data"]:
                found[path, node["data"].encode()] = node["czxid"]
    return found


def _recorded_writes() -> list[tuple[str, bytes]]:
    """Every (path, data) that a recorded create or setData carries, also inside a multi."""
    found = []
    with gzip.open(GOLDEN / "zookeeper-wire.jsonl.gz", "rt") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["dir"] != "request" or entry["op"] not in (1, 5, 14):
                continue
            _, op, record = jute.decode_request(bytes.fromhex(entry["hex"]))
            parts = [part for _, part in record.ops] if op == OpCode.MULTI else [record]
            writes = [part for part in parts if isinstance(part, CreateRequest | SetDataRequest)]
            found += [(write.path, write.data) for write in writes if write.data]
    return found


def _broker(path: str, data: bytes) -> bytes:
    broker = bodies.decode_broker(path, data, 7)
    return bodies.encode_broker(broker, int(json.loads(data)["timestamp"]))


def _state(path: str, data: bytes) -> bytes:
    return bodies.encode_partition_state(bodies.decode_partition_state(path, data, 3))


def _producer_ids(path: str, data: bytes) -> bytes:
    block = bodies.decode_producer_id_block(path, data)
    assert block is not None
    return bodies.encode_producer_id_block(block)


ROUND_TRIPS: list[tuple[str, Callable[[str, bytes], bytes]]] = [
    (paths.CONTROLLER_EPOCH, lambda p, d: bodies.encode_controller_epoch(
        bodies.decode_controller_epoch(p, d))),
    (paths.CONTROLLER, lambda p, d: bodies.encode_controller(bodies.decode_controller(p, d))),
    (paths.BROKER_IDS + "/", _broker),
    ("/state", _state),
    (paths.TOPICS + "/", lambda p, d: bodies.encode_topic(bodies.decode_topic(p, d))),
    (paths.CLUSTER_ID, lambda p, d: bodies.encode_cluster_id(bodies.decode_cluster_id(p, d))),
    (paths.CONFIG_CHANGES + "/", lambda p, d: bodies.encode_config_change(
        bodies.decode_config_change(p, d))),
    (paths.CONFIG + "/", lambda p, d: bodies.encode_config(bodies.decode_config(p, d))),
    (paths.PRODUCER_ID_BLOCK, _producer_ids),
    (paths.FEATURE, lambda p, d: bodies.encode_feature(bodies.decode_feature(p, d))),
]  # fmt: skip


def _round_trip(path: str, data: bytes) -> bytes:
    for start, again in ROUND_TRIPS:
        if path.startswith(start) or (start == "/state" and path.endswith(start)):
            return again(path, data)
    raise AssertionError(f"no codec for {path}")


def test_every_body_in_the_recorded_trees_reads_and_writes_back_identically() -> None:
    recorded = _recorded_trees()
    assert len(recorded) > 60
    for path, data in recorded:
        assert _round_trip(path, data) == data, path


def test_every_body_that_the_original_sent_reads_and_writes_back_identically() -> None:
    recorded = _recorded_writes()
    assert len(recorded) > 100
    for path, data in recorded:
        assert _round_trip(path, data) == data, path


def test_a_broker_with_several_listeners() -> None:
    broker = Broker(
        id=4,
        epoch=99,
        endpoints=(
            Endpoint("INTERNAL", "SSL", "::1", 9093),
            Endpoint("CLIENT", "PLAINTEXT", "h1", 9092),
        ),
        unclean_start=True,
    )
    data = bodies.encode_broker(broker, 1)
    assert data == (
        b'{"features":{},"listener_security_protocol_map":{"INTERNAL":"SSL","CLIENT":"PLAINTEXT"},'
        b'"endpoints":["INTERNAL://[::1]:9093","CLIENT://h1:9092"],"jmx_port":-1,"port":9092,'
        b'"host":"h1","version":5,"timestamp":"1","unclean_start":true}'
    )
    assert bodies.decode_broker("/brokers/ids/4", data, 99) == broker


def test_a_broker_without_a_plaintext_endpoint_has_no_host() -> None:
    broker = Broker(id=4, epoch=99, endpoints=(Endpoint("SSL", "SSL", "h", 9093),), rack="r")
    assert b'"jmx_port":-1,"port":-1,"host":null,' in bodies.encode_broker(broker, 1)


@pytest.mark.parametrize(
    ("data", "endpoint"),
    [
        (b'{"version":1,"host":"h","port":9}', Endpoint("PLAINTEXT", "PLAINTEXT", "h", 9)),
        (b'{"version":2,"host":"h","port":9,"endpoints":["SSL://g:8"]}',
         Endpoint("SSL", "SSL", "g", 8)),
        (b'{"version":4,"endpoints":["A://g:8"],"listener_security_protocol_map":{"A":"SSL"},'
         b'"new":[{}]}', Endpoint("A", "SSL", "g", 8)),
    ],
)  # fmt: skip
def test_older_broker_versions(data: bytes, endpoint: Endpoint) -> None:
    assert bodies.decode_broker("/brokers/ids/3", data, 5) == Broker(
        id=3, epoch=5, endpoints=(endpoint,)
    )


def test_older_topic_versions_have_no_id() -> None:
    topic = bodies.decode_topic("/brokers/topics/t", b'{"version":1,"partitions":{"1":[3],"0":[]}}')
    assert topic == bodies.TopicZNode(partitions={0: (), 1: (3,)}, topic_id=None)
    assert bodies.encode_topic(topic) == (
        b'{"partitions":{"0":[],"1":[3]},"adding_replicas":{},"removing_replicas":{},"version":3}'
    )


def test_many_partitions_are_written_in_numerical_order() -> None:
    topic = bodies.TopicZNode(partitions=dict.fromkeys((10, 2, 0), (1,)), topic_id=None)
    assert list(json.loads(bodies.encode_topic(topic))["partitions"]) == ["0", "2", "10"]


def test_a_recovering_leader() -> None:
    state = LeaderAndIsr(
        leader=1, leader_epoch=4, isr=(1,), partition_epoch=9, controller_epoch=7, recovering=True
    )
    data = bodies.encode_partition_state(state)
    assert data == (
        b'{"controller_epoch":7,"leader":1,"version":1,"leader_recovery_state":1,'
        b'"leader_epoch":4,"isr":[1]}'
    )
    assert bodies.decode_partition_state("/s", data, 9) == state


def test_partition_lists_and_reassignments() -> None:
    pairs = [TopicPartition("t", 0), TopicPartition("u", 3)]
    data = bodies.encode_preferred_election(pairs)
    assert data == (
        b'{"version":1,"partitions":[{"topic":"t","partition":0},{"topic":"u","partition":3}]}'
    )
    assert bodies.decode_preferred_election("/p", data) == pairs
    assert bodies.decode_isr_change("/p", bodies.encode_isr_change(pairs)) == pairs
    moves = {pairs[0]: (2, 3)}
    data = bodies.encode_reassignment(moves)
    assert data == b'{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[2,3]}]}'
    assert bodies.decode_reassignment("/r", data) == moves
    with pytest.raises(MalformedZNode, match=r"/r: t-0 has no replicas"):
        bodies.decode_reassignment("/r", bodies.encode_isr_change(pairs))


def test_log_dir_event_config_change_and_features() -> None:
    assert bodies.encode_log_dir_event(1) == b'{"version":1,"broker":1,"event":1}'
    assert bodies.decode_log_dir_event("/l", b'{"version":1,"broker":1,"event":1}') == 1
    old = b'{"version":1,"entity_type":"topics","entity_name":"t"}'
    assert bodies.decode_config_change("/c", old) == "topics/t"
    with pytest.raises(MalformedZNode, match="names no entity"):
        bodies.decode_config_change("/c", b'{"version":1,"entity_type":"topics"}')
    old = b'{"features":{"f":{"min_version_level":1,"max_version_level":2}},"version":1,"status":0}'
    feature = bodies.decode_feature("/feature", old)
    assert feature == bodies.FeatureZNode(features={"f": 2}, enabled=False)
    assert bodies.encode_feature(feature) == (
        b'{"features":{"f":{"max_version_level":2}},"version":2,"status":0}'
    )


def test_an_absent_body_where_that_means_something() -> None:
    assert bodies.decode_producer_id_block(paths.PRODUCER_ID_BLOCK, b"") is None
    assert bodies.decode_config("/config/topics/t", None) == {}
    assert bodies.decode_config("/config/topics/t", b'{"version":1}') == {}


DECODERS: list[Callable[[str, bytes], object]] = [
    bodies.decode_controller,
    bodies.decode_controller_epoch,
    lambda p, d: bodies.decode_broker(p, d, 1),
    bodies.decode_topic,
    lambda p, d: bodies.decode_partition_state(p, d, 1),
    bodies.decode_cluster_id,
    bodies.decode_config,
    bodies.decode_config_change,
    bodies.decode_producer_id_block,
    bodies.decode_feature,
    bodies.decode_log_dir_event,
    bodies.decode_isr_change,
    bodies.decode_reassignment,
]


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("data", [b"{", b"\xff\xfe", b"[]", b'{"version":"x"', b'{"isr":7}x'])
def test_a_malformed_body_names_its_path(decode: Callable[..., object], data: bytes) -> None:
    with pytest.raises(MalformedZNode, match="/brokers/ids/1"):
        decode("/brokers/ids/1", data)


@given(data=st.binary(max_size=60) | st.sampled_from([b"{}", b"7", b"null", b'{"version":1}']))
def test_nothing_but_malformed_znode_is_raised(data: bytes) -> None:
    for decode in DECODERS:
        try:
            decode("/brokers/ids/1", data)
        except MalformedZNode:
            pass


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"version":5,"endpoints":["nonsense"]}', "not LISTENER://host:port"),
        (b'{"version":5,"endpoints":["A://h:1"],"listener_security_protocol_map":{}}',
         "no security protocol"),
        (b'{"version":5}', "neither endpoints nor a host"),
        (b'{"version":0}', "version 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_broker(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedZNode, match=reason):
        bodies.decode_broker("/brokers/ids/1", data, 1)
    with pytest.raises(MalformedZNode, match="not a broker id"):
        bodies.decode_broker("/brokers/ids/x", b'{"version":1,"host":"h","port":9}', 1)


def test_a_malformed_znode_is_not_the_peers_fault() -> None:
    assert not issubclass(MalformedZNode, InvalidRequest)
