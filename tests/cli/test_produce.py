"""The command produce."""

from __future__ import annotations

import pytest
from tests.cli.kit import fails, ok
from tests.cluster_kit import Cluster

pytestmark = pytest.mark.processes


def test_what_cannot_be_written(cluster: Cluster) -> None:
    ok(cluster, "topic", "create", "written", "-p", "1", "-r", "1")
    done = cluster.cli("produce", "written", stdin="x" * 2_000_000 + "\n")
    fails(done, 1, "MESSAGE_TOO_LARGE")
    fails(cluster.cli("produce", "written", "-p", "9", stdin="x\n"), 1, "written")


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_records_go_round(cluster: Cluster, codec: str) -> None:
    topic = f"round-{codec}"
    ok(cluster, "topic", "create", topic, "-p", "3", "-r", "2")
    lines = [f"key{n % 7}:value {n}" for n in range(500)]
    done = cluster.cli("produce", topic, "-K", ":", "-z", codec, stdin="\n".join(lines) + "\n")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"produced 500 records to {topic}\n"
    back = ok(cluster, "consume", topic, "-e", "-f", "%k:%s\\n").splitlines()
    assert sorted(back) == sorted(lines)
    for key in range(7):
        of_key = [line for line in back if line.startswith(f"key{key}:")]
        assert of_key == [line for line in lines if line.startswith(f"key{key}:")]


def test_long_lines_go_in_several_batches(cluster: Cluster) -> None:
    """Together they are more than a broker takes in one; one is nearly as much alone."""
    ok(cluster, "topic", "create", "long-lines", "-p", "1")
    lines = [str(n) * 100_000 for n in range(10)] + ["x" * 1_000_000, "last"]
    ok(cluster, "produce", "long-lines", stdin="\n".join(lines) + "\n")
    read = ok(cluster, "consume", "long-lines", "-e", "-f", "%s\\n")
    assert read.splitlines() == lines
