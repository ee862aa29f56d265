"""Requests that make no sense."""

from __future__ import annotations

from typing import Any

import pytest
from tests.coordinator.group.consumer.kit import Stage, refused

from barnabas.errors import ErrorCode


@pytest.mark.parametrize(
    ("member", "epoch", "fields"),
    [
        ("a", -3, {}),
        ("", 1, {}),
        ("", -1, {}),
        ("", 0, {"topics": ("t",), "rebalance_timeout_ms": 1, "owned": {}}),
        ("a", -2, {}),
    ],
)
def test_requests_that_make_no_sense(member: str, epoch: int, fields: dict[str, Any]) -> None:
    with refused(ErrorCode.INVALID_REQUEST):
        Stage().ask(member, epoch, **fields)
