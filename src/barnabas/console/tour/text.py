"""Lessons and their runs as plain text, from the documents that the page gets as well. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

MARKS: Final = {
    "leader": "L",
    "in sync": "s",
    "lagging": "-",
    "offline": "x",
    "reads": "R",
    "": ".",
}
KEY: Final = "L leader, s in sync, - lagging, x offline"
GROUP_KEY: Final = "R reads this partition"
GAP: Final = "    "
INDENT: Final = "   "


def lesson_text(lesson: Mapping[str, Any], lessons: int, width: int) -> str:
    """What a lesson is about, and what it will do."""
    title = f"Lesson {lesson['number']} of {lessons}: {lesson['title']}"
    lines = [title, "=" * len(title), ""]
    for paragraph in lesson["about"]:
        lines += [*textwrap.wrap(paragraph, width), ""]
    lines.append("What will happen")
    for number, step in enumerate(lesson["steps"], start=1):
        lines += _item(f"{number}.", step["will"], width)
    return "\n".join(lines)


def step_text(lesson: Mapping[str, Any], run: Mapping[str, Any], at: int, width: int) -> str:
    """What a step has done, once it has ended."""
    step = run["steps"][at]
    ms = "" if step.get("ms") is None else f" ({_span(step['ms'])})"
    will = lesson["steps"][at]["will"]
    lines = _item(
        f"{at + 1}.", f"{will}{ms if step['state'] == 'done' else ' ' + step['state']}", width
    )
    for said in step.get("said", ()):
        lines += textwrap.wrap(
            said, width, initial_indent=INDENT + "> ", subsequent_indent=INDENT + "  "
        )
    return "\n".join(lines)


def result_text(run: Mapping[str, Any], width: int) -> str:
    """Before and after, what was seen of what was expected, and what the cluster told."""
    lines: list[str] = []
    if run["pictures"]:
        is_group = any(
            c["state"] == "reads" for p in run["pictures"] for r in p["rows"] for c in r["cells"]
        )
        lines += ["", f"Before and after ({GROUP_KEY if is_group else KEY})", ""]
        lines += _side_by_side([_picture(p) for p in run["pictures"]], width)
    if run["events"]:
        lines += ["What the cluster told (ms since the lesson did what it is about)"]
        zero = run["zero_ms"] or run["events"][0]["time_ms"]
        for event in run["events"]:
            lines += _event(event, zero, width)
        if run["events_left_out"]:
            lines.append(f"{INDENT}and {run['events_left_out']} more")
        lines.append("")
    if run["seen"]:
        lines.append("What was expected, and what was seen")
    for seen in run["seen"]:
        lines += _item("yes" if seen["holds"] else "NO", seen["text"], width, 4)
        lines += textwrap.wrap(
            seen["saw"], width, initial_indent=" " * 5, subsequent_indent=" " * 5
        )
    return "\n".join([*lines, "", verdict(run)])


def verdict(run: Mapping[str, Any]) -> str:
    """The last line of a run."""
    mended = (
        "The cluster is whole again."
        if run["not_mended"] is None
        else f"The cluster is not whole: {run['not_mended']}."
    )
    if run["failure"] is not None:
        return f"The lesson could not be carried to its end: {run['failure']}. {mended}"
    missed = sum(not seen["holds"] for seen in run["seen"])
    total = len(run["seen"])
    if missed:
        return f"{missed} of {total} things did not happen as expected. {mended}"
    return f"All {total} things were seen. {mended}"


# --- parts ----------------------------------------------------------------------------------------


def _span(ms: int) -> str:
    return f"{ms} ms" if ms < 1_000 else f"{ms / 1_000:.3f} s"


def _item(mark: str, text: str, width: int, indent: int = 2) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=f"{mark:<{indent}} ",
        subsequent_indent=" " * (indent + 1),
    )


def _event(event: Mapping[str, Any], zero_ms: int, width: int) -> list[str]:
    at = f"{event['time_ms'] - zero_ms:+8,}  "
    lines = textwrap.wrap(event["text"], width, initial_indent=at, subsequent_indent=" " * len(at))
    why = event.get("why")
    if why:
        inner = " " * (len(at) + 2)
        lines += textwrap.wrap(why, width, initial_indent=inner, subsequent_indent=inner)
    return lines


def _picture(picture: Mapping[str, Any]) -> list[str]:
    """A picture as lines of the same length."""
    columns = [str(column).split(", ") for column in picture["columns"]]
    depth = max((len(column) for column in columns), default=0)
    rows: list[list[str]] = [
        ["", *(column[line] if line < len(column) else "" for column in columns)]
        for line in range(depth)
    ]
    notes: list[str] = []
    for row in picture["rows"]:
        cells = [f"{MARKS.get(c['state'], '?')} {c['note']}".rstrip() for c in row["cells"]]
        rows.append([row["name"], *cells])
        if row["note"]:
            notes.append(f"/{row['name'].rpartition('/')[2]}: {row['note']}")
    if picture["note"]:
        notes.append(picture["note"])
    widths = [max(len(row[at]) for row in rows) for at in range(len(columns) + 1)] if rows else []
    lines = [picture["title"]]
    lines += [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    lines += notes
    longest = max(map(len, lines))
    return [line.ljust(longest) for line in lines]


def _side_by_side(blocks: Sequence[Sequence[str]], width: int) -> list[str]:
    """Blocks beside one another as far as there is room, with an empty line below each row."""
    lines: list[str] = []
    row: list[Sequence[str]] = []
    for block in blocks:
        if row and sum(len(b[0]) + len(GAP) for b in row) + len(block[0]) > width:
            lines += [*_joined(row), ""]
            row = []
        row.append(block)
    return [*lines, *_joined(row), ""] if row else lines


def _joined(row: Sequence[Sequence[str]]) -> Iterable[str]:
    for at in range(max(map(len, row))):
        parts = [block[at] if at < len(block) else " " * len(block[0]) for block in row]
        yield GAP.join(parts).rstrip()
