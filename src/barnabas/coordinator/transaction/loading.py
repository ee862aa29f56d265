"""TransactionStateManager.loadTransactionMetadata: from records to transactional ids (reference
7.6). Pure. The last record with an id counts. The load goes on after every batch, readable or not
(trap 52).
"""

from __future__ import annotations

import logging

from barnabas.coordinator.transaction.records import decode_key, decode_value
from barnabas.coordinator.transaction.states import TransactionState
from barnabas.coordinator.transaction.transaction import Transaction, TransactionValue
from barnabas.errors import KafkaError
from barnabas.records.batch import iterate_batches, iterate_records
from barnabas.types import Buffer

log = logging.getLogger(__name__)


class Loading:
    """What has been read so far."""

    def __init__(self) -> None:
        self._values: dict[str, TransactionValue] = {}

    def take(self, data: Buffer) -> int | None:
        """Read whole batches; the offset after the last one, None if there is not even one."""
        next_offset = None
        for header, at, _ in iterate_batches(data):
            next_offset = header.last_offset + 1
            if header.is_control:
                continue
            try:
                for record in iterate_records(data, at):
                    self._record(record.key, record.value)
            except KafkaError as error:
                log.error("__transaction_state at %d is unreadable: %s", header.base_offset, error)
        return next_offset

    def _record(self, key: bytes | None, data: bytes | None) -> None:
        transactional_id = decode_key(key)
        if transactional_id is None:
            return
        value = None if data is None else decode_value(data)
        if value is None or value.state is TransactionState.DEAD:
            self._values.pop(transactional_id, None)
        else:
            self._values[transactional_id] = value

    def transactions(self) -> dict[str, Transaction]:
        """The transactional ids that there are."""
        return {name: Transaction(name, value) for name, value in self._values.items()}
