"""Planted in the coordinators of groups."""

from __future__ import annotations

from typing import Any

from tests.simulation.planted.patches import Patches

from barnabas.coordinator.group import offset_manager
from barnabas.coordinator.log import CoordinatorLog
from barnabas.coordinator.ownership import Ownership
from barnabas.errors import ErrorCode


def commit_not_replicated(patches: Patches) -> None:
    def append(
        self: CoordinatorLog, owned: Any, batch: bytearray, done: Any, *args: Any, **rest: Any
    ) -> None:
        refused: list[tuple[ErrorCode, int]] = []
        before(self, owned, batch, lambda *result: refused.append(result), *args, **rest)
        offset = owned.partition.log_or_raise().log_end_offset - 1
        done(*(refused[0] if refused else (ErrorCode.NONE, offset)))

    before = patches.set(CoordinatorLog, "append", append)


def unreplicated_group_loaded(patches: Patches) -> None:
    def finish(self: Ownership[Any, Any], owned: Any, load: Any, end: int) -> None:
        self._finish(owned, load)

    patches.set(Ownership, "_when_replicated", finish)


def stale_generation_accepted(patches: Patches) -> None:
    patches.set(offset_manager, "check_commit", lambda *args, **rest: ErrorCode.NONE)
