"""Anomalies of transactions that clients can see, found in a history. Pure.

Each transaction writes values that are unique, to several partitions, and may commit a position of
a group: its number, which rises with every transaction of the same producer. ``info`` means that
nobody knows whether it was committed; then it is there as a whole or not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from tests.simulation.history import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One transaction: OK was committed, FAIL was aborted (or fenced before its end)."""

    producer: str
    number: int
    values: tuple[tuple[str, Hashable], ...]
    """(partition, value), in the order in which they were sent."""
    outcome: Outcome
    group: str = ""
    """Whose position ``number`` it committed, if any."""


@dataclass(slots=True)
class TransactionHistory:
    """What producers did, what READ_COMMITTED readers saw, what groups have in the end."""

    transactions: list[Transaction] = field(default_factory=list)
    reads: dict[str, list[tuple[str, int, Hashable]]] = field(default_factory=dict)
    """Reader -> (partition, offset, value) in the order of reading, each partition from its
    beginning; some stop early."""
    final: str = ""
    """The reader that read everything, after all transactions had ended."""
    positions: dict[str, int] = field(default_factory=dict)
    """Group -> its committed position in the end; -1 if none."""


@dataclass(frozen=True, slots=True)
class Fault:
    kind: str
    text: str


def check(history: TransactionHistory) -> list[Fault]:
    """Everything that must not be."""
    return [
        *_aborted_reads(history),
        *_torn(history),
        *_duplicates(history),
        *_changed(history),
        *_disorder(history),
        *_positions(history),
    ]


def _seen(history: TransactionHistory) -> dict[tuple[str, Hashable], str]:
    return {
        (key, value): reader
        for reader, records in history.reads.items()
        for key, _, value in records
    }


def _aborted_reads(history: TransactionHistory) -> Iterator[Fault]:
    """A value of a transaction that was never committed."""
    seen = _seen(history)
    for transaction in history.transactions:
        if transaction.outcome is Outcome.FAIL:
            for written in transaction.values:
                if written in seen:
                    yield Fault("aborted-read", f"{seen[written]} read {written}")


def _torn(history: TransactionHistory) -> Iterator[Fault]:
    """Committed and not there; or in doubt, and there in part."""
    final = {(key, value): None for key, _, value in history.reads.get(history.final, ())}
    seen = _seen(history)
    for transaction in history.transactions:
        there = [written for written in transaction.values if written in final]
        missing = [written for written in transaction.values if written not in final]
        name = f"{transaction.producer}'s transaction {transaction.number}"
        if transaction.outcome is Outcome.OK and missing:
            yield Fault("lost-transaction", f"{name} was committed, {missing} is not there")
        elif transaction.outcome is Outcome.INFO and missing:
            if there:
                yield Fault("torn-transaction", f"of {name} {there} is there, {missing} is not")
            elif any(written in seen for written in transaction.values):
                yield Fault("torn-transaction", f"{name} was read, and is not there in the end")


def _duplicates(history: TransactionHistory) -> Iterator[Fault]:
    for reader, records in history.reads.items():
        counts = Counter((key, value) for key, _, value in records)
        for written, count in counts.items():
            if count > 1:
                yield Fault("duplicate", f"{reader} read {written} {count} times")


def _changed(history: TransactionHistory) -> Iterator[Fault]:
    """What one reader passed is what every later reader passes."""
    final: dict[str, dict[int, Hashable]] = {}
    for key, offset, value in history.reads.get(history.final, ()):
        final.setdefault(key, {})[offset] = value
    for reader, records in history.reads.items():
        by_key: dict[str, dict[int, Hashable]] = {}
        for key, offset, value in records:
            by_key.setdefault(key, {})[offset] = value
        for key, known in by_key.items():
            end = max(known)
            expected = {o: v for o, v in final.get(key, {}).items() if o <= end}
            if known != expected:
                differing = {o for o in {*known, *expected} if known.get(o) != expected.get(o)}
                yield Fault("changed", f"{reader} read {key} otherwise at {sorted(differing)}")


def _disorder(history: TransactionHistory) -> Iterator[Fault]:
    """Each producer's transactions and their values stand in the order of sending."""
    order = {
        written: (transaction.producer, place)
        for place, transaction in enumerate(history.transactions)
        for written in transaction.values
    }
    inside = {
        written: index
        for transaction in history.transactions
        for index, written in enumerate(transaction.values)
    }
    last: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for key, _, value in history.reads.get(history.final, ()):
        if (key, value) in order:
            producer, place = order[key, value]
            last.setdefault((producer, key), []).append((place, inside[key, value]))
    for (producer, key), places in last.items():
        if any(other <= one for one, other in pairwise(places)):
            yield Fault("disorder", f"{producer} in {key}")


def _positions(history: TransactionHistory) -> Iterator[Fault]:
    """The position is that of the last committed transaction, or of a later one in doubt that is
    there."""
    final = {(key, value): None for key, _, value in history.reads.get(history.final, ())}
    for group, position in history.positions.items():
        mine = [t for t in history.transactions if t.group == group]
        expected = -1
        for transaction in mine:
            committed = transaction.outcome is Outcome.OK or (
                transaction.outcome is Outcome.INFO
                and bool(transaction.values)
                and transaction.values[0] in final
            )
            if committed:
                expected = transaction.number
        if position != expected:
            kind = "lost-position" if position < expected else "aborted-position"
            yield Fault(kind, f"group {group} is at {position}, not {expected}")
