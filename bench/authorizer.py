"""What ACLs cost: a broker's CPU time for a produce without an authorizer, with few and with many.

    python bench/authorizer.py [--acls 10000] [--requests 20000] [--rounds 5]

One broker each, on loopback, one after the other in each round. Every record is a request of its
own, so that the authorizer is asked as often as it can be. Figures are user and system time of the
broker's process, in microseconds a request. The topic has ACLs of its own name, of a prefix and of
``*``, and none of the others. A question alone is timed too, in this process: remembered, as for
every request but the first, and decided anew, as after a change of any ACL.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from confluent_kafka import Producer
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from barnabas.authorizer.acl import AccessControlEntry, PatternType, ResourcePattern
from barnabas.authorizer.acl import AclOperation as Operation
from barnabas.authorizer.acl import AclPermissionType as Permission
from barnabas.authorizer.acl import ResourceType as Type
from barnabas.authorizer.authorizer import AclAuthorizer
from barnabas.authorizer.decision import Policy, Question
from barnabas.seams import Env
from barnabas.security.principal import ANONYMOUS

TOPIC = "measured"
TICKS = os.sysconf("SC_CLK_TCK")
AUTHORIZER = {
    "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}
BATCH = 1000


@contextmanager
def broker(port: int, settings: dict[str, str]) -> Iterator[int]:
    """One that serves; the process id of the broker."""
    given = [part for key, value in settings.items() for part in ("-X", f"{key}={value}")]
    with tempfile.TemporaryDirectory(prefix="authorizer-") as data:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "barnabas.cli.main", "up", "--brokers", "1"),
                *("--port", str(port), "--zookeeper-port", str(port + 1), "--data", data, *given),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            assert any(line.startswith("ready: ") for line in process.stdout)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            yield int(children[-1])  # the coordinator comes first
        finally:
            process.terminate()
            process.wait(30)


def cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def acl(name: str, pattern: ResourcePatternType, principal: str = "User:ANONYMOUS") -> AclBinding:
    return AclBinding(
        ResourceType.TOPIC,
        name,
        pattern,
        principal,
        "*",
        AclOperation.WRITE,
        AclPermissionType.ALLOW,
    )


def make_acls(servers: str, count: int) -> float:
    """``count`` ACLs, of which three are about the topic; how long that took in seconds."""
    literal, prefixed = ResourcePatternType.LITERAL, ResourcePatternType.PREFIXED
    acls = [acl(TOPIC, literal), acl(TOPIC[:4], prefixed), acl("*", literal, "User:other")]
    others = range(count - len(acls))
    acls += [acl(f"t-{number}", prefixed if number % 2 else literal) for number in others]
    admin = AdminClient({"bootstrap.servers": servers})
    began = time.monotonic()
    for start in range(0, len(acls), BATCH):
        for made in admin.create_acls(acls[start : start + BATCH], request_timeout=120).values():
            made.result(120)
    return time.monotonic() - began


def produce(servers: str, count: int) -> None:
    """``count`` requests of one record of 1 kB, acks=all."""
    failed: list[object] = []
    producer = Producer(
        {"bootstrap.servers": servers, "batch.num.messages": 1, "linger.ms": 0, "acks": "all"}
    )
    for _ in range(count):
        producer.produce(TOPIC, b"x" * 1000, on_delivery=lambda e, _: e and failed.append(e))
        if producer.poll(0) == 0 and len(producer) > 5000:
            producer.poll(0.05)
    producer.flush(120)
    assert not failed, failed[0]


def measure(port: int, acls: int, requests: int) -> tuple[float, float]:
    """(microseconds of CPU a request, seconds that the ACLs took)."""
    servers = f"127.0.0.1:{port}"
    with broker(port, AUTHORIZER if acls else {}) as pid:
        admin = AdminClient({"bootstrap.servers": servers})
        admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(30)
        took_s = make_acls(servers, acls) if acls else 0.0
        produce(servers, requests // 10)
        before = cpu_s(pid)
        produce(servers, requests)
        return (cpu_s(pid) - before) / requests * 1e6, took_s


def question_us(acls: int) -> tuple[float, float]:
    """Microseconds for a question that is remembered, and for one that is not."""
    env = Env(clock=cast("Any", None), random=random.Random(1), files=cast("Any", None), boot_id="")
    authorizer = AclAuthorizer(env, cast("Any", None), Policy())
    writes = AccessControlEntry("User:ANONYMOUS", "*", Operation.WRITE, Permission.ALLOW)
    for number in range(acls - 2):
        kind = PatternType.PREFIXED if number % 2 else PatternType.LITERAL
        authorizer.index.put(ResourcePattern(Type.TOPIC, f"t-{number}", kind), (writes,))
    authorizer.index.put(ResourcePattern(Type.TOPIC, TOPIC), (writes,))
    authorizer.index.put(ResourcePattern(Type.TOPIC, TOPIC[:4], PatternType.PREFIXED), (writes,))
    asked = (ANONYMOUS, "127.0.0.1", Operation.WRITE, Type.TOPIC, TOPIC)
    question = Question(*asked)
    many = 20_000

    def timed(work: Callable[[], object]) -> float:
        best = min(timeit.repeat(work, number=many, repeat=5))
        return best / many * 1e6

    assert authorizer.allows(asked, 0)
    return (
        timed(lambda: authorizer.allows(asked, 0)),
        timed(lambda: authorizer.index.decide(Policy(), question)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--acls", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--port", type=int, default=25700)
    options = parser.parse_args()
    kinds = {"no authorizer": 0, "3 ACLs": 3, f"{options.acls} ACLs": options.acls}
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    took: list[float] = []
    for number in range(options.rounds):
        for kind, acls in kinds.items():
            us, took_s = measure(options.port + 10 * number, acls, options.requests)
            found[kind].append(us)
            if acls == options.acls:
                took.append(took_s)
            print(f"{kind}: {us:.1f} us a request", file=sys.stderr)
    print("| produce requests of 1 kB | broker CPU us a request |\n|---|---|")
    for kind, values in found.items():
        low, high = min(values), max(values)
        print(f"| {kind} | {statistics.median(values):.1f} ({low:.1f}-{high:.1f}) |")
    print("\n| one question, us | remembered | decided anew |\n|---|---|---|")
    for acls in (3, options.acls):
        print("| {} ACLs | {:.2f} | {:.2f} |".format(acls, *question_us(acls)))
    print(f"\n{options.acls} ACLs were made in {statistics.median(took):.1f} s")


if __name__ == "__main__":
    main()
