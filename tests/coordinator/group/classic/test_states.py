"""States of classic groups: the table in the documentation is the table."""

from __future__ import annotations

import pytest
from tests.coordinator.group.kit import C, D, E, P, S
from tests.places import DOCS

from barnabas.coordinator.group.classic.states import (
    TRANSITIONS,
    check_transition,
    transition_table,
)
from barnabas.errors import FatalError


def test_the_documented_table_is_the_table() -> None:
    assert transition_table() in (DOCS / "groups.md").read_text()


def test_the_table_of_moves() -> None:
    assert {pair for pair in TRANSITIONS if pair[1] is not D} == {
        (E, P),
        (P, C),
        (P, E),
        (C, S),
        (C, P),
        (S, P),
    }
    assert transition_table().count("\n") == len(TRANSITIONS) + 1
    with pytest.raises(FatalError):
        check_transition(D, E)
    with pytest.raises(FatalError):
        check_transition(E, S)
