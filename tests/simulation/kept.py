"""Batches of any size are kept in memory until followers have them, not only large ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from barnabas.storage import segments, tail


@contextmanager
def batches_kept(on: bool) -> Iterator[None]:
    """So it is for every broker in this process, for the time of the context."""
    before = tail.KEPT_BYTES_MIN
    for module in (segments, tail):
        module.KEPT_BYTES_MIN = 1 if on else before  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module in (segments, tail):
            module.KEPT_BYTES_MIN = before  # type: ignore[attr-defined]
