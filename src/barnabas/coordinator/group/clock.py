"""One moment on two clocks."""

from __future__ import annotations

from typing import NamedTuple


class Now(NamedTuple):
    """One moment on both clocks: the loop's for deadlines, the wall's for what is kept."""

    ms: int
    wall_ms: int
