"""A cluster without processes: the real controller over a fake ZooKeeper (the server's own pure
tree) and fake brokers, on a loop whose time jumps. Everything is deterministic.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from msgspec.structs import replace
from tests import virtual_time
from tests.defaults import controller_settings
from tests.protocol.typed import typed_response

from barnabas.controller.controller import Controller
from barnabas.controller.settings import ControllerSettings
from barnabas.protocol import codec
from barnabas.protocol.api import ApiKey
from barnabas.protocol.header import parse_request_header
from barnabas.protocol.message import Message
from barnabas.seams import Env
from barnabas.types import Broker, Endpoint
from barnabas.zk import paths
from barnabas.zk.znodes import TopicZNode, encode_broker, encode_topic
from barnabas.zookeeper.client.operations import Root, WatchEvent
from barnabas.zookeeper.errors import (
    ConnectionLoss,
    SessionExpired,
    Unimplemented,
    ZooKeeperError,
    error_for,
)
from barnabas.zookeeper.messages import (
    Children2Response,
    ErrorResponse,
    EventType,
    GetDataResponse,
    MultiResponse,
    MultiResult,
    OpCode,
    StatResponse,
)
from barnabas.zookeeper.path_names import parent_of
from barnabas.zookeeper.server.tree import Request, ZTree
from barnabas.zookeeper.server.watches import Watches

T = TypeVar("T")


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a test in virtual time."""
    return virtual_time.run(main())


class Clock:
    def wall_ms(self) -> int:
        return 1_700_000_000_000


SHOWN_BESIDE = {
    "controller_ready": ("brokers",),
    "leader_elected": ("replicas", "partition_epoch"),
    "isr_changed": ("replicas", "leader", "partition_epoch"),
    "partition_offline": ("replicas",),
}
"""What a transcript has in its other lines: requests, znodes."""


class Recorder:
    """Observer and transcript."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.notes: list[tuple[str, dict[str, Any]]] = []

    def note(self, event: str, /, **fields: object) -> None:
        self.notes.append((event, dict(fields)))
        told = {k: v for k, v in fields.items() if k not in SHOWN_BESIDE.get(event, ())}
        shown = " ".join(f"{k}={_short(v)}" for k, v in told.items())
        self.lines.append(f"* {event} {shown}".rstrip())

    def take(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines


class FakeZooKeeper:
    """One coordinator: the pure tree, sessions that end when told to, one-shot watches."""

    def __init__(self, recorder: Recorder) -> None:
        self.tree = ZTree()
        self.watches: Watches[FakeClient] = Watches()
        self.zxid = 0
        self.recorder = recorder
        self.writes = 0
        self.reads_many = True
        """Whether it knows multiRead, as ZooKeeper does since 3.6."""

    def write(self, op: int, record: Any, session_id: int = 0, shown: bool = False) -> Any:
        self.zxid += 1
        self.writes += 1
        outcome = self.tree.apply(op, record, Request(self.zxid, 0, session_id))
        if outcome.err:
            raise error_for(outcome.err, record.path)
        self._tell(outcome.events)
        if shown:
            self._show(op, record, outcome.record)
        return outcome.record

    def end_session(self, session_id: int) -> None:
        self.zxid += 1
        self._tell(self.tree.close_session(session_id, self.zxid))

    def create(self, path: str, data: bytes | None = None, session_id: int = 0) -> int:
        """From outside; parents are made. Returns the zxid."""
        from barnabas.zookeeper.messages import CreateRequest

        parent = parent_of(path)
        if parent not in self.tree.nodes:
            self.create(parent)
        flags = 1 if session_id else 0
        self.write(OpCode.CREATE, CreateRequest(path, data, flags=flags), session_id)
        return self.zxid

    def set(self, path: str, data: bytes | None) -> None:
        from barnabas.zookeeper.messages import SetDataRequest

        self.write(OpCode.SET_DATA, SetDataRequest(path, data))

    def delete(self, path: str) -> None:
        from barnabas.zookeeper.messages import DeleteRequest

        self.write(OpCode.DELETE, DeleteRequest(path))

    def read(self, path: str) -> bytes | None:
        return self.tree.nodes[path].data

    def state(self, topic: str, partition: int) -> Any:
        from barnabas.zk.znodes import decode_partition_state

        path = paths.partition_state_path(topic, partition)
        node = self.tree.nodes[path]
        return decode_partition_state(path, node.data, node.version)

    def _tell(self, events: Sequence[Any]) -> None:
        for client, event in self.watches.fire(events):
            client.deliver(WatchEvent(EventType(event[0]), event[1]))

    def _show(self, op: int, record: Any, result: Any) -> None:
        parts = record.ops if op == OpCode.MULTI else [(op, record)]
        failed = op == OpCode.MULTI and result.results[0].op == OpCode.ERROR
        for code, part in parts:
            if code != OpCode.CHECK:
                name = OpCode(code).name.lower().removesuffix("_data")
                data = (getattr(part, "data", None) or b"").decode()
                self.recorder.lines.append(
                    f"zk {name} {part.path} {data}".rstrip() + (" REFUSED" if failed else "")
                )


class FakeClient:
    """What the controller uses of ``ZooKeeperClient``."""

    def __init__(self, zookeeper: FakeZooKeeper, session_id: int) -> None:
        self.zookeeper = zookeeper
        self.session_id = session_id
        self.on_event: Callable[[WatchEvent], None] = lambda _: None
        self.expired = False
        self.lose_answers = 0
        """So many writes are applied, and their answers lost."""
        self.before_write: Callable[[], None] | None = None
        self.written: list[Any] = []

    def deliver(self, event: WatchEvent) -> None:
        asyncio.get_running_loop().call_soon(self._deliver, event)

    def _deliver(self, event: WatchEvent) -> None:
        if not self.expired:
            self.on_event(event)

    def submit(self, op: Any) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        try:
            result: Any = self._apply(op)
        except ZooKeeperError as error:
            loop.call_soon(_fail, future, error)
        else:
            loop.call_soon(_succeed, future, result)
        return future

    def _apply(self, op: Any) -> Any:
        if self.expired:
            raise SessionExpired(op.path)
        code, record = op.request(Root())
        if code in (OpCode.EXISTS, OpCode.GET_DATA, OpCode.GET_CHILDREN2):
            return op.result(self._read(code, record), "")
        if code == OpCode.MULTI_READ:
            if not self.zookeeper.reads_many:
                raise Unimplemented(op.path)
            return op.result(self._read_many(record), "")
        if self.before_write is not None:
            hook, self.before_write = self.before_write, None
            hook()
        answer = self.zookeeper.write(code, record, self.session_id, shown=True)
        if self.lose_answers:
            self.lose_answers -= 1
            raise ConnectionLoss(op.path)
        return op.result(answer, "")

    def _read(self, code: int, record: Any) -> Any:
        tree, watches = self.zookeeper.tree, self.zookeeper.watches
        node = tree.nodes.get(record.path)
        if record.watch and code == OpCode.GET_CHILDREN2 and node is not None:
            watches.watch_children(record.path, self)
        elif record.watch and (node is not None or code == OpCode.EXISTS):
            watches.watch_data(record.path, self)
        if code == OpCode.EXISTS:
            return None if node is None else StatResponse(node.stat())
        if node is None:
            raise error_for(-101, record.path)
        if code == OpCode.GET_DATA:
            return GetDataResponse(node.data, node.stat())
        return Children2Response(tuple(node.children), node.stat())

    def _read_many(self, record: Any) -> MultiResponse:
        results = []
        for code, part in record.ops:
            try:
                results.append(MultiResult(code, self._read(code, part)))
            except ZooKeeperError as error:
                results.append(MultiResult(OpCode.ERROR, ErrorResponse(error.code)))
        return MultiResponse(tuple(results))

    async def submit_all(self, ops: Any, in_flight: int = 500) -> list[Any]:
        futures = [self.submit(op) for op in ops]
        return list(await asyncio.gather(*futures, return_exceptions=True))

    async def connected(self, timeout_ms: int | None = None) -> None:
        if self.expired:
            raise SessionExpired


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()


def _succeed(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


NAMES = {4: "LISR", 5: "STOP", 6: "UMR"}


class FakeBroker:
    """A broker's port and what it answers."""

    def __init__(self, cluster: Cluster, broker_id: int) -> None:
        self.cluster = cluster
        self.id = broker_id
        self.mode = "up"
        """up, refuse (no process), hang (connects, never answers), unreachable (times out)."""
        self.connections: list[FakeConnection] = []
        self.epoch = -1
        self.session = 0
        self.stop_error = 0
        self.partition_errors: dict[tuple[str, int], int] = {}
        self.topic_names: dict[Any, str] = {}

    def kill(self) -> None:
        """The process dies: its port refuses, its connections are reset."""
        self.mode = "refuse"
        connections, self.connections = self.connections, []
        for connection in connections:
            connection.close()

    def answer(self, api_key: int, message: Any) -> Message:
        if api_key == 4:
            for topic in message.topic_states:
                self.topic_names[topic.topic_id] = topic.topic_name
            return Message(
                error_code=0,
                topics=[
                    Message(
                        topic_id=t.topic_id,
                        partition_errors=[
                            Message(
                                partition_index=p.partition_index,
                                error_code=self.partition_errors.get(
                                    (t.topic_name, p.partition_index), 0
                                ),
                            )
                            for p in t.partition_states
                        ],
                    )
                    for t in message.topic_states
                ],
            )
        if api_key == 5:
            errors = [
                Message(
                    topic_name=t.topic_name,
                    partition_index=p.partition_index,
                    error_code=self.stop_error,
                )
                for t in message.topic_states
                for p in t.partition_states
            ]
            return Message(error_code=0, partition_errors=errors)
        return Message(error_code=0)


class FakeConnection:
    def __init__(self, broker: FakeBroker) -> None:
        self.broker = broker
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def send(self, api_key: int, version: int, message: Any) -> Any:
        if self.closed.done():
            raise ConnectionResetError
        frame = codec.encode_request(api_key, version, 0, "1", message)
        _, offset = parse_request_header(frame, 4)
        decoded = codec.decode_request(api_key, version, memoryview(frame), offset)
        if self.broker.mode == "hang":
            await self.closed
            raise ConnectionResetError
        self.broker.cluster.sent(self.broker.id, api_key, decoded)
        return typed_response(ApiKey(api_key), self.broker.answer(api_key, decoded), version)

    def close(self) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


class Cluster:
    """Brokers 1..n, each with a fake port, a session, and (once started) a real controller."""

    def __init__(self, settings: ControllerSettings | None = None) -> None:
        self.recorder = Recorder()
        self.zookeeper = FakeZooKeeper(self.recorder)
        self.settings = settings or controller_settings(silence_ms=0)
        self.brokers: dict[int, FakeBroker] = {}
        self.clients: dict[int, FakeClient] = {}
        self.controllers: dict[int, Controller] = {}
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.requests: list[tuple[int, int, Any]] = []
        self.next_session = 100
        for path in paths.TOP_LEVEL_PATHS:
            self.zookeeper.create(path)

    # --- what happens

    async def settle(self, seconds: float = 0.001) -> None:
        """Let everything happen that does not wait for time."""
        await asyncio.sleep(seconds)

    def register(self, broker_id: int, *, unclean: bool = False, rack: str | None = None) -> int:
        """Write ``/brokers/ids/N`` in a new session; the port opens. Returns the epoch."""
        broker = self.brokers.setdefault(broker_id, FakeBroker(self, broker_id))
        broker.mode = "up"
        self.next_session += 1
        broker.session = self.next_session
        body = _registration(broker_id, unclean, rack)
        broker.epoch = self.zookeeper.create(paths.broker_id_path(broker_id), body, broker.session)
        return broker.epoch

    def settle_doubt(self, broker_id: int) -> None:
        """The broker's logs are level again: it says so in the registration that it has."""
        self.zookeeper.set(paths.broker_id_path(broker_id), _registration(broker_id))

    def start_controller(self, broker_id: int) -> Controller:
        """The broker's candidate for controller."""
        client = FakeClient(self.zookeeper, self.brokers[broker_id].session)
        env = Env(
            clock=Clock(),
            random=random.Random(broker_id),
            files=None,  # type: ignore[arg-type]
            boot_id="",
            observer=self.recorder,
        )
        controller = Controller(
            env,
            broker_id,
            client,  # type: ignore[arg-type]
            self.settings,
            connect=self.connect,
        )
        client.on_event = controller.on_zookeeper_event
        self.clients[broker_id] = client
        self.controllers[broker_id] = controller
        self.tasks[broker_id] = asyncio.get_running_loop().create_task(controller.run())
        return controller

    async def start(self, *broker_ids: int) -> None:
        """Register and start brokers one after the other."""
        for broker_id in broker_ids:
            self.register(broker_id)
            self.start_controller(broker_id)
            await self.settle()

    async def crash(self, broker_id: int, *, session_ends: bool = True) -> None:
        """Kill a process; unless told otherwise its session ends at once."""
        self.brokers[broker_id].kill()
        if task := self.tasks.pop(broker_id, None):
            self.clients[broker_id].expired = True
            task.cancel()
            await asyncio.wait([task])
        if session_ends:
            self.end_session(broker_id)

    def end_session(self, broker_id: int) -> None:
        self.zookeeper.end_session(self.brokers[broker_id].session)

    def create_topic(self, topic: str, assignment: dict[int, tuple[int, ...]], number: int) -> None:
        """As an API handler does; ``number`` makes the topic id."""
        import uuid

        znode = TopicZNode(partitions=assignment, topic_id=uuid.UUID(int=number << 64))
        self.zookeeper.create(paths.topic_path(topic), encode_topic(znode))

    async def stop(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks.values())
        for task in self.tasks.values():
            if not task.cancelled() and task.exception():
                raise task.exception()  # type: ignore[misc]

    # --- the network

    async def connect(self, host: str, port: int, client_id: str) -> FakeConnection:
        broker = self.brokers[port - 9000]
        if broker.mode == "refuse":
            raise ConnectionRefusedError
        if broker.mode == "unreachable":
            await asyncio.sleep(1)
            raise TimeoutError
        connection = FakeConnection(broker)
        broker.connections.append(connection)
        return connection

    def sent(self, broker_id: int, api_key: int, message: Any) -> None:
        self.requests.append((broker_id, api_key, message))
        self.recorder.lines.append(f"{broker_id} <- {NAMES[api_key]} {_request(api_key, message)}")

    # --- looking

    @property
    def active(self) -> Controller:
        """The one active controller."""
        (controller,) = [c for b, c in self.controllers.items() if c.is_active and b in self.tasks]
        return controller

    def state(self, topic: str, partition: int = 0) -> Any:
        return self.zookeeper.state(topic, partition)

    def patch_state(self, topic: str, partition: int = 0, **fields: Any) -> None:
        """Write a partition state behind the controller's back."""
        from barnabas.zk.znodes import encode_partition_state

        state = replace(self.state(topic, partition), **fields)
        self.zookeeper.set(
            paths.partition_state_path(topic, partition), encode_partition_state(state)
        )


def _registration(broker_id: int, unclean: bool = False, rack: str | None = None) -> bytes:
    endpoint = Endpoint("PLAINTEXT", "PLAINTEXT", "b", 9000 + broker_id)
    broker = Broker(id=broker_id, epoch=0, endpoints=(endpoint,), rack=rack, unclean_start=unclean)
    return encode_broker(broker, 0)


def _short(value: object) -> str:
    return "[" + ",".join(map(str, value)) + "]" if isinstance(value, list | tuple) else str(value)


def _request(api_key: int, message: Any) -> str:
    words = [f"c{message.controller_epoch}", f"be{message.broker_epoch}"]
    for topic in message.topic_states:
        words += [
            f"{topic.topic_name}-{p.partition_index}:" + _state(api_key, p)
            for p in topic.partition_states
        ]
    if api_key == 6:
        words.append("live=" + _short(sorted(b.id for b in message.live_brokers)))
    if api_key == 4:
        words.append("leaders=" + _short(sorted(b.broker_id for b in message.live_leaders)))
    return " ".join(words)


def _state(api_key: int, p: Any) -> str:
    if api_key == 5:
        return f"e{p.leader_epoch}{',delete' if p.delete_partition else ''}"
    text = f"L{p.leader},e{p.leader_epoch},isr{_short(p.isr)}"
    if api_key == 4:
        extra = ",new" if p.is_new else ""
        extra += ",recovering" if p.leader_recovery_state else ""
        return f"{text},v{p.partition_epoch}{extra}"
    off = f",off{_short(p.offline_replicas)}" if p.offline_replicas else ""
    return f"{text},v{p.zk_version}{off}"
