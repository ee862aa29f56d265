from __future__ import annotations

import click
import pytest

from barnabas.cli.record_format import compile_format
from barnabas.records.batch import Record
from barnabas.types import TopicPartition

TP = TopicPartition("t", 3)
RECORD = Record(offset=7, timestamp=9, key=b"k", value=b"v", headers=(("h", b"1"), ("empty", None)))


def test_every_field() -> None:
    render = compile_format("%t %p %o %k %s %T %K %S %h %%\\n\\t\\\\")
    assert render(TP, RECORD) == b"t 3 7 k v 9 1 1 h=1,empty= %\n\t\\"


def test_null_key_and_value() -> None:
    assert compile_format("[%k|%s|%K|%S]")(TP, Record(offset=0)) == b"[||-1|-1]"


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(click.BadParameter, match="%q"):
        compile_format("%q")
