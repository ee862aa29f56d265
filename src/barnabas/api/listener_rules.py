"""Which requests a listener takes, as long as nothing authenticates who sends them.

The original serves every API on every listener; what brokers ask of each other needs the operation
ClusterAction, which everybody has without an authorizer. Here a broker with several listeners takes
such requests only where brokers send them: on the inter-broker listener, and on that of the control
plane if one is named. With a single listener there is no such place: its port is for those who may
do everything (``docs/differences.md``).
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
"""AddPartitionsToTxn between brokers."""


def is_misplaced(config: BrokerConfig, request: Request) -> bool:
    """Whether a request between brokers came through a listener that is for clients."""
    if request.listener == config.inter_broker_listener or len(config.listeners) < 2:
        return False
    if request.api_key == ApiKey.ADD_PARTITIONS_TO_TXN:
        if request.api_version < BATCHED_FROM:
            return False
    elif request.api_key not in BETWEEN_BROKERS:
        return False
    return request.listener != config.control_plane_listener
