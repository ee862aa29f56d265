"""The cluster of a seed: where its processes run, the settings of its brokers and topics, and a
broker as a process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tests.simulation import plugged
from tests.simulation.bearers import SETTINGS as TOKEN_SETTINGS
from tests.simulation.guarded import SETTINGS as GUARDED_SETTINGS
from tests.simulation.nodes import Main
from tests.simulation.options import HOSTILE, Options

from barnabas.broker import node
from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError, FatalError
from barnabas.seams import Env
from barnabas.security.sasl import scram
from barnabas.security.sasl.mechanism import SCRAM_SHA_256
from barnabas.zk.admin import change_config
from barnabas.zk.paths import user_entity
from barnabas.zookeeper.client.client import ZooKeeperClient

WATCHED_SETTINGS = {
    "barnabas.http.listener": "127.0.0.1:9404",
    "barnabas.events.file": "/events.jsonl",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where processes run."""

    together: bool
    """Everything on one machine, as ``barnabas up`` has it; else a machine for each."""
    brokers: int = 3

    @property
    def ids(self) -> tuple[int, ...]:
        """The brokers."""
        return tuple(range(1, self.brokers + 1))

    def host(self, broker: int) -> str:
        """The machine of a broker."""
        return "m" if self.together else f"b{broker}"

    @property
    def coordinator(self) -> str:
        """host:port"""
        return "127.0.0.1:2181" if self.together else "zk:2181"

    def listener(self, broker: int) -> str:
        """host:port"""
        return f"{self.host(broker)}:{9091 + broker}"

    def inside(self, broker: int) -> str:
        """host:port of the listener between brokers, if there is one of its own."""
        return f"{self.host(broker)}:{9191 + broker}"

    @property
    def bootstrap(self) -> str:
        """Of all brokers."""
        return ",".join(self.listener(broker) for broker in self.ids)


def settings(broker: int, layout: Layout, options: Options) -> dict[str, str]:
    """server.properties of one broker."""
    more = dict(GUARDED_SETTINGS) if options.acls else {}
    if options.retention:
        more |= {"log.retention.check.interval.ms": "1000", "log.initial.task.delay.ms": "1000"}
    if options.compacted:
        more |= {
            "log.cleaner.backoff.ms": "400",
            "log.cleaner.min.cleanable.ratio": "0.05",
            "offsets.topic.segment.bytes": "2000",
        }
    if options.members:
        more |= {
            "offsets.topic.num.partitions": "2",
            "group.initial.rebalance.delay.ms": "300",
            "group.min.session.timeout.ms": "1000",
        }
    if options.tokens:
        more |= TOKEN_SETTINGS
    if options.racks:
        more |= {"broker.rack": rack_of(broker), "replica.selector.class": "rack-aware"}
    if options.plugged:
        more |= plugged.SETTINGS | (plugged.SELECTOR if options.racks else {})
    if options.watched:
        more |= WATCHED_SETTINGS
    if options.secure or options.tokens:
        more |= _between_brokers(layout.listener(broker), layout.inside(broker))
    return {
        "broker.id": str(broker),
        "zookeeper.session.timeout.ms": "6000",
        **_bounds(broker, layout, options),
        "log.dirs": data_directory(broker),
        "zookeeper.connect": layout.coordinator,
        "replica.lag.time.max.ms": "8000",
        "min.insync.replicas": "2",
        "default.replication.factor": "3",
        "log.flush.before.ack": "true" if options.flush else "false",
        "leader.imbalance.check.interval.seconds": str(options.rebalance_s),
        "inter.broker.protocol.version": options.protocol or "3.9",
        **more,
    }


def rack_of(number: int) -> str:
    """Of a broker, and of the consumer of this number."""
    return f"r{number}"


def _between_brokers(clients: str, inside: str) -> dict[str, str]:
    """A listener of SCRAM for the brokers, whose sessions are short."""
    return {
        "listeners": f"PLAINTEXT://{clients},INSIDE://{inside}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,INSIDE:SASL_PLAINTEXT",
        "inter.broker.listener.name": "INSIDE",
        "sasl.enabled.mechanisms": SCRAM_SHA_256,
        "sasl.mechanism.inter.broker.protocol": SCRAM_SHA_256,
        "listener.name.inside.scram-sha-256.sasl.jaas.config": f"{scram.MODULE} required"
        ' username="broker" password="secret";',
        "connections.max.reauth.ms": "2500",
    }


async def add_broker_user(env: Env, servers: str) -> None:
    """The brokers' own, as ``barnabas user add --zookeeper`` does it, however often it takes."""
    salted = scram.salted_password(SCRAM_SHA_256, b"secret", b"salt", 4096)
    text = scram.credential_of(SCRAM_SHA_256, salted, b"salt", 4096).text()
    zookeeper = ZooKeeperClient(env, servers, 6000)
    await zookeeper.connect()
    await change_config(zookeeper, user_entity("broker"), lambda _: {SCRAM_SHA_256: text})
    await zookeeper.close()


def _bounds(broker: int, layout: Layout, options: Options) -> dict[str, str]:
    """Listeners, and where clients are hostile bounds that these reach. What orders would do that
    are right in all but who gives them is no question: brokers have a listener of their own."""
    found = {"listeners": f"PLAINTEXT://{layout.listener(broker)}"}
    if any(kind in HOSTILE for kind in options.kinds):
        found |= {
            "socket.request.max.bytes": "1048576",
            "queued.max.request.bytes": "1048576",
            "barnabas.queued.max.answer.bytes": "1048576",
            "barnabas.unfinished.request.timeout.ms": "3000",
            "offsets.topic.num.partitions": "2",
            "transaction.state.log.num.partitions": "2",
        }
    if all(kind in HOSTILE for kind in options.kinds):
        found["zookeeper.session.timeout.ms"] = "2000"
    if "malicious" in options.kinds:
        clients, inside = layout.listener(broker), layout.inside(broker)
        found |= {
            "listeners": f"CLIENTS://{clients},BROKERS://{inside}",
            "listener.security.protocol.map": "CLIENTS:PLAINTEXT,BROKERS:PLAINTEXT",
            "inter.broker.listener.name": "BROKERS",
        }
    return found


def topic_settings(options: Options) -> dict[str, str]:
    """Of the clients' topic."""
    found = {}
    if options.segment_bytes:
        found["segment.bytes"] = str(options.segment_bytes)
    if options.retention:
        found["retention.bytes"] = str(4 * options.segment_bytes)
    return found


KEYED_SETTINGS = {"cleanup.policy": "compact", "segment.bytes": "1000"}


def data_directory(broker: int) -> str:
    """log.dirs of a broker."""
    return f"/data/{broker}"


def broker_main(broker: int, layout: Layout, options: Options) -> Main:
    """The real broker; what it reports as its reason to stop is not a fault of the run."""

    async def main(env: Env) -> None:
        try:
            config = BrokerConfig(settings(broker, layout, options))
            await node.main(env, config, asyncio.Event())
        except* (ConfigError, FatalError) as reasons:
            env.observer.note("gave_up", why=str(reasons.exceptions[0]))

    return main
