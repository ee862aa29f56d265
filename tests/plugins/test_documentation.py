"""docs/plugins.md shows the examples as they are, and names every plug-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from barnabas import plugins
from barnabas.plugins import Plugin

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/plugins.md").read_text()
EXAMPLES = sorted((ROOT / "examples/plugins").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_shown_whole(path: Path) -> None:
    assert f"```python\n{path.read_text()}```" in TEXT


def test_every_kind_of_plug_in_is_in_the_table() -> None:
    for name in plugins.__all__:
        value = getattr(plugins, name)
        if isinstance(value, type) and issubclass(value, Plugin) and value is not Plugin:
            assert f"| `{name}` |" in TEXT
