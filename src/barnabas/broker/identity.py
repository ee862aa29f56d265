"""KafkaServer.getOrGenerateClusterId, BrokerMetadata: finds the cluster's id and this broker's
id."""

from __future__ import annotations

from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError
from barnabas.seams import Env
from barnabas.zk.startup import (
    ensure_top_level_paths,
    generate_broker_id,
    read_or_create_cluster_id,
)
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.errors import ConnectionLoss


async def identify(
    env: Env, config: BrokerConfig, zookeeper: ZooKeeperClient, stored_id: int | None
) -> tuple[str, int]:
    """(cluster id, broker id). It also creates the top-level nodes in ZooKeeper. ``stored_id``: the
    broker id in the log directories. Raises ConfigError if no ZooKeeper answers."""
    await _connect(config, zookeeper)
    await ensure_top_level_paths(zookeeper)
    cluster_id = await read_or_create_cluster_id(zookeeper, env.random)
    broker_id = config.broker_id
    if broker_id < 0:
        broker_id = stored_id if stored_id is not None else -1
    if broker_id < 0:
        broker_id = await generate_broker_id(zookeeper, config.integer("reserved.broker.max.id"))
    return cluster_id, broker_id


async def _connect(config: BrokerConfig, zookeeper: ZooKeeperClient) -> None:
    timeout_ms = config.value("zookeeper.connection.timeout.ms")
    if timeout_ms is None:
        timeout_ms = config.integer("zookeeper.session.timeout.ms")
    assert isinstance(timeout_ms, int)
    try:
        await zookeeper.connect(timeout_ms=timeout_ms)
    except ConnectionLoss as error:
        raise ConfigError(
            f"zookeeper.connect: no ZooKeeper at {config.zookeeper_connect} ({error})"
        ) from None
