"""A bounded run of the fuzzer: the same frames each time, beside traffic that loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fuzz.run import run


@pytest.mark.process
@pytest.mark.parametrize("seed", [1, 2])
def test_hostile_frames_harm_nobody(tmp_path: Path, seed: int) -> None:
    verdict = run(tmp_path, seed=seed, frames=3000, seconds=60)
    assert verdict.faults == []
    assert verdict.is_good, verdict
    assert verdict.frames >= 1000
