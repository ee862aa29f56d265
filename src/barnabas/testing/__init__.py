"""A Kafka-compatible cluster for tests: several brokers, and failures that you can call.

docs/testing.md describes it. Modules are imported only when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from barnabas.observe.events import Event
    from barnabas.testing.async_cluster import AsyncCluster
    from barnabas.testing.case import KafkaTestCase
    from barnabas.testing.cluster import Cluster
    from barnabas.testing.events import TimedOut
    from barnabas.testing.faults import Fault, Faults, Hit
    from barnabas.testing.records import TestRecord

__all__ = [
    "AsyncCluster",
    "Cluster",
    "Event",
    "Fault",
    "Faults",
    "Hit",
    "KafkaTestCase",
    "TestRecord",
    "TimedOut",
]

_HOME = {
    "AsyncCluster": "async_cluster",
    "Cluster": "cluster",
    "Event": "barnabas.observe.events",
    "Fault": "faults",
    "Faults": "faults",
    "Hit": "faults",
    "KafkaTestCase": "case",
    "TestRecord": "records",
    "TimedOut": "events",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(home if "." in home else f"{__name__}.{home}"), name)
