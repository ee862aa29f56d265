"""The HTTP listener of brokers in a cluster: metrics, health, events."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest
from tests.monitor.support import get, metrics, until

from barnabas.observe.events import events_of_document, from_json, merged
from barnabas.testing import Cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(brokers=3, in_process=True, http=True) as running:
        running.create_topic("orders", partitions=3, replicas=3, min_isr=2)
        running.produce("orders", [b"a", b"b", b"c"], partition=0)
        yield running


def test_probes_say_that_a_broker_serves(cluster: Cluster) -> None:
    for broker in cluster.brokers:
        assert get(f"{cluster.http_url(broker)}/livez").json == {"live": True}
        ready = get(f"{cluster.http_url(broker)}/readyz")
        assert (ready.status, ready.json["ready"], ready.json["reasons"]) == (200, True, [])
        assert ready.json["controller"] == cluster.controller()


def test_what_is_not_served_is_refused(cluster: Cluster) -> None:
    url = cluster.http_url(1)
    assert get(f"{url}/nothing").status == 404
    assert get(f"{url}/events?after=x").status == 400
    assert get(f"{url}/events?after=-1").status == 400
    request = urllib.request.Request(f"{url}/metrics", method="POST", data=b"x")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    with refused.value as error:
        assert error.code == 405
    assert get(f"{url}/metrics", Host="rebound.example").status == 403


def test_events_of_all_brokers_are_one_timeline(cluster: Cluster) -> None:
    events = []
    for broker in cluster.brokers:
        document = get(f"{cluster.http_url(broker)}/events").text
        assert json.loads(document)["source"] == f"broker:{broker}"
        events += events_of_document(document.encode())
    told = merged(events)
    kinds = [event.kind for event in told]
    assert kinds.index("controller_elected") < kinds.index("leader_elected")
    elected = [event for event in told if event.kind == "leader_elected"]
    assert {(e.topic, e.partition) for e in elected} >= {("orders", n) for n in range(3)}
    assert all(e.controller_epoch == 1 and e.broker == e.fields["leader"] for e in elected)


def test_a_follower_hears_what_happens_next(cluster: Cluster) -> None:
    controller = cluster.controller()
    assert controller is not None
    url = cluster.http_url(controller)
    seen = events_of_document(get(f"{url}/events").text.encode())[-1].sequence
    with urllib.request.urlopen(f"{url}/events?follow&after={seen}", timeout=10) as stream:
        cluster.create_topic("later", partitions=1, replicas=1)
        told = []
        for line in stream:
            if line.startswith(b"data: "):
                told.append(from_json(line.removeprefix(b"data: ").strip()))
                if told[-1].kind == "leader_elected":
                    break
    assert [event.kind for event in told] == ["topic_created", "leader_elected"]
    assert [event.sequence for event in told] == [seen + 1, seen + 2]
    after = get(f"{url}/events", Last_Event_ID=str(seen + 1))
    assert [event.kind for event in events_of_document(after.text.encode())] == ["leader_elected"]


def test_figures_of_topics_and_requests_are_exact(cluster: Cluster) -> None:
    leader = cluster.leader_of("orders", 0)
    assert leader is not None
    series = metrics(cluster.http_url(leader))
    topic = {"topic": "orders"}
    assert series.one("kafka_server_brokertopicmetrics_messagesinpersec", **topic) == 3
    assert series.one("kafka_log_log_logendoffset", topic="orders", partition="0") == 3
    produced = series.all("kafka_network_requestmetrics_requestspersec", request="Produce")
    assert sum(produced.values()) >= 1
    led = sum(
        metrics(cluster.http_url(b)).one("kafka_server_replicamanager_leadercount")
        for b in cluster.brokers
    )
    known = sum(
        metrics(cluster.http_url(b)).one("kafka_controller_kafkacontroller_globalpartitioncount")
        for b in cluster.brokers
    )
    assert led == known


def test_a_broker_that_is_gone_is_seen_by_the_others() -> None:
    with Cluster(brokers=3, in_process=True, http=True) as cluster:
        cluster.create_topic("orders", partitions=1, replicas=3, min_isr=2)
        leader = cluster.leader_of("orders", 0)
        assert leader is not None
        cluster.kill(leader)
        successor = cluster.wait_for_leader("orders", 0, not_on=leader)
        url = cluster.http_url(successor)
        until(
            lambda: metrics(url).one("kafka_server_replicamanager_underreplicatedpartitions") == 1,
            "the partition is under-replicated",
        )
        controller = cluster.controller()
        assert controller is not None
        document = get(f"{cluster.http_url(controller)}/events").text
        (moved,) = [
            event
            for event in events_of_document(document.encode())
            if event.kind == "leader_elected" and event.fields["was"] == leader
        ]
        assert moved.broker == successor
        assert moved.fields["strategy"] == "offline"
        assert moved.fields["passed_over"].get(str(leader), "offline") == "offline"
