"""The command cluster events: the timeline of all brokers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest
from tests.cli.kit import fails, here

from barnabas.cli import event_reader
from barnabas.observe.events import from_json
from barnabas.testing import Cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(brokers=2, in_process=True, http=True) as running:
        running.create_topic("orders", partitions=2, replicas=2)
        yield running


def test_events_of_all_brokers_stand_in_one_order(cluster: Cluster) -> None:
    done = here("cluster", "events", "--bootstrap-server", cluster.bootstrap)
    assert done.returncode == 0, done
    lines = done.stdout.splitlines()
    assert {"broker:1", "broker:2"} <= {word for line in lines for word in line.split()}
    created = next(n for n, line in enumerate(lines) if "topic orders created" in line)
    elected = next(n for n, line in enumerate(lines) if "orders-0: leader" in line)
    assert created < elected


def test_lines_of_json_for_programs(cluster: Cluster) -> None:
    arguments = ["-o", "json", "--kind", "leader_elected", "--topic", "orders", "--last", "1"]
    done = here("cluster", "events", "--bootstrap-server", cluster.bootstrap, *arguments)
    (line,) = done.stdout.splitlines()
    event = from_json(line)
    assert (event.kind, event.topic) == ("leader_elected", "orders")


def test_a_listener_that_is_named_is_asked(cluster: Cluster) -> None:
    done = here("cluster", "events", "--url", cluster.http_url(1), "--url", "http://127.0.0.1:1")
    assert done.returncode == 0, done
    assert "broker:1" in done.stdout
    assert "broker:2" not in done.stdout
    assert "http://127.0.0.1:1" in done.stderr


def test_without_a_listener_it_says_what_is_missing() -> None:
    with Cluster(brokers=1, in_process=True) as cluster:
        done = here("cluster", "events", "--bootstrap-server", cluster.bootstrap)
        fails(done, 1, "barnabas.http.listener")
    fails(here("cluster", "events", "--url", "http://127.0.0.1:1"), 1, "127.0.0.1:1")
    fails(here("cluster", "events", "--url", "file:///etc/passwd"), 1, "HTTP")


def test_who_follows_goes_on_with_a_broker_that_was_started_anew(cluster: Cluster) -> None:
    urls = [cluster.http_url(broker) for broker in cluster.brokers]
    known = event_reader.kept(urls, None)
    after = {url: events[-1].sequence for url, events in known.items()}
    gone = next(b for b in cluster.brokers if b != cluster.controller())
    cluster.stop(gone)
    cluster.restart(gone)
    told = []
    for together in islice(event_reader.following(urls, None, after), 50):
        told += together
        if {(e.source, e.kind) for e in told} >= {(f"broker:{gone}", "broker_registered")} and any(
            e.kind == "broker_up" for e in told
        ):
            break
    assert "broker_down" in {e.kind for e in told}
    sequences = [e.sequence for e in told if e.source == f"broker:{gone}"]
    assert sequences == sorted(set(sequences))
