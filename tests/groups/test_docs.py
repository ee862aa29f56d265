"""What the documentation says of groups is what the code does."""

from __future__ import annotations

from pathlib import Path

from barnabas.groups.states import transition_table


def test_the_documented_table_is_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "groups.md"
    assert transition_table() in page.read_text()
