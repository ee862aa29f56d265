"""FreedMemory: when what was freed goes back to the system, and that it does."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest

from barnabas.broker import main
from barnabas.broker.main import (
    COLLECT_S,
    COLLECT_WAIT,
    IDLE_CALLS,
    TRIM_BYTES_MIN,
    TRIM_WAIT_MAX,
    FreedMemory,
)

MB = 1024 * 1024
START = 50 * MB


class Process:
    """A process whose memory is said."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.resident = START
        self.trims = 0
        self.is_idle = False
        self.at_rest = True
        monkeypatch.setattr(main, "resident_bytes", lambda: self.resident)
        monkeypatch.setattr(FreedMemory, "_is_idle", lambda _: self.is_idle)
        self.memory = FreedMemory()
        self.memory._trim = self._count

    def _count(self, _: int) -> int:
        self.trims += 1
        return 1

    def calls_with_trim(self, calls: int) -> list[int]:
        """Which of so many calls trim."""
        trimming = []
        for call in range(calls):
            before = self.trims
            self.memory.give_back(self.at_rest)
            if self.trims > before:
                trimming.append(call)
        return trimming


def test_memory_of_every_day_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch)
    process.resident = START + TRIM_BYTES_MIN - 1
    assert process.calls_with_trim(100) == []


def test_much_is_given_back_at_once_and_then_more_and_more_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = Process(monkeypatch)
    process.resident = START + TRIM_BYTES_MIN
    trimming = process.calls_with_trim(500)
    pauses = [after - before for before, after in pairwise(trimming)]
    assert trimming[0] == 0
    assert pauses == sorted(pauses)
    assert pauses[0] == 2
    assert pauses[-1] == TRIM_WAIT_MAX + 1


def test_after_a_flood_the_next_is_given_back_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch)
    process.resident = START + 100 * MB
    process.calls_with_trim(500)
    process.resident = START
    assert process.calls_with_trim(2 * TRIM_WAIT_MAX) == []
    process.resident = START + 100 * MB
    assert process.calls_with_trim(1) == [0]


def test_the_least_that_it_ever_was_is_the_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch)
    process.resident = START - 20 * MB
    assert process.calls_with_trim(1) == []
    process.resident = START - 20 * MB + TRIM_BYTES_MIN
    assert process.calls_with_trim(1) == [0]


def test_once_a_flood_is_over_it_is_given_back_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch)
    process.resident = START + 100 * MB
    process.calls_with_trim(200)
    process.is_idle = True
    trimming = process.calls_with_trim(40)
    assert trimming[:3] == [IDLE_CALLS - 1, IDLE_CALLS + 1, IDLE_CALLS + 5]
    assert len(process.calls_with_trim(1000)) <= 1000 // TRIM_WAIT_MAX + 2


def test_python_lets_go_of_what_it_keeps_once_a_flood_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = Process(monkeypatch)
    rounds: list[float] = []
    cost_s = [COLLECT_S / 2]
    now = [0.0]

    def collect() -> int:
        rounds.append(now[0])
        now[0] += cost_s[0]
        return 0

    monkeypatch.setattr("barnabas.broker.main.gc.collect", collect)
    monkeypatch.setattr("barnabas.broker.main.time.process_time", lambda: now[0])

    def flood() -> None:
        process.is_idle = False
        process.calls_with_trim(5)
        process.is_idle = True
        process.calls_with_trim(5)

    flood()
    assert not rounds, "it was none"
    process.resident = START + 100 * MB
    flood()
    flood()
    assert len(rounds) == 2
    cost_s[0] = 2 * COLLECT_S
    flood()
    flood()
    assert len(rounds) == 3, "a long one is not repeated soon"
    process.calls_with_trim(COLLECT_WAIT)
    flood()
    assert len(rounds) == 4
    process.calls_with_trim(COLLECT_WAIT)
    process.at_rest = False
    flood()
    assert len(rounds) == 4, "requests that wait are no garbage, and many to look through"
    process.at_rest = True
    process.calls_with_trim(5)
    assert len(rounds) == 5


def test_where_the_system_cannot_be_asked_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch)
    process.resident = START + 100 * MB
    process.memory._trim = None
    assert process.calls_with_trim(10) == []


FLOOD = """
from barnabas.broker.main import FreedMemory, resident_bytes, tune_process
tune_process()
memory = FreedMemory()
before = resident_bytes()
buffers = [bytes([1]) * 100_000 for _ in range(1000)]
del buffers[::2]  # so that what is freed lies between what is used
after = resident_bytes()
del buffers
kept = resident_bytes()
memory.give_back(True)
print(before, after, kept, resident_bytes())
"""


@pytest.mark.processes
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="malloc_trim is glibc's")
def test_a_real_process_gives_back_what_it_has_kept() -> None:
    ran = subprocess.run([sys.executable, "-c", FLOOD], capture_output=True, text=True, check=True)
    before, _, kept, given = map(int, ran.stdout.split())
    if kept < before + 2 * TRIM_BYTES_MIN:
        pytest.skip("this malloc keeps nothing")
    assert given < before + TRIM_BYTES_MIN
