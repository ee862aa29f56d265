"""Decides which listener accepts requests between brokers.

Kafka serves every API on every listener. Requests between brokers need the operation ClusterAction,
which everybody has if there is no authorizer. So here a broker with several listeners accepts such
requests only on the inter-broker listener and, if there is one, on that of the control plane. With
a single listener they cannot be told apart: whoever can reach its port can do everything
(``docs/differences.md``).
"""

from __future__ import annotations

from typing import Final

from barnabas.api.request import Request
from barnabas.config.broker_config import BrokerConfig
from barnabas.protocol.api import CONTROLLER_APIS, ApiKey

BETWEEN_BROKERS: Final = frozenset(
    {
        *CONTROLLER_APIS,
        ApiKey.ALTER_PARTITION,
        ApiKey.ALLOCATE_PRODUCER_IDS,
        ApiKey.WRITE_TXN_MARKERS,
    }
)
MAY_BE_MISPLACED: Final = BETWEEN_BROKERS | {ApiKey.ADD_PARTITIONS_TO_TXN}
BATCHED_FROM: Final = 4
"""From this version on AddPartitionsToTxn is a request between brokers."""


def is_misplaced(config: BrokerConfig, request: Request) -> bool:
    """Whether it is a request between brokers that came through a listener for clients."""
    if request.listener == config.inter_broker_listener or len(config.listeners) < 2:
        return False
    if request.api_key == ApiKey.ADD_PARTITIONS_TO_TXN:
        if request.api_version < BATCHED_FROM:
            return False
    elif request.api_key not in BETWEEN_BROKERS:
        return False
    return request.listener != config.control_plane_listener
