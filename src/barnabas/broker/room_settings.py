"""Makes each room's typed settings from a broker's settings. Pure."""

from __future__ import annotations

from typing import cast

from barnabas import limits
from barnabas.broker.connection_limits import ConnectionLimits, ListenerLimits
from barnabas.broker.network import NetworkSettings
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.relations import connections_per_address
from barnabas.config.settings import ASSIGNOR_CLASSES, SETTINGS
from barnabas.config.topic_config import TopicConfig
from barnabas.controller.settings import ControllerSettings
from barnabas.coordinator.group.settings import ConsumerGroupSettings, GroupSettings
from barnabas.coordinator.transaction.settings import TransactionSettings
from barnabas.protocol.inter_broker import InterBrokerVersions, inter_broker_versions
from barnabas.quotas.client_quotas import ClientQuotas
from barnabas.quotas.rate import Window
from barnabas.quotas.replication import (
    ReplicationQuota,
    ReplicationQuotas,
    throttled_partitions,
)
from barnabas.replication.replica_selector import SELECTORS, ReplicaSelector
from barnabas.replication.settings import ReplicationSettings
from barnabas.storage.config import CleanerSettings, LogManagerSettings
from barnabas.zookeeper.client.client import IN_FLIGHT_MAX

LISTEN_BACKLOG = 1024
"""Kafka's 50 are enough for a thread that only accepts. A loop accepts between other work, and a
connection that finds the queue full has to wait for a second."""


def network_settings(config: BrokerConfig) -> NetworkSettings:
    backlog = config.integer("socket.listen.backlog.size")
    if not config.is_given("socket.listen.backlog.size"):
        backlog = max(backlog, LISTEN_BACKLOG)
    queued = config.integer("queued.max.request.bytes")
    return NetworkSettings(
        request_bytes_max=config.integer("socket.request.max.bytes"),
        connections=connection_limits(config),
        idle_ms_max=config.integer("connections.max.idle.ms"),
        unfinished_ms_max=config.integer("barnabas.unfinished.request.timeout.ms"),
        backlog=backlog,
        brokers_listeners=(config.inter_broker_listener, config.control_plane_listener),
        newcomers_max=config.integer("barnabas.newcomers.max"),
        authentication_ms_max=config.integer("barnabas.authentication.timeout.ms"),
        queued_bytes_max=queued if queued > 0 else limits.QUEUED_REQUEST_BYTES_MAX,
    )


def zookeeper_in_flight(config: BrokerConfig) -> int:
    """Kafka's 10 are as many as it has threads that wait; here nothing waits for an answer before
    it sends the next request. A number that was given is obeyed."""
    name = "zookeeper.max.in.flight.requests"
    return config.integer(name) if config.is_given(name) else IN_FLIGHT_MAX


def connection_limits(config: BrokerConfig) -> ConnectionLimits:
    return ConnectionLimits(
        total=config.integer("max.connections"),
        per_address=config.integer("max.connections.per.ip"),
        overrides=connections_per_address(config.text("max.connections.per.ip.overrides") or ""),
        creation_rate=config.integer("max.connection.creation.rate"),
        listeners={e.listener: _listener_limits(config, e.listener) for e in config.listeners},
        protected=config.inter_broker_listener if len(config.listeners) > 1 else None,
        window=_client_window(config),
    )


def _listener_limits(config: BrokerConfig, listener: str) -> ListenerLimits:
    """The limits of a listener; if it has none of its own, the broker's limits are used."""

    def own(name: str) -> int:
        text = config.texts.get(f"listener.name.{listener.lower()}.{name}")
        found = config.value(name) if text is None else SETTINGS[name].parse(text)
        assert isinstance(found, int)
        return found

    return ListenerLimits(
        connections=own("max.connections"), creation_rate=own("max.connection.creation.rate")
    )


def _client_window(config: BrokerConfig) -> Window:
    return Window(
        samples=config.integer("quota.window.num"),
        sample_ms=1000 * config.integer("quota.window.size.seconds"),
    )


def client_quotas(config: BrokerConfig) -> ClientQuotas:
    return ClientQuotas(
        _client_window(config),
        Window(
            samples=config.integer("controller.quota.window.num"),
            sample_ms=1000 * config.integer("controller.quota.window.size.seconds"),
        ),
    )


def replication_quotas(config: BrokerConfig) -> ReplicationQuotas:
    window = Window(
        samples=config.integer("replication.quota.window.num"),
        sample_ms=1000 * config.integer("replication.quota.window.size.seconds"),
    )
    of_moves = Window(
        samples=config.integer("alter.log.dirs.replication.quota.window.num"),
        sample_ms=1000 * config.integer("alter.log.dirs.replication.quota.window.size.seconds"),
    )
    quotas = ReplicationQuotas(
        leader=ReplicationQuota(window),
        follower=ReplicationQuota(window),
        moves=ReplicationQuota(of_moves),
    )
    set_replication_rates(quotas, config)
    return quotas


def set_replication_rates(quotas: ReplicationQuotas, config: BrokerConfig) -> None:
    """Set the replication rates, which may change while a broker runs."""
    quotas.leader.limit = config.integer("leader.replication.throttled.rate")
    quotas.follower.limit = config.integer("follower.replication.throttled.rate")
    quotas.moves.limit = config.integer("replica.alter.log.dirs.io.max.bytes.per.second")


def set_throttled_replicas(
    quotas: ReplicationQuotas, topic: str, config: TopicConfig | None, broker_id: int
) -> None:
    """Set this broker's throttled replicas of a topic; ``config`` None: the topic is deleted."""
    for quota, name in (
        (quotas.leader, "leader.replication.throttled.replicas"),
        (quotas.follower, "follower.replication.throttled.replicas"),
    ):
        replicas = () if config is None else cast("tuple[str, ...]", config.value(name))
        quota.set_topic(topic, throttled_partitions(replicas, broker_id))


def controller_settings(config: BrokerConfig) -> ControllerSettings:
    return ControllerSettings(
        listener=config.control_plane_listener,
        delete_topic_enable=config.flag("delete.topic.enable"),
        unclean_leader_election_enable=config.flag("unclean.leader.election.enable"),
        auto_leader_rebalance_enable=config.flag("auto.leader.rebalance.enable"),
        leader_imbalance_check_interval_ms=1000
        * config.integer("leader.imbalance.check.interval.seconds"),
        leader_imbalance_per_broker_percentage=config.integer(
            "leader.imbalance.per.broker.percentage"
        ),
        controller_socket_timeout_ms=config.integer("controller.socket.timeout.ms"),
        versions=versions_between_brokers(config),
        refused_connections_max=config.integer("barnabas.controller.refused.connections"),
        silence_ms=config.integer("barnabas.controller.silence.ms"),
    )


def versions_between_brokers(config: BrokerConfig) -> InterBrokerVersions:
    return inter_broker_versions(config.text("inter.broker.protocol.version") or "")


def group_settings(config: BrokerConfig) -> GroupSettings:
    return GroupSettings(
        group_initial_rebalance_delay_ms=config.integer("group.initial.rebalance.delay.ms"),
        group_min_session_timeout_ms=config.integer("group.min.session.timeout.ms"),
        group_max_session_timeout_ms=config.integer("group.max.session.timeout.ms"),
        group_max_size=config.integer("group.max.size"),
        offset_metadata_max_bytes=config.integer("offset.metadata.max.bytes"),
        offsets_topic_num_partitions=config.integer("offsets.topic.num.partitions"),
        offsets_commit_timeout_ms=config.integer("offsets.commit.timeout.ms"),
        offsets_retention_ms=config.integer("offsets.retention.minutes") * 60_000,
        offsets_retention_check_interval_ms=config.integer("offsets.retention.check.interval.ms"),
        offsets_topic_compression_codec=config.integer("offsets.topic.compression.codec"),
        offsets_load_buffer_size=config.integer("offsets.load.buffer.size"),
        consumer=consumer_group_settings(config),
    )


def consumer_group_settings(config: BrokerConfig) -> ConsumerGroupSettings:
    assignors = [ASSIGNOR_CLASSES[name] for name in config.texts_of("group.consumer.assignors")]
    return ConsumerGroupSettings(
        enabled="consumer" in config.texts_of("group.coordinator.rebalance.protocols"),
        session_timeout_ms=config.integer("group.consumer.session.timeout.ms"),
        heartbeat_interval_ms=config.integer("group.consumer.heartbeat.interval.ms"),
        max_size=config.integer("group.consumer.max.size"),
        assignors=tuple(dict.fromkeys(assignors)),
    )


def transaction_settings(config: BrokerConfig, broker_id: int) -> TransactionSettings:
    return TransactionSettings(
        broker_id=broker_id,
        inter_broker_listener_name=config.inter_broker_listener,
        request_timeout_ms=config.integer("request.timeout.ms"),
        transaction_max_timeout_ms=config.integer("transaction.max.timeout.ms"),
        transaction_state_log_num_partitions=config.integer("transaction.state.log.num.partitions"),
        transactional_id_expiration_ms=config.integer("transactional.id.expiration.ms"),
        transaction_abort_timed_out_transaction_cleanup_interval_ms=config.integer(
            "transaction.abort.timed.out.transaction.cleanup.interval.ms"
        ),
        transaction_remove_expired_transaction_cleanup_interval_ms=config.integer(
            "transaction.remove.expired.transaction.cleanup.interval.ms"
        ),
        transaction_partition_verification_enable=config.flag(
            "transaction.partition.verification.enable"
        ),
        transaction_state_log_load_buffer_size=config.integer(
            "transaction.state.log.load.buffer.size"
        ),
        verification_version=versions_between_brokers(config).verification,
    )


def log_manager_settings(config: BrokerConfig) -> LogManagerSettings:
    return LogManagerSettings(
        retention_check_interval_ms=config.integer("log.retention.check.interval.ms"),
        initial_task_delay_ms=config.integer("log.initial.task.delay.ms"),
        high_watermark_checkpoint_interval_ms=config.integer(
            "replica.high.watermark.checkpoint.interval.ms"
        ),
        offset_checkpoint_interval_ms=config.integer("log.flush.offset.checkpoint.interval.ms"),
        start_offset_checkpoint_interval_ms=config.integer(
            "log.flush.start.offset.checkpoint.interval.ms"
        ),
        producer_id_expiration_ms=config.integer("producer.id.expiration.ms"),
        producer_id_expiration_check_interval_ms=config.integer(
            "producer.id.expiration.check.interval.ms"
        ),
        log_flush_before_ack=config.flag("log.flush.before.ack"),
        cleaner=CleanerSettings(
            enable=config.flag("log.cleaner.enable"),
            backoff_ms=config.integer("log.cleaner.backoff.ms"),
            dedupe_buffer_size=config.integer("log.cleaner.dedupe.buffer.size"),
            io_buffer_load_factor=config.number("log.cleaner.io.buffer.load.factor"),
            io_buffer_size=config.integer("log.cleaner.io.buffer.size"),
            io_max_bytes_per_second=config.number("log.cleaner.io.max.bytes.per.second"),
        ),
    )


def replication_settings(
    config: BrokerConfig, broker_id: int, plugged: ReplicaSelector | None = None
) -> ReplicationSettings:
    """``plugged``: the replica selector, if it is a plug-in."""
    selector = plugged or SELECTORS.get(config.text("replica.selector.class") or "")
    return ReplicationSettings(
        broker_id=broker_id,
        inter_broker_listener_name=config.inter_broker_listener,
        replica_lag_time_max_ms=config.integer("replica.lag.time.max.ms"),
        replica_fetch_max_bytes=config.integer("replica.fetch.max.bytes"),
        replica_fetch_response_max_bytes=config.integer("replica.fetch.response.max.bytes"),
        replica_fetch_wait_max_ms=config.integer("replica.fetch.wait.max.ms"),
        replica_fetch_min_bytes=config.integer("replica.fetch.min.bytes"),
        replica_fetch_backoff_ms=config.integer("replica.fetch.backoff.ms"),
        replica_socket_timeout_ms=config.integer("replica.socket.timeout.ms"),
        fetch_max_bytes=config.integer("fetch.max.bytes"),
        max_incremental_fetch_session_cache_slots=config.integer(
            "max.incremental.fetch.session.cache.slots"
        ),
        controller_socket_timeout_ms=config.integer("controller.socket.timeout.ms"),
        versions=versions_between_brokers(config),
        replica_selector=selector,
        log_flush_before_ack=config.flag("log.flush.before.ack"),
    )
