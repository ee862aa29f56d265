"""Kafka's znode paths."""

from __future__ import annotations

import json

import pytest
from tests.places import GOLDEN

from barnabas.types import TopicPartition
from barnabas.zk import paths
from barnabas.zookeeper.client.operations import relative
from barnabas.zookeeper.path_names import child_name, parent_of

TREE = GOLDEN / "znodes/07-partitions-added.json"


def test_every_recorded_path_is_one_of_ours() -> None:
    recorded = set(json.loads(TREE.read_text()))
    ours = {"/", paths.CONTROLLER, paths.CONTROLLER_EPOCH, paths.CLUSTER_ID, paths.FEATURE}
    ours.update(paths.TOP_LEVEL_PATHS)
    for name in recorded:
        child = child_name(name)
        parts = name.split("/")
        if parent_of(name) == paths.BROKER_IDS:
            ours.add(paths.broker_id_path(int(child)))
        elif parent_of(name) == paths.TOPICS:
            ours.update((paths.topic_path(child), paths.partitions_path(child)))
            ours.add(paths.config_path(paths.topic_entity(child)))
        elif child_name(parent_of(name)) == "partitions":
            ours.add(paths.partition_path(parts[3], int(child)))
            ours.add(paths.partition_state_path(parts[3], int(child)))
        elif name.startswith(paths.CONFIG_CHANGE_PREFIX):
            ours.add(f"{paths.CONFIG_CHANGE_PREFIX}{paths.sequence_number(name):010d}")
    ours.add(paths.config_path(paths.broker_entity(1)))
    ours.update(parent_of(name) for name in list(ours))
    assert recorded <= ours


def test_entities() -> None:
    assert paths.config_path(paths.broker_entity(None)) == "/config/brokers/<default>"
    assert paths.delete_topic_path("t") == "/admin/delete_topics/t"


@pytest.mark.parametrize(
    ("name", "text"),
    [("a b", "a%20b"), ("a*+~", "a%2A%2B%7E"), ("CN=x,O=y/é", "CN%3Dx%2CO%3Dy%2F%C3%A9")],
)
def test_names_are_sanitized_as_java_does(name: str, text: str) -> None:
    assert paths.sanitize(name) == text
    assert paths.desanitize(text) == name


def test_sequence_numbers() -> None:
    assert paths.sequence_number("/config/changes/config_change_0000000012") == 12
    for bad in ("config_change_12", "", "x00000000001x"):
        with pytest.raises(ValueError, match="sequence number"):
            paths.sequence_number(bad)


def test_partition_state_paths_back() -> None:
    there = paths.partition_state_path("t.x", 12)
    assert paths.parse_partition_state_path(there) == TopicPartition("t.x", 12)
    for other in (paths.topic_path("t"), "/a/b/c/d/e/f", "/brokers/topics/t/partitions/x/state"):
        assert paths.parse_partition_state_path(other) is None


def test_parents() -> None:
    assert [parent_of(p) for p in ("/", "/a", "/a/b")] == ["/", "/", "/a"]


def test_a_path_beside_the_chroot_is_not_below_it() -> None:
    assert relative("/kafka", "/kafka/brokers") == "/brokers"
    assert relative("/kafka", "/kafka") == "/"
    assert relative("/kafka", "/kafka2/brokers") == "/kafka2/brokers"
    assert relative("", "/brokers") == "/brokers"
