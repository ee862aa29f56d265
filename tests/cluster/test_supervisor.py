"""``barnabas up`` and ``barnabas chaos`` with real processes."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster_kit import Cluster, no_traceback, wait_for
from tests.real_clients import Traffic

pytestmark = pytest.mark.processes

TOPIC = "orders"
PARTITIONS = 3
IMPATIENT = {"zookeeper.session.timeout.ms": "4000"}
"""Only so that tests do not wait long for the sessions of the dead."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for the tests of this file; each leaves it whole."""
    with Cluster(directory=tmp_path_factory.mktemp("up"), overrides=IMPATIENT) as running:
        running.create_topic(TOPIC, PARTITIONS)
        yield running


@pytest.fixture
def whole(cluster: Cluster) -> Cluster:
    for name, process in cluster.ask("status")["processes"].items():
        if process["state"] == "paused":
            cluster.ask("resume", name)
        elif process["state"] != "running":
            cluster.ask("restart", name)
    wait_for(lambda: cluster.whole(TOPIC, PARTITIONS), 30, "the cluster is whole")
    return cluster


def test_the_ready_line_says_where_everything_is(whole: Cluster) -> None:
    assert re.fullmatch(
        rf"ready: brokers {whole.bootstrap}, zookeeper 127\.0\.0\.1:{whole.zookeeper_port},"
        r"( metrics http://\S+,)?( console http://\S+,)?"
        rf" data {whole.directory}, profile dev \(session 4000 ms, replica lag 5000 ms\), \d+ ms",
        whole.ready_line,
    )


def _chaos(cluster: Cluster, verb: str, target: str) -> int:
    """The broker that ``barnabas chaos VERB TARGET`` says it has hit; 0 for the coordinator."""
    done = cluster.cli("chaos", verb, target)
    assert (done.returncode, done.stderr) == (0, ""), done
    match = re.fullmatch(rf"{verb} (broker:(\d)|coordinator) pid=(\d+)\n", done.stdout)
    assert match, done.stdout
    return int(match[2] or 0)


def test_kill_a_leader_and_restart_it(whole: Cluster) -> None:
    before = whole.partitions(TOPIC)[0]
    killed = _chaos(whole, "kill", f"leader:{TOPIC}/0")
    assert killed == before.leader
    assert whole.state(f"broker:{killed}") == "killed"
    wait_for(
        lambda: whole.partitions(TOPIC)[0].leader not in (killed, -1), 5, "another broker leads"
    )
    after = whole.partitions(TOPIC)[0]
    assert after.leader_epoch > before.leader_epoch
    assert killed not in after.isr
    _chaos(whole, "restart", f"broker:{killed}")
    wait_for(lambda: whole.whole(TOPIC, PARTITIONS), 10, "all in sync again")


def test_kill_the_controller(whole: Cluster) -> None:
    before = whole.metadata().controller_id
    assert _chaos(whole, "kill", "controller") == before
    wait_for(
        lambda: whole.metadata().controller_id not in (before, -1), 5, "another broker controls"
    )
    wait_for(
        lambda: all(p.leader not in (before, -1) for p in whole.partitions(TOPIC).values()),
        5,
        "all partitions are led",
    )


def test_pause_and_resume(whole: Cluster) -> None:
    assert _chaos(whole, "pause", "broker:2") == 2
    assert whole.state("broker:2") == "paused"
    stat = Path(f"/proc/{whole.pid('broker:2')}/stat").read_text()
    assert stat.rpartition(")")[2].split()[0] == "T"
    assert _chaos(whole, "resume", "broker:2") == 2
    assert whole.state("broker:2") == "running"
    wait_for(lambda: whole.whole(TOPIC, PARTITIONS), 10, "all in sync")


def test_stop_is_a_controlled_shutdown(whole: Cluster) -> None:
    assert _chaos(whole, "stop", "broker:3") == 3
    assert whole.state("broker:3") == "stopped"
    assert (whole.log_dir(3) / ".kafka_cleanshutdown").exists()
    leaders = {p.leader for p in whole.partitions(TOPIC).values()}
    assert 3 not in leaders
    assert -1 not in leaders


def test_a_broker_killed_and_restarted_at_once_waits_for_its_old_registration(
    whole: Cluster,
) -> None:
    lines = len(whole.log("broker:1").splitlines())
    _chaos(whole, "kill", "broker:1")
    _chaos(whole, "restart", "broker:1")
    wait_for(
        lambda: any("serves;" in line for line in whole.log("broker:1").splitlines()[lines:]),
        10,
        "the broker serves again",
    )
    wait_for(lambda: whole.whole(TOPIC, PARTITIONS), 10, "all in sync again")
    assert whole.state("broker:1") == "running"


def test_the_coordinator_goes_and_comes_back_while_clients_work(whole: Cluster) -> None:
    whole.create_topic("through-coordinator", 2)
    traffic = Traffic(whole.bootstrap, "through-coordinator", 2)
    traffic.start()
    traffic.wait_for_more(100, 10)
    epochs = {n: p.leader_epoch for n, p in whole.partitions("through-coordinator").items()}
    for _ in range(2):
        assert _chaos(whole, "kill", "coordinator") == 0
        traffic.wait_for_more(200, 10)
        _chaos(whole, "restart", "coordinator")
        traffic.wait_for_more(100, 10)
    traffic.assert_sound()
    after = {n: p.leader_epoch for n, p in whole.partitions("through-coordinator").items()}
    assert after == epochs
    whole.create_topic("after-coordinator", 2)


def test_the_coordinator_dies_together_with_the_controller(whole: Cluster) -> None:
    whole.create_topic("both", 3)
    traffic = Traffic(whole.bootstrap, "both", 3)
    traffic.start()
    traffic.wait_for_more(100, 10)
    controller = whole.metadata().controller_id
    whole.ask("kill", "coordinator")
    whole.ask("kill", f"broker:{controller}")
    whole.ask("restart", "coordinator")
    wait_for(lambda: whole.metadata().controller_id not in (controller, -1), 30, "another controls")
    traffic.wait_for_more(300, 30)
    whole.ask("restart", f"broker:{controller}")
    wait_for(lambda: whole.whole("both", 3), 30, "all in sync again")
    traffic.assert_sound()


def test_wrong_targets_are_one_line(whole: Cluster) -> None:
    for target, text in [
        ("broker:9", "no process named broker:9"),
        ("leader:orders", "is not leader:TOPIC/PARTITION"),
        ("leader:nothing/0", "nothing/0 has no leader"),
        ("elephant", "no process named elephant"),
    ]:
        done = whole.cli("chaos", "kill", target)
        assert done.returncode in (1, 2), (target, done)
        assert text in done.stderr
        assert no_traceback(done.stderr)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_is_a_clean_shutdown(tmp_path: Path, number: signal.Signals) -> None:
    cluster = Cluster(directory=tmp_path)
    with cluster:
        cluster.create_topic(TOPIC, PARTITIONS)
        assert cluster.cli("produce", TOPIC, stdin="a\nb\nc\n").returncode == 0
        assert cluster.stop(number) == 0
    for broker in (1, 2, 3):
        assert (cluster.log_dir(broker) / ".kafka_cleanshutdown").exists()
        assert "broker stopped" in cluster.log(f"broker:{broker}")
    logs = cluster.logs() + "".join(cluster.log(f"broker:{b}") for b in (1, 2, 3))
    assert no_traceback(logs + cluster.log("coordinator")), logs
    with Cluster(directory=tmp_path) as again:
        done = again.cli("consume", TOPIC, "-e")
        assert sorted(done.stdout.split()) == ["a", "b", "c"]


def test_all_brokers_die_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    with Cluster(directory=tmp_path, overrides=IMPATIENT) as cluster:
        cluster.create_topic(TOPIC, PARTITIONS)
        traffic = Traffic(cluster.bootstrap, TOPIC, PARTITIONS, per_second=1000)
        traffic.start()
        traffic.wait_for_more(500, 15)
        for broker in (1, 2, 3):
            cluster.ask("kill", f"broker:{broker}")
        cluster.ask("kill", "coordinator")
        for name in ("coordinator", "broker:1", "broker:2", "broker:3"):
            cluster.ask("restart", name)
        traffic.wait_for_more(500, 40)
        wait_for(lambda: cluster.whole(TOPIC, PARTITIONS), 30, "all in sync again")
        traffic.assert_sound()
        for partition in range(PARTITIONS):
            copies = {cluster.segments(b, TOPIC, partition) for b in (1, 2, 3)}
            assert len(copies) == 1, f"replicas of {partition} differ"
