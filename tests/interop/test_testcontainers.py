"""Our KafkaContainer beside that of testcontainers-python, whose class is looked at, never started
(it wants Docker), and whose helpers must work with ours."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.interop.pip import pip

from barnabas.testing.containers import KafkaContainer

VERSION = "4.15.0"
ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    pip("install", "--target", str(directory), f"testcontainers=={VERSION}")
    return directory


def run(site: Path, program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={**os.environ, "PYTHONPATH": f"{site}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def described(container: type) -> dict[str, list[list[str]] | None]:
    """Of all its public attributes: the parameters of a method, each with its kind and default."""
    names = [name for name in dir(container) if not name.startswith("_")]
    found: dict[str, list[list[str]] | None] = {}
    for name in ["__init__", "__enter__", "__exit__", *names]:
        value = getattr(container, name)
        found[name] = None
        if inspect.isfunction(value):
            parameters = inspect.signature(value).parameters.values()
            found[name] = [[p.name, p.kind.name, _text(p.default)] for p in parameters]
    return found


def _text(default: object) -> str:
    """``30`` and ``30.0`` are one."""
    return str(float(default)) if isinstance(default, int | float) else repr(default)


def test_every_attribute_is_there_and_every_method_takes_the_same(site: Path) -> None:
    program = (
        "import json; from testcontainers.kafka import KafkaContainer as original;"
        "from tests.interop.test_testcontainers import described;"
        "print(json.dumps(described(original)))"
    )
    theirs, ours = json.loads(run(site, program)), described(KafkaContainer)
    assert set(theirs) <= set(ours)
    for name, parameters in theirs.items():
        own = ours[name]
        if parameters is None or own is None:
            assert parameters is own, name
        else:
            assert [p for p in parameters if p not in own] == [], name


def test_its_helpers_that_wait_work_with_ours(site: Path) -> None:
    program = """
from barnabas.testing.containers import KafkaContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy, PortWaitStrategy
from testcontainers.core.waiting_utils import wait_for_logs

with KafkaContainer() as kafka:
    LogMessageWaitStrategy(kafka.wait_for).wait_until_ready(kafka)
    wait_for_logs(kafka, "started (.*KafkaServer)", timeout=5, raise_on_exit=True)
    LogMessageWaitStrategy("Kafka Server started").wait_until_ready(kafka)
    PortWaitStrategy(kafka.port).wait_until_ready(kafka)
    print("waited")
"""
    assert run(site, program) == "waited\n"
