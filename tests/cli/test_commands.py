"""Every command of the command line against a running cluster."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
from tests.cluster_kit import BARNABAS, Cluster, barnabas, free_ports, no_traceback, wait_for

pytestmark = pytest.mark.process

COMMANDS = [
    (),
    ("up",),
    ("broker",),
    ("coordinator",),
    ("topic",),
    ("topic", "create"),
    ("topic", "list"),
    ("topic", "describe"),
    ("topic", "alter"),
    ("topic", "delete"),
    ("produce",),
    ("consume",),
    ("group",),
    ("group", "list"),
    ("group", "describe"),
    ("group", "reset-offsets"),
    ("group", "delete"),
    ("cluster",),
    ("cluster", "status"),
    ("chaos",),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(directory=tmp_path_factory.mktemp("commands"), brokers=2) as running:
        yield running


def _ok(cluster: Cluster, *arguments: str, stdin: str = "") -> str:
    done = cluster.cli(*arguments, stdin=stdin)
    assert done.returncode == 0, done
    return done.stdout


def _fails(done: subprocess.CompletedProcess[str], code: int, *named: str) -> None:
    """With its exit code and, but for wrong usage, one line."""
    assert done.returncode == code, done
    assert no_traceback(done.stderr)
    if code != 2:
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert done.stderr.startswith("barnabas: ")
    for name in named:
        assert name in done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: " ".join(c) or "barnabas")
def test_help_teaches(command: tuple[str, ...]) -> None:
    done = barnabas(*command, "--help")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith("Usage: ")
    assert "--help" in done.stdout


def test_wrong_usage_is_2() -> None:
    for arguments in [
        ("nonsense",),
        ("topic", "create"),
        ("topic", "create", "x", "-p", "0"),
        ("topic", "alter", "x"),
        ("consume", "x", "-o", "sometimes"),
        ("consume", "x", "-f", "%q"),
        ("produce", "x", "-z", "rar"),
        ("chaos", "explode", "broker:1"),
        ("up", "--brokers", "0"),
    ]:
        _fails(barnabas(*arguments), 2)


def test_nobody_there_is_3() -> None:
    with socket.socket() as held:  # bound, so that nobody else takes it; nobody listens
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        _fails(barnabas("topic", "list", "-b", address), 3, address)


@pytest.mark.parametrize("address", ["nonsense", "host:port", ":9092", "a:0", "a:70000", "a:²", ""])
def test_addresses_that_are_none(address: str) -> None:
    _fails(barnabas("topic", "list", "-b", address), 1, "--bootstrap-server")


@pytest.mark.parametrize(
    "arguments",
    [
        ("topic", "create", "t", "-p", "99999999999"),
        ("topic", "create", "t", "-r", "32768"),
        ("consume", "t", "-o", "9223372036854775808"),
        ("consume", "t", "-o", "@9223372036854775808"),
        ("consume", "t", "-o", "@-7"),
        ("consume", "t", "-o", "x"),
        ("cluster", "reassign", "-t", "t", "--brokers", "2147483648"),
        ("cluster", "reassign", "-t", "t", "--brokers", "\N{SUPERSCRIPT TWO}"),
    ],
)
def test_numbers_that_nothing_can_have_are_wrong_usage(arguments: tuple[str, ...]) -> None:
    _fails(barnabas(*arguments), 2, "Error: ")


def test_a_setting_without_a_value() -> None:
    _fails(barnabas("topic", "create", "t", "-c", "retention.ms"), 1, "--config: 'retention.ms'")


def test_topics_from_creation_to_deletion(cluster: Cluster) -> None:
    assert _ok(cluster, "topic", "create", "t1", "-p", "2", "-r", "2") == "created t1\n"
    listed = json.loads(_ok(cluster, "topic", "list", "-o", "json"))
    assert {
        key: next(t for t in listed if t["name"] == "t1")[key]
        for key in ("name", "partitions", "replicas")
    } == {"name": "t1", "partitions": 2, "replicas": 2}
    described = json.loads(_ok(cluster, "topic", "describe", "t1", "-o", "json"))
    assert [p["partition"] for p in described["partitions"]] == [0, 1]
    assert all(sorted(p["replicas"]) == [1, 2] for p in described["partitions"])
    assert "LEADER" in _ok(cluster, "topic", "describe", "t1")
    assert "t1" in _ok(cluster, "topic", "list")
    change = ("-c", "retention.ms=5000", "--delete-config", "segment.bytes")
    assert _ok(cluster, "topic", "alter", "t1", *change) == "altered t1\n"
    assert _ok(cluster, "topic", "delete", "t1") == "deleted t1\n"
    wait_for(
        lambda: "t1" not in _ok(cluster, "topic", "list"), 10, "the deleted topic is not listed"
    )


def test_refusals_are_1(cluster: Cluster) -> None:
    _ok(cluster, "topic", "create", "taken", "-p", "1", "-r", "1")
    for arguments, named in [
        (("topic", "create", "taken"), "TOPIC_ALREADY_EXISTS"),
        (("topic", "create", "a/b"), "INVALID_TOPIC_EXCEPTION"),
        (("topic", "alter", "taken", "-c", "retention.ms=x"), "INVALID_CONFIG"),
        (("topic", "alter", "nobody", "-c", "retention.ms=1"), "UNKNOWN_TOPIC_OR_PARTITION"),
        (("topic", "create", "wide", "-r", "3"), "INVALID_REPLICATION_FACTOR"),
        (("topic", "create", "odd", "-c", "no.such=1"), "INVALID_CONFIG"),
        (("topic", "create", "odd", "-c", "novalue"), "novalue"),
        (("topic", "describe", "nowhere"), "UNKNOWN_TOPIC_OR_PARTITION"),
        (("topic", "delete", "nowhere"), "UNKNOWN_TOPIC_OR_PARTITION"),
        (("consume", "nowhere", "-e"), "UNKNOWN_TOPIC_OR_PARTITION"),
        (("consume", "taken", "-p", "9", "-e"), "taken"),
        (("consume", "taken", "-o", "100", "-e"), "OFFSET_OUT_OF_RANGE"),
        (("chaos", "kill", "broker:9"), "broker:9"),
    ]:
        _fails(cluster.cli(*arguments), 1, named)
    done = cluster.cli("produce", "taken", stdin="x" * 2_000_000 + "\n")
    _fails(done, 1, "MESSAGE_TOO_LARGE")
    _fails(cluster.cli("produce", "taken", "-p", "9", stdin="x\n"), 1, "taken")


def test_chaos_without_a_cluster_is_1() -> None:
    port = free_ports(1)
    done = barnabas("chaos", "kill", "broker:1", "-b", f"127.0.0.1:{port}")
    _fails(done, 1, str(port))


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_records_go_round(cluster: Cluster, codec: str) -> None:
    topic = f"round-{codec}"
    _ok(cluster, "topic", "create", topic, "-p", "3", "-r", "2")
    lines = [f"key{n % 7}:value {n}" for n in range(500)]
    done = cluster.cli("produce", topic, "-K", ":", "-z", codec, stdin="\n".join(lines) + "\n")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"produced 500 records to {topic}\n"
    back = _ok(cluster, "consume", topic, "-e", "-f", "%k:%s\\n").splitlines()
    assert sorted(back) == sorted(lines)
    for key in range(7):
        of_key = [line for line in back if line.startswith(f"key{key}:")]
        assert of_key == [line for line in lines if line.startswith(f"key{key}:")]


def test_offsets_to_begin_at(cluster: Cluster) -> None:
    _ok(cluster, "topic", "create", "offsets", "-p", "1", "-r", "1")
    _ok(cluster, "produce", "offsets", stdin="".join(f"{n}\n" for n in range(20)))
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
        out = _ok(cluster, "consume", "offsets", "-o", offset, "-e")
        assert out.split() == [str(n) for n in expected], offset
    assert _ok(cluster, "consume", "offsets", "-c", "3") == "0\n1\n2\n"
    assert _ok(cluster, "consume", "offsets", "-o", "-2", "-c", "1") == "18\n"


def test_formats(cluster: Cluster) -> None:
    _ok(cluster, "topic", "create", "formats", "-p", "1", "-r", "1")
    _ok(cluster, "produce", "formats", "-K", "=", stdin="k=value\nnokey\n")
    out = _ok(cluster, "consume", "formats", "-e", "-f", "%t %p %o [%k] [%s] %K %S %T %h %%\\n")
    assert re.fullmatch(
        r"formats 0 0 \[k\] \[value\] 1 5 \d{13}  %\n"
        r"formats 0 1 \[\] \[nokey\] -1 5 \d{13}  %\n",
        out,
    )


def test_a_consumer_follows_until_ctrl_c(cluster: Cluster) -> None:
    _ok(cluster, "topic", "create", "follow", "-p", "1", "-r", "1")
    command = [*BARNABAS, "consume", "follow", "-b", cluster.bootstrap]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as consumer:
        assert consumer.stdout is not None
        assert consumer.stderr is not None
        _ok(cluster, "produce", "follow", stdin="first\n")
        assert consumer.stdout.readline() == "first\n"
        _ok(cluster, "produce", "follow", stdin="second\n")
        assert consumer.stdout.readline() == "second\n"
        consumer.send_signal(signal.SIGINT)
        assert consumer.wait(60) == 130
        assert no_traceback(consumer.stderr.read())


def test_a_closed_pipe_is_no_error(cluster: Cluster) -> None:
    _ok(cluster, "topic", "create", "pipe", "-p", "1", "-r", "1")
    _ok(cluster, "produce", "pipe", stdin="x" * 100 + "\n" + "line\n" * 50_000)
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


def test_status(cluster: Cluster) -> None:
    _ok(cluster, "topic", "create", "matrix", "-p", "2", "-r", "2")
    wait_for(lambda: cluster.cli("cluster", "status").returncode == 0, 10, "the cluster is healthy")
    shown = _ok(cluster, "cluster", "status")
    assert "controller" in shown
    assert re.search(r"^matrix/1 +0 +[Ls] +[Ls]$", shown, re.MULTILINE), shown
    document = json.loads(_ok(cluster, "cluster", "status", "-o", "json"))
    assert [b["id"] for b in document["brokers"]] == [1, 2]
    assert document["healthy"] is True
    states = [p["replicas"] for p in document["partitions"] if p["topic"] == "matrix"]
    assert [sorted(s.values()) for s in states] == [["in sync", "leader"]] * 2


def test_the_default_address_reaches_the_cluster_when_its_first_broker_is_dead(
    cluster: Cluster,
) -> None:
    first = f"127.0.0.1:{cluster.port}"
    cluster.ask("kill", "broker:1")
    try:
        wait_for(
            lambda: cluster.cli("topic", "list", bootstrap=first).returncode == 0,
            10,
            "broker 2 answers instead",
        )
        done = cluster.cli("cluster", "status", "-o", "json", bootstrap=first)
        assert done.returncode == 1, "not healthy"
        assert [b["id"] for b in json.loads(done.stdout)["brokers"]] == [2]
        assert cluster.cli("chaos", "kill", "controller", bootstrap=first).returncode == 0
    finally:
        cluster.ask("restart", "broker:1")
        cluster.ask("restart", "broker:2")
    wait_for(lambda: cluster.cli("cluster", "status").returncode == 0, 20, "the cluster is healthy")
