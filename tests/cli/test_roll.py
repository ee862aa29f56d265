"""``barnabas cluster roll`` against a real cluster."""

from __future__ import annotations

import json
import re
import shlex
import sys
import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, Message, Producer
from tests.cli.kit import fails, ok
from tests.cluster_kit import Cluster

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(directory=tmp_path_factory.mktemp("roll")) as running:
        ok(running, "topic", "create", "orders", "-p", "6", "-r", "3", "--min-isr", "2")
        yield running


class Busy:
    """A producer with acks=all while something happens: what was acknowledged and what failed."""

    def __init__(self, bootstrap: str) -> None:
        self.acknowledged = 0
        self.errors: list[str] = []
        self._producer = Producer(
            {"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True}
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self.acknowledged += 1
        else:
            self.errors.append(str(error))

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            self._producer.produce(
                "orders", b"%d" % number, partition=number % 6, on_delivery=self._delivered
            )
            number += 1
            self._producer.poll(0.002)
        assert self._producer.flush(60) == 0

    def __enter__(self) -> Busy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _processes(cluster: Cluster) -> dict[str, int]:
    from barnabas.cluster.control import ask

    found = ask(cluster.port, {"verb": "status"})["processes"]
    return {name: p["pid"] for name, p in found.items()}


def _controller(cluster: Cluster) -> int:
    done = cluster.cli("cluster", "status", "-o", "json")
    return int(json.loads(done.stdout)["controller"])


def test_every_broker_is_restarted_the_controller_last_and_a_producer_sees_no_error(
    cluster: Cluster,
) -> None:
    before, controller = _processes(cluster), _controller(cluster)
    shown = ok(cluster, "cluster", "roll")
    assert "Nothing is restarted. --execute does it." in shown
    assert shown.splitlines()[3].split()[:2] == [str(controller), "controller"]
    assert _processes(cluster) == before
    with Busy(cluster.bootstrap) as busy:
        said = ok(cluster, "cluster", "roll", "--execute", "--preferred")
    assert (busy.errors, busy.acknowledged > 0) == ([], True)
    order = [line.split()[:3] for line in said.splitlines()]
    assert {b for _, b, _ in order} == {"1", "2", "3"}
    assert order[-1] == ["broker", str(controller), "restarted"]
    after = _processes(cluster)
    assert all(after[f"broker:{b}"] != before[f"broker:{b}"] for b in (1, 2, 3))
    assert cluster.cli("cluster", "status").returncode == 0
    assert ok(cluster, "cluster", "elect") == "nothing to do\n", "preferred leaders lead"


def test_a_command_restarts_them(cluster: Cluster) -> None:
    before = _processes(cluster)
    chaos = shlex.join(
        [sys.executable, "-m", "barnabas.cli.main", "chaos", "restart", "-b", cluster.bootstrap]
    )
    asked = ("cluster", "roll", "--brokers", "2", "--command", f"{chaos} {{id}}")
    assert f"{chaos} 2" in ok(cluster, *asked)
    assert "broker 2 restarted in" in ok(cluster, *asked, "--execute")
    after = _processes(cluster)
    assert [n for n in before if before[n] != after[n]] == ["broker:2"]


def test_what_is_refused_and_what_ends_a_roll(cluster: Cluster) -> None:
    roll = ("cluster", "roll", "--execute", "--brokers", "2")
    fails(cluster.cli("cluster", "roll", "--brokers", "9"), 1, "not in the cluster: broker 9")
    fails(cluster.cli(*roll, "--command", "restart {name}"), 1, "--command", "'name'")
    fails(cluster.cli(*roll, "--command", "exit 7"), 1, "broker 2: exit 7: exit code 7")
    # A command that restarts nothing.
    done = cluster.cli(*roll, "--command", "true", "--timeout", "1")
    fails(done, 1, "broker 2 has not closed its connections in 1 s", "not restarted: broker 2")
    ok(cluster, "topic", "create", "alone", "-p", "1", "-r", "1")
    fails(cluster.cli("cluster", "roll"), 1, "alone-0 cannot be written", "--allow-unavailable")
    ok(cluster, "cluster", "roll", "--allow-unavailable")
    ok(cluster, "topic", "delete", "alone")
    # A cluster that is not whole is left alone.
    ok(cluster, "chaos", "kill", "3", "-b", cluster.bootstrap)
    done = cluster.cli(*roll, "--timeout", "1")
    fails(done, 1, "broker 2 cannot be restarted, but after 1 s", "have too few in sync")
    assert "(broker 3 is not registered); not restarted: broker 2 (--brokers 2)" in done.stderr
    ok(cluster, "chaos", "restart", "3", "-b", cluster.bootstrap)


def test_another_broker_dies_while_one_is_restarted(cluster: Cluster) -> None:
    """The roll stops, says why, and goes on from there when it is told to."""
    barnabas = shlex.join([sys.executable, "-m", "barnabas.cli.main"])
    chaos = f"{barnabas} chaos {{}} -b {cluster.bootstrap}"
    both = f"{chaos.format('kill 3')} && {chaos.format('restart {id}')}"
    roll = ("cluster", "roll", "--execute")
    done = cluster.cli(*roll, "--brokers", "1,2", "--command", both, "--timeout", "10")
    assert done.returncode == 1, done
    ended = done.stderr.splitlines()[-1]
    found = re.fullmatch(
        r"barnabas: broker (\d) was restarted, but after 10 s .* are not in sync"
        r" \(broker 3 is not registered\); not restarted: broker (\d) \(--brokers \2\)",
        ended,
    )
    assert found is not None, ended
    assert {found[1], found[2]} == {"1", "2"}
    ok(cluster, "chaos", "restart", "3", "-b", cluster.bootstrap)
    said = ok(cluster, *roll, "--brokers", found[2])
    assert said.startswith(f"broker {found[2]} restarted in ")
