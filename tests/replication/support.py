"""A cluster of replica managers in one loop: real logs in memory, direct calls instead of sockets,
a controller of a few lines, virtual time. Nothing sleeps for real."""

from __future__ import annotations

import asyncio
import random
import uuid
from typing import Any

from tests.defaults import log_config, log_manager_settings, replication_settings
from tests.virtual_time import run as run

from barnabas.errors import ErrorCode, KafkaError
from barnabas.metadata_cache import MetadataCache
from barnabas.pace import PromptFuture
from barnabas.protocol.message import Message
from barnabas.protocol.messages.leader_and_isr import LeaderAndIsrRequest
from barnabas.protocol.messages.update_metadata import UpdateMetadataRequest
from barnabas.records.batch import Record, build_batch, iterate_batches, iterate_records
from barnabas.replication.alter_partition_manager import AlterPartitionManager
from barnabas.replication.append_request import AppendRequest
from barnabas.replication.fetch_params import FetchParams
from barnabas.replication.fetch_session import SessionPartition
from barnabas.replication.fetch_session_client import SessionFetch
from barnabas.replication.fetcher import FetchedData, FetchReply
from barnabas.replication.partition import Partition
from barnabas.replication.replica_manager import ReplicaManager
from barnabas.replication.results import Fetched, FetchResult, ProduceResult
from barnabas.seams import Env
from barnabas.storage.config import LogConfig
from barnabas.storage.log_manager import LogManager
from barnabas.storage.memory_files import MemoryFiles
from barnabas.types import Endpoint, TopicPartition

TOPIC_ID = uuid.UUID(int=0x1234)
T0 = TopicPartition("t", 0)
WALL_MS = 1_795_398_600_000


async def settle(turns: int = 60) -> None:
    """Let everything that is ready run; no time passes."""
    for _ in range(turns):
        await asyncio.sleep(0)


class Clock:
    def wall_ms(self) -> int:
        return WALL_MS


class Recorder:
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def note(self, event: str, /, **fields: object) -> None:
        self.events.append((event, dict(fields)))

    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    def of(self, name: str) -> list[dict[str, Any]]:
        return [fields for event, fields in self.events if event == name]


class Configs:
    def __init__(self) -> None:
        self.min_isr = 1
        self.config = log_config()

    def min_insync_replicas(self, topic: str) -> int:
        return self.min_isr

    def log_config(self, topic: str) -> LogConfig:
        return self.config


def records(*values: str, **fields: Any) -> memoryview:
    batch = build_batch([Record(timestamp=WALL_MS, value=v.encode()) for v in values], **fields)
    return memoryview(batch)


class Direct:
    """A leader connection that calls the leader's replica manager."""

    def __init__(self, cluster: Cluster, follower: int, leader: int) -> None:
        self.cluster = cluster
        self.follower = follower
        self.leader = leader
        self.closed = False
        self._pending: dict[asyncio.Future[FetchReply], None] = {}
        self.requests: list[SessionFetch] = []
        cluster.connections.append(self)

    def fetch(self, request: SessionFetch) -> asyncio.Future[FetchReply]:
        reply: PromptFuture[FetchReply] = PromptFuture(loop=asyncio.get_running_loop())
        if self.closed or self.cluster.is_cut(self.follower, self.leader):
            reply.set_exception(ConnectionError("cut"))
            return reply
        self.requests.append(request)
        self.cluster.fetches[self.follower] = self.cluster.fetches.get(self.follower, 0) + 1
        self._pending[reply] = None
        follower, leader = self.cluster.nodes[self.follower], self.cluster.nodes[self.leader]
        params = FetchParams(
            version=17,
            replica_id=self.follower,
            broker_epoch=follower.epoch,
            max_wait_ms=500,
            min_bytes=1,
            max_bytes=10_000_000,
            session_id=request.session_id,
            session_epoch=request.epoch,
            partitions=[
                SessionPartition(
                    topic=None,
                    topic_id=wanted.topic_id,
                    partition=name.partition,
                    fetch_offset=wanted.fetch_offset,
                    max_bytes=wanted.max_bytes,
                    current_leader_epoch=wanted.current_leader_epoch,
                    last_fetched_epoch=wanted.last_fetched_epoch,
                    log_start_offset=wanted.log_start_offset,
                )
                for name, wanted in request.named
            ],
            forgotten=list(request.forgotten),
        )
        outcome = leader.manager.fetch(params)
        if isinstance(outcome, FetchResult):
            self._answer(reply, outcome)
        else:
            outcome.add_done_callback(lambda done: self._answer(reply, done.result()))
        return reply

    def _answer(self, reply: asyncio.Future[FetchReply], result: Fetched) -> None:
        assert isinstance(result, FetchResult), "of so few partitions there are no steps"
        self._pending.pop(reply, None)
        if reply.done():
            return
        data = [
            FetchedData(
                p.topic_id or TOPIC_ID,
                p.partition,
                p.error,
                p.high_watermark,
                p.log_start_offset,
                p.diverging,
                b"".join(bytes(b) for b in p.records),
            )
            for p in result.partitions
        ]
        reply.set_result(FetchReply(result.error, result.session_id, data))

    async def offset_for(self, partition: TopicPartition, epoch: int, timestamp: int) -> int:
        return (
            self.cluster.nodes[self.leader]
            .manager.list_offset(
                partition,
                timestamp,
                version=9,
                current_leader_epoch=epoch,
                replica_id=self.follower,
            )
            .offset
        )

    def break_(self) -> None:
        self.closed = True
        pending, self._pending = self._pending, {}
        for reply in pending:
            if not reply.done():
                reply.set_exception(ConnectionError("cut"))

    def close(self) -> None:
        self.closed = True


class Node:
    """One broker: storage and replication only."""

    def __init__(
        self, cluster: Cluster, broker_id: int, epoch: int, files: MemoryFiles, **settings: Any
    ) -> None:
        self.id = broker_id
        self.epoch = epoch
        self.registered = True
        self.cluster = cluster
        self.recorder = Recorder()
        self.files = files
        env = Env(
            clock=Clock(),
            random=random.Random(broker_id),
            files=files,
            boot_id="boot",
            observer=self.recorder,
        )
        files.make_directories("/data")
        self.logs = LogManager(env, ["/data"], log_config(), settings=log_manager_settings())
        self.metadata = MetadataCache()
        self.alter = AlterPartitionManager(
            broker_id=broker_id,
            broker_epoch=lambda: self.epoch if self.registered else None,
            topic_id=self.metadata.topic_id,
            send=lambda key, version, message: cluster.controller_send(broker_id, message),
        )
        self.offline: list[TopicPartition] = []
        self.manager = ReplicaManager(
            env,
            replication_settings(broker_id, **settings),
            logs=self.logs,
            metadata=self.metadata,
            configs=cluster.configs,
            broker_epoch=lambda: self.epoch if self.registered else None,
            connect_leader=self._connect,
            submit_isr=self.alter.submit,
            on_offline=self.offline.extend,
        )
        self.tasks: list[asyncio.Task[None]] = []

    async def _connect(self, endpoint: Endpoint) -> Direct:
        if self.cluster.is_cut(self.id, endpoint.port):
            raise ConnectionRefusedError("cut")
        return Direct(self.cluster, self.id, endpoint.port)

    async def start(self) -> None:
        self.logs.open()
        await self.logs.load(broker_id=self.id, cluster_id="c")
        self.tasks = [
            asyncio.create_task(self.manager.run()),
            asyncio.create_task(self.alter.run()),
        ]

    async def stop(self) -> None:
        await self.manager.shutdown()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    @property
    def partition(self) -> Partition:
        return self.manager.partitions[T0]

    def values(self, name: TopicPartition = T0) -> list[str]:
        """All record values in the log, in order."""
        log = self.manager.partitions[name].log
        assert log is not None
        piece = log.read(log.log_start_offset, 1 << 30, up_to=log.log_end_offset, min_one=True)
        data = memoryview(b"".join(bytes(b) for b in piece.buffers))
        return [
            bytes(record.value or b"").decode()
            for _, position, _ in iterate_batches(data)
            for record in iterate_records(data, position)
        ]


class Cluster:
    """Nodes, the links between them, and who leads ``t-0``."""

    def __init__(self, *ids: int, **settings: Any) -> None:
        self.ids = ids
        self.settings = settings
        self.configs = Configs()
        self.nodes: dict[int, Node] = {}
        self.cut: dict[tuple[int, int], None] = {}
        self.connections: list[Direct] = []
        self.fetches: dict[int, int] = {}
        self.leader = ids[0]
        self.isr: tuple[int, ...] = ids
        self.leader_epoch = 0
        self.partition_epoch = 0
        self.controller_epoch = 1
        self.broker_epochs = {broker: 100 + broker for broker in ids}
        self.alive = dict.fromkeys(ids)
        self.alter_requests: list[Any] = []
        self.controller_answers: list[Message] = []
        self.controller_open = asyncio.Event()
        self.controller_open.set()
        self.partitions = [0]

    async def __aenter__(self) -> Cluster:
        for broker in self.ids:
            self.nodes[broker] = Node(
                self, broker, self.broker_epochs[broker], MemoryFiles(WALL_MS), **self.settings
            )
            await self.nodes[broker].start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for node in self.nodes.values():
            await node.stop()

    def is_cut(self, a: int, b: int) -> bool:
        return (a, b) in self.cut or b not in self.nodes

    def isolate(self, broker: int) -> None:
        """Cut a broker from all others; connections break."""
        for other in self.ids:
            self.cut[broker, other] = None
            self.cut[other, broker] = None
        for connection in self.connections:
            if broker in (connection.follower, connection.leader):
                connection.break_()

    def heal(self) -> None:
        self.cut.clear()

    # The controller

    def update_metadata(self, **fields: Any) -> UpdateMetadataRequest:
        values: dict[str, Any] = {
            "controller_id": self.ids[0],
            "controller_epoch": self.controller_epoch,
            "broker_epoch": -1,
            "topic_states": [
                UpdateMetadataRequest.TopicState(
                    topic_name="t",
                    topic_id=TOPIC_ID,
                    partition_states=[
                        UpdateMetadataRequest.PartitionState(
                            partition_index=p,
                            controller_epoch=self.controller_epoch,
                            leader=self.leader,
                            leader_epoch=self.leader_epoch,
                            isr=list(self.isr),
                            zk_version=self.partition_epoch,
                            replicas=list(self.ids),
                            offline_replicas=[],
                        )
                        for p in self.partitions
                    ],
                )
            ],
            "live_brokers": [
                UpdateMetadataRequest.Broker(
                    id=b,
                    endpoints=[
                        UpdateMetadataRequest.Endpoint(
                            port=b, host="h", listener="PLAINTEXT", security_protocol=0
                        )
                    ],
                    rack=None,
                )
                for b in self.alive
            ],
        }
        return UpdateMetadataRequest(**{**values, **fields})

    def leader_and_isr(self, **fields: Any) -> LeaderAndIsrRequest:
        state: dict[str, Any] = {
            "controller_epoch": self.controller_epoch,
            "leader": self.leader,
            "leader_epoch": self.leader_epoch,
            "isr": list(self.isr),
            "partition_epoch": self.partition_epoch,
            "replicas": list(self.ids),
            "adding_replicas": [],
            "removing_replicas": [],
            "is_new": True,
            "leader_recovery_state": 0,
        }
        top = {
            key: fields.pop(key, default)
            for key, default in (
                ("controller_epoch", self.controller_epoch),
                ("broker_epoch", -1),
                ("topic_id", TOPIC_ID),
            )
        }
        state.update(fields)
        return LeaderAndIsrRequest(
            controller_id=self.ids[0],
            controller_epoch=top["controller_epoch"],
            broker_epoch=top["broker_epoch"],
            topic_states=[
                LeaderAndIsrRequest.TopicState(
                    topic_name="t",
                    topic_id=top["topic_id"],
                    partition_states=[
                        LeaderAndIsrRequest.PartitionState(partition_index=p, **state)
                        for p in self.partitions
                    ],
                )
            ],
            live_leaders=[],
        )

    async def announce(self, *only: int) -> None:
        """Tell brokers (all that run) who is alive and who leads."""
        for broker in only or self.nodes:
            await self.nodes[broker].manager.update_metadata(self.update_metadata())
        for broker in only or self.nodes:
            await self.nodes[broker].manager.become_leader_or_follower(self.leader_and_isr())
        await settle()

    def elect(self, leader: int, isr: tuple[int, ...] | None = None) -> None:
        """Decide (only decide) a new leader."""
        self.leader = leader
        self.isr = self.isr if isr is None else isr
        self.leader_epoch += 1
        self.partition_epoch += 1

    async def controller_send(self, sender: int, request: Any) -> Message:
        """AlterPartition: the checks of a real controller that matter here."""
        self.alter_requests.append(request)
        await self.controller_open.wait()
        if self.controller_answers:
            return self.controller_answers.pop(0)
        if request.broker_epoch != self.broker_epochs[sender]:
            return Message(error_code=ErrorCode.STALE_BROKER_EPOCH, topics=[])
        topics = []
        for topic in request.topics:
            answers = [self._alter(p) for p in topic.partitions]
            topics.append(Message(topic_id=topic.topic_id, partitions=answers))
        return Message(error_code=ErrorCode.NONE, topics=topics)

    def _alter(self, wanted: Any) -> Message:
        isr = tuple(member.broker_id for member in wanted.new_isr_with_epochs)
        error = ErrorCode.NONE
        if wanted.leader_epoch < self.leader_epoch:
            error = ErrorCode.FENCED_LEADER_EPOCH
        elif wanted.partition_epoch < self.partition_epoch and isr != self.isr:
            error = ErrorCode.INVALID_UPDATE_VERSION
        elif any(
            m.broker_id not in self.alive
            or m.broker_epoch not in (-1, self.broker_epochs[m.broker_id])
            for m in wanted.new_isr_with_epochs
        ):
            error = ErrorCode.INELIGIBLE_REPLICA
        elif isr != self.isr:
            self.isr = isr
            self.partition_epoch += 1
        return Message(
            partition_index=wanted.partition_index,
            error_code=error,
            leader_id=self.leader,
            leader_epoch=self.leader_epoch,
            isr=list(self.isr),
            leader_recovery_state=0,
            partition_epoch=self.partition_epoch,
        )

    # The client

    def produce(
        self,
        *values: str,
        broker: int | None = None,
        partition: int = 0,
        acks: int = -1,
        timeout_ms: int = 30_000,
    ) -> list[ProduceResult] | asyncio.Future[list[ProduceResult]]:
        node = self.nodes[self.leader if broker is None else broker]
        return node.manager.append(
            AppendRequest(acks, timeout_ms, [("t", partition, records(*values))])
        )

    async def produced(self, *values: str, **fields: Any) -> ProduceResult:
        outcome = self.produce(*values, **fields)
        results = outcome if isinstance(outcome, list) else await outcome
        return results[0]

    def consume(
        self, offset: int, *, broker: int | None = None, **fields: Any
    ) -> FetchResult | asyncio.Future[Fetched]:
        node = self.nodes[self.leader if broker is None else broker]
        entry = SessionPartition(
            topic=None,
            topic_id=TOPIC_ID,
            partition=0,
            fetch_offset=offset,
            max_bytes=1 << 20,
            current_leader_epoch=fields.pop("epoch", -1),
            last_fetched_epoch=fields.pop("last_epoch", -1),
        )
        values: dict[str, Any] = {"version": 17, "partitions": [entry], **fields}
        return node.manager.fetch(FetchParams(**values))


def code(call: Any, *args: Any, **fields: Any) -> ErrorCode:
    """The error a call raises."""
    try:
        call(*args, **fields)
    except KafkaError as error:
        return error.code
    return ErrorCode.NONE
