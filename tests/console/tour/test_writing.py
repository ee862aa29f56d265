"""What is decided of a writer's acknowledgements."""

from __future__ import annotations

from barnabas.console.tour.writing import Acks, compared


def test_what_was_lost_and_what_is_there_twice() -> None:
    assert compared(3, [b"0", b"1", b"2"]) == (0, 0)
    assert compared(3, [b"0", b"2", b"2", b"2"]) == (1, 1)
    assert compared(2, [b"0", b"1", b"2"]) == (0, 0)  # one more that was not acknowledged
    assert compared(2, []) == (2, 0)


def test_acknowledgements_are_counted_by_time() -> None:
    acks = Acks(sent_ms=[1, 5, 20, 90], acked_ms=[2, 6, 80])
    assert acks.count == 3
    assert acks.still_ms == 74
    assert acks.sent_after(5) == 1  # the last one is not acknowledged
    assert acks.between(4, 100) == 2
    assert acks.between(4, 80) == 1
    assert Acks().still_ms == 0
