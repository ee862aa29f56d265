"""What handlers work with: the parts of one broker, put together by ``broker/node.py``."""

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
    from barnabas.authorizer.authorizer import AclAuthorizer
    from barnabas.security.tokens import DelegationToken

T = TypeVar("T")


class ProducerIdSource(Protocol):
    """Producer ids that no other broker hands out."""

    async def next(self) -> int:
        """A fresh id. Raises KafkaError(COORDINATOR_LOAD_IN_PROGRESS) if no block can be had."""
        ...


class TopicConfigSource(Protocol):
    """Topic settings as ZooKeeper holds them, kept current by config change notifications."""

    def get(self, topic: str) -> TopicConfig: ...

    async def ensure(self, topics: Iterable[str]) -> None:
        """Read the settings of topics that are not known yet."""
        ...

    def forget(self, topic: str) -> None:
        """The topic is gone; one of the same name may come with other settings."""
        ...


class DynamicConfigSource(Protocol):
    """This broker's dynamic settings as ZooKeeper holds them; ``Services.config`` follows."""

    def check(self, after: Snapshot) -> None:
        """ConfigError if this broker could not run with what is to be written."""
        ...

    def readable(self, stored: Mapping[str, str]) -> dict[str, str]:
        """Settings of a broker as ZooKeeper holds them, with their passwords."""
        ...

    def storable(self, settings: Mapping[str, str], stored: Mapping[str, str]) -> dict[str, str]:
        """Settings as they take the place of ``stored`` there. ConfigError if a password cannot be
        encrypted."""
        ...

    async def read(self) -> None:
        """Take over what was just written, without waiting for the notification."""
        ...


class FeatureSource(Protocol):
    """The cluster's finalized features."""

    @property
    def epoch(self) -> int:
        """Of the features in force; -1 if not known yet."""
        ...


class UserSource(Protocol):
    """The SCRAM credentials with which clients log in to this broker."""

    async def refresh(self, user: str) -> None:
        """Read a user's again: they have changed."""
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
        """A new one. Raises KafkaError."""
        ...

    async def renew(self, hmac: bytes, by: KafkaPrincipal, period_ms: int) -> int:
        """When it ends now. Raises KafkaError."""
        ...

    async def expire(self, hmac: bytes, by: KafkaPrincipal, period_ms: int) -> int:
        """When it ends, or has ended just now. Raises KafkaError."""
        ...


class QuotaSource(Protocol):
    """The quotas that this broker obeys."""

    async def refresh(self, entity: Entity) -> None:
        """Read an entity's again: they have changed."""
        ...


@dataclass(slots=True, kw_only=True)
class Services:
    """One broker, as its handlers see it."""

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
    authorizer: AclAuthorizer | None = None
    """None: everybody may do everything."""
    tokens: TokenSource | None = None
    """None: there are no delegation tokens."""
    creations: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    """Topics that are being written to ZooKeeper right now."""
    creating_topics: dict[str, None] = field(default_factory=dict)
    """Internal topics that this broker is creating right now."""

    async def in_zookeeper(self, flow: Awaitable[T]) -> T:
        """What a flow over ZooKeeper gives that a client has asked for. Raises KafkaError:
        REQUEST_TIMED_OUT, which clients meet by asking again, if the session ends meanwhile or
        nothing comes for ``request.timeout.ms``. Nobody knows then what has been written.
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
        """Wait until the metadata cache satisfies ``condition``; False when time is up."""
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
        """Wait until the metadata cache shows all of ``items``; those that it does not in time."""
        items = list(items)
        waiting = list(items)

        def all_shown() -> bool:
            while waiting and is_shown(waiting[-1]):  # looks no further than the first that is not
                waiting.pop()
            return not waiting

        if items and timeout_ms > 0:
            await self.metadata_shows(all_shown, timeout_ms)
        return [item for item in items if not is_shown(item)]
