"""Plans in Kafka's JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.admin.plan_json import Plan, parse_plan, plan_text
from barnabas.errors import ConfigError
from barnabas.types import TopicPartition

replicas = st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True).map(tuple)
partitions = st.builds(TopicPartition, st.sampled_from("abc"), st.integers(0, 99))


@given(st.dictionaries(partitions, replicas, min_size=1))
def test_what_is_written_is_read(targets: dict[TopicPartition, tuple[int, ...]]) -> None:
    assert parse_plan(plan_text(targets), "x") == Plan(replicas=targets, directories={})


def test_kafkas_own() -> None:
    """As kafka-reassign-partitions --generate prints it, and as people write it."""
    text = (
        '{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[3,1],'
        '"log_dirs":["any","any"]}]}'
    )
    assert plan_text({TopicPartition("t", 0): (3, 1)}) == text
    short = '{"partitions": [{"topic": "t", "partition": 0, "replicas": [3, 1]}]}'
    plan = Plan(replicas={TopicPartition("t", 0): (3, 1)}, directories={})
    assert parse_plan(short, "x") == parse_plan(text, "x") == plan


def test_log_directories() -> None:
    entry = {"topic": "t", "partition": 0, "replicas": [3, 1], "log_dirs": ["any", "/data/one"]}
    other = {"topic": "t", "partition": 1, "replicas": [3, 1], "log_dirs": ["any", "any"]}
    plan = parse_plan(json.dumps({"partitions": [entry, other]}), "x")
    assert plan.directories == {TopicPartition("t", 0): {1: "/data/one"}}


ENTRY = {"topic": "t", "partition": 0, "replicas": [1]}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "version"),
        ({"version": 2, "partitions": [ENTRY]}, "version"),
        ({}, "'partitions'"),
        ({"partitions": []}, "'partitions'"),
        ({"partitions": [7]}, "7 is not"),
        ({"partitions": [{**ENTRY, "topic": 1}]}, "'topic'"),
        ({"partitions": [{**ENTRY, "partition": True}]}, "'partition'"),
        ({"partitions": [{**ENTRY, "partition": -1}]}, "'partition'"),
        ({"partitions": [{**ENTRY, "replicas": []}]}, "t-0: 'replicas'"),
        ({"partitions": [{**ENTRY, "replicas": [2**31]}]}, "t-0: 'replicas'"),
        ({"partitions": [{**ENTRY, "replicas": [1, 1]}]}, "twice"),
        ({"partitions": [ENTRY, ENTRY]}, "twice"),
        ({"partitions": [{**ENTRY, "log_dirs": ["data"]}]}, "t-0: 'log_dirs' has 'data'"),
        ({"partitions": [{**ENTRY, "log_dirs": ["/" + "x" * 4096]}]}, "t-0: 'log_dirs' has"),
        ({"partitions": [{**ENTRY, "log_dirs": [7]}]}, "t-0: 'log_dirs' has 7"),
        ({"partitions": [{**ENTRY, "log_dirs": []}]}, "t-0: 'log_dirs'"),
        ({"partitions": [{**ENTRY, "log_dirs": "any"}]}, "t-0: 'log_dirs'"),
    ],
)
def test_refusals(document: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=f"^plan.json: .*{said}"):
        parse_plan(json.dumps(document), "plan.json")
