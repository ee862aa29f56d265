"""One cluster for the tests of all commands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cluster_kit import Cluster


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two brokers. Each test uses topics of its own and leaves both brokers running."""
    with Cluster(directory=tmp_path_factory.mktemp("commands"), brokers=2) as running:
        yield running
