"""The plan of a local cluster: its processes, their ports, directories and settings. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from barnabas.cluster.profiles import DEV, Profile
from barnabas.config.http_listener import HttpListener, parse_http_listener

COORDINATOR = "coordinator"
HTTP_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPlan:
    """A cluster on one machine: ``brokers`` brokers with ids from 1, on consecutive ports."""

    directory: str
    brokers: int = 3
    host: str = "127.0.0.1"
    port: int = 9092
    ports: tuple[int, ...] = ()
    """The brokers' ports, if they are not consecutive; ``port`` is the first of them."""
    zookeeper_host: str = "127.0.0.1"
    """The embedded coordinator's address. By default only this machine can reach it."""
    zookeeper_port: int = 2181
    zookeeper: str | None = None
    """host:port[,host:port...][/chroot] of a running ZooKeeper; None to start the embedded one."""
    protocol: str = "PLAINTEXT"
    """The security protocol of each broker's only listener."""
    security: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The settings that this protocol needs on every broker."""
    coordinator_users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Passwords of the users of the embedded coordinator. Without any it requires no login."""
    coordinator_identity: tuple[str, str] | None = field(default=None, repr=False)
    """The coordinator's key and certificates in PEM, for TLS."""
    http_ports: tuple[int, ...] = ()
    """The brokers' ports for metrics, health and events, if they have any."""
    coordinator_http_port: int | None = None
    """The same of the embedded coordinator."""
    http_token: str | None = field(default=None, repr=False)
    """What their readers must send."""
    racks: tuple[str, ...] = ()
    """The racks of the brokers, in the order of their ids; empty: they have none."""
    profile: Profile = DEV
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def broker_ids(self) -> range:
        return range(1, self.brokers + 1)

    @property
    def zookeeper_connect(self) -> str:
        return self.zookeeper or f"{self.zookeeper_host}:{self.zookeeper_port}"

    @property
    def bootstrap(self) -> str:
        return ",".join(f"{self.host}:{self.broker_port(i)}" for i in self.broker_ids)

    def broker_port(self, broker_id: int) -> int:
        return self.ports[broker_id - 1] if self.ports else self.port + broker_id - 1

    @property
    def coordinator_directory(self) -> str:
        return f"{self.directory}/coordinator"

    def broker_settings(self, broker_id: int) -> dict[str, str]:
        """server.properties of one broker: what a cluster on one machine needs, then the overrides
        of the command line. All other settings have Kafka's defaults."""
        replicas = str(min(3, self.brokers))
        return {
            "broker.id": str(broker_id),
            "listeners": f"{self.protocol}://{self.host}:{self.broker_port(broker_id)}",
            "zookeeper.connect": self.zookeeper_connect,
            "log.dirs": f"{self.directory}/broker-{broker_id}",
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            **self._http_settings(broker_id),
            **({"broker.rack": self.racks[broker_id - 1]} if self.racks else {}),
            **self.profile.settings,
            **self.security,
            **self.overrides,
        }

    def http_url(self, broker_id: int) -> str | None:
        """Where a broker shows metrics, health and events; None if it does not."""
        port = self.http_ports[broker_id - 1] if self.http_ports else None
        return None if port is None else f"http://{HTTP_HOST}:{port}"

    @property
    def coordinator_http(self) -> HttpListener | None:
        """Where the embedded coordinator shows the same; None if it does not."""
        if self.coordinator_http_port is None:
            return None
        place = f"{HTTP_HOST}:{self.coordinator_http_port}"
        return parse_http_listener(place, self.http_token)

    def _http_settings(self, broker_id: int) -> dict[str, str]:
        if not self.http_ports:
            return {}
        found = {"barnabas.http.listener": f"{HTTP_HOST}:{self.http_ports[broker_id - 1]}"}
        if self.http_token is not None:
            found["barnabas.http.token"] = self.http_token
        return found

    def log_path(self, name: str) -> str:
        """The log file of the process ``name``."""
        return f"{self.directory}/{name.replace(':', '-')}.log"

    def process_names(self) -> list[str]:
        """The names of all processes, in the order in which they start."""
        names = [f"broker:{i}" for i in self.broker_ids]
        return names if self.zookeeper else [COORDINATOR, *names]
