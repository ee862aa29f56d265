"""TransactionCoordinator: a broker's producers begin, add partitions, commit and abort.

The decisions are in ``decisions.py``. Here they meet the loop: each step is written to
``__transaction_state`` and counts once it is replicated; what depends on it comes with the write's
callback, which first asks whether the id is still ours (trap 53). Nothing hangs on a connection:
a transaction that was told to end ends, whoever still waits for the answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from barnabas.coordinator.log import CoordinatorLog
from barnabas.coordinator.ownership import OwnedPartition, Ownership
from barnabas.coordinator.transaction import decisions
from barnabas.coordinator.transaction.append_order import AppendOrder
from barnabas.coordinator.transaction.decisions import Expected
from barnabas.coordinator.transaction.loading import Loading
from barnabas.coordinator.transaction.markers import RETRY_PAUSE_S, Delivery, MarkerSender
from barnabas.coordinator.transaction.peers import Peers
from barnabas.coordinator.transaction.records import TRANSACTION_TOPIC, encode_key, encode_value
from barnabas.coordinator.transaction.settings import TransactionSettings
from barnabas.coordinator.transaction.states import TransactionState
from barnabas.coordinator.transaction.transaction import Transaction, TransactionValue
from barnabas.coordinator.transaction.verification import Verifier
from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import Record, build_batch
from barnabas.replication.replica_manager import ReplicaManager
from barnabas.seams import Env
from barnabas.security.client import PLAINTEXT, ClientSecurity
from barnabas.types import TopicPartition

log = logging.getLogger(__name__)

IDS_PER_TURN = 500
"""Ids looked at for time-outs and expiry before the loop gets its turn."""

_WRITE_ERRORS: Final = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER: ErrorCode.NOT_COORDINATOR,
    ErrorCode.FENCED_LEADER_EPOCH: ErrorCode.NOT_COORDINATOR,
    ErrorCode.KAFKA_STORAGE_ERROR: ErrorCode.NOT_COORDINATOR,
    ErrorCode.MESSAGE_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.RECORD_LIST_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
}
"""What a client is told if the write of a step fails (reference 7.6)."""

Owned = OwnedPartition[Transaction]
Written = Callable[[ErrorCode], None]


class TransactionCoordinator:
    """Made on the loop of its broker; hears of roles as soon as it is made.

    ``fresh_producer_id`` gives ids that no other broker hands out."""

    def __init__(
        self,
        env: Env,
        replicas: ReplicaManager,
        settings: TransactionSettings,
        fresh_producer_id: Callable[[], Awaitable[int]],
        security: ClientSecurity = PLAINTEXT,
    ) -> None:
        """``security``: of the listener between brokers."""
        self._env = env
        self._security = security
        self._loop = asyncio.get_running_loop()
        self._note = replicas.context.note
        self._tasks = replicas.context.tasks
        self._fresh_producer_id = fresh_producer_id
        self.settings = settings
        self._log = CoordinatorLog(replicas)
        self._peers = self._connections(replicas, f"broker-{settings.broker_id}-txn-marker-sender")
        self._markers = MarkerSender(
            replicas.metadata,
            self._peers,
            self._tasks,
            is_wanted=self._is_wanted,
            on_done=self._complete,
        )
        self._ownership: Ownership[Transaction, Loading] = Ownership(
            replicas,
            TRANSACTION_TOPIC,
            settings.transaction_state_log_num_partitions,
            load_bytes=settings.transaction_state_log_load_buffer_size,
            begin=Loading,
            finish=Loading.transactions,
            on_loaded=self._loaded,
            on_unloaded=self._unloaded,
        )
        self.partition_of = self._ownership.partition_of
        client_id = f"AddPartitionsManager-client-{settings.broker_id}"
        self.verifier = Verifier(
            replicas.metadata,
            self._connections(replicas, client_id),
            self._tasks,
            self.partition_of,
            enabled=settings.verifies(settings.transaction_partition_verification_enable),
            version=settings.verification_version,
        )
        self.append_order = AppendOrder()

    def _connections(self, replicas: ReplicaManager, client_id: str) -> Peers:
        settings = self.settings
        listener, timeout_ms = settings.inter_broker_listener_name, settings.request_timeout_ms
        return Peers(replicas.metadata, listener, client_id, timeout_ms, self._security)

    async def run(self) -> None:
        """Load partitions, abort what lasts too long, forget what nobody uses; until cancelled."""
        settings = self.settings
        abort_ms = settings.transaction_abort_timed_out_transaction_cleanup_interval_ms
        expiry_ms = settings.transaction_remove_expired_transaction_cleanup_interval_ms
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ownership.run(), name="transaction loading")
                tasks.create_task(self._every(abort_ms, self._abort_if_late))
                tasks.create_task(self._every(expiry_ms, self._expire_if_unused))
        finally:
            self._peers.close()
            self.verifier.close()

    def _now_ms(self) -> int:
        return self._env.clock.wall_ms()

    # Producers

    async def init_producer(
        self, transactional_id: str, timeout_ms: int, expected: Expected | None
    ) -> tuple[int, int]:
        """InitProducerId: (producer id, epoch), once that is replicated. Raises KafkaError;
        CONCURRENT_TRANSACTIONS while a transaction of an earlier producer is being ended."""
        self._check_id(transactional_id)
        if not 0 < timeout_ms <= self.settings.transaction_max_timeout_ms:
            raise KafkaError(ErrorCode.INVALID_TRANSACTION_TIMEOUT)
        transaction = self._ownership.find(transactional_id).entries.get(transactional_id)
        fresh_id = None
        if transaction is None or decisions.needs_producer_id(transaction, expected):
            fresh_id = await self._fresh_producer_id()
        owned = self._ownership.find(transactional_id)
        transaction = owned.entries.get(transactional_id)
        if transaction is None:
            if fresh_id is None:
                raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
            transaction = decisions.new_transaction(
                transactional_id, fresh_id, timeout_ms, self._now_ms()
            )
            owned.entries[transactional_id] = transaction
        decisions.check_init(transaction, expected)
        if transaction.state is TransactionState.ONGOING:
            await self._fence(owned, transaction)
            raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
        step = decisions.begin_producer(transaction, timeout_ms, expected, self._now_ms(), fresh_id)
        _raise(await self._write(owned, transaction, step))
        return step.producer_id, step.producer_epoch

    def add_partitions(
        self,
        transactional_id: str,
        producer_id: int,
        epoch: int,
        partitions: Sequence[TopicPartition],
    ) -> asyncio.Future[ErrorCode] | ErrorCode:
        """AddPartitionsToTxn, AddOffsetsToTxn: they take part, once that is replicated."""
        try:
            owned, transaction = self._find(transactional_id)
            step = decisions.add_partitions(
                transaction, producer_id, epoch, partitions, self._now_ms()
            )
        except KafkaError as error:
            return error.code
        if step is None:
            return ErrorCode.NONE
        return self._write(owned, transaction, step)

    def verify(
        self,
        transactional_id: str,
        producer_id: int,
        epoch: int,
        partitions: Sequence[TopicPartition],
    ) -> dict[TopicPartition, ErrorCode]:
        """Whether partitions take part in the transaction."""
        try:
            _, transaction = self._find(transactional_id)
            return decisions.verify(transaction, producer_id, epoch, partitions)
        except KafkaError as error:
            return dict.fromkeys(partitions, error.code)

    def end(
        self, transactional_id: str, producer_id: int, epoch: int, *, commit: bool
    ) -> asyncio.Future[ErrorCode] | ErrorCode:
        """EndTxn: answered once the decision is replicated; the markers follow."""
        try:
            owned, transaction = self._find(transactional_id)
            step = decisions.end(
                transaction, producer_id, epoch, commit=commit, now_ms=self._now_ms()
            )
        except KafkaError as error:
            return error.code
        if step is None:
            return ErrorCode.NONE
        return self._write(owned, transaction, step, self._ended(owned, transaction))

    def _check_id(self, transactional_id: str) -> None:
        if not transactional_id:
            raise KafkaError(ErrorCode.INVALID_REQUEST)

    def _find(self, transactional_id: str) -> tuple[Owned, Transaction]:
        self._check_id(transactional_id)
        owned = self._ownership.find(transactional_id)
        transaction = owned.entries.get(transactional_id)
        if transaction is None:
            raise KafkaError(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
        return owned, transaction

    # Looking

    def describe(self, transactional_id: str) -> TransactionValue:
        """A transactional id. Raises TRANSACTIONAL_ID_NOT_FOUND among others."""
        self._check_id(transactional_id)
        found = self._ownership.find(transactional_id).entries.get(transactional_id)
        if found is None or found.pending is TransactionState.DEAD:
            raise KafkaError(ErrorCode.TRANSACTIONAL_ID_NOT_FOUND)
        return found.value

    def all(self) -> Iterable[Transaction]:
        """Every transactional id of this broker. Raises COORDINATOR_LOAD_IN_PROGRESS."""
        if self._ownership.is_loading:
            raise KafkaError(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        ready = self._ownership.all_ready()
        return [t for owned in ready for t in owned.entries.values()]

    # Steps

    def _write(
        self,
        owned: Owned,
        transaction: Transaction,
        step: TransactionValue,
        then: Written | None = None,
    ) -> asyncio.Future[ErrorCode]:
        """Write a prepared step; the result, after ``then`` has been told."""
        future: asyncio.Future[ErrorCode] = self._loop.create_future()

        def done(error: ErrorCode, base_offset: int) -> None:
            code = _WRITE_ERRORS.get(error, error)
            if self._ownership.home(transaction.id, transaction) is not owned:
                code = ErrorCode.NOT_COORDINATOR
            elif code == ErrorCode.NONE:
                transaction.complete(step)
                self._tell(transaction)
            else:
                log.info("%s: %s not written: %s", transaction.id, step.state.label, error.name)
                transaction.give_up()
            if then is not None:
                then(code)
            if not future.done():  # whoever waited may have been cancelled with the broker
                future.set_result(code)

        self._log.append(owned, self._batch(transaction.id, step), done, step.timeout_ms)
        return future

    def _batch(self, transactional_id: str, step: TransactionValue | None) -> bytearray:
        value = None if step is None else encode_value(step)
        record = Record(timestamp=self._now_ms(), key=encode_key(transactional_id), value=value)
        return build_batch([record])

    def _ended(self, owned: Owned, transaction: Transaction) -> Written:
        def written(error: ErrorCode) -> None:
            if error == ErrorCode.NONE:
                self._send_markers(owned, transaction)

        return written

    def count_by_state(self) -> dict[str, int]:
        """The transactional ids of this broker, by the state that clients see."""
        counts: dict[str, int] = {}
        for owned in self._ownership.all_ready():
            for transaction in owned.entries.values():
                label = transaction.state.label
                counts[label] = counts.get(label, 0) + 1
        return counts

    async def _fence(self, owned: Owned, transaction: Transaction) -> None:
        """Abort an open transaction and raise the epoch. Raises what the write raises."""
        step = decisions.fence_and_abort(transaction, self._now_ms())
        self._note(
            "transaction_fenced",
            id=transaction.id,
            producer_id=step.producer_id,
            epoch=step.producer_epoch,
        )

        def written(error: ErrorCode) -> None:
            if error == ErrorCode.NONE:
                self._send_markers(owned, transaction)
            else:
                transaction.failed_fence = True

        _raise(await self._write(owned, transaction, step, written))

    # Markers

    def _send_markers(self, owned: Owned, transaction: Transaction) -> None:
        partitions = transaction.value.partitions
        self._markers.send(
            Delivery(
                owned=owned,
                transaction=transaction,
                completion=decisions.complete(transaction, self._now_ms()),
                open=dict.fromkeys(partitions),
            )
        )

    def _is_wanted(self, delivery: Delivery) -> bool:
        transaction = delivery.transaction
        return self._ownership.home(transaction.id, transaction) is delivery.owned

    def _complete(self, delivery: Delivery) -> None:
        """Every marker is written: so is the end, as often as it takes."""
        owned, transaction, step = delivery.owned, delivery.transaction, delivery.completion

        async def again() -> None:
            await asyncio.sleep(RETRY_PAUSE_S)
            if self._is_wanted(delivery):
                self._complete(delivery)

        def done(error: ErrorCode, base_offset: int) -> None:
            if not self._is_wanted(delivery):
                return
            if error == ErrorCode.NONE:
                transaction.complete(step)
                self._tell(transaction)
            else:
                log.info("%s: %s not written: %s", transaction.id, step.state.label, error.name)
                self._tasks.spawn(again(), f"end of {transaction.id}")

        self._log.append(owned, self._batch(transaction.id, step), done, step.timeout_ms)

    def _loaded(self, owned: Owned) -> None:
        self._note(
            "transactions_loaded",
            partition=owned.number,
            epoch=owned.partition.leader_epoch,
            ids=len(owned.entries),
        )
        for transaction in list(owned.entries.values()):
            if decisions.is_ending(transaction):
                self._send_markers(owned, transaction)

    def _unloaded(self, number: int, transactions: list[Transaction]) -> None:
        self._note("transactions_unloaded", partition=number, ids=len(transactions))

    def _tell(self, transaction: Transaction) -> None:
        value = transaction.value
        log.debug("%s: %s, epoch %d", transaction.id, value.state.label, value.producer_epoch)
        self._note(
            "transaction_state",
            id=transaction.id,
            state=value.state.label,
            producer_id=value.producer_id,
            epoch=value.producer_epoch,
        )

    # Time

    async def _every(self, interval_ms: int, look: Callable[[Owned, Transaction], None]) -> None:
        """Look at every id each so many ms, for ever."""
        while True:
            await asyncio.sleep(interval_ms / 1000)
            seen = 0
            for owned in self._ownership.all_ready():
                for transaction in list(owned.entries.values()):
                    seen += 1
                    if seen % IDS_PER_TURN == 0:
                        await asyncio.sleep(0)
                    if self._ownership.home(transaction.id, transaction) is owned:
                        look(owned, transaction)

    def _abort_if_late(self, owned: Owned, transaction: Transaction) -> None:
        if decisions.is_timed_out(transaction, self._now_ms()):
            log.info("%s: its transaction has timed out", transaction.id)
            self._tasks.spawn(self._abort(owned, transaction), f"abort of {transaction.id}")

    async def _abort(self, owned: Owned, transaction: Transaction) -> None:
        if not decisions.is_timed_out(transaction, self._now_ms()):
            return
        try:
            await self._fence(owned, transaction)
        except KafkaError as error:
            log.warning("%s: not aborted yet: %s", transaction.id, error)

    def _expire_if_unused(self, owned: Owned, transaction: Transaction) -> None:
        expiration_ms = self.settings.transactional_id_expiration_ms
        if not decisions.is_expired(transaction, self._now_ms(), expiration_ms):
            return
        decisions.expire(transaction)

        def done(error: ErrorCode, base_offset: int) -> None:
            if self._ownership.home(transaction.id, transaction) is not owned:
                return
            transaction.give_up()
            if error == ErrorCode.NONE:
                log.info("%s has expired", transaction.id)
                del owned.entries[transaction.id]

        batch = self._batch(transaction.id, None)
        self._log.append(owned, batch, done, self.settings.request_timeout_ms)


def _raise(error: ErrorCode) -> None:
    if error != ErrorCode.NONE:
        raise KafkaError(error)
