"""Both fast paths of failure detection with real processes: who is only slow is left alone, and
who is given up wrongly can neither acknowledge nor diverge, and is taken back."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from tests.cluster_kit import BARNABAS, Cluster, free_ports, no_traceback, wait_for
from tests.raw_client import RawConnection, produce_request, values
from tests.real_clients import Traffic

pytestmark = pytest.mark.processes

SESSION_S = 4.0
SETTINGS = {"zookeeper.session.timeout.ms": str(round(SESSION_S * 1000))}
PAUSE_S = 2.0
"""Ten times what either fast path waits for, half of the session timeout."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(directory=tmp_path_factory.mktemp("suspicion"), overrides=SETTINGS) as running:
        yield running


def _others(cluster: Cluster, broker: int) -> str:
    return ",".join(f"127.0.0.1:{cluster.broker_port(b)}" for b in (1, 2, 3) if b != broker)


@pytest.mark.parametrize("role", ["leader", "controller"])
def test_a_paused_broker_is_not_dead_to_the_fast_paths(cluster: Cluster, role: str) -> None:
    topic = f"paused-{role}"
    cluster.create_topic(topic, 3)
    before = cluster.partitions(topic)
    controller = cluster.metadata().controller_id
    paused = controller if role == "controller" else before[0].leader
    cluster.ask("pause", f"broker:{paused}")
    resume_at = time.monotonic() + PAUSE_S
    try:
        while time.monotonic() < resume_at:
            view = cluster.metadata(_others(cluster, paused))
            assert view.controller_id == controller
            found = {p.partition: p for p in view.topics[topic].partitions}
            assert found == before
            time.sleep(0.1)
    finally:
        cluster.ask("resume", f"broker:{paused}")
    traffic = Traffic(cluster.bootstrap, topic, 3)
    traffic.start()
    traffic.wait_for_more(100, 10)
    traffic.assert_sound()
    after = cluster.partitions(topic)
    assert {n: p.leader_epoch for n, p in after.items()} == {
        n: p.leader_epoch for n, p in before.items()
    }
    assert cluster.metadata().controller_id == controller


def test_a_session_that_times_out_is_dead_and_fenced_when_it_wakes(cluster: Cluster) -> None:
    topic = "timed-out"
    cluster.create_topic(topic)
    before = cluster.partitions(topic)[0]
    traffic = Traffic(cluster.bootstrap, topic, 1)
    traffic.start()
    traffic.wait_for_more(100, 10)
    with RawConnection(cluster.broker_port(before.leader), timeout_s=30) as stale:
        cluster.ask("pause", f"broker:{before.leader}")
        paused_at = time.monotonic()
        stale.send(produce_request(topic, 0, values(b"too late"), timeout_ms=20_000))
        others = _others(cluster, before.leader)
        try:
            wait_for(
                lambda: cluster.partitions(topic, others)[0].leader not in (before.leader, -1),
                3 * SESSION_S,
                "another broker leads",
            )
            assert time.monotonic() - paused_at > SESSION_S / 2
            traffic.wait_for_more(100, 15)
        finally:
            cluster.ask("resume", f"broker:{before.leader}")
        # It wakes as leader of the old epoch, with this request first in its hands.
        assert stale.produced().error_code != 0
    wait_for(lambda: cluster.whole(topic, 1), 20, "it is in sync again")
    assert cluster.partitions(topic)[0].leader_epoch > before.leader_epoch
    traffic.assert_sound()
    _same_everywhere(cluster, topic)
    assert b"too late" not in cluster.segments(1, topic, 0)
    assert no_traceback(cluster.log(f"broker:{before.leader}"))


def _same_everywhere(cluster: Cluster, topic: str) -> None:
    wait_for(
        lambda: len({cluster.segments(b, topic, 0) for b in (1, 2, 3)}) == 1,
        10,
        "all replicas hold the same bytes",
    )


class Door:
    """A port that leads to another one, until it is shut: then it refuses."""

    def __init__(self, port: int, target: int) -> None:
        self.port, self.target = port, target
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []

    def unlock(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def shut(self) -> None:
        """Refuse, and cut what is connected."""
        assert self._listener is not None
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            self._open += [near, far]
            threading.Thread(target=self._carry_both, args=(near, far), daemon=True).start()

    def _carry_both(self, near: socket.socket, far: socket.socket) -> None:
        back = threading.Thread(target=self._carry, args=(far, near), daemon=True)
        back.start()
        self._carry(near, far)
        back.join()
        near.close()
        far.close()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def test_a_broker_wrongly_taken_for_dead_cannot_harm_and_is_taken_back(tmp_path: Path) -> None:
    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster(directory=tmp_path, brokers=2, overrides=SETTINGS))
        port = free_ports(2)
        door = Door(port + 1, port)
        door.unlock()
        stack.callback(door.shut)
        settings = {
            "broker.id": "3",
            "listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port + 1}",
            "zookeeper.connect": f"127.0.0.1:{cluster.zookeeper_port}",
            "log.dirs": str(tmp_path / "broker-3"),
            **SETTINGS,
        }
        options = [option for k, v in settings.items() for option in ("-X", f"{k}={v}")]
        log = stack.enter_context(open(tmp_path / "broker-3.log", "w"))
        third = subprocess.Popen([*BARNABAS, "broker", *options], stderr=log)
        stack.callback(third.wait)
        stack.callback(third.kill)
        wait_for(lambda: 3 in cluster.metadata().brokers, 10, "broker 3 is there")
        zookeeper = KazooClient(f"127.0.0.1:{cluster.zookeeper_port}")
        zookeeper.start()
        stack.callback(zookeeper.close)
        stack.callback(zookeeper.stop)
        _suspect(cluster, door, zookeeper)
        third.send_signal(signal.SIGTERM)
        assert third.wait(15) == 0
    assert no_traceback((tmp_path / "broker-3.log").read_text())


def _suspect(cluster: Cluster, door: Door, zookeeper: KazooClient) -> None:
    topic = "suspects"
    cluster.create_topic(topic, assignments={0: [3, 1, 2]})
    assert cluster.partitions(topic)[0].leader == 3
    session = zookeeper.exists("/brokers/ids/3").ephemeralOwner
    traffic = Traffic(cluster.bootstrap, topic, 1)
    traffic.start()
    traffic.wait_for_more(100, 10)
    door.shut()
    shut_at = time.monotonic()
    wait_for(lambda: cluster.partitions(topic)[0].leader in (1, 2), 3, "another broker leads")
    assert time.monotonic() - shut_at < SESSION_S / 2
    assert zookeeper.exists("/brokers/ids/3").ephemeralOwner == session, "it is alive"
    with RawConnection(door.target) as stale:
        assert stale.produce(topic, 0, values(b"never", b"never")).error_code != 0
        time.sleep(0.5)
        assert stale.produce(topic, 0, values(b"never")).error_code != 0
    traffic.wait_for_more(100, 10)
    door.unlock()
    wait_for(lambda: cluster.whole(topic, 1), 15, "it is taken back")
    assert zookeeper.exists("/brokers/ids/3").ephemeralOwner == session, "in the same session"
    traffic.assert_sound()
    _same_everywhere(cluster, topic)
    assert b"never" not in cluster.segments(3, topic, 0)
