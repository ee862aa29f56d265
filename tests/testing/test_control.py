"""What a test in another language can do, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Self

import httpx
import pytest
from tests.testing.kit import FORMS, values

from barnabas.cluster.control import ask
from barnabas.testing import Cluster
from barnabas.testing.control import PATHS


class Remote:
    """The control endpoint of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        address = cluster.serve_control()
        self.http = httpx.Client(
            base_url=f"{address.url}/v1",
            headers={"authorization": f"Bearer {address.token}"},
            timeout=30,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        return self._whole(self.http.get(path, params=parameters))

    def post(self, path: str, **parameters: Any) -> Any:
        return self._whole(self.http.post(path, json=parameters))

    def delete(self, path: str) -> Any:
        return self._whole(self.http.delete(path))

    def _whole(self, answer: httpx.Response) -> Any:
        assert answer.is_success, answer.text
        assert answer.text.endswith("\n")
        return answer.json()

    def fails(self, status: int, method: str, path: str, *named: str, **body: Any) -> Any:
        """In one line, which names these."""
        answer = self.http.request(method, path, json=body or None)
        assert answer.status_code == status, answer.text
        assert answer.text.count("\n") == 1
        said = answer.json()
        for name in named:
            assert name in said["error"]
        return said


@pytest.fixture(params=FORMS)
def remote(request: pytest.FixtureRequest) -> Iterator[Remote]:
    with Cluster(brokers=3, in_process=request.param) as cluster, Remote(cluster) as remote:
        yield remote


@pytest.fixture(scope="module")
def lasting() -> Iterator[Remote]:
    """For tests that change nothing that lasts."""
    with Cluster(brokers=3, in_process=True) as cluster, Remote(cluster) as remote:
        yield remote


def test_a_leader_is_killed_and_comes_back(remote: Remote) -> None:
    assert remote.post("/topics/orders", partitions=1, min_isr=2) == {"topic": "orders"}
    old = remote.get("/partitions/orders/0")["leader"]
    assert remote.post("/kill/leader:orders/0") == {"node": f"broker:{old}", "broker": old}
    new = remote.get("/wait_for_leader/orders/0", not_on=old)["leader"]
    assert new != old
    remote.fails(409, "POST", f"/kill/{old}", "killed")
    remote.cluster.produce("orders", ["paid"])
    assert remote.get("/cluster")["nodes"][f"broker:{old}"] == "killed"
    assert remote.post(f"/restart/{old}") == {"node": f"broker:{old}", "broker": old}
    assert remote.get("/wait_for_isr/orders/0") == {"isr": [1, 2, 3]}
    assert values(remote.cluster, "orders") == [b"paid"]


def test_a_fault_hits_as_often_as_it_should(remote: Remote) -> None:
    remote.post("/topics/orders")
    rule = remote.post(
        "/faults", api="Produce", topic="orders", error="NOT_ENOUGH_REPLICAS", times=2
    )
    assert (rule["id"], rule["api"], rule["count"]) == (1, "PRODUCE", 0)
    remote.cluster.produce("orders", ["after two refusals"])
    hits = remote.get("/wait_for_hits/1", count=2)["hits"]
    assert [hit["partitions"] for hit in hits] == [[{"topic": "orders", "partition": 0}]] * 2
    assert remote.get("/faults") == [{**rule, "count": 2, "hits": hits}]
    assert remote.delete("/faults/1")["count"] == 2
    assert remote.get("/faults") == []


def test_everything_else_that_can_be_done(lasting: Remote) -> None:
    """Each once: what it does is tested where it is done."""
    remote = lasting
    remote.post("/topics/all", configs={"retention.ms": 1000}, assignments={"0": [1, 2, 3]})
    controller = remote.get("/controller")["controller"]
    other = min({1, 2, 3} - {controller})
    assert remote.post("/pause/1")["broker"] == 1
    assert remote.get("/cluster")["nodes"]["broker:1"] == "paused"
    assert remote.post("/resume/broker:1")["broker"] == 1
    assert remote.post(f"/stop/{other}")["broker"] == other
    remote.get("/wait_for_brokers", brokers=",".join(str(b) for b in {1, 2, 3} - {other}))
    remote.post(f"/restart/{other}", timeout_s=20)
    killed = remote.post("/kill_controller")["broker"]
    assert killed == controller
    assert remote.get("/wait_for_controller", not_on=killed)["controller"] != killed
    remote.post(f"/restart/{killed}")
    remote.post("/expire_session/controller")
    remote.post("/stop_coordinator")
    assert remote.get("/cluster")["nodes"]["coordinator"] == "killed"
    remote.post("/restart_coordinator")
    remote.get("/wait_for_brokers", brokers="1,2,3")
    remote.get("/wait_for_isr/all/0", size=3)
    leader = remote.get("/partitions/all/0")["leader"]
    in_sync = sorted([leader, min({1, 2, 3} - {leader})])
    assert remote.post("/shrink_isr/all/0", to=2)["isr"] == in_sync
    assert remote.post("/restore_isr/all/0")["isr"] == [1, 2, 3]
    assert remote.post("/isolate/1", **{"from": [2, "clients"], "direction": "in"})["broker"] == 1
    remote.post("/heal/1")
    assert remote.http.post("/isolate/coordinator?from=1,2&delay_ms=1.5").json() == {
        "node": "coordinator"
    }
    remote.post("/heal")
    assert remote.post("/fill_disk/2")["broker"] == 2
    assert remote.post("/free_disk/2")["broker"] == 2
    remote.post("/faults", api="list_offsets", throttle_ms=5, probability=0.5, seed=7)
    remote.post("/faults", api="Fetch", disconnect=True, drop_response="true", once_after=1000)
    assert remote.delete("/faults") == {}
    done = [event["name"] for event in remote.get("/events") if event["source"] == "test"]
    for name in ("paused", "stopped", "killed", "isolated", "healed", "disk_filled"):
        assert name in done
    assert "isolated" in remote.http.get("/timeline?last=1000").text


@pytest.mark.parametrize(
    ("status", "method", "path", "named", "body"),
    [
        (404, "GET", "/nothing", "no such path", {}),
        (405, "GET", "/kill/1", "GET", {}),
        (400, "POST", "/kill/9", "[1, 2, 3]", {}),
        (400, "POST", "/kill/zookeeper", "coordinator", {}),
        (400, "POST", "/kill/leader:orders", "leader:TOPIC/PARTITION", {}),
        (409, "POST", "/kill/leader:nothing/0", "nothing/0", {}),
        (400, "POST", "/kill/1", "reason", {"reason": "none"}),
        (404, "GET", "/partitions/nothing/0", "nothing/0", {}),
        (400, "GET", "/partitions/nothing/-1", "partition", {}),
        (400, "POST", "/topics/t", "replicas", {"replicas": "three"}),
        (409, "POST", "/topics/a%20b", "INVALID_TOPIC", {}),
        (400, "POST", "/topics/t", "configs", {"configs": []}),
        (400, "POST", "/topics/t", "assignments", {"assignments": {"x": [1]}}),
        (400, "POST", "/isolate/1", "direction", {"direction": "up"}),
        (400, "POST", "/isolate/1", "delay_ms", {"delay_ms": -1}),
        (400, "POST", "/isolate/1", "delay_ms", {"delay_ms": "nan"}),
        (400, "POST", "/isolate/1", "from", {"from": [None]}),
        (400, "POST", "/wait_for_leader/t/0", "timeout_s", {"timeout_s": 1e9}),
        (400, "POST", "/wait_for_isr/t/0", "not both", {"isr": [1], "size": 1}),
        (400, "POST", "/faults", "api", {"error": "NONE"}),
        (400, "POST", "/faults", "give error", {"api": "Produce"}),
        (400, "POST", "/faults", "Prodcue", {"api": "Prodcue", "disconnect": True}),
        (400, "POST", "/faults", "NO_SUCH", {"api": "Produce", "error": "NO_SUCH"}),
        (400, "POST", "/faults", "probability", {"api": "Produce", "probability": 2}),
        (400, "POST", "/faults", "disconnect", {"api": "Produce", "disconnect": "perhaps"}),
        (404, "DELETE", "/faults/99", "99", {}),
        (400, "POST", "/expire_session/coordinator", "no broker", {}),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    lasting: Remote, status: int, method: str, path: str, named: str, body: dict[str, Any]
) -> None:
    lasting.fails(status, method, path, named, **body)


@pytest.mark.parametrize("body", [b"{", b"[]", b"1", b"[" * 100_000, b"\xff"])
def test_a_body_that_is_no_object(lasting: Remote, body: bytes) -> None:
    answer = lasting.http.post("/heal", content=body)
    assert answer.status_code == 400
    assert "JSON" in answer.json()["error"]


def test_a_wait_that_is_in_vain_shows_the_last_events(lasting: Remote) -> None:
    said = lasting.fails(504, "POST", "/wait_for_leader/nothing/0", "nothing/0", timeout_s=0.05)
    assert {"at", "source", "name", "fields"} == set(said["events"][-1])


def test_without_the_token_nothing_is_done(lasting: Remote) -> None:
    for path in ("/cluster", "/nothing"):
        answer = httpx.get(f"{lasting.http.base_url}{path}")
        assert answer.status_code == 401
        assert answer.json()["error"]


def test_events_are_told_as_they_happen(lasting: Remote) -> None:
    last = lasting.get("/events")[-1]["number"]
    headers = {"accept": "text/event-stream", "last-event-id": str(last)}
    with lasting.http.stream("GET", "/events", headers=headers) as stream:
        lines = stream.iter_lines()
        assert next(lines) == ": hello"
        lasting.post("/isolate/1", delay_ms=1)
        lasting.post("/heal/1")
        told = [line for line, _ in zip(lines, range(9), strict=False) if line]
    assert told[:2] == [f"id: {last + 1}", "event: isolated"]
    assert json.loads(told[2].removeprefix("data: "))["fields"]["delay_ms"] == 1
    assert f"id: {last + 2}" in told
    assert lasting.get("/events", after=last + 1)[0]["name"] == "healed"


@pytest.mark.processes
def test_a_node_that_somebody_else_has_halted_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("barnabas.testing.processes.TELL_TIMEOUT_S", 0.2)
    with Cluster(brokers=2) as cluster, Remote(cluster) as remote:
        port = int(cluster.address_of(1).rpartition(":")[2])
        ask(port, {"verb": "pause", "process": "broker:2"})
        remote.post("/isolate/1", delay_ms=1)
        ask(port, {"verb": "resume", "process": "broker:2"})
        remote.post("/heal")
        remote.get("/wait_for_brokers", brokers="1,2")


def test_every_path_is_in_the_documentation() -> None:
    with open("docs/testing.md") as file:
        table = [line for line in file if line.startswith("| `")]
    for methods, path, _ in PATHS:
        plain = path.replace("{target:path}", "TARGET").replace("{topic}", "TOPIC")
        plain = plain.replace("{partition}", "PARTITION").replace("{id}", "ID")
        said = [
            line for line in table if f"{methods[0]} /v1{plain}`" in line or f"`/v1{plain}`" in line
        ]
        assert said, f"{methods} /v1{plain}"


def test_the_endpoint_ends_with_its_cluster() -> None:
    with Cluster(brokers=1, in_process=True) as cluster, Remote(cluster) as remote:
        remote.get("/cluster")
        with pytest.raises(RuntimeError):
            cluster.serve_control()
        cluster.close()
        with pytest.raises(httpx.TransportError):
            remote.get("/cluster")
