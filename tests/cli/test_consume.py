"""The command consume."""

from __future__ import annotations

import re
import signal
import subprocess
import time

import pytest
from tests.cli.kit import fails, ok
from tests.cluster_kit import BARNABAS, Cluster, no_traceback

pytestmark = pytest.mark.processes


def test_what_cannot_be_read(cluster: Cluster) -> None:
    ok(cluster, "topic", "create", "read", "-p", "1", "-r", "1")
    for arguments, named in [
        (("consume", "nowhere", "-e"), "UNKNOWN_TOPIC_OR_PARTITION"),
        (("consume", "read", "-p", "9", "-e"), "read"),
        (("consume", "read", "-o", "100", "-e"), "OFFSET_OUT_OF_RANGE"),
    ]:
        fails(cluster.cli(*arguments), 1, named)


def test_offsets_to_begin_at(cluster: Cluster) -> None:
    ok(cluster, "topic", "create", "offsets", "-p", "1", "-r", "1")
    ok(cluster, "produce", "offsets", stdin="".join(f"{n}\n" for n in range(20)))
    for offset, expected in [
        ("beginning", range(20)),
        ("earliest", range(20)),
        ("-5", range(15, 20)),
        ("-100", range(20)),
        ("17", range(17, 20)),
        ("20", range(0)),
        ("end", range(0)),
        ("@0", range(20)),
        (f"@{time.time_ns() // 1_000_000 + 60_000}", range(0)),
    ]:
        out = ok(cluster, "consume", "offsets", "-o", offset, "-e")
        assert out.split() == [str(n) for n in expected], offset
    assert ok(cluster, "consume", "offsets", "-c", "3") == "0\n1\n2\n"
    assert ok(cluster, "consume", "offsets", "-o", "-2", "-c", "1") == "18\n"


def test_formats(cluster: Cluster) -> None:
    ok(cluster, "topic", "create", "formats", "-p", "1", "-r", "1")
    ok(cluster, "produce", "formats", "-K", "=", stdin="k=value\nnokey\n")
    out = ok(cluster, "consume", "formats", "-e", "-f", "%t %p %o [%k] [%s] %K %S %T %h %%\\n")
    assert re.fullmatch(
        r"formats 0 0 \[k\] \[value\] 1 5 \d{13}  %\n"
        r"formats 0 1 \[\] \[nokey\] -1 5 \d{13}  %\n",
        out,
    )


def test_a_consumer_follows_until_ctrl_c(cluster: Cluster) -> None:
    ok(cluster, "topic", "create", "follow", "-p", "1", "-r", "1")
    command = [*BARNABAS, "consume", "follow", "-b", cluster.bootstrap]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as consumer:
        assert consumer.stdout is not None
        assert consumer.stderr is not None
        ok(cluster, "produce", "follow", stdin="first\n")
        assert consumer.stdout.readline() == "first\n"
        ok(cluster, "produce", "follow", stdin="second\n")
        assert consumer.stdout.readline() == "second\n"
        consumer.send_signal(signal.SIGINT)
        assert consumer.wait(60) == 130
        assert no_traceback(consumer.stderr.read())


def test_a_closed_pipe_is_no_error(cluster: Cluster) -> None:
    ok(cluster, "topic", "create", "pipe", "-p", "1", "-r", "1")
    ok(cluster, "produce", "pipe", stdin="x" * 100 + "\n" + "line\n" * 50_000)
    command = [*BARNABAS, "consume", "pipe", "-e", "-b", cluster.bootstrap]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as consumer:
        assert consumer.stdout is not None
        assert consumer.stderr is not None
        consumer.stdout.readline()
        consumer.stdout.close()
        assert consumer.wait(60) in (0, 141)
        assert consumer.stderr.read() == b""
    listing = " ".join([*BARNABAS, "topic", "list", "-b", cluster.bootstrap])
    shell = ["bash", "-c", f"{listing} | true; exit ${{PIPESTATUS[0]}}"]
    done = subprocess.run(shell, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
