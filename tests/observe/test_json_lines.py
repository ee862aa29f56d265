"""Events in a file."""

from __future__ import annotations

import logging
from typing import NoReturn

import pytest
from tests.observe.support import a_timeline

from barnabas.observe.events import from_json
from barnabas.observe.json_lines import JsonLines
from barnabas.storage.memory_files import MemoryFiles


def a_disk() -> MemoryFiles:
    files = MemoryFiles()
    files.make_directories("/var")
    return files


def down(broker: int) -> dict[str, object]:
    return {"broker": broker, "reason": "session gone"}


def test_a_line_for_each_event() -> None:
    files = a_disk()
    timeline = a_timeline()
    timeline.follow(JsonLines(files, "/var/events.jsonl"))
    timeline.note("broker_down", **down(1))
    timeline.note("broker_down", **down(2))
    lines = files.read("/var/events.jsonl").splitlines()
    assert [from_json(line) for line in lines] == timeline.events()


def test_a_full_file_makes_room_for_the_next() -> None:
    files = a_disk()
    timeline = a_timeline()
    timeline.follow(JsonLines(files, "/var/events.jsonl", bytes_max=600))
    for broker in range(1, 20):
        timeline.note("broker_down", **down(broker))
    kept = [
        from_json(line).broker
        for name in ("/var/events.jsonl.1", "/var/events.jsonl")
        for line in files.read(name).splitlines()
    ]
    assert kept == list(range(20 - len(kept), 20))
    assert files.size("/var/events.jsonl") <= 600
    assert files.size("/var/events.jsonl.1") <= 600


def test_a_disk_that_fails_costs_only_the_events(caplog: pytest.LogCaptureFixture) -> None:
    class FullDisk(MemoryFiles):
        def open(self, path: str, *, create: bool = False) -> NoReturn:
            raise OSError(28, "No space left on device")

    timeline = a_timeline()
    timeline.follow(JsonLines(FullDisk(), "/var/events.jsonl"))
    with caplog.at_level(logging.ERROR):
        timeline.note("broker_down", **down(1))
        timeline.note("broker_down", **down(2))
    assert len(timeline.events()) == 2
    assert [record.levelname for record in caplog.records] == ["ERROR"]
