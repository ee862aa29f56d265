"""The original's tool reads what our cleaner leaves."""

from __future__ import annotations

import asyncio
import random
import re
from pathlib import Path

import pytest
from tests.interop.original import output
from tests.storage.cleaner.test_model import IDEMPOTENT, PLAIN, TRANSACTIONAL, Machine

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(120)]

DUMP = "kafka.tools.DumpLogSegments"


def test_cleaned_segments_and_indexes(original: None, tmp_path: Path) -> None:
    machine, chance = Machine(1000), random.Random(3)
    producers = [(PLAIN, -1), (IDEMPOTENT, 1), (TRANSACTIONAL, 10), (TRANSACTIONAL, 11)]
    for number in range(400):
        updates = [(chance.randrange(6), chance.random() < 0.8) for _ in range(3)]
        machine.append(chance.choice(producers), updates, chance.randrange(5))
        for producer_id in (10, 11):
            if chance.random() < 0.25:
                machine.end(producer_id, commit=chance.random() < 0.5)
        if number in (150, 300):
            machine.clean(0)
    for producer_id in (10, 11):
        machine.end(producer_id, commit=False)
    machine.roll()
    machine.clean(0)
    machine.check()
    asyncio.run(machine.log.close_cleanly())
    for path, content in machine.files.files.items():
        (tmp_path / path.rpartition("/")[2]).write_bytes(content)

    logs = ",".join(map(str, sorted(tmp_path.glob("*.log"))))
    shown = output(DUMP, "--deep-iteration", "--print-data-log", "--files", logs)
    assert "isvalid: true" in shown
    assert "isvalid: false" not in shown
    assert re.search(r"isControl: true deleteHorizonMs: OptionalLong\[", shown)
    indexes = [*tmp_path.glob("*.index"), *tmp_path.glob("*.timeindex")]
    files = ",".join(map(str, sorted(indexes)))
    shown = output(DUMP, "--verify-index-only", "--files", files)
    for problem in ("Mismatches", "Misses", "mismatch"):
        assert problem not in shown
    aborted = list(tmp_path.glob("*.txnindex"))
    assert aborted
    assert "firstOffset: " in output(DUMP, "--files", ",".join(map(str, aborted)))
