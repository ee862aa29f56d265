"""The formats of results."""

from __future__ import annotations

import json
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.kit import here

from barnabas.cli.options import output
from barnabas.cli.output import print_json, print_line, yaml_text

DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(DOCUMENTS)
def test_yaml_says_what_json_says(document: Any) -> None:
    text = yaml_text(document)
    assert text.replace("\n", "").isprintable()
    read = yaml.safe_load(text)
    assert exact(read) == exact(document)


def exact(document: Any) -> str:
    """With types, since True == 1. YAML 1.1 reads 1e+22 as text, 1.2 as a number."""
    if isinstance(document, str) and "e" in document:
        try:
            return repr(float(document))
        except ValueError:
            pass
    if isinstance(document, list):
        return f"[{','.join(map(exact, document))}]"
    if isinstance(document, dict):
        return f"{{{','.join(f'{k!r}:{exact(v)}' for k, v in document.items())}}}"
    return repr(document)


@pytest.mark.parametrize(
    "word", ["true", "No", "null", "1", "1.5", "~", "a: b", "- a", "", " a", "é"]
)
def test_words_that_yaml_reads_as_something_else_are_quoted(word: str) -> None:
    assert yaml.safe_load(yaml_text({word: word})) == {word: word}


ROWS = [{"name": "a", "held": [1, 2]}, {"name": "b", "held": []}]


@click.command()
@output
def rows(output: str) -> None:
    click.echo("table") if output == "table" else print_json(ROWS)


@click.command()
@output
def stream(output: str) -> None:
    assert output == "json"
    for row in ROWS:
        print_line(row)


def printed(command: click.Command, form: str) -> str:
    done = CliRunner().invoke(command, ["-o", form])
    assert done.exit_code == 0, done
    return done.output


def test_each_format() -> None:
    assert printed(rows, "table") == "table\n"
    assert json.loads(printed(rows, "json")) == ROWS
    assert [json.loads(line) for line in printed(rows, "jsonl").splitlines()] == ROWS
    assert printed(rows, "yaml") == (
        "- name: a\n  held:\n    - 1\n    - 2\n- name: b\n  held: []\n"
    )
    assert [json.loads(line) for line in printed(stream, "json").splitlines()] == ROWS
    assert printed(stream, "jsonl") == printed(stream, "json")
    assert yaml.safe_load(printed(stream, "yaml")) == ROWS


def test_every_command_that_lists_has_all_formats() -> None:
    for command in (
        "acl list",
        "chaos events",
        "cluster events",
        "cluster reassign",
        "cluster status",
        "context list",
        "group describe",
        "group list",
        "quota list",
        "token list",
        "topic describe",
        "topic list",
        "tx list",
        "user list",
        "zk ls",
    ):
        assert "[table|json|jsonl|yaml]" in here(*command.split(), "--help").stdout, command
