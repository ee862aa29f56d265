"""The brokers of a host: their settings, their restarts, and the unit of systemd."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from barnabas.admin.topics import assign_replicas
from barnabas.cluster.host_plan import Restarts, broker_settings, systemd_unit
from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError

GIVEN = {
    "broker.id": "11",
    "zookeeper.connect": "zk:2181",
    "listeners": "IN://10.0.0.1:9092,OUT://[::]:9093",
    "advertised.listeners": "IN://10.0.0.1:9092,OUT://kafka.example:19093",
    "listener.security.protocol.map": "IN:PLAINTEXT,OUT:PLAINTEXT",
    "inter.broker.listener.name": "IN",
    "log.dirs": "/a/, /b",
    "barnabas.http.listener": "127.0.0.1:9094",
    "barnabas.events.file": "/var/events",
}


def test_ids_ports_and_directories_are_derived() -> None:
    first, second, third = broker_settings(GIVEN, 3, "host-1")
    assert [s["broker.id"] for s in (first, second, third)] == ["11", "12", "13"]
    assert first["listeners"] == GIVEN["listeners"]
    assert second["listeners"] == "IN://10.0.0.1:9095,OUT://[::]:9096"
    assert third["advertised.listeners"] == "IN://10.0.0.1:9098,OUT://kafka.example:19099"
    assert third["barnabas.http.listener"] == "127.0.0.1:9100"
    assert second["log.dirs"] == "/a/broker-12,/b/broker-12"
    assert second["barnabas.events.file"] == "/var/events.broker-12"
    assert {s["broker.rack"] for s in (first, second, third)} == {"host-1"}
    for settings in (first, second, third):
        BrokerConfig(settings)


def test_what_is_given_stays() -> None:
    given = {"node.id": "4", "broker.rack": "row-7", "log.dir": "/d", "listeners": "PLAINTEXT://:0"}
    one, two = broker_settings(given, 2, "h")
    assert (one["broker.id"], two["broker.id"]) == ("4", "5")
    assert "node.id" not in one
    assert "log.dir" not in one
    assert (one["broker.rack"], two["log.dirs"]) == ("row-7", "/d/broker-5")
    assert two["listeners"] == "PLAINTEXT://:0"
    (plain,) = broker_settings({"broker.id": "0"}, 1, "h")
    assert plain["listeners"] == "PLAINTEXT://:9092"
    assert plain["log.dirs"] == "/tmp/kafka-logs/broker-0"
    assert [s["listeners"] for s in broker_settings({"broker.id": "0"}, 2, "h")] == [
        "PLAINTEXT://:9092",
        "PLAINTEXT://:9093",
    ]


@pytest.mark.parametrize(
    ("given", "count", "named"),
    [
        ({}, 2, "broker.id"),
        ({"broker.id": "-1"}, 2, "broker.id"),
        ({"broker.id": "1"}, 0, "--brokers"),
        ({"broker.id": "1"}, 257, "--brokers"),
        ({"broker.id": "1", "listeners": "PLAINTEXT://:65530"}, 10, "65535"),
    ],
)
def test_what_cannot_be_derived_is_refused(given: dict[str, str], count: int, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        broker_settings(given, count, "h")


@pytest.mark.parametrize("hosts", [2, 3, 4])
@pytest.mark.parametrize("each", [1, 4, 8])
def test_no_two_replicas_share_a_host_while_there_are_others(hosts: int, each: int) -> None:
    brokers: dict[int, str | None] = {}
    for host in range(hosts):
        given = {"broker.id": str(100 * host)}
        for settings in broker_settings(given, each, f"host-{host}"):
            brokers[int(settings["broker.id"])] = settings["broker.rack"]
    for seed in range(20):
        for factor in range(1, hosts + 1):
            placed = assign_replicas(
                brokers, partitions=64, replication_factor=factor, rng=random.Random(seed)
            )
            for replicas in placed.values():
                assert len({brokers[b] for b in replicas}) == factor


def test_a_broker_that_dies_at_once_is_started_more_and_more_rarely() -> None:
    restarts = Restarts()
    assert [restarts.pause_s(0.1) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [restarts.pause_s(61), restarts.pause_s(0.1)] == [1, 2]


def test_the_unit_is_one_that_systemd_accepts(tmp_path: Path) -> None:
    text = systemd_unit(
        "/bin/true", "/etc/server.properties", "auto", "root", ["/var/lib/a", "/var/b"]
    )
    assert 'ExecStart="/bin/true" host --config "/etc/server.properties" --brokers auto' in text
    assert 'ReadWritePaths="/var/lib/a" "/var/b"' in text
    for broken in ("/a\nUser=root", '/a"b', "/a%n", "/a$b"):
        with pytest.raises(ConfigError, match="systemd"):
            systemd_unit("/bin/true", broken, "auto", "root", [])
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not installed")
    path = tmp_path / "barnabas.service"
    path.write_text(text)
    done = subprocess.run([verify, "verify", str(path)], capture_output=True, text=True)
    assert "barnabas.service" not in done.stderr, done.stderr
