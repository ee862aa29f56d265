"""The connection is lost in the middle of every kind of multi: its request cut in two, or answered
and the answer never passed on. Then the same must be true as if nothing had been cut."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from tests.ensemble.faults import Fault
from tests.ensemble.hosts import TOPIC
from tests.ensemble.proxy import Where
from tests.ensemble.stage import Stage

EPOCH = "^check /controller_epoch; "
STATE = "/brokers/topics/T/partitions/N/state"


@dataclass(frozen=True, slots=True)
class Multi:
    """A kind of multi: how it is brought about, and what must be true then."""

    title: str
    kind: str
    """A pattern for ``proxy.kind_of``."""
    cause: Callable[[Stage], object]
    outcome: Callable[[Stage], object]
    before: Callable[[Stage], object] | None = None


def _admin(stage: Stage) -> AdminClient:
    return AdminClient({"bootstrap.servers": stage.hosts.bootstrap})


def _zookeeper(stage: Stage, do: Callable[[KazooClient], object]) -> object:
    """Past the proxy."""
    client = KazooClient(hosts=stage.hosts.members)
    client.start(timeout=20)
    try:
        return do(client)
    finally:
        client.stop()
        client.close()


def _exists(path: str, stage: Stage) -> bool:
    return bool(_zookeeper(stage, lambda zookeeper: zookeeper.exists(path)))


def _gone(path: str, stage: Stage) -> bool:
    return not _exists(path, stage)


# What is asked for


def _create(name: str, stage: Stage) -> None:
    admin = _admin(stage)  # it must live until it has answered
    new = NewTopic(name, 2, 3, config={"min.insync.replicas": "2"})
    admin.create_topics([new])[name].result(60)


def _create_by_hand(name: str, stage: Stage) -> None:
    """As tools did before Kafka 2.8."""
    body = json.dumps({"version": 1, "partitions": {"0": [1, 2, 3], "1": [2, 3, 1]}}).encode()
    _zookeeper(stage, lambda z: z.create(f"/brokers/topics/{name}", body))


def _add_partitions(name: str, stage: Stage) -> None:
    admin = _admin(stage)
    admin.create_partitions([NewPartitions(name, 4)])[name].result(60)


def _delete(name: str, stage: Stage) -> None:
    admin = _admin(stage)
    admin.delete_topics([name])[name].result(60)


def _usurp(stage: Stage) -> None:
    _zookeeper(stage, lambda zookeeper: zookeeper.delete("/controller"))


def _restart(stage: Stage) -> None:
    leader, _, _ = stage.roles()
    stage.hosts.kill(leader)
    stage.hosts.start(leader)


def _kill(stage: Stage) -> None:
    leader, _, _ = stage.roles()
    stage.hosts.kill(leader)


def _kill_and_wait(stage: Stage) -> None:
    leader, _, _ = stage.roles()
    stage.hosts.kill(leader)
    number = int(leader[1:])
    stage.in_time(
        lambda: all(number not in isr for isr in stage.hosts.state().isr.values()), 40, "it is out"
    )


def _start(stage: Stage) -> None:
    leader, _, _ = stage.roles()
    stage.hosts.start(leader)


def _stop(stage: Stage) -> None:
    leader, _, _ = stage.roles()
    stage.expect(stage.hosts.stop(leader) == 0, f"{leader} does not stop well")


def _prefer(stage: Stage) -> None:
    body = {"version": 1, "partitions": [{"topic": TOPIC, "partition": 0}]}
    _zookeeper(
        stage,
        lambda z: z.create("/admin/preferred_replica_election", json.dumps(body).encode()),
    )


def _report_directory(stage: Stage) -> None:
    body = json.dumps({"version": 1, "broker": int(stage.before.controller[1:]), "event": 1})
    _zookeeper(
        stage,
        lambda z: z.create(
            "/log_dir_event_notification/log_dir_event_", body.encode(), sequence=True
        ),
    )


def _report_isr(stage: Stage) -> None:
    body = json.dumps({"version": 1, "partitions": [{"topic": TOPIC, "partition": 0}]})
    _zookeeper(
        stage,
        lambda z: z.create("/isr_change_notification/isr_change_", body.encode(), sequence=True),
    )


def _move(name: str, replicas: list[int], stage: Stage) -> None:
    """As a tool of old does."""
    partitions = [{"topic": name, "partition": n, "replicas": replicas} for n in range(2)]
    body = json.dumps({"version": 1, "partitions": partitions}).encode()
    _zookeeper(stage, lambda z: z.create("/admin/reassign_partitions", body))


# What must be so


def _led(name: str, count: int, stage: Stage) -> bool:
    view = stage.hosts.metadata()
    found = () if view is None or name not in view.topics else view.topics[name].partitions
    return len(found) == count and all(p.leader > 0 and len(p.isr) == 3 for p in found)


def _moved(name: str, replicas: list[int], stage: Stage) -> bool:
    view = stage.hosts.metadata()
    if view is None or name not in view.topics or _exists("/admin/reassign_partitions", stage):
        return False
    found = view.topics[name].partitions
    return all(p.replicas == tuple(replicas) and len(p.isr) == len(replicas) for p in found)


def _no_topic(name: str, stage: Stage) -> bool:
    paths = (f"/brokers/topics/{name}", f"/config/topics/{name}", f"/admin/delete_topics/{name}")
    return all(_gone(path, stage) for path in paths)


def _another_controller(stage: Stage) -> bool:
    now = stage.hosts.state()
    return bool(now.controller) and now.controller_epoch > stage.before.controller_epoch


def _registered(stage: Stage) -> bool:
    leader, _, _ = stage.roles()
    now = stage.hosts.state().registrations
    return now.get(leader, 0) > stage.before.registrations[leader]


def _led_by_others(stage: Stage) -> bool:
    leader, _, _ = stage.roles()
    now = stage.hosts.state()
    number = int(leader[1:])
    return all(number not in isr for isr in now.isr.values())


def _no_children(path: str, stage: Stage) -> bool:
    try:
        return not _zookeeper(stage, lambda z: z.get_children(path))
    except NoNodeError:
        return True


def _multis(name: str) -> dict[str, Multi]:
    """``name`` is that of a topic of its own."""
    return {
        "controller": Multi(
            "a controller is elected",
            "^create /controller; set /controller_epoch",
            _usurp,
            _another_controller,
        ),
        "registration": Multi(
            "a broker registers", "^create /brokers/ids/N; set", _restart, _registered
        ),
        "new-topic": Multi(
            "a topic's partitions are created",
            f"{EPOCH}create /brokers/topics/T/partitions; ",
            partial(_create, name),
            partial(_led, name, 2),
        ),
        "new-partitions": Multi(
            "partitions are added",
            f"{EPOCH}create /brokers/topics/T/partitions/N; ",
            partial(_add_partitions, name),
            partial(_led, name, 4),
            before=partial(_create, name),
        ),
        "topic-id": Multi(
            "a topic without an id gets one",
            f"{EPOCH}set /brokers/topics/T$",
            partial(_create_by_hand, name),
            partial(_led, name, 2),
        ),
        "settings": Multi(
            "settings of a topic are written",
            "^check /controller; (set|create) /config/topics/T",
            partial(_create, name),
            partial(_led, name, 2),
        ),
        "election": Multi("leaders are elected", f"{EPOCH}set {STATE}", _kill, _led_by_others),
        "isr": Multi(
            "a leader takes a follower into the ISR",
            f"{EPOCH}set {STATE}",
            _start,
            lambda _: True,
            before=_kill_and_wait,
        ),
        "shutdown": Multi("a broker hands over", f"{EPOCH}set {STATE}", _stop, _led_by_others),
        "preferred": Multi(
            "a tool's election is done",
            f"{EPOCH}delete /admin/preferred_replica_election",
            _prefer,
            partial(_gone, "/admin/preferred_replica_election"),
        ),
        "move": Multi(
            "a move is written down",
            f"{EPOCH}set /brokers/topics/T$",
            partial(_move, name, [3, 1]),
            partial(_moved, name, [3, 1]),
            before=partial(_create, name),
        ),
        "move-state": Multi(
            "an ISR changes in a move",
            f"{EPOCH}set {STATE}",
            partial(_move, name, [2, 3]),
            partial(_moved, name, [2, 3]),
            before=partial(_create, name),
        ),
        "move-done": Multi(
            "a tool's move is done",
            f"{EPOCH}(set|delete) /admin/reassign_partitions",
            partial(_move, name, [1, 2]),
            partial(_moved, name, [1, 2]),
            before=partial(_create, name),
        ),
        "deletion": Multi(
            "a topic is deleted",
            f"{EPOCH}delete /brokers/topics/T",
            partial(_delete, name),
            partial(_no_topic, name),
            before=partial(_create, name),
        ),
        "deletion-end": Multi(
            "a deletion ends",
            f"{EPOCH}.*delete /admin/delete_topics/T",
            partial(_delete, name),
            partial(_no_topic, name),
            before=partial(_create, name),
        ),
        "isr-notification": Multi(
            "a leader's notification is removed",
            f"{EPOCH}delete /isr_change_notification/",
            _report_isr,
            partial(_no_children, "/isr_change_notification"),
        ),
        "directory-notification": Multi(
            "a directory's notification is removed",
            f"{EPOCH}delete /log_dir_event_notification/",
            _report_directory,
            partial(_no_children, "/log_dir_event_notification"),
        ),
    }


def _play(name: str, where: Where, key: str, stage: Stage) -> str:
    assert stage.proxy is not None
    multi = _multis(name)[key]
    if multi.before is not None:
        multi.before(stage)
        if multi.before.__class__ is partial:
            stage.in_time(partial(_led, name, 2, stage), 60, "the topic is made")
    made = stage.proxy.cut(multi.kind, where)
    try:
        multi.cause(stage)
        stage.expect(made.wait(40), f"no such multi came; there were {dict(stage.proxy.kinds)}")
        cut_at = time.monotonic()
        stage.in_time(lambda: multi.outcome(stage), 60, "all is as without the cut")
        if key != "controller":
            now = stage.hosts.state().controller_epoch
            stage.expect(now == stage.before.controller_epoch, "another controller was elected")
        return f"cut {where.value}; all was as it should be {time.monotonic() - cut_at:.1f} s later"
    finally:
        stage.proxy.disarm()


def _all() -> dict[str, tuple[str, Fault]]:
    faults: dict[str, tuple[str, Fault]] = {}
    for short, where in (("request", Where.IN_REQUEST), ("answer", Where.BEFORE_ANSWER)):
        for key, multi in _multis("t").items():
            name = f"multi-{key}-{short}"
            title = f"{multi.title}: connection lost {where.value}"
            faults[name] = (title, partial(_play, name, where, key))
    return faults


MULTIS: dict[str, tuple[str, Fault]] = _all()
