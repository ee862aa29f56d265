"""A bounded run of the fuzzer: the same frames each time, beside traffic that loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fuzz.messages import Hostile, Known
from tests.fuzz.run import run

from barnabas.protocol.api import API_TABLE


@pytest.mark.processes
def test_hostile_frames_harm_nobody(tmp_path: Path) -> None:
    verdict = run(tmp_path, seed=1, frames=4000, seconds=60)
    assert verdict.faults == []
    assert verdict.is_good, verdict
    assert verdict.frames >= 1000


def test_a_seed_makes_the_same_frames() -> None:
    one, other = (Hostile(7, Known(strings=("t",))) for _ in range(2))
    apis = tuple(API_TABLE)
    assert [one.any_request(apis) for _ in range(200)] == [
        other.any_request(apis) for _ in range(200)
    ]
