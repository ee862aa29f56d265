"""States of members of consumer groups: the table in the documentation is the table."""

from __future__ import annotations

from tests.places import DOCS

from barnabas.coordinator.group.consumer.states import (
    MEMBER_TRANSITIONS,
    member_transition_table,
)
from barnabas.coordinator.group.records.facts import (
    MemberState,
)


def test_the_documented_table_is_the_table() -> None:
    assert member_transition_table() in (DOCS / "groups.md").read_text()


def test_the_table_has_every_move_that_members_make() -> None:
    states = (
        MemberState.STABLE,
        MemberState.UNREVOKED_PARTITIONS,
        MemberState.UNRELEASED_PARTITIONS,
    )
    assert list(MEMBER_TRANSITIONS) == [(a, b) for a in states for b in states]
    assert member_transition_table().count("\n") == len(MEMBER_TRANSITIONS) + 1
