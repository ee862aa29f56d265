"""KafkaContainer of testcontainers-python 4.15, without Docker: a test cluster with the same
methods.

Only one line of a test changes: ``from barnabas.testing.containers import KafkaContainer``. A call
without a meaning here warns (``NoMeaning``). A call that would have to return an object of Docker's
raises NotImplementedError, and its text says what to use here. docs/testing-migration.md has a
table.
"""

from __future__ import annotations

import os
import re
import shlex
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn, Self

from barnabas.config.settings import SETTINGS, no_effect
from barnabas.config.sources import from_environment, parse_properties
from barnabas.testing.cluster import START_TIMEOUT_S, Cluster

__all__ = ["KafkaContainer", "NoMeaning", "kafka_config"]

PLAINTEXT: Final = "PLAINTEXT"
KAFKA_PORT: Final = 9093
"""The port of testcontainers' container for clients."""
ZOOKEEPER_PORT: Final = 2181
OTHER_PORTS: Final = (9092, 9094)
"""Its ports for its Docker network and for KRaft's controller."""

_OURS: Final = frozenset(
    {
        "advertised.listeners",
        "broker.id",
        "inter.broker.listener.name",
        "listener.security.protocol.map",
        "listeners",
        "log.dir",
        "log.dirs",
        "node.id",
        "process.roles",
        "zookeeper.connect",
    }
)
"""Settings that the cluster decides. Tests set them for Docker or KRaft only."""
_ELSEWHERE: Final = ("confluent.", "controller.", "metric.reporters", "rest.")
"""Prefixes of settings that only Docker images use, and neither Kafka in ZooKeeper mode nor
Barnabas."""


class NoMeaning(UserWarning):
    """A call or option of a container that has no effect here."""


@dataclass(slots=True)
class KafkaConfig:
    """testcontainers' ``kafka_config``. It is about Docker's networks, so it has no effect here."""

    limit_broker_to_first_host: bool = field(
        default_factory=lambda: os.environ.get("TC_KAFKA_LIMIT_BROKER_TO_FIRST_HOST") == "true"
    )


kafka_config = KafkaConfig()


class KafkaContainer:
    """A broker for tests under the methods of testcontainers' KafkaContainer.

    ``image`` is remembered but has no effect: Barnabas runs, which to clients is Kafka 3.9 in
    ZooKeeper mode. ``brokers`` and ``in_process`` are additions, passed on to ``Cluster``. While it
    runs, ``cluster`` is that ``Cluster``, which can cause failures.
    """

    TC_START_SCRIPT = "/tc-start.sh"
    MIN_KRAFT_TAG = "7.0.0"

    def __init__(
        self,
        image: str = "confluentinc/cp-kafka:7.6.0",
        port: int = KAFKA_PORT,
        wait_strategy_check_string: str = r".*\[KafkaServer id=\d+\] started.*",
        listener_name: str = PLAINTEXT,
        security_protocol: str = PLAINTEXT,
        *,
        brokers: int = 1,
        in_process: bool = True,
        env: Mapping[str, str] | None = None,
        ports: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        """``env`` and ``ports`` are as in ``with_envs`` and ``with_exposed_ports``. All other
        ``kwargs`` are Docker's, and warn. Raises ValueError for ``port_to_expose``, the old name of
        ``port``; NotImplementedError for a ``security_protocol`` other than PLAINTEXT."""
        if "port_to_expose" in kwargs:
            raise ValueError("Use `port` instead of `port_to_expose`")
        self.image = image
        self.port = port
        self.env = dict(env or {})
        self.ports: dict[str | int, str | int | None] = {port: None}
        self.listener_name = listener_name
        self.security_protocol = security_protocol
        self.security_protocol_map = f"BROKER:PLAINTEXT,{listener_name}:{security_protocol}"
        _check_protocols(self.security_protocol_map)
        self.kraft_enabled = False
        self.cluster_id = "MkU3OEVBNTcwNTJENDM2Qk"
        self.wait_for = re.compile(wait_strategy_check_string)
        self._brokers = brokers
        self._in_process = in_process
        self._cluster: Cluster | None = None
        self._has_run = False
        self.with_exposed_ports(*(ports or ()))
        for name in kwargs:
            _no_meaning(f"KafkaContainer({name}=…)", "it is an option of Docker's", caller=2)

    # What it is to be

    def with_env(self, key: str, value: str) -> Self:
        """``KAFKA_*`` are settings of brokers, as in testcontainers. ``start`` reads them."""
        self.env[key] = value
        return self

    def with_envs(self, **variables: str) -> Self:
        """Set several variables."""
        self.env.update(variables)
        return self

    def with_env_file(self, env_file: str | os.PathLike[str]) -> Self:
        """A file of lines ``KEY=value``."""
        with open(env_file, encoding="utf-8") as file:
            return self.with_envs(**parse_properties(file.read()))

    def with_exposed_ports(self, *ports: str | int) -> Self:
        """Ports of the container to ask ``get_exposed_port`` for. The broker's is always."""
        for port in ports:
            self.ports.setdefault(port, None)
        return self

    def with_bind_ports(self, container: str | int, host: str | int | None = None) -> Self:
        """``host`` is the port on which the first broker then listens, and further brokers on the
        next ones, if ``container`` is one of a broker's ports. OSError at the start if it is
        taken."""
        self.ports[container] = host
        return self

    def with_kraft(self) -> Self:
        """Remembered: Barnabas has no KRaft, and clients see no difference. ValueError for an
        ``image`` that has none either, as the original."""
        tag = self.image.rpartition(":")[2]
        if _version(tag) < _version(self.MIN_KRAFT_TAG):
            raise ValueError(
                f"Provided Confluent Platform's version {tag} is not supported in Kraft mode"
                f" (must be {self.MIN_KRAFT_TAG} or above)"
            )
        self.kraft_enabled = True
        self.wait_for = re.compile(".*Kafka Server started.*")
        return self

    def with_cluster_id(self, cluster_id: str) -> Self:
        self.cluster_id = cluster_id
        return self._ignored("with_cluster_id", "the cluster's id is drawn by its first broker")

    def with_command(self, command: str | list[str]) -> Self:
        """Changes nothing, as in the original, whose ``start`` sets the command."""
        return self

    def with_name(self, name: str) -> Self:
        return self._ignored("with_name", "there is no container to be named")

    def with_network(self, network: object) -> Self:
        return self._ignored("with_network", "brokers listen on the loopback of this machine")

    def with_network_aliases(self, *aliases: str) -> Self:
        return self._ignored("with_network_aliases", "brokers are reached by their address")

    def with_kwargs(self, **kwargs: Any) -> Self:
        return self._ignored("with_kwargs", "these are options of Docker's")

    def with_volume_mapping(
        self, host: str | os.PathLike[str], container: str, mode: str = "ro"
    ) -> Self:
        return self._ignored("with_volume_mapping", "Cluster(directory=…) keeps the brokers' files")

    def with_tmpfs_mount(self, container_path: str, size: str | None = None) -> Self:
        return self._ignored("with_tmpfs_mount", "files are in memory anyway")

    def with_copy_into_container(
        self, transferable: object, destination_in_container: str, mode: int = 0o644
    ) -> Self:
        return self._ignored("with_copy_into_container", "there is no file system of a container")

    def maybe_emulate_amd64(self) -> Self:
        """Nothing to emulate: it runs wherever Python does."""
        return self

    def waiting_for(self, strategy: object) -> Self:
        return self._ignored("waiting_for", "start returns when the broker serves")

    def _ignored(self, method: str, why: str) -> Self:
        _no_meaning(f"KafkaContainer.{method}", why, caller=3)
        return self

    # Its life

    def configure(self) -> None:
        """Called by ``start``; for subclasses."""

    def tc_start(self) -> None:
        """Called by ``start`` once the broker serves; for subclasses."""

    def start(self, timeout: float = START_TIMEOUT_S) -> Self:
        """Returns when the broker serves; nothing happens if it does already. Raises TimedOut,
        OSError for a port that is taken, ConfigError for a setting that it cannot run with."""
        if self._cluster is not None:
            return self
        self.configure()
        cluster = Cluster(
            self._brokers,
            in_process=self._in_process,
            settings=_settings(self.env),
            port=self._bound_port(),
            start_timeout_s=timeout,
        )
        self._cluster = cluster.start()
        self._has_run = True
        self.tc_start()
        return self

    def stop(self, force: bool = True, delete_volume: bool = True) -> None:
        """End it at once, with all that it held; a second call does nothing."""
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            cluster.close()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.stop()

    # What it is

    @property
    def cluster(self) -> Cluster:
        """The running cluster, whose brokers can be killed, paused, isolated and so on. It is an
        addition to testcontainers. Raises RuntimeError if the container is not started."""
        if self._cluster is None:
            raise RuntimeError("the container is not started")
        return self._cluster

    def get_bootstrap_server(self) -> str:
        """``host:port`` of each broker, separated by commas."""
        return self.cluster.bootstrap

    def get_container_host_ip(self) -> str:
        """127.0.0.1."""
        return self.cluster.address_of(1).rpartition(":")[0]

    def get_exposed_port(self, port: int) -> int:
        """The port on this machine for a port of the container: that of the first broker, or 2181
        for ZooKeeper. Raises ConnectionError if it was not exposed, as testcontainers does."""
        cluster = self.cluster
        if port in self.ports:
            if self._is_kafka(port):
                return _port(cluster.address_of(1))
            if port == ZOOKEEPER_PORT:
                return _port(cluster.zookeeper)
        raise ConnectionError(f"Port mapping for port {port} is not available")

    def get_logs(self) -> tuple[bytes, bytes]:
        """As standard output, the lines that Kafka logs after its start, and then the cluster's
        events. Standard error is empty."""
        started = [
            f"[KafkaServer id={broker}] started (kafka.server.KafkaServer)\n"
            f"[KafkaRaftServer nodeId={broker}] Kafka Server started (kafka.server.KafkaRaftServer)"
            for broker in self.cluster.brokers
        ]
        return "\n".join([*started, self.cluster.timeline(), ""]).encode(), b""

    @property
    def status(self) -> str:
        """``not_started``, ``running`` or ``exited``."""
        if self._cluster is not None:
            return "running"
        return "exited" if self._has_run else "not_started"

    def reload(self) -> None:
        """Does nothing: no state is cached."""

    def get_container_id(self) -> str:
        """A name of this container, for logs."""
        return self.get_wrapped_container().id

    def get_container_info(self) -> None:
        """None, since Docker has nothing to inspect here."""

    def get_wrapped_container(self) -> WrappedContainer:
        """The container object of Docker's library, with the methods that have a meaning here."""
        return WrappedContainer(self)

    # Not possible without Docker

    def get_docker_client(self) -> NoReturn:
        raise _impossible("get_docker_client", "there is no Docker here")

    def exec(self, command: str | list[str]) -> NoReturn:
        told = command if isinstance(command, str) else shlex.join(command)
        way = "run tools here, with get_bootstrap_server()"
        if "kafka-topics" in told:
            way = "container.cluster.create_topic(name, partitions=…, replicas=…) makes a topic"
        raise _impossible("exec", f"there is no container to run {told!r} in; {way}")

    def wait(self) -> NoReturn:
        raise _impossible("wait", "a broker does not end by itself")

    def create_file(self, content: bytes, path: str) -> NoReturn:
        raise _impossible("create_file", "with_env sets what a file in the container would set")

    def copy_into_container(
        self, transferable: object, destination_in_container: str, mode: int = 0o644
    ) -> NoReturn:
        raise _impossible("copy_into_container", "with_env sets what a file in it would set")

    def copy_from_container(self, source_in_container: str, destination_on_host: Path) -> NoReturn:
        raise _impossible("copy_from_container", "Cluster(directory=…) keeps the brokers' files")

    def _is_kafka(self, port: str | int) -> bool:
        return _number(port) in (self.port, *OTHER_PORTS)

    def _bound_port(self) -> int | None:
        """The port on this machine that was given for the first broker, if any."""
        named = [h for c, h in self.ports.items() if h is not None and self._is_kafka(c)]
        return None if not named else int(named[0])


class WrappedContainer:
    """The methods of a container of Docker's library that have a meaning here. They act on the
    first broker."""

    def __init__(self, container: KafkaContainer) -> None:
        self._container = container

    @property
    def status(self) -> str:
        return self._container.status

    @property
    def name(self) -> str:
        return "barnabas"

    id = short_id = name

    def reload(self) -> None: ...

    def logs(self, stdout: bool = True, stderr: bool = True, **_: object) -> bytes:
        return self._container.get_logs()[0] if stdout else b""

    def pause(self) -> None:
        """Stop the broker from running; its connections stay open."""
        self._container.cluster.pause(1)

    def unpause(self) -> None:
        self._container.cluster.resume(1)

    def kill(self, signal: object = None) -> None:
        """Crash the broker, whatever the signal. ``start`` starts it again, with its records."""
        self._container.cluster.kill(1)

    def stop(self, **_: object) -> None:
        """Shut the broker down cleanly. ``start`` starts it again, with its records."""
        self._container.cluster.stop(1)

    def start(self, **_: object) -> None:
        self._container.cluster.restart(1)

    def restart(self, **_: object) -> None:
        self._container.cluster.restart(1)


def _settings(env: Mapping[str, str]) -> dict[str, str]:
    """The brokers' settings from ``KAFKA_*``. Raises NotImplementedError for listeners other than
    PLAINTEXT."""
    texts = {key: str(value) for key, value in env.items()}
    found = from_environment(texts, SETTINGS)
    _check_protocols(found.get("listener.security.protocol.map", ""))
    for name in found:
        if name not in SETTINGS and not name.startswith(_ELSEWHERE):
            warnings.warn(no_effect(name), NoMeaning, stacklevel=3)
    return {k: v for k, v in found.items() if k in SETTINGS and k not in _OURS}


def _check_protocols(text: str) -> None:
    """Check the protocols in ``NAME:PROTOCOL,…``. Raises NotImplementedError."""
    for listener in filter(None, map(str.strip, text.split(","))):
        protocol = listener.partition(":")[2]
        if protocol != PLAINTEXT:
            raise NotImplementedError(
                f"{listener}: test clusters have only {PLAINTEXT}; `barnabas up --secure` starts"
                " one with TLS and logins"
            )


def _no_meaning(what: str, why: str, *, caller: int) -> None:
    """Warn. ``caller`` is the number of calls between this one and the test."""
    warnings.warn(f"{what} changes nothing: {why}", NoMeaning, stacklevel=caller + 1)


def _impossible(method: str, why: str) -> NotImplementedError:
    return NotImplementedError(f"KafkaContainer.{method}: {why}")


def _number(port: str | int) -> int:
    """The number of a port, which may be ``"9093/tcp"``."""
    return int(str(port).partition("/")[0])


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _version(tag: str) -> tuple[int, ...]:
    """A version for comparison. A tag that is not a number, such as ``latest``, is the newest."""
    numbers = tag.split("-")[0].split(".")
    return tuple(map(int, numbers)) if all(n.isdigit() for n in numbers) else (10**9,)
