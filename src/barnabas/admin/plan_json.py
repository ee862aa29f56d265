"""ReassignPartitionsCommand: plans in Kafka's JSON, which kafka-reassign-partitions writes and
reads. Pure. ::

    {"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1,2],"log_dirs":["any","any"]}]}

``log_dirs`` says in which log directory of its broker each replica is to be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from barnabas.errors import ConfigError
from barnabas.types import TopicPartition

VERSION: Final = 1
ANY_DIRECTORY: Final = "any"
PARTITIONS_MAX: Final = 1_000_000
NUMBER_MAX: Final = 2**31 - 1
PATH_MAX: Final = 4096

Directories: TypeAlias = "Mapping[TopicPartition, Mapping[int, str]]"
"""The log directory at each broker, of the replicas that are to be in a certain one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a plan asks for."""

    replicas: Mapping[TopicPartition, tuple[int, ...]]
    directories: Directories


def plan_document(targets: Mapping[TopicPartition, Sequence[int]]) -> dict[str, object]:
    """The plan as it is in JSON."""
    partitions = [
        {
            "topic": tp.topic,
            "partition": tp.partition,
            "replicas": list(replicas),
            "log_dirs": [ANY_DIRECTORY] * len(replicas),
        }
        for tp, replicas in sorted(targets.items())
    ]
    return {"version": VERSION, "partitions": partitions}


def plan_text(targets: Mapping[TopicPartition, Sequence[int]]) -> str:
    """The plan as one line of JSON."""
    return json.dumps(plan_document(targets), separators=(",", ":"))


def parse_plan(text: str, source: str) -> Plan:
    """What a plan in JSON asks for. ``source`` names it in errors. Raises ConfigError."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{source}: not JSON: {error}") from None
    if not isinstance(document, dict) or document.get("version", VERSION) != VERSION:
        raise ConfigError(f"{source}: not a plan of version {VERSION}")
    listed = document.get("partitions")
    if not isinstance(listed, list) or not listed or len(listed) > PARTITIONS_MAX:
        raise ConfigError(f"{source}: 'partitions' is not a list of partitions")
    targets: dict[TopicPartition, tuple[int, ...]] = {}
    directories: dict[TopicPartition, Mapping[int, str]] = {}
    for entry in listed:
        tp, replicas = _entry(entry, source)
        if tp in targets:
            raise ConfigError(f"{source}: {tp} is there twice")
        targets[tp] = replicas
        if paths := _directories(entry, replicas, f"{source}: {tp}"):
            directories[tp] = paths
    return Plan(replicas=targets, directories=directories)


def _entry(entry: Any, source: str) -> tuple[TopicPartition, tuple[int, ...]]:
    if not isinstance(entry, dict):
        raise ConfigError(f"{source}: {entry!r} is not a partition")
    topic, number, replicas = (entry.get(key) for key in ("topic", "partition", "replicas"))
    if not isinstance(topic, str) or not _is_number(number):
        raise ConfigError(f"{source}: a partition without 'topic' or 'partition'")
    tp = TopicPartition(topic, int(str(number)))
    if not isinstance(replicas, list) or not replicas or not all(map(_is_number, replicas)):
        raise ConfigError(f"{source}: {tp}: 'replicas' is not a list of broker ids")
    if len(set(replicas)) != len(replicas):
        raise ConfigError(f"{source}: {tp}: a broker is there twice")
    return tp, tuple(replicas)


def _directories(entry: Mapping[str, Any], replicas: Sequence[int], where: str) -> dict[int, str]:
    paths = entry.get("log_dirs")
    if paths is None:
        return {}
    if not isinstance(paths, list) or len(paths) != len(replicas):
        raise ConfigError(f"{where}: 'log_dirs' is not a list with a directory for each replica")
    for path in paths:
        is_path = isinstance(path, str) and path.startswith("/") and len(path) <= PATH_MAX
        if path != ANY_DIRECTORY and not is_path:
            raise ConfigError(f"{where}: 'log_dirs' has {path!r}: neither \"any\" nor a whole path")
    found = zip(replicas, paths, strict=True)
    return {broker: path for broker, path in found if path != ANY_DIRECTORY}


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= NUMBER_MAX
