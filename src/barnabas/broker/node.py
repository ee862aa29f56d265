"""KafkaServer: one broker from start to stop. ``async def main(env, ...)`` puts its parts together.

The order of a start is: ZooKeeper session, identity, log directories, recovery, listeners,
registration. Only then it may become controller: a broker has no role before it is registered in
its own session. The order of a stop is: hand over leaderships, close connections, close the
session, flush logs and mark them clean. The original flushes before; meanwhile there is no
controller, if it was the controller, and leaders wait for what has just followed them.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from barnabas.api.dispatch import Dispatcher
from barnabas.api.services import Services
from barnabas.broker.config_changes import ConfigChanges
from barnabas.broker.controlled_shutdown import hand_over
from barnabas.broker.dynamic_config import DynamicBrokerConfig
from barnabas.broker.features import FinalizedFeatures
from barnabas.broker.identity import identify
from barnabas.broker.key_stores import KeyStores
from barnabas.broker.listeners import BrokerListeners
from barnabas.broker.membership import Membership
from barnabas.broker.network import NetworkServer
from barnabas.broker.observation import observed
from barnabas.broker.producer_ids import BlocksOfController, BlocksOfZooKeeper, ProducerIds
from barnabas.broker.protection import (
    authorizer,
    client_security,
    delegation_tokens,
    plug_ins,
    zookeeper_security,
)
from barnabas.broker.quota_configs import QuotaConfigs
from barnabas.broker.room_settings import (
    client_quotas,
    connection_limits,
    controller_settings,
    group_settings,
    log_manager_settings,
    network_settings,
    replication_quotas,
    replication_settings,
    set_throttled_replicas,
    transaction_settings,
    zookeeper_in_flight,
)
from barnabas.broker.scram_credentials import ScramCredentials
from barnabas.broker.setting_followers import (
    follow_in_controller,
    follow_in_listeners,
    follow_in_logs,
    follow_in_network,
    follow_in_transactions,
)
from barnabas.broker.tasks import BrokerTasks, unless_stopped
from barnabas.broker.topic_configs import TopicConfigRepository
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.settings import SETTINGS, no_effect
from barnabas.config.topic_config import TopicConfig
from barnabas.controller.controller import Controller
from barnabas.controller.tcp import connect_over_tcp
from barnabas.coordinator.group.coordinator import GroupCoordinator
from barnabas.coordinator.transaction.coordinator import TransactionCoordinator
from barnabas.errors import ConfigError, FatalError
from barnabas.metadata_cache import MetadataCache
from barnabas.replication.alter_partition_manager import AlterPartitionManager
from barnabas.replication.controller_channel import ControllerChannel, channel_connector
from barnabas.replication.deposed import DeposedLeaders
from barnabas.replication.leader_connection import leader_connector
from barnabas.replication.neighbours import Neighbours
from barnabas.replication.replica_manager import ReplicaManager
from barnabas.seams import Env
from barnabas.storage.log_manager import LogManager
from barnabas.types import Broker, Endpoint
from barnabas.zk.startup import notify_log_dir_failure
from barnabas.zk.states import read_states
from barnabas.zookeeper.client.client import SessionState, ZooKeeperClient
from barnabas.zookeeper.client.operations import WatchEvent
from barnabas.zookeeper.errors import SessionExpired, ZooKeeperError

if TYPE_CHECKING:
    from barnabas.authorizer.asking import PluggedAuthorizer
    from barnabas.authorizer.authorizer import AclAuthorizer

log = logging.getLogger("kafka.server")

FIRST_BLOCK_TIMEOUT_S = 5.0
DOUBT_POLL_S = 0.1


async def main(
    env: Env,
    config: BrokerConfig,
    stop: asyncio.Event,
    *,
    on_ready: Callable[[], None] = lambda: None,
    make: Callable[[Env, BrokerConfig, asyncio.TaskGroup], Node] | None = None,
) -> None:
    """Run a broker until ``stop`` is set. Raises ConfigError if it cannot start; any other
    exception is a bug that ends it. ``on_ready`` is called once it is registered and serves.
    ``make`` makes another ``Node``, for tests."""
    async with asyncio.TaskGroup() as tasks:
        node = (make or Node)(env, config, tasks)
        try:
            await node.start(stop)
            if not stop.is_set():
                on_ready()
                await stop.wait()
        except SessionExpired as error:  # before registration; later ones are followed
            raise FatalError("the ZooKeeper session expired while starting") from error
        except ZooKeeperError as error:
            raise ConfigError(f"zookeeper.connect: {error}, while starting") from error
        finally:
            await node.stop(orderly=stop.is_set())


class _Follower(Protocol):
    """Keeps a copy of something in ZooKeeper."""

    def on_event(self, event: WatchEvent) -> None: ...

    def on_new_session(self) -> None: ...


class Node:
    """The parts of one broker and their order of life."""

    def __init__(self, env: Env, config: BrokerConfig, tasks: asyncio.TaskGroup) -> None:
        env, self.observation = observed(env, config)
        self._env = env
        self._config = config
        self._tasks = BrokerTasks(tasks)
        self._stopping = False
        self._dir_failure: tuple[str, OSError] | None = None
        self.services: Services | None = None
        self._plugged = plug_ins(env, config)
        self._stores = KeyStores(env)
        self._zookeeper = ZooKeeperClient(
            env,
            config.zookeeper_connect,
            config.integer("zookeeper.session.timeout.ms"),
            config.integer("barnabas.zookeeper.fast.expiry.ms") or None,
            on_event=self._on_event,
            on_session=self._on_session,
            security=zookeeper_security(env, config, self._stores),
            in_flight_max=zookeeper_in_flight(config),
        )
        self._membership = Membership(
            env,
            self._zookeeper,
            in_doubt=lambda: self._logs.unclean_machine_start,
            on_new_session=self._watch_again,
        )
        self._logs = LogManager(
            env,
            config.log_dirs,
            TopicConfig(config, {}).log_config(),
            settings=log_manager_settings(config),
            on_dir_failure=self._log_dir_failed,
            on_all_dirs_failed=self._all_log_dirs_failed,
        )
        self._configs = TopicConfigRepository(
            config,
            self._zookeeper,
            self._logs.update_config,
            env.stopwatch,
            self._throttles_changed,
        )
        self._copies = replication_quotas(config)
        self._logs.moves.quota = self._copies.moves
        follow_in_logs(config, self._logs, self._configs, self._copies)
        self._broker_id = -1
        self._users = ScramCredentials(self._zookeeper)
        self._dynamic = DynamicBrokerConfig(
            *(config, self._zookeeper, env.secret),
            check=lambda after: self._listeners.check(after),
            was_read=self._stores.look,
        )
        self._quotas = client_quotas(config)
        self._quota_configs = QuotaConfigs(self._zookeeper, self._quotas)
        self._changes = ConfigChanges(
            env.clock,
            self._zookeeper,
            {
                "topics": self._topic_notified,
                "brokers": self._dynamic.on_notification,
                "users": self._user_notified,
                "clients": lambda name: self._quota_configs.on_notification(f"clients/{name}"),
                "ips": lambda name: self._quota_configs.on_notification(f"ips/{name}"),
            },
        )
        self._features = FinalizedFeatures(self._zookeeper)
        self._authorizer = authorizer(env, config, self._zookeeper)
        self._tokens = delegation_tokens(env, config, self._zookeeper, self._is_controller)
        followers = (self._changes, self._features, self._authorizer, self._tokens)
        self._followers: list[_Follower] = [each for each in followers if each is not None]
        self._network: NetworkServer | None = None
        self._listeners = BrokerListeners(
            *(env, config, self._users, self._stores),
            tokens=None if self._tokens is None else self._tokens.login,
            run=self._tasks.run,
        )
        follow_in_listeners(config, self._listeners_changed)
        self._controller: Controller | None = None
        self._replicas: ReplicaManager | None = None
        self._channel: ControllerChannel | None = None
        self._metadata = MetadataCache(asyncio.get_running_loop().time)

    # Start

    async def start(self, stop: asyncio.Event) -> None:
        """Start until clients are served. Returns early if ``stop`` is set before."""
        log.info("settings: %s", self._config.summary())
        for name in self._config.without_effect():
            if self._plugged is None or name in SETTINGS:  # an unknown one may be a plug-in's
                log.warning("%s", no_effect(name))
        meta = self._logs.open()
        stored_id = None if meta is None else meta.broker_id
        identity = await unless_stopped(
            stop, identify(self._env, self._config, self._zookeeper, stored_id)
        )
        if identity is None:
            return
        cluster_id, broker_id = identity
        self._broker_id = broker_id
        if self.observation is not None:
            self.observation.named(broker_id)
        await self._dynamic.load(broker_id)
        self._make_plug_ins(cluster_id)
        await self._configs.load()
        await self._features.load()
        if self._authorizer is not None:
            await self._authorizer.load()
        if self._tokens is not None:
            await self._tokens.load()
        self._users.belong_to(cluster_id)
        if any(security.has_sasl for security in self._config.security.values()):
            await self._users.load()
        await self._quota_configs.load()
        await self._logs.load(
            broker_id=broker_id,
            cluster_id=cluster_id,
            topic_configs=self._configs.log_configs(),
        )
        services = self._assemble(broker_id, cluster_id)
        endpoints = await self._listen(services)
        if self.observation is not None and self._network is not None:
            await self.observation.listen(
                *(services, self._network, self._zookeeper),
                lambda: self._membership.registered is not None,
            )
        rack = self._config.text("broker.rack")
        myself = Broker(id=broker_id, epoch=-1, endpoints=endpoints, rack=rack)
        await unless_stopped(stop, self._membership.register(myself))
        if self._membership.registered is None:
            return
        self._run_in_background(services)
        await self._first_producer_ids(services)
        log.info("broker %d serves; %s", broker_id, self._promise())

    def _make_plug_ins(self, cluster_id: str) -> None:
        """With all settings, those in ZooKeeper too; before quotas are read."""
        if self._plugged is not None:
            self._plugged.make(self._config.texts)
            listener = self._config.control_plane_listener
            self._plugged.decide_quotas(self._quotas, self._metadata, cluster_id, listener)

    def _assemble(self, broker_id: int, cluster_id: str) -> Services:
        config, env = self._config, self._env
        policies, selector, quota_user = None, None, None
        if self._plugged is not None:
            policies, selector = self._plugged.policies(), self._plugged.selector()
            quota_user = self._plugged.quota_user
        settings = replication_settings(config, broker_id, selector)
        security, control = (
            client_security(env, config, listener, self._stores, self._run_until_stop)
            for listener in (config.inter_broker_listener, config.control_plane_listener)
        )
        timeout_ms = config.integer("controller.socket.timeout.ms")
        self._channel = ControllerChannel(
            self._controller_endpoint,
            channel_connector(str(broker_id), timeout_ms, security),
            timeout_ms,
        )
        isr_changes = AlterPartitionManager(
            broker_id=broker_id,
            broker_epoch=self._broker_epoch,
            topic_id=self._metadata.topic_id,
            send=self._channel.send,
            version=settings.versions.alter_partition,
        )
        replicas = ReplicaManager(
            env,
            settings,
            logs=self._logs,
            metadata=self._metadata,
            configs=self._configs,
            broker_epoch=self._broker_epoch,
            connect_leader=leader_connector(lambda: replicas.context, security),
            submit_isr=isr_changes.submit,
        )
        replicas.context.quotas = self._copies
        replicas.context.answers.bytes_max = config.integer("barnabas.queued.max.answer.bytes")
        self._replicas = replicas
        self._logs.on_moved = replicas.log_moved
        self._controller = Controller(
            env,
            broker_id,
            self._zookeeper,
            controller_settings(config),
            connect=connect_over_tcp(timeout_ms, control),
            knock=connect_over_tcp(timeout_ms),
        )
        follow_in_controller(config, self._controller)
        self._isr_changes = isr_changes
        self._producer_ids = ProducerIds(
            BlocksOfController(self._channel, broker_id, self._broker_epoch)
            if settings.versions.producer_ids_from_controller
            else BlocksOfZooKeeper(self._zookeeper, broker_id)
        )
        self.services = Services(
            env=env,
            config=config,
            broker_id=broker_id,
            cluster_id=cluster_id,
            zookeeper=self._zookeeper,
            metadata=self._metadata,
            neighbours=Neighbours(
                broker_id, self._metadata, config.inter_broker_listener, security
            ),
            logs=self._logs,
            replicas=replicas,
            controller=self._controller,
            topic_configs=self._configs,
            dynamic_config=self._dynamic,
            producer_ids=self._producer_ids,
            groups=GroupCoordinator(env, replicas, group_settings(config)),
            transactions=TransactionCoordinator(
                env,
                replicas,
                transaction_settings(config, broker_id),
                self._producer_ids.next,
                security,
            ),
            features=self._features,
            authorizer=self._deciding(cluster_id, broker_id),
            tokens=self._tokens,
            policies=policies,
            quota_user=quota_user,
            users=self._users,
            quotas=self._quotas,
            quota_configs=self._quota_configs,
        )
        follow_in_transactions(config, self.services.transactions)
        return self.services

    def _run_until_stop(self, name: str, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.run(name, coroutine)

    def _deciding(
        self, cluster_id: str, broker_id: int
    ) -> AclAuthorizer | PluggedAuthorizer | None:
        """Who decides what clients may do: Kafka's own, a plug-in, or nobody if the settings name
        none."""
        found: AclAuthorizer | PluggedAuthorizer | None = self._authorizer
        if found is None and self._plugged is not None:
            time_s = asyncio.get_running_loop().time
            found = self._plugged.authorizer(self._config, cluster_id, broker_id, time_s)
        if found is None and self._config.authorization is not None:
            raise RuntimeError("an authorizer is configured, and nobody would be denied")
        return found

    def make_dispatcher(self, services: Services) -> Dispatcher:
        """The dispatcher of requests."""
        if self.observation is not None:
            return self.observation.dispatcher(services)
        return Dispatcher(services)

    async def _listen(self, services: Services) -> tuple[Endpoint, ...]:
        """Open every listener. Returns the endpoints to advertise, with the ports in use."""
        config = self._config
        self._network = NetworkServer(
            self.make_dispatcher(services),
            self._tasks.spawn_request,
            network_settings(config),
            services.replicas.context.answers,
        )
        follow_in_network(config, self._network)
        services.replicas.context.requests = self._network.requests
        self._quota_configs.follow_addresses(self._network.counts.set_address_rate)
        for name in connection_limits(config).names():
            log.warning("max.connections.per.ip.overrides: %a is not an address: no effect", name)
        await self._listeners.open(self._network)
        return self._listeners.advertised()

    def _run_in_background(self, services: Services) -> None:
        assert self._network is not None
        for name, coroutine in (
            ("zookeeper", self._zookeeper.run()),
            ("sessions", self._membership.follow(services.controller.on_new_session)),
            ("controller", services.controller.run()),
            ("replication", services.replicas.run()),
            ("neighbours", services.neighbours.run()),
            ("deposed leaders", self._deposed(services.replicas).run()),
            ("doubt", self._until_no_doubt(services.replicas)),
            ("isr changes", self._isr_changes.run()),
            ("groups", services.groups.run()),
            ("transactions", services.transactions.run()),
            ("logs", self._logs.run()),
            ("settings", self._changes.run()),
            ("features", self._features.run()),
            *(() if self._authorizer is None else (("acls", self._authorizer.run()),)),
            *(() if self._tokens is None else (("tokens", self._tokens.run()),)),
            ("producer ids", self._producer_ids.run()),
            ("connections", self._network.watch()),
            ("key stores", self._stores.run()),
        ):
            self._tasks.run(name, coroutine)

    def _deposed(self, replicas: ReplicaManager) -> DeposedLeaders:
        read = functools.partial(read_states, self._zookeeper)
        return DeposedLeaders(
            replicas.context,
            replicas.partitions,
            replicas.follower_fetches,
            replicas.takes_orders,
            read,
            replicas.resign,
        )

    async def _first_producer_ids(self, services: Services) -> None:
        """Fetch a block before clients need one. The start does not depend on it, since there may
        be no controller."""
        try:
            async with asyncio.timeout(FIRST_BLOCK_TIMEOUT_S):
                await self._producer_ids.wait_for_first_block()
        except TimeoutError:
            log.warning("no producer ids yet: no controller answers")

    def _promise(self) -> str:
        if self._config.flag("log.flush.before.ack"):
            return "acknowledged records survive the loss of power (log.flush.before.ack)"
        return (
            "acknowledged records survive a killed process; a machine that loses power may lose"
            " what it had not flushed (log.flush.before.ack is off)"
        )

    # Sessions

    def _broker_epoch(self) -> int | None:
        return self._membership.epoch

    def _is_controller(self) -> bool:
        return self._controller is not None and self._controller.is_active

    def _watch_again(self) -> None:
        for follower in self._followers:
            follower.on_new_session()

    def _on_event(self, event: WatchEvent) -> None:
        if self._controller is not None:
            self._controller.on_zookeeper_event(event)
        for follower in self._followers:
            follower.on_event(event)

    def _on_session(self, state: SessionState) -> None:
        log.info("ZooKeeper session %s", state.value)
        self._env.observer.note("zookeeper_session", state=state.value)
        if state is SessionState.EXPIRED:
            # End the controller's term of the old session before anything uses a new one (trap 31).
            if self._controller is not None:
                self._controller.on_session_expired()
            self._membership.expire()

    async def _until_no_doubt(self, replicas: ReplicaManager) -> None:
        """After a crash of the machine: keep ``unclean_start`` in the registration until no records
        can be missing any more."""
        while self._logs.unclean_machine_start:
            await asyncio.sleep(DOUBT_POLL_S)
            if replicas.have_caught_up(self._logs.logs):
                self._logs.end_doubt()
                await self._membership.update()

    # Settings that change while it runs

    async def _topic_notified(self, topic: str) -> None:
        await self._configs.on_notification(topic)
        allowed = self._configs.get(topic).unclean_leader_election
        if allowed and self._controller is not None:
            self._controller.on_unclean_election_setting(topic)

    async def _user_notified(self, entity: str) -> None:
        await self._users.on_notification(entity)
        await self._quota_configs.on_notification(f"users/{entity}")

    def _throttles_changed(self, topic: str, config: TopicConfig | None) -> None:
        set_throttled_replicas(self._copies, topic, config, self._broker_id)

    def _listeners_changed(self) -> None:
        if self._membership.registered is not None:
            self._tasks.spawn(self._listeners.follow(self._announce))

    def _announce(self) -> None:
        self._membership.move(self._listeners.advertised())
        self._tasks.spawn(self._membership.update())

    # Connections to others

    def _controller_endpoint(self) -> Endpoint | None:
        controller_id = self._metadata.controller_id
        if controller_id is None:
            return None
        return self._metadata.endpoint(controller_id, self._config.inter_broker_listener)

    # Disks

    def _log_dir_failed(self, path: str, error: OSError) -> None:
        self._dir_failure = (path, error)
        if self._replicas is not None:
            self._replicas.log_dir_failed(path, error)
        if self.services is not None and not self._stopping:
            self._tasks.spawn(notify_log_dir_failure(self._zookeeper, self.services.broker_id))

    def _all_log_dirs_failed(self) -> None:
        error = FatalError("log.dirs: every log directory has failed")
        if self.services is None:
            if self._dir_failure is not None:
                path, reason = self._dir_failure
                raise ConfigError(f"log.dirs: {path}: {reason.strerror or reason}")
            raise error

        async def halt() -> None:
            raise error

        # In a task of its own: this is called from wherever the disk's error occurred.
        self._tasks.spawn(halt())

    # Stop

    async def stop(self, *, orderly: bool = True) -> None:
        """Controlled shutdown, also after a start that failed. Not ``orderly``: stop at once after
        a bug; other brokers take over as soon as the session ends."""
        self._stopping = True
        if (
            orderly
            and self._membership.registered is not None
            and self._config.flag("controlled.shutdown.enable")
        ):
            assert self._channel is not None
            await hand_over(self._config, self._channel, lambda: self._membership.registered)
        if self._network is not None:
            self._network.close()
        await self._tasks.end()
        if self._replicas is not None:
            await self._replicas.shutdown()
        if self._channel is not None:
            self._channel.close()
        if self._authorizer is not None:
            await self._authorizer.close()
        await self._zookeeper.close()  # before what takes long: others wait for the end of it
        await self._logs.shutdown()
        if self._plugged is not None:
            self._plugged.close()
        if self.observation is not None:
            await self.observation.close()
        log.info("broker stopped")
