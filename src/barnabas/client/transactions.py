"""A transactional producer for tools and tests: one transaction after the other (KIP-98)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from barnabas.client.cluster import ClusterClient
from barnabas.client.coordinators import ASK_AGAIN, GROUP, TRANSACTION, ask_coordinator
from barnabas.client.errors import ClientError
from barnabas.client.producer import Producer
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import RequestMessage, ResponseT
from barnabas.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from barnabas.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest
from barnabas.protocol.messages.end_txn import EndTxnRequest
from barnabas.protocol.messages.init_producer_id import InitProducerIdRequest
from barnabas.protocol.messages.txn_offset_commit import TxnOffsetCommitRequest
from barnabas.records.batch import Record
from barnabas.types import NO_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, TopicPartition

INIT_PRODUCER_ID_VERSION = 4
ADD_PARTITIONS_TO_TXN_VERSION = 3
ADD_OFFSETS_TO_TXN_VERSION = 3
TXN_OFFSET_COMMIT_VERSION = 3
END_TXN_VERSION = 3

_AGAIN = ASK_AGAIN | {ErrorCode.CONCURRENT_TRANSACTIONS}


class TransactionalProducer(Producer):
    """``await start()`` first: it fences an earlier producer with the same id. Then call ``send``
    and ``send_offsets`` any number of times, then ``commit`` or ``abort``, and so on.

    After a ClientError the transaction cannot continue; ``start`` aborts it, and a new one may
    begin. PRODUCER_FENCED and INVALID_PRODUCER_EPOCH mean that another producer uses the id. After
    Unreachable from ``commit`` the outcome is unknown.
    """

    def __init__(
        self,
        client: ClusterClient,
        transactional_id: str,
        *,
        timeout_ms: int = 60_000,
        delivery_timeout_ms: int = 120_000,
    ) -> None:
        super().__init__(client, delivery_timeout_ms=delivery_timeout_ms)
        self._transactional_id = transactional_id
        self._timeout_ms = timeout_ms
        self._added: dict[TopicPartition, None] = {}
        self._open = False

    @property
    def _id(self) -> str:
        return self._transactional_id or ""

    @property
    def identity(self) -> tuple[int, int]:
        """(producer id, epoch)."""
        return self._producer_id, self._producer_epoch

    async def start(self) -> None:
        """Take the transactional id over. Raises ClientError, Unreachable."""
        response = await self._ask(
            ApiKey.INIT_PRODUCER_ID,
            INIT_PRODUCER_ID_VERSION,
            InitProducerIdRequest(
                transactional_id=self._transactional_id,
                transaction_timeout=self._timeout_ms,
                producer_id=NO_PRODUCER_ID,
                producer_epoch=NO_PRODUCER_EPOCH,
            ),
            lambda response: response.error_code,
        )
        self._producer_id = int(response.producer_id)
        self._producer_epoch = int(response.producer_epoch)
        self._sequences.clear()
        self._added.clear()
        self._open = False

    async def _new_producer_id(self) -> tuple[int, int]:
        """Refused: a transaction with a batch whose outcome is unknown cannot continue."""
        raise ClientError(f"transactional id {self._transactional_id}", ErrorCode.INVALID_TXN_STATE)

    async def send(self, tp: TopicPartition, records: Sequence[Record]) -> int:
        """Append a batch in the transaction; the offset of its first record."""
        if tp not in self._added:
            await self._add(tp)
        return await super().send(tp, records)

    async def _add(self, tp: TopicPartition) -> None:
        await self._ask(
            ApiKey.ADD_PARTITIONS_TO_TXN,
            ADD_PARTITIONS_TO_TXN_VERSION,
            AddPartitionsToTxnRequest(
                v3_and_below_transactional_id=self._id,
                v3_and_below_producer_id=self._producer_id,
                v3_and_below_producer_epoch=self._producer_epoch,
                v3_and_below_topics=[
                    AddPartitionsToTxnRequest.Topic(name=tp.topic, partitions=[tp.partition])
                ],
            ),
            lambda response: _first(
                p.partition_error_code
                for t in response.results_by_topic_v3_and_below
                for p in t.results_by_partition
            ),
        )
        self._added[tp] = None
        self._open = True

    async def send_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Add positions of a group without members to the transaction."""
        await self._ask(
            ApiKey.ADD_OFFSETS_TO_TXN,
            ADD_OFFSETS_TO_TXN_VERSION,
            AddOffsetsToTxnRequest(
                transactional_id=self._id,
                producer_id=self._producer_id,
                producer_epoch=self._producer_epoch,
                group_id=group,
            ),
            lambda response: response.error_code,
        )
        self._open = True
        topics = [
            TxnOffsetCommitRequest.Topic(
                name=tp.topic,
                partitions=[
                    TxnOffsetCommitRequest.Partition(
                        partition_index=tp.partition,
                        committed_offset=offset,
                        committed_leader_epoch=NO_EPOCH,
                        committed_metadata="",
                    )
                ],
            )
            for tp, offset in offsets.items()
        ]
        await ask_coordinator(
            self._client,
            GROUP,
            group,
            ApiKey.TXN_OFFSET_COMMIT,
            TXN_OFFSET_COMMIT_VERSION,
            TxnOffsetCommitRequest(
                transactional_id=self._id,
                group_id=group,
                producer_id=self._producer_id,
                producer_epoch=self._producer_epoch,
                topics=topics,
            ),
            lambda response: _first(p.error_code for t in response.topics for p in t.partitions),
            again=_AGAIN,
        )

    async def commit(self) -> None:
        """Commit the transaction. Raises ClientError, and Unreachable if the outcome is unknown."""
        await self._end(commit=True)

    async def abort(self) -> None:
        """Abort the transaction."""
        await self._end(commit=False)

    async def _end(self, *, commit: bool) -> None:
        if self._open:
            await self._ask(
                ApiKey.END_TXN,
                END_TXN_VERSION,
                EndTxnRequest(
                    transactional_id=self._id,
                    producer_id=self._producer_id,
                    producer_epoch=self._producer_epoch,
                    committed=commit,
                ),
                lambda response: response.error_code,
            )
        self._added.clear()
        self._open = False

    async def _ask(
        self,
        api: ApiKey,
        version: int,
        request: RequestMessage[ResponseT],
        error: Callable[[ResponseT], int],
    ) -> ResponseT:
        _, response = await ask_coordinator(
            self._client,
            TRANSACTION,
            self._id,
            api,
            version,
            request,
            error,
            again=_AGAIN,
        )
        return response


def _first(codes: Iterable[int]) -> int:
    """The first error; NONE if there is none."""
    return next((int(code) for code in codes if code), 0)
