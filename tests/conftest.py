"""Rules for all tests."""

from __future__ import annotations

import signal
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
def _together(file: str) -> str | None:
    """What the tests of a file share with each other, if they share a fixture: the file, or its
    folder."""
    path = Path(__file__).parent.parent / file
    folder = path.parent / "conftest.py"
    if folder.exists() and 'scope="package"' in folder.read_text():
        return file.rpartition("/")[0]
    return file if path.exists() and 'scope="module"' in path.read_text() else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where tests run side by side (``-n``), those that share a fixture run in one process, one
    after the other. Those that need most of them begin first."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return _together(nodeid.partition("::")[0]) or nodeid

    return Scheduling(config, log)
