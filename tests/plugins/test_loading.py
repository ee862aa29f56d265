"""Which classes can be plug-ins, and what becomes of their errors."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import pytest

from barnabas.broker.main import SystemClock, imported
from barnabas.errors import ConfigError, ErrorCode, KafkaError
from barnabas.plugins import Plugin, PolicyViolation
from barnabas.plugins.loading import KINDS_MAX, TEXT_LENGTH_MAX, Guard, close, find, make
from barnabas.seams import Env
from barnabas.storage.memory_files import MemoryFiles

SETTING = "some.class"


class Judge(Plugin, ABC):
    @abstractmethod
    def decide(self, what: str) -> str: ...


MODULE = """
from tests.plugins.test_loading import Judge

class Good(Judge):
    def decide(self, what):
        return what

class Abstract(Judge):
    pass

class Slow(Judge):
    async def decide(self, what):
        return what

class Stranger:
    def decide(self, what):
        return what

function = len
"""


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Env:
    """Of a process that finds modules of these names."""
    (tmp_path / "of_judges.py").write_text(MODULE)
    (tmp_path / "of_missing_import.py").write_text("import there_is_no_such_module\n")
    (tmp_path / "of_broken.py").write_text("raise ValueError('first line\\nsecond')\n")
    (tmp_path / "of_unset.py").write_text("import sys\nsys.no_such_thing\n")
    (tmp_path / "of_exit.py").write_text("raise SystemExit(3)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "tests.plugins.test_loading", sys.modules[__name__])
    for name in [n for n in sys.modules if n.startswith("of_")]:
        monkeypatch.delitem(sys.modules, name)
    return Env(
        clock=SystemClock(),
        random=random.Random(1),
        files=MemoryFiles(),
        boot_id="b",
        find_class=imported,
    )


def test_a_class_is_found_made_configured_and_closed(env: Env) -> None:
    cls = find(env, SETTING, "of_judges.Good", Judge)  # type: ignore[type-abstract]
    judge = make(SETTING, cls, {"a": "b"})
    assert judge.decide("x") == "x"
    close(SETTING, judge)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("org.example.Policy", "No module named 'org'"),
        ("io.example.Policy", "Java classes cannot be loaded"),
        ("of_judges.Nobody", "of_judges has no Nobody; a Python class is needed"),
        ("of_missing_import.Judge", "No module named 'there_is_no_such_module'"),
        ("of_broken.Judge", r"of_broken cannot be imported: ValueError: first line\\nsecond"),
        ("of_unset.Judge", "of_unset cannot be imported: AttributeError: module 'sys' has no"),
        ("of_exit.Judge", "of_exit cannot be imported: SystemExit: 3"),
        ("of_judges.function", "not a subclass of barnabas.plugins.Judge"),
        ("of_judges.Stranger", "not a subclass of barnabas.plugins.Judge"),
        ("of_judges.Abstract", "has no decide"),
        ("of_judges.Slow", "decide is a coroutine; a plug-in must answer at once"),
    ],
)
def test_a_class_that_cannot_be_a_plug_in_gives_one_line(env: Env, name: str, why: str) -> None:
    with pytest.raises(ConfigError, match=f"^{SETTING}: .*{why}") as caught:
        find(env, SETTING, name, Judge)  # type: ignore[type-abstract]
    assert "\n" not in str(caught.value)


def test_without_the_seam_there_are_no_classes() -> None:
    env = Env(clock=SystemClock(), random=random.Random(1), files=MemoryFiles(), boot_id="b")
    with pytest.raises(ConfigError, match=f"^{SETTING}: a.B cannot be imported"):
        find(env, SETTING, "a.B", Judge)  # type: ignore[type-abstract]


class Unmade(Judge):
    def __init__(self) -> None:
        raise RuntimeError("no")

    def decide(self, what: str) -> str:
        return what


class Unconfigured(Judge):
    closed = 0

    def configure(self, settings: Mapping[str, str]) -> None:
        raise KeyError("needed")

    def decide(self, what: str) -> str:
        return what

    def close(self) -> None:
        type(self).closed += 1


def test_a_class_that_cannot_start(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(
        ConfigError, match=rf"^{SETTING}: .*Unmade cannot be made: RuntimeError: no"
    ):
        make(SETTING, Unmade, {})
    with pytest.raises(
        ConfigError, match=f"^{SETTING}: .*refuses its settings: KeyError: 'needed'"
    ):
        make(SETTING, Unconfigured, {})
    assert Unconfigured.closed == 1
    assert [r.exc_info is not None for r in caplog.records] == [True, True]


class Fails(Judge):
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error or RuntimeError("secret")

    def decide(self, what: str) -> str:
        raise self.error

    def close(self) -> None:
        raise self.error


def _answer(error: BaseException) -> KafkaError:
    with pytest.raises(KafkaError) as caught, Guard(SETTING, Fails(error)).answered() as plugin:
        plugin.decide("x")
    return caught.value


@pytest.mark.parametrize("error", [RuntimeError("secret"), SystemExit(1), asyncio.CancelledError()])
def test_any_error_is_logged_once_and_unknown_to_the_client(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    answer = _answer(error)
    assert (answer.code, answer.message) == (ErrorCode.UNKNOWN_SERVER_ERROR, "")
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    assert record.getMessage().startswith(f"{SETTING}: ")


def test_the_plug_ins_own_refusal_goes_to_the_client(caplog: pytest.LogCaptureFixture) -> None:
    for error in (PolicyViolation("too few"), KafkaError(ErrorCode.INVALID_CONFIG, "no")):
        answer = _answer(error)
        assert (answer.code, answer.message) == (error.code, error.message)
    assert caplog.records == []
    long = _answer(PolicyViolation("x" * 100_000)).message
    assert long.startswith("x" * TEXT_LENGTH_MAX)
    assert len(long) < 2 * TEXT_LENGTH_MAX
    assert _answer(PolicyViolation("lone \ud800")).message == "lone ?"
    assert _answer(PolicyViolation(5)).message == "5"  # type: ignore[arg-type]


def test_an_error_that_says_success_is_none(caplog: pytest.LogCaptureFixture) -> None:
    assert _answer(KafkaError(ErrorCode.NONE)).code is ErrorCode.UNKNOWN_SERVER_ERROR
    assert len(caplog.records) == 1


def test_an_error_of_close_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    close(SETTING, Fails())
    assert len(caplog.records) == 1


def test_an_error_that_comes_again_is_not_logged_each_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    guard = Guard(SETTING, Fails())
    for _ in range(1000):
        guard.failed(RuntimeError("the same"))
    assert [r.getMessage().split(", ")[1] for r in caplog.records] == [
        f"{2**n} times" for n in range(10)
    ]
    caplog.clear()
    for number in range(1000):
        guard.failed(RuntimeError(f"another {number}"))
    assert len(caplog.records) == KINDS_MAX - 1 + 10
