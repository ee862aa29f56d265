"""The parts of one broker that handlers use. ``broker/node.py`` puts them together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from barnabas.config.broker_config import BrokerConfig, Snapshot
from barnabas.config.topic_config import TopicConfig
from barnabas.controller.controller import Controller
from barnabas.coordinator.group.coordinator import GroupCoordinator
from barnabas.coordinator.transaction.coordinator import TransactionCoordinator
from barnabas.errors import ErrorCode, KafkaError
from barnabas.metadata_cache import MetadataCache
from barnabas.quotas.client_quotas import ClientQuotas
from barnabas.quotas.entities import Entity
from barnabas.replication.neighbours import Neighbours
from barnabas.replication.replica_manager import ReplicaManager
from barnabas.seams import Env
from barnabas.security.principal import KafkaPrincipal
from barnabas.storage.log_manager import LogManager
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.errors import ConnectionLoss, MalformedZNode, SessionExpired

if TYPE_CHECKING:
    from barnabas.authorizer.asking import PluggedAuthorizer
    from barnabas.authorizer.authorizer import AclAuthorizer
    from barnabas.plugins.checks import Policies
    from barnabas.security.tokens import DelegationToken

T = TypeVar("T")


class ProducerIdSource(Protocol):
    """Gives producer ids that no other broker gives out."""

    async def next(self) -> int:
        """A new id. Raises KafkaError(COORDINATOR_LOAD_IN_PROGRESS) if there is none."""
        ...


class TopicConfigSource(Protocol):
    """Topic settings from ZooKeeper, kept current by config change notifications."""

    def get(self, topic: str) -> TopicConfig: ...

    async def ensure(self, topics: Iterable[str]) -> None:
        """Read the settings of topics that are not known yet."""
        ...

    def forget(self, topic: str) -> None:
        """Forget a deleted topic: a new one of the same name may have other settings."""
        ...


class DynamicConfigSource(Protocol):
    """This broker's dynamic settings in ZooKeeper. ``Services.config`` changes with them."""

    def check(self, after: Snapshot) -> None:
        """Raises ConfigError if this broker could not run with these settings."""
        ...

    def readable(self, stored: Mapping[str, str]) -> dict[str, str]:
        """Settings of a broker as ZooKeeper holds them, with their passwords."""
        ...

    def storable(self, settings: Mapping[str, str], stored: Mapping[str, str]) -> dict[str, str]:
        """Settings as they take the place of ``stored`` there. ConfigError if a password cannot be
        encrypted."""
        ...

    async def read(self) -> None:
        """Read what was just written, without waiting for the notification."""
        ...


class FeatureSource(Protocol):
    """The cluster's finalized features."""

    @property
    def epoch(self) -> int:
        """The epoch of the features; -1 if it is not known yet."""
        ...


class UserSource(Protocol):
    """The SCRAM credentials with which clients log in to this broker."""

    async def refresh(self, user: str) -> None:
        """Read a user's credentials again, which have changed."""
        ...


class TokenSource(Protocol):
    """The delegation tokens of the cluster."""

    def __iter__(self) -> Iterator[DelegationToken]: ...

    async def create(
        self,
        owner: KafkaPrincipal,
        requester: KafkaPrincipal,
        renewers: Iterable[KafkaPrincipal],
        lifetime_ms: int,
    ) -> DelegationToken:
        """A new token. Raises KafkaError."""
        ...

    async def renew(self, hmac: bytes, by: KafkaPrincipal, period_ms: int) -> int:
        """Renew a token; returns when it ends now. Raises KafkaError."""
        ...

    async def expire(self, hmac: bytes, by: KafkaPrincipal, period_ms: int) -> int:
        """Expire a token; returns when it ends, or has ended. Raises KafkaError."""
        ...


class QuotaSource(Protocol):
    """The quotas that this broker obeys."""

    async def refresh(self, entity: Entity) -> None:
        """Read an entity's quotas again, which have changed."""
        ...


@dataclass(slots=True, kw_only=True)
class Services:
    """The parts of one broker, for its handlers."""

    env: Env
    config: BrokerConfig
    broker_id: int
    cluster_id: str
    zookeeper: ZooKeeperClient
    metadata: MetadataCache
    neighbours: Neighbours
    logs: LogManager
    replicas: ReplicaManager
    controller: Controller
    topic_configs: TopicConfigSource
    dynamic_config: DynamicConfigSource
    producer_ids: ProducerIdSource
    groups: GroupCoordinator
    transactions: TransactionCoordinator
    features: FeatureSource
    users: UserSource
    quotas: ClientQuotas
    quota_configs: QuotaSource
    authorizer: AclAuthorizer | PluggedAuthorizer | None = None
    """None if everybody may do everything."""
    tokens: TokenSource | None = None
    """None if delegation tokens are disabled."""
    policies: Policies | None = None
    """Plug-ins that may refuse topics and settings; None if there are none."""
    quota_user: Callable[[KafkaPrincipal], str] | None = None
    """The name by which quotas know a principal; None: its own."""
    creations: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    """Topics that are now being written to ZooKeeper."""
    creating_topics: dict[str, None] = field(default_factory=dict)
    """Internal topics that this broker is now creating."""

    async def in_zookeeper(self, flow: Awaitable[T]) -> T:
        """The result of a flow over ZooKeeper that a client has asked for.

        Raises REQUEST_TIMED_OUT if the session ends before, or if nothing comes within
        ``request.timeout.ms``. Then it is unknown what was written, and clients ask again. Raises
        UNKNOWN_SERVER_ERROR for a znode that cannot be read."""
        try:
            async with asyncio.timeout(self.config.integer("request.timeout.ms") / 1000):
                return await flow
        except (ConnectionLoss, SessionExpired, TimeoutError):
            raise KafkaError(
                ErrorCode.REQUEST_TIMED_OUT, "This broker has lost its connection to ZooKeeper."
            ) from None
        except MalformedZNode as error:
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, str(error)) from None

    async def metadata_shows(self, condition: Callable[[], bool], timeout_ms: int) -> bool:
        """Wait until ``condition`` is true for the metadata cache; False if the time is up."""
        if condition():
            return True
        changed = asyncio.Event()
        unsubscribe = self.metadata.subscribe(changed.set)
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                while not condition():
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            return condition()
        finally:
            unsubscribe()
        return True

    async def metadata_late(
        self, items: Iterable[T], is_shown: Callable[[T], bool], timeout_ms: int
    ) -> list[T]:
        """Wait until the metadata cache shows all of ``items``. Returns those that it does not show
        in time."""
        items = list(items)
        waiting = list(items)

        def all_shown() -> bool:
            while waiting and is_shown(waiting[-1]):  # stops at the first one that is not shown
                waiting.pop()
            return not waiting

        if items and timeout_ms > 0:
            await self.metadata_shows(all_shown, timeout_ms)
        return [item for item in items if not is_shown(item)]
