"""The settings of this room, under Kafka's names."""

from __future__ import annotations

from dataclasses import dataclass

from barnabas.protocol.inter_broker import CURRENT


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionSettings:
    """Snake case of Kafka's names (reference 10)."""

    broker_id: int
    inter_broker_listener_name: str
    request_timeout_ms: int
    transaction_max_timeout_ms: int
    transaction_state_log_num_partitions: int
    transactional_id_expiration_ms: int
    transaction_abort_timed_out_transaction_cleanup_interval_ms: int
    transaction_remove_expired_transaction_cleanup_interval_ms: int
    transaction_partition_verification_enable: bool
    transaction_state_log_load_buffer_size: int
    """Bytes that are read at a time, at most ``ownership.LOAD_BYTES_PER_TURN``."""
    verification_version: int | None = CURRENT.verification
    """None: coordinators of this ``inter.broker.protocol.version`` know no verification."""

    def verifies(self, enabled: bool) -> bool:
        """Whether partitions are verified, if that is ``enabled``."""
        return enabled and self.verification_version is not None
