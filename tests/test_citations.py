"""Every citation of the reference has its anchor, and every citation has the one form.

``reference 5.4``, ``reference 4.2 to 4.4, 4.11``, ``reference 2.2 step 5``, ``trap 31``, ``traps 33
and 34``: what they name stands in ``docs/reference`` under ``#s5-4`` and ``#trap-31``.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
CODE = sorted(p for d in ("src", "tests", "tools", "bench") for p in (ROOT / d).rglob("*.py"))
PAGES = [
    *(ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "SKIPPED.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

_NUMBERS = r"\d+(?:\.\d+)?(?:\s+step\s+\d+)?"
_LIST = rf"{_NUMBERS}(?:(?:,\s+|\s+and\s+|\s+to\s+|\s+or\s+){_NUMBERS})*"
_SECTIONS = re.compile(rf"\breferences?\s+({_LIST})", re.IGNORECASE)
_TRAPS = re.compile(r"\btraps?\s+(\d+(?:(?:,\s+|\s+and\s+|\s+or\s+)\d+)*)", re.IGNORECASE)
_OTHER_FORMS = re.compile(
    r"\bsections?\s+\d"  # "reference section 5.4", "section 5.4"
    r"|(?<![\w.])\(\d{1,2}\.\d{1,2}(?:(?:,\s+|\s+to\s+)\d{1,2}\.\d{1,2})*\)"  # "(5.6, 5.10)"
    r"|§",
    re.IGNORECASE,
)
_MAY_CITE = re.compile("reference|trap", re.IGNORECASE)
_MAY_DIFFER = re.compile(r"section|\(\d{1,2}\.\d|§", re.IGNORECASE)
"""Most modules have none of these, so nobody need take them apart."""
_ANCHOR = re.compile(r'<a id="([^"]+)"></a>')
_LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]+))?\)")


def anchors() -> set[str]:
    found = [a for page in REFERENCE.glob("*.md") for a in _ANCHOR.findall(page.read_text())]
    assert len(found) == len(set(found)), "an anchor stands twice"
    return set(found)


def prose(source: str) -> Iterator[str]:
    """Comments, neighbours joined, and strings of a module: what people read."""
    comment: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            comment.append(token.string.lstrip("# "))
        elif token.type == tokenize.STRING:
            yield token.string
        elif token.type not in (tokenize.NL, tokenize.INDENT, tokenize.DEDENT):
            yield " ".join(comment)
            comment = []


def texts(hint: re.Pattern[str]) -> Iterator[tuple[Path, str]]:
    """The prose of those modules in which the hint is found somewhere."""
    for path in CODE:
        source = path.read_text()
        if hint.search(source):
            for text in prose(source):
                yield path, text


def cited(text: str) -> Iterator[str]:
    """The anchors that a text wants."""
    for found in _SECTIONS.finditer(text):
        sections = re.sub(r"\s+step\s+\d+", "", found[1])
        for number in re.findall(r"\d+(?:\.\d+)?", sections):
            yield "s" + number.replace(".", "-")
    for found in _TRAPS.finditer(text):
        for number in re.findall(r"\d+", found[1]):
            yield f"trap-{number}"


def test_what_counts_as_a_citation() -> None:
    text = "(reference 5.4), reference\n4.2 to 4.4, 4.11; reference 2.2 step 5. Traps 33 and 34"
    assert list(cited(text)) == [
        *("s5-4", "s4-2", "s4-4", "s4-11", "s2-2"),
        *("trap-33", "trap-34"),
    ]
    assert list(prose("x = 1\n# see reference\n# 5.4\ny = 2\n"))[-1] == ""
    assert "see reference 5.4" in list(prose("x = 1\n# see reference\n# 5.4\ny = 2\n"))


def test_every_citation_in_the_code_resolves() -> None:
    known = anchors()
    seen = 0
    for path, text in texts(_MAY_CITE):
        for anchor in cited(text):
            seen += 1
            assert anchor in known, f"{path.relative_to(ROOT)} cites {anchor}: {text[:120]}"
    assert seen > 150


def test_no_citation_in_the_code_has_another_form() -> None:
    for path, text in texts(_MAY_DIFFER):
        if path == Path(__file__) or ('"""' not in text and text[:1] in "'\""):
            continue
        other = _OTHER_FORMS.search(text)
        assert other is None, f"{path.relative_to(ROOT)}: {other and other[0]!r} in {text[:120]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_citation_and_link_in_a_page_resolves(page: Path) -> None:
    text = page.read_text()
    known = anchors()
    for anchor in cited(text):
        assert anchor in known, anchor
    for file, anchor in _LINK.findall(text):
        if "://" in file or file.startswith("mailto:"):
            continue
        target = (page.parent / file) if file else page
        assert target.exists(), file
        if anchor and target.suffix == ".md":
            there = _ANCHOR.findall(target.read_text())
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            there += [re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings]
            assert anchor in there, f"{file}#{anchor}"


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_file_that_a_page_names_exists(name: str) -> None:
    """Below ``src/barnabas``, or from the root of the repository."""
    for path in re.findall(r"`((?:\w+/)+(?:\w+\.\w+)?)`", (ROOT / name).read_text()):
        if path.startswith("barnabas/"):
            continue
        assert (ROOT / path).exists() or (ROOT / "src" / "barnabas" / path).exists(), path


def test_the_traps_are_numbered_from_1_to_55() -> None:
    numbers = [int(a.removeprefix("trap-")) for a in anchors() if a.startswith("trap-")]
    assert sorted(numbers) == list(range(1, 56))
