"""``barnabas.testing.Cluster``: what a test can see of a cluster and do to it, with all nodes in
this process and with a process for each."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.testing.kit import FORMS, values

from barnabas.client.errors import ClientError, Unreachable
from barnabas.cluster.plan import ClusterPlan
from barnabas.cluster.profiles import TEST
from barnabas.errors import ConfigError, ErrorCode
from barnabas.testing import Cluster, TimedOut
from barnabas.testing.loop import unfinished_tasks
from barnabas.testing.zygote import plan_of


@pytest.fixture(params=FORMS)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with Cluster(in_process=request.param) as running:
        yield running


def names(cluster: Cluster) -> list[str]:
    return [event.kind for event in cluster.events()]


def test_a_record_outlives_the_leader_that_took_it(cluster: Cluster) -> None:
    topic = cluster.create_topic("orders", min_isr=2)
    assert cluster.produce(topic, ["a", "b"]) == 0
    old = cluster.leader_of(topic)
    cluster.kill(f"leader:{topic}/0")
    new = cluster.wait_for_leader(topic, not_on=old)
    assert new == cluster.leader_of(topic) != old
    cluster.produce(topic, ["c"])
    cluster.assert_records(topic, ["a", "b", "c"])
    assert old is not None
    assert cluster.isr_of(topic) == set(cluster.brokers) - {old}
    cluster.restart(old)
    assert cluster.wait_for_isr(topic, isr=3) == {1, 2, 3}
    assert {"process_killed", "session_expired", "leader_elected", "process_started"} <= set(
        names(cluster)
    )


def test_another_broker_becomes_controller(cluster: Cluster) -> None:
    old = cluster.kill_controller()
    assert cluster.wait_for_controller(not_on=old) == cluster.controller() != old
    cluster.wait_for_brokers()
    cluster.restart(old)
    cluster.wait_for_brokers([1, 2, 3])


def test_all_brokers_die_and_come_back_with_their_records(cluster: Cluster) -> None:
    topic = cluster.create_topic("orders")
    cluster.produce(topic, [("k", "v")])
    for broker in cluster.brokers:
        cluster.kill(broker)
    for broker in cluster.brokers:
        cluster.restart(broker)
    cluster.wait_for_isr(topic)
    cluster.assert_records(topic, [("k", "v")])


def test_a_paused_broker_is_missed_and_catches_up(cluster: Cluster) -> None:
    topic = cluster.create_topic("orders", min_isr=2)
    old = cluster.leader_of(topic)
    assert old is not None
    cluster.pause(old)
    cluster.wait_for_leader(topic, not_on=old)
    cluster.produce(topic, ["while it was away"])
    cluster.resume(old)
    cluster.wait_for_isr(topic)
    assert values(cluster, topic) == [b"while it was away"]


def test_a_stopped_broker_hands_over_and_serves_again(cluster: Cluster) -> None:
    topic = cluster.create_topic("orders")
    old = cluster.leader_of(topic)
    assert old is not None
    cluster.stop(old)
    new = cluster.wait_for_leader(topic, not_on=old)
    assert "broker_shutting_down" in names(cluster)
    with pytest.raises(ValueError, match=f"broker:{old} is stopped"):
        cluster.stop(old)
    cluster.restart(old)
    cluster.wait_for_isr(topic)
    assert cluster.leader_of(topic) == new


def test_a_broker_comes_back_in_a_new_session(cluster: Cluster) -> None:
    topic = cluster.create_topic("orders")
    old = cluster.leader_of(topic)
    assert old is not None
    before = names(cluster).count("broker_registered")
    cluster.expire_session(old)
    cluster.wait_for_leader(topic, not_on=old)
    cluster.wait_for_isr(topic)
    assert names(cluster).count("broker_registered") == before + 1


def test_nobody_is_elected_while_the_coordinator_is_away(cluster: Cluster) -> None:
    topic = cluster.create_topic("orders")
    old = cluster.leader_of(topic)
    assert old is not None
    cluster.stop_coordinator()
    cluster.produce(topic, ["served all the same"])
    elected = names(cluster).count("leader_elected")
    cluster.kill(old)
    with pytest.raises(TimedOut):
        cluster.wait_for_leader(topic, not_on=old, timeout_s=0.3)
    assert names(cluster).count("leader_elected") == elected
    cluster.restart_coordinator()
    cluster.wait_for_leader(topic, not_on=old)
    cluster.assert_records(topic, ["served all the same"])


def test_a_leader_cut_off_from_the_rest_is_replaced_and_follows(cluster: Cluster) -> None:
    topic = cluster.create_topic("orders", min_isr=2)
    old = cluster.leader_of(topic)
    assert old is not None
    others = set(cluster.brokers) - {old}
    cluster.isolate(old, from_=[*others, "coordinator"])
    cluster.wait_for_leader(topic, not_on=old)
    cluster.wait_for_isr(topic, isr=others)
    cluster.produce(topic, ["not on the old leader"])
    cluster.heal(old)
    cluster.wait_for_isr(topic)
    cluster.assert_records(topic, ["not on the old leader"])


def test_one_way_is_enough_to_lose_a_follower(cluster: Cluster) -> None:
    leader = cluster.controller()  # else the leader would not hear that its ISR may shrink
    assert leader is not None
    lost, other = set(cluster.brokers) - {leader}
    topic = cluster.create_topic("orders", assignments={0: [leader, lost, other]})
    cluster.isolate(lost, from_=leader, direction="out")
    cluster.produce(topic, ["what it does not ask for"], acks=1)
    cluster.wait_for_isr(topic, isr={leader, other})
    cluster.heal()
    cluster.wait_for_isr(topic)


def test_clients_cannot_reach_a_broker_that_the_others_can(cluster: Cluster) -> None:
    topic = cluster.create_topic("orders", assignments={0: [1, 2, 3]})
    cluster.isolate(1, from_="clients")
    with pytest.raises(Unreachable):
        cluster.produce(topic, ["lost?"], timeout_s=0.3)
    assert cluster.leader_of(topic) == 1
    assert cluster.isr_of(topic) == {1, 2, 3}
    cluster.heal(1)
    cluster.produce(topic, ["now"])


def test_a_slow_network_loses_nothing(cluster: Cluster) -> None:
    topic = cluster.create_topic("orders", assignments={0: [1, 2, 3]}, min_isr=3)
    loop = asyncio.new_event_loop()
    cluster.isolate(1, from_=[2, 3], delay_ms=50)
    started = loop.time()
    cluster.produce(topic, ["late"])
    assert loop.time() - started >= 0.05
    loop.close()
    assert cluster.isr_of(topic) == {1, 2, 3}
    cluster.assert_records(topic, ["late"])


def test_a_full_disk_ends_a_broker_until_there_is_room(cluster: Cluster) -> None:
    topic = cluster.create_topic("orders", assignments={0: [1, 2, 3]})
    cluster.produce(topic, ["before"])
    cluster.fill_disk(2)
    cluster.produce(topic, ["after"])
    cluster.wait_for_isr(topic, isr={1, 3})
    cluster.wait_for_brokers([1, 3])
    cluster.free_disk(2)
    cluster.restart(2)
    cluster.wait_for_isr(topic)
    cluster.assert_records(topic, ["before", "after"])


def test_too_small_an_isr_refuses_records(cluster: Cluster) -> None:
    topic = cluster.create_topic("orders", min_isr=2)
    other = cluster.create_topic("others", min_isr=3)
    assert len(cluster.shrink_isr(topic, to=1)) == 1
    with pytest.raises(Unreachable):
        cluster.produce(topic, ["refused"], timeout_s=0.2)
    cluster.produce(other, ["not affected"])
    assert cluster.restore_isr(topic) == {1, 2, 3}
    cluster.produce(topic, ["taken"])


def test_the_last_replica_in_sync_takes_records_alone(cluster: Cluster) -> None:
    """The high watermark does not wait for a follower that was in sync a moment ago."""
    topic = cluster.create_topic("orders", min_isr=1)
    assert len(cluster.shrink_isr(topic, to=1)) == 1
    cluster.produce(topic, ["alone"])
    cluster.assert_records(topic, ["alone"])


def test_a_follower_that_is_left_out_stays_so_under_another_leader(cluster: Cluster) -> None:
    topic = cluster.create_topic("orders", assignments={0: [1, 2, 3]})
    assert cluster.shrink_isr(topic, to=2) == {1, 2}
    cluster.kill(1)
    assert cluster.wait_for_leader(topic, not_on=1) == 2
    assert cluster.isr_of(topic) == {2}
    assert cluster.restore_isr(topic) == {2, 3}


@pytest.mark.parametrize("in_process", FORMS)
def test_files_in_a_directory_of_the_test_are_there_for_the_next_cluster(
    in_process: bool, tmp_path: Path
) -> None:
    with Cluster(1, in_process=in_process, directory=tmp_path) as first:
        first.create_topic("orders")
        first.produce("orders", ["kept"])
    assert list(tmp_path.glob("broker-1/orders-0/*.log"))


def test_the_same_from_a_test_with_a_loop() -> None:
    async def test() -> None:
        async with Cluster(2, in_process=True) as cluster:
            topic = await cluster.create_topic("orders")
            await cluster.produce(topic, ["a"])
            old = await cluster.leader_of(topic)
            assert old is not None
            await cluster.kill(old)
            assert await cluster.wait_for_leader(topic, not_on=old) == 3 - old
            await cluster.assert_records(topic, ["a"])
            assert cluster.events()
            assert cluster.bootstrap.count(",") == 1

    asyncio.run(test())


def test_a_wait_in_vain_shows_what_happened() -> None:
    with Cluster(1, in_process=True) as cluster:
        cluster.create_topic("orders")
        with pytest.raises(TimedOut, match=r"(?s)ISR of orders/0 is not 3.*topic_created"):
            cluster.wait_for_isr("orders", isr=3, timeout_s=0.01)
        with pytest.raises(TimedOut, match="no topic nothing"):
            cluster.assert_records("nothing", [], timeout_s=0.01)
        cluster.produce("orders", ["a"])
        with pytest.raises(TimedOut, match=r"1 records, 2 expected; missing: b'b'"):
            cluster.assert_records("orders", ["a", "b"], timeout_s=0.01)


def test_settings_are_kafkas_and_wrong_ones_are_refused_before_anything_starts() -> None:
    threads = set(threading.enumerate())
    with pytest.raises(ConfigError, match=r"num\.partitions"):
        Cluster(in_process=True, settings={"num.partitions": "many"}).start()
    assert set(threading.enumerate()) <= threads  # one of an earlier test may end meanwhile
    with Cluster(1, in_process=True, settings={"auto.create.topics.enable": False}) as cluster:
        with pytest.raises(ClientError) as refused:
            cluster.create_topic("orders", replicas=2)
        assert refused.value.code == ErrorCode.INVALID_REPLICATION_FACTOR
        with pytest.raises(ValueError, match="no broker 2"):
            cluster.kill(2)
        with pytest.raises(ValueError, match="no node"):
            cluster.kill("zookeeper")
        with pytest.raises(LookupError):
            cluster.kill("leader:orders/0")


def test_nothing_is_left_of_a_closed_cluster(caplog: pytest.LogCaptureFixture) -> None:
    threads, before = set(threading.enumerate()), unfinished_tasks()
    cluster = Cluster(in_process=True).start()
    topic = cluster.create_topic("orders")
    cluster.produce(topic, ["a"])
    address = cluster.address_of(1)
    cluster.kill(2)
    cluster.close()
    cluster.close()
    assert set(threading.enumerate()) <= threads  # one of an earlier test may end meanwhile
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0
    gc.collect()  # what Python would complain of now fails the test
    assert unfinished_tasks() == before
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []
    with pytest.raises(RuntimeError, match="not started"):
        cluster.leader_of(topic)


@pytest.mark.processes
def test_a_process_cluster_leaves_no_process_and_no_file() -> None:
    cluster = Cluster(1).start()
    run = cluster._life.running
    directory = Path(run.plan.directory)
    assert directory.exists()
    cluster.close()
    assert not directory.exists()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", run.plan.port), 1).close()


def test_racks_are_given_by_broker() -> None:
    plan = ClusterPlan(directory="/data", racks=("a", "b", "c"), profile=TEST)
    sent = plan_of(json.loads(json.dumps(dataclasses.asdict(plan))))
    assert sent == plan
    assert [sent.broker_settings(broker)["broker.rack"] for broker in (1, 2, 3)] == ["a", "b", "c"]
    assert "broker.rack" not in ClusterPlan(directory="/data").broker_settings(1)
    with pytest.raises(ValueError, match="2 racks for 3 brokers"):
        Cluster(racks=("a", "b"))
