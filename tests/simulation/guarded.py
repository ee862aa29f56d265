"""ACLs that change while brokers die: what somebody is told of a topic that is not open to him.

``User:mallory`` asks every broker for a topic: he describes it, reads it and writes to it. An
operator grants and revokes his rights at one broker or another. Nothing authenticates here: a
client id makes a principal. Two things must hold:

- Nothing is answered that the ACLs in ZooKeeper, as of that broker's last notification, do not
  allow. What a broker knows lies between what was committed when it last began to read ACLs and
  what is committed now. So an answer is wrong if no state of ACLs allows it that is between what
  the broker knew when it was asked and what is committed when it answers.
- In the end all brokers obey the ACLs that are there.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.nodes import Main, Process, Simulation

from barnabas.api.request import Request
from barnabas.broker.exchange import Exchange
from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.message import Message
from barnabas.records.batch import Record, build_batch
from barnabas.seams import Env
from barnabas.security.principal import KafkaPrincipal
from barnabas.zookeeper.server.store import Batch

GUARDED = "guarded"
NODE = f"/kafka-acl/Topic/{GUARDED}"
MALLORY = "mallory"
SETTINGS = {
    "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer",
    "super.users": "User:ANONYMOUS;User:broker",
}
READ, WRITE, DESCRIBE, ALLOW, DENY = "Read", "Write", "Describe", 3, 2
_NUMBERS = {READ: 3, WRITE: 4, DESCRIBE: 8}
_IMPLIES_DESCRIBE = {READ, WRITE, DESCRIBE}
DENIED = ErrorCode.TOPIC_AUTHORIZATION_FAILED
OBEYED_S = 20.0
"""So long may it take, once nothing is disturbed, until all brokers obey."""


@contextmanager
def principals(enabled: bool) -> Iterator[None]:
    """Listeners take a client of this name for this user."""
    if not enabled:
        yield
        return
    before = Exchange._read

    def read(self: Exchange[Any], frame: memoryview) -> Request:
        request = before(self, frame)
        if request.client_id == MALLORY:
            request.principal = KafkaPrincipal("User", MALLORY)
        return request

    Exchange._read = read  # type: ignore[method-assign]
    try:
        yield
    finally:
        Exchange._read = before  # type: ignore[method-assign]


@dataclass
class Known:
    """What a broker knows at least: the index of a state of ACLs."""

    reading: int = 0
    read: int | None = None
    """None: it has not read any."""


@dataclass
class Guarded:
    """The clients and the judge of one run."""

    simulation: Simulation
    listeners: Mapping[int, str]
    """host:port of each broker."""
    answers: int = 0
    """Judged that needed a right."""
    states: list[frozenset[str]] = field(default_factory=lambda: [frozenset()])
    """What mallory might do, from the first ACL on, as committed by the coordinator."""
    known: dict[tuple[int, int], Known] = field(default_factory=dict)
    """(Broker, its incarnation)."""
    changing: bool = True

    # The judge

    def on_commit(self, batch: Batch) -> None:
        """The coordinator has made changes durable."""
        if NODE in batch.deleted_paths:
            self.states.append(frozenset())
        for node in batch.nodes:
            if node.path == NODE:
                self.states.append(_allowed(json.loads(node.data or b"")["acls"]))

    def on_note(self, process: Process, event: str, fields: Mapping[str, object]) -> None:
        """A process noted something."""
        if event not in ("acls_reading", "acls_read"):
            return
        broker = int(process.name[1:])
        known = self.known.setdefault((broker, process.incarnation), Known())
        if event == "acls_reading":
            known.reading = len(self.states) - 1
        else:
            known.read = known.reading

    def _least(self, broker: int) -> int:
        """The oldest state that a broker may go by now."""
        process = self.simulation.processes[f"b{broker}"]
        known = self.known.get((broker, process.incarnation))
        return 0 if known is None or known.read is None else known.read

    def _judge(self, broker: int, since: int, right: str) -> None:
        """It was answered as one who has the right; ``since``: what the broker knew when asked."""
        self.answers += 1
        if not any(right in state for state in self.states[since:]):
            self.simulation.fail(
                "guarded",
                f"broker {broker} let {MALLORY} {right} although the ACLs that it knew of allow"
                f" {sorted(self.states[since])}",
            )

    # Clients

    def intruder(self, broker: int) -> Main:
        """Asks one broker for ever."""
        host, _, port = self.listeners[broker].partition(":")

        async def main(env: Env) -> None:
            while True:
                connection = None
                try:
                    connection = await KafkaConnection.connect(
                        host, int(port), client_id=MALLORY, timeout_ms=3000
                    )
                    await self._intrude(env, broker, connection)
                except OSError:
                    await asyncio.sleep(0.2)
                finally:
                    if connection is not None:
                        connection.close()

        return main

    async def _intrude(self, env: Env, broker: int, connection: KafkaConnection) -> None:
        session = Session()
        while True:
            await asyncio.sleep(env.random.expovariate(1 / 0.2))
            since = self._least(broker)
            what = env.random.choice((READ, READ, WRITE, DESCRIBE))
            if what == READ:
                code = await session.fetch(connection)
            elif what == WRITE:
                code = await _produce(connection)
            else:
                code = await _describe(connection)
            if code is not None and code != DENIED:
                self._judge(broker, since, what)

    def operator(self) -> Main:
        """Grants and revokes, at one broker or another."""
        bootstrap = ",".join(self.listeners.values())

        async def main(env: Env) -> None:
            async with ClusterClient(bootstrap, "operator", timeout_ms=3000) as client:
                while self.changing:
                    await asyncio.sleep(env.random.expovariate(1 / 0.7))
                    broker = env.random.choice(sorted(self.listeners))
                    try:
                        await client.metadata([])
                        await _change(env, client, broker)
                    except (OSError, ClientError, Unreachable) as error:
                        env.observer.note("acl_change_unknown", error=str(error))

        return main

    async def finish(self) -> None:
        """Nothing is disturbed any more: wait until every broker obeys."""
        self.changing = False
        wrong: dict[int, str] = {}

        async def main(env: Env) -> None:
            for _ in range(int(OBEYED_S * 2)):
                await asyncio.sleep(0.5)
                wrong.clear()
                for broker in self.listeners:
                    await self._look(broker, wrong)
                if not wrong:
                    return

        await self.simulation.ended(self.simulation.start("obeyed", main, host="clients"))
        if wrong:
            self.simulation.fail("guarded", f"brokers do not obey the ACLs: {wrong}")

    async def _look(self, broker: int, wrong: dict[int, str]) -> None:
        host, _, port = self.listeners[broker].partition(":")
        try:
            connection = await KafkaConnection.connect(
                host, int(port), client_id=MALLORY, timeout_ms=3000
            )
            code = await _describe(connection)
            connection.close()
        except OSError as error:
            wrong[broker] = str(error)
            return
        if (code != DENIED) != (DESCRIBE in self.states[-1]):
            wrong[broker] = f"{code} though {sorted(self.states[-1])}"


def _allowed(acls: list[dict[str, str]]) -> frozenset[str]:
    """What ACLs of the topic let mallory do, by the rule in its plainest form."""
    own = [acl for acl in acls if acl["principal"] == f"User:{MALLORY}" and acl["host"] == "*"]
    denied = {acl["operation"] for acl in own if acl["permissionType"] == "Deny"}
    granted = {acl["operation"] for acl in own if acl["permissionType"] == "Allow"}
    implied = {DESCRIBE} if granted & _IMPLIES_DESCRIBE else set()
    return frozenset((granted | implied) - denied)


async def _change(env: Env, client: ClusterClient, broker: int) -> None:
    operation = env.random.choice((READ, WRITE))
    permission = env.random.choice((ALLOW, ALLOW, DENY))
    if env.random.random() < 0.5:
        acl = Message(
            resource_type=2,
            resource_name=GUARDED,
            resource_pattern_type=3,
            principal=f"User:{MALLORY}",
            host="*",
            operation=_NUMBERS[operation],
            permission_type=permission,
        )
        await client.broker(broker, ApiKey.CREATE_ACLS, 3, Message(creations=[acl]))
        return
    found = Message(
        resource_type_filter=2,
        resource_name_filter=GUARDED,
        pattern_type_filter=3,
        principal_filter=None,
        host_filter=None,
        operation=env.random.choice((1, _NUMBERS[operation])),
        permission_type=env.random.choice((1, permission)),
    )
    await client.broker(broker, ApiKey.DELETE_ACLS, 3, Message(filters=[found]))


class Session:
    """Reads the topic in a fetch session, waiting a little for what comes."""

    def __init__(self) -> None:
        self._id, self._epoch, self._offset = 0, 0, 0

    async def fetch(self, connection: KafkaConnection) -> int | None:
        """The error of the partition; None if nothing was said of it."""
        wanted = Message(
            partition=0, fetch_offset=self._offset, partition_max_bytes=1000, log_start_offset=-1
        )
        message = Message(
            replica_id=-1,
            max_wait=300,
            min_bytes=1,
            max_bytes=1 << 20,
            session_id=self._id,
            session_epoch=self._epoch,
            topics=[Message(topic=GUARDED, partitions=[wanted])],
            rack_id="",
        )
        answer: Any = await connection.send(ApiKey.FETCH, 12, message, timeout_ms=5000)
        if answer.error_code:
            self._id, self._epoch = 0, 0
            return None
        self._id, self._epoch = answer.session_id, self._epoch + 1
        for topic in answer.responses:
            for partition in topic.partitions:
                if partition.error_code == ErrorCode.NONE:
                    self._offset = max(self._offset, int(partition.high_watermark) - 1)
                elif partition.error_code == ErrorCode.OFFSET_OUT_OF_RANGE:
                    self._offset = 0
                return int(partition.error_code)
        return None


async def _produce(connection: KafkaConnection) -> int:
    record = Record(offset=0, timestamp=1, key=None, value=b"taken")
    part = Message(index=0, records=bytes(build_batch([record])))
    message = Message(
        transactional_id=None,
        acks=1,
        timeout=1000,
        topic_data=[Message(name=GUARDED, partition_data=[part])],
    )
    answer: Any = await connection.send(ApiKey.PRODUCE, 9, message, timeout_ms=5000)
    return int(answer.responses[0].partition_responses[0].error_code)


async def _describe(connection: KafkaConnection) -> int:
    wanted: Any = Message(topics=[Message(name=GUARDED)], allow_auto_topic_creation=False)
    answer = await connection.send(ApiKey.METADATA, 9, wanted, timeout_ms=15_000)
    return int(answer.topics[0].error_code)
