from __future__ import annotations

from barnabas.demo.stream import Acknowledged
from barnabas.demo.verify import compare


def _acknowledged(*values: bytes) -> dict[int, Acknowledged]:
    return {0: Acknowledged(offsets=list(range(len(values))), values=list(values))}


def test_a_faithful_log() -> None:
    verdict = compare(_acknowledged(b"0,a", b"1,b"), {0: [(0, b"0,a"), (1, b"1,b")]})
    assert (verdict.lost, verdict.duplicated, verdict.reordered) == (0, 0, 0)
    sent, found = verdict.digests[0]
    assert sent == found


def test_a_lost_record() -> None:
    verdict = compare(_acknowledged(b"0,a", b"1,b"), {0: [(0, b"0,a")]})
    assert verdict.lost == 1
    sent, found = verdict.digests[0]
    assert sent != found


def test_a_whole_partition_lost() -> None:
    assert compare(_acknowledged(b"0,a", b"1,b"), {}).lost == 2


def test_a_duplicated_record() -> None:
    read = {0: [(0, b"0,a"), (1, b"1,b"), (2, b"1,b")]}
    assert compare(_acknowledged(b"0,a", b"1,b"), read).duplicated == 1


def test_order_and_offsets() -> None:
    swapped = compare(_acknowledged(b"0,a", b"1,b"), {0: [(0, b"1,b"), (1, b"0,a")]})
    assert swapped.reordered > 0
    moved = compare(_acknowledged(b"0,a"), {0: [(5, b"0,a")]})
    assert moved.reordered == 1


def test_a_record_that_was_written_but_never_acknowledged_is_no_fault() -> None:
    verdict = compare(_acknowledged(b"0,a"), {0: [(0, b"0,a"), (1, b"1,b")]})
    assert (verdict.lost, verdict.duplicated, verdict.reordered) == (0, 0, 0)
