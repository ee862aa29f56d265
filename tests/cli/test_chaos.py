"""The command chaos."""

from __future__ import annotations

import pytest
from tests.cli.kit import fails
from tests.cluster_kit import Cluster, barnabas, free_ports

pytestmark = pytest.mark.processes


def test_a_target_that_is_not_there(cluster: Cluster) -> None:
    fails(cluster.cli("chaos", "kill", "broker:9"), 1, "broker:9")


def test_chaos_without_a_cluster_is_1() -> None:
    port = free_ports(1)
    done = barnabas("chaos", "kill", "broker:1", "-b", f"127.0.0.1:{port}")
    fails(done, 1, str(port))
