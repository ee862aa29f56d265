"""Rules for all tests."""

from __future__ import annotations

import signal
from collections import OrderedDict
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# A shell starts what runs in its background with SIGINT ignored, and so would be all that tests
# start and end with Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test fails for being slow: the machine may be busy, and in a fresh clone the first text that
# Hypothesis draws takes some seconds, in which it makes its tables of Unicode.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("brief", settings.get_profile("patient"), max_examples=20)
settings.load_profile("patient")

SIMULATED = ("tests.simulation.", "tests.api.")
"""Who imports from here runs whole brokers in the simulator."""


def _is_simulated(module: object) -> bool:
    names = (
        value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        for value in vars(module).values()
    )
    return any(isinstance(name, str) and name.startswith(SIMULATED) for name in names)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put each test into one of the groups that pyproject.toml lists: by what it needs."""
    simulated: dict[object, bool] = {}
    for item in items:
        if item.get_closest_marker("foreign") or item.get_closest_marker("processes"):
            continue
        module = getattr(item, "module", None)
        if module not in simulated:
            simulated[module] = module is not None and _is_simulated(module)
        item.add_marker("simulation" if simulated[module] else "unit")


@cache
def _text(file: str) -> str:
    path = Path(__file__).parent.parent / file
    return path.read_text() if path.is_file() else ""


def _has_fixture(file: str, scope: str) -> bool:
    return f'fixture(scope="{scope}")' in _text(file)


@cache
def _shares(file: str) -> bool:
    """Whether the tests of its folder share a fixture."""
    return _has_fixture(f"{file.rpartition('/')[0]}/conftest.py", "package")


@cache
def _waits(file: str) -> bool:
    """Whether some of its tests start processes, and so mostly wait for them."""
    return "mark.processes" in _text(file) or _shares(file)


@cache
def _is_light(file: str) -> bool:
    """Whether its tests are for the most part shorter than what it takes to hand them out."""
    text = _text(file)
    return not _waits(file) and not any(f"from {module}" in text for module in SIMULATED)


LONG = (
    "tests/chaos/",
    "tests/controller/test_histories.py",
    "tests/controller/test_lost_connections.py",
    "tests/fuzz/",
    "tests/life/",
    "tests/observe/test_kinds.py",
    "tests/simulation/test_recorder.py",
    "tests/simulation/test_scenario.py",
    "tests/storage/cleaner/test_crash.py",
    "tests/storage/cleaner/test_model.py",
    "tests/storage/test_log_model.py",
    "tests/storage/test_one_failing_call.py",
    "tests/testing/test_wishes.py",
    "tests/zookeeper/server/test_answers.py",
)
"""Where some of few tests take seconds: they begin first."""


def _place(scope: str) -> int:
    file = scope.partition("::")[0]
    if scope.startswith(LONG) or not file.endswith(".py"):
        return 0
    return 2 if _is_light(file) else 1


@cache
def _scope_waits(scope: str) -> bool:
    file = scope.partition("::")[0]
    return _waits(file if file.endswith(".py") else f"{file}/conftest.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where tests run side by side (``-n``), those that share a fixture run in one process, one
    after the other, and so do the light ones of a file. Half of the workers begin with what waits
    for processes, half with what does not, so that no processor is idle meanwhile; what is long
    begins first, so that nobody waits for it at the end."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
        begun = False
        workqueue: Any  # scope -> its tests

        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            if _shares(file):
                return file.rpartition("/")[0]
            return file if _is_light(file) or _has_fixture(file, "module") else nodeid

        def _assign_work_unit(self, node: Any) -> None:
            if not self.begun:
                self.begun = True
                scopes = sorted(self.workqueue, key=_place)
                self.workqueue = OrderedDict((scope, self.workqueue[scope]) for scope in scopes)
            waiting = self.nodes.index(node) % 2 == 0
            fit = (scope for scope in self.workqueue if _scope_waits(scope) == waiting)
            self.workqueue.move_to_end(next(fit, next(iter(self.workqueue))), last=False)
            super()._assign_work_unit(node)

    return Scheduling(config, log)
