from __future__ import annotations

import pytest

from barnabas.client.partitioner import Partitioner, murmur2


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        # Values of the Java client's own test.
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_agrees_with_java(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed % 2**32


def test_keys_stay_and_keyless_batches_move_on() -> None:
    partitioner = Partitioner(3)
    first = partitioner.partition(None)
    assert partitioner.partition(b"k") == partitioner.partition(b"k")
    assert partitioner.partition(None) == first
    partitioner.next_batch()
    assert partitioner.partition(None) == (first + 1) % 3
