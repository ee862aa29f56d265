"""What the tests of the test kit share: a cluster in each of its two forms."""

from __future__ import annotations

import pytest

from barnabas.testing import Cluster

FORMS = [
    pytest.param(True, id="in-process"),
    pytest.param(False, id="processes", marks=pytest.mark.processes),
]


def values(cluster: Cluster, topic: str) -> list[bytes | None]:
    """Of all records of a topic."""
    return [record.value for record in cluster.records(topic)]
