"""The table of kinds: complete for what is noted, and told in docs/events.md."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from barnabas.observe.kinds import KINDS, kind_of
from barnabas.observe.staged import STAGED

ROOT = Path(__file__).parents[2]


@cache
def _noted() -> dict[str, set[str]]:
    """Every name that the program notes, with the fields given in all places."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "src/barnabas").rglob("*.py"):
        source = path.read_text()
        for node in ast.walk(ast.parse(source)) if "note(" in source else ():
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            first = node.args[0]
            if name not in ("note", "_note") or not isinstance(first, ast.Constant):
                continue
            fields = {each.arg for each in node.keywords if each.arg is not None}
            if path.parent.name == "replication":  # Partition.note adds its name
                fields |= {"broker", "topic", "partition", "epoch"}
            known = found.setdefault(str(first.value), fields)
            found[str(first.value)] = known & fields
    return found


def test_every_kind_is_noted_somewhere() -> None:
    noted = {kind.name for name, fields in _noted().items() if (kind := _kind(name, fields))}
    by_client = {f"zookeeper_session_{state}" for state in ("connected", "disconnected")}
    by_client |= {"zookeeper_session_expired", "zookeeper_session_closed"}
    noted |= {kind.name for name in by_client if (kind := kind_of(name, {}))}
    assert noted | {"isr_shrank", "isr_expanded"} == set(KINDS)


def _kind(name: str, fields: set[str]):  # type: ignore[no-untyped-def]
    if name == "isr_changed":
        return None
    return kind_of(name, dict.fromkeys(fields))


def test_texts_need_no_field_that_a_note_lacks() -> None:
    values: dict[str, object] = {"isr": [1], "unclean": False, "session": 7}
    for name, fields in _noted().items():
        if kind := _kind(name, fields):
            kind.text({field: values.get(field, 1) for field in fields})


def test_the_documentation_has_every_kind_with_its_level() -> None:
    rows = re.findall(r"^\| (`.*?)\|(.*?)\|", (ROOT / "docs/events.md").read_text(), re.MULTILINE)
    told = {
        name: level
        for names, level in rows
        for name in re.findall(r"`(\w+)`", names)
        if any(word in level for word in ("info", "warning", "error")) and name != "level"
    }
    assert set(told) == {*KINDS, *STAGED}
    assert not {*KINDS} & {*STAGED}
    assert all(kind.level in told[name] for name, kind in {**KINDS, **STAGED}.items())
    marked = {
        name
        for names, _ in re.findall(
            r"^\| (`.*?)\|(.*?)\|", (ROOT / "docs/events.md").read_text(), re.M
        )
        if "†" in names
        for name in re.findall(r"`(\w+)`", names)
    }
    assert marked == {name for name, kind in KINDS.items() if kind.by_clients}
