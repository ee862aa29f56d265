"""Positions under test."""

from __future__ import annotations

from typing import Any

from tests import places

from barnabas.api.request import at_once
from barnabas.coordinator.group import writing
from barnabas.coordinator.group.clock import Now
from barnabas.coordinator.group.records.group_metadata import CommittedOffset
from barnabas.types import TopicPartition

GOLDEN = places.GOLDEN / "data"
T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)
NOW = Now(5, 1_000_000)


def at(offset: int, commit_ms: int = 0, **fields: Any) -> CommittedOffset:
    return CommittedOffset(offset, commit_ms=commit_ms, **fields)


def offsets_batch(*args: Any, **fields: Any) -> bytearray:
    """One commit."""
    return at_once(writing.offsets_batch(*args, **fields))
