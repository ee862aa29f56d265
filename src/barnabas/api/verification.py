"""Checks before a transactional append whether the partition is in the transaction (KIP-890)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from barnabas.api.services import Services
from barnabas.coordinator.transaction.verification import Verdicts
from barnabas.errors import ErrorCode, KafkaError
from barnabas.replication.append_request import InTransaction
from barnabas.storage.producers.verification import NOT_NEEDED, VerificationGuard
from barnabas.types import TopicPartition


class Batch(NamedTuple):
    """The producer of a batch that will be appended, and the batch's first sequence."""

    producer_id: int
    epoch: int
    sequence: int


def begin(
    services: Services, batches: Mapping[TopicPartition, Batch]
) -> tuple[InTransaction, list[TopicPartition]]:
    """What the appends must be given, and the partitions for which the coordinator must be
    asked."""
    if not services.transactions.verifier.enabled:
        return InTransaction(guards=dict.fromkeys(batches, NOT_NEEDED)), []
    guards: dict[TopicPartition, VerificationGuard] = {}
    refused: dict[TopicPartition, KafkaError] = {}
    for name, batch in batches.items():
        try:
            guard = services.replicas.begin_verification(name, *batch)
        except KafkaError as error:
            refused[name] = error
        else:
            if guard is not None:
                guards[name] = guard
    return InTransaction(guards=guards, refused=refused), list(guards)


def ask(
    services: Services, transactional_id: str, batch: Batch, partitions: list[TopicPartition]
) -> asyncio.Future[Verdicts]:
    """The coordinator's verdicts."""
    return services.transactions.verifier.verify(
        transactional_id, batch.producer_id, batch.epoch, partitions
    )


def take_turn(
    services: Services,
    transactional_id: str,
    batches: Mapping[TopicPartition, Batch],
    unknown: list[TopicPartition],
    appended: asyncio.Future[None] | None,
) -> asyncio.Future[Verdicts] | None:
    """The coordinator's verdicts on ``unknown``, not before earlier requests of the producer to the
    same partitions may append; None if nothing has to be waited for. ``appended``: to be done once
    a request of very many partitions is appended, for which later ones then wait."""
    verdicts = ask(services, transactional_id, batches[unknown[0]], unknown) if unknown else None
    if not batches:
        return verdicts
    producer_id = next(iter(batches.values())).producer_id
    return services.transactions.append_order.turn(producer_id, batches, verdicts, appended)


async def prepare(
    services: Services, transactional_id: str, batches: Mapping[TopicPartition, Batch]
) -> tuple[InTransaction, Verdicts]:
    """``begin`` and ``ask`` for one producer: what its appends must be given, and the verdicts."""
    transaction, unknown = begin(services, batches)
    verdicts = {name: error.code for name, error in transaction.refused.items()}
    if unknown:
        batch = next(iter(batches.values()))
        verdicts |= {
            name: verdict
            for name, verdict in (await ask(services, transactional_id, batch, unknown)).items()
            if verdict != ErrorCode.NONE and name in batches
        }
    return transaction, verdicts
