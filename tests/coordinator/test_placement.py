"""The group-to-partition hash."""

from __future__ import annotations

from barnabas.coordinator.placement import java_hash, partition_for


def test_java_hash() -> None:
    # Values of String.hashCode.
    assert java_hash("") == 0
    assert java_hash("a") == 97
    assert java_hash("hello") == 99_162_322
    assert java_hash("polygenelubricants") == -(2**31)
    assert java_hash("\U0001f600") == 0xD83D * 31 + 0xDE00


def test_partition() -> None:
    # Three partitions in the recording, whose group stands in the second.
    assert partition_for("golden-group", 3) == 1
    assert partition_for("polygenelubricants", 50) == 0
