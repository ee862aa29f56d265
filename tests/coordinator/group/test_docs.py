"""What the documentation says of groups is what the code does."""

from __future__ import annotations

from tests.places import DOCS

from barnabas.coordinator.group.classic.states import transition_table
from barnabas.coordinator.group.consumer.states import member_transition_table

PAGE = DOCS / "groups.md"


def test_the_documented_table_is_the_table() -> None:
    assert transition_table() in PAGE.read_text()


def test_so_is_that_of_members_of_next_generation_groups() -> None:
    assert member_transition_table() in PAGE.read_text()
