"""Whether the files of a log directory follow their formats and agree with each other.

A segment is read once; its indexes are read along with it, so the memory needed does not grow with
the files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from barnabas.cli.log_batches import (
    Found,
    batches,
    is_wrapper,
    records_of,
    wrapped_by,
)
from barnabas.cli.log_source import Damaged, Source
from barnabas.cli.log_tables import (
    base_offset_of,
    kind_of,
    offset_entries,
    table_entries,
    time_entries,
)
from barnabas.errors import KafkaError
from barnabas.records.legacy import Message
from barnabas.storage.checkpoints import EPOCH_CHECKPOINT
from barnabas.storage.segment import (
    INDEX_SUFFIX,
    LOG_SUFFIX,
    TIME_INDEX_SUFFIX,
    TRANSACTION_INDEX_SUFFIX,
)
from barnabas.types import NO_OFFSET

PROBLEMS_MAX: Final = 100
"""Of one file; the others are only counted."""


@dataclass(slots=True)
class Verdict:
    """What was found in one file."""

    path: str
    problems: list[str] = field(default_factory=list)
    count: int = 0
    """Of all problems, also those that ``problems`` has no room for."""
    batches: int = 0
    records: int = 0
    entries: int = 0
    first_offset: int = NO_OFFSET
    last_offset: int = NO_OFFSET

    def problem(self, text: str) -> None:
        """Note that something is wrong."""
        self.count += 1
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(text)

    def follows(self, before: Verdict | None) -> None:
        """Note a problem if this segment begins within the one ``before`` it, of the same log."""
        if before is None or os.path.dirname(before.path) != os.path.dirname(self.path):
            return
        base = base_offset_of(self.path)
        if base_offset_of(before.path) < base <= before.last_offset:
            self.problem(f"the segment before it ends at offset {before.last_offset}")


def verify(path: str) -> list[Verdict]:
    """The verdicts on a file; with a segment, also on the indexes beside it. ConfigError if a file
    cannot be read or is of no known kind."""
    kind = kind_of(path)
    assert kind is not None
    if kind == LOG_SUFFIX:
        return _segment(path)
    return [_table(path, kind)]


def beside(path: str, suffix: str) -> str:
    """The file of the same segment with another suffix; ``.deleted`` and the like stay."""
    directory, name = os.path.split(path)
    stem, _, rest = name.partition(".")
    passing = rest.partition(".")[1:]
    return os.path.join(directory, stem + suffix + "".join(passing))


def _table(path: str, kind: str) -> Verdict:
    """A file by itself: it can be read, and its entries ascend where they must."""
    verdict = Verdict(path)
    rising: tuple[str, ...] = {
        INDEX_SUFFIX: ("offset", "position"),
        TIME_INDEX_SUFFIX: ("timestamp", "offset"),
        TRANSACTION_INDEX_SUFFIX: ("lastOffset",),
        EPOCH_CHECKPOINT: ("epoch", "startOffset"),
    }.get(kind, ())
    before: dict[str, object] = {}
    with Source(path) as source:
        try:
            for entry in table_entries(kind, source):
                verdict.entries += 1
                for name in rising:
                    if before and not _int(before[name]) < _int(entry[name]):
                        verdict.problem(f"{name} {entry[name]} after {before[name]}")
                if kind == TRANSACTION_INDEX_SUFFIX and entry["version"] != 0:
                    verdict.problem(f"entry of version {entry['version']}")
                before = entry
        except Damaged as error:
            verdict.problem(str(error))
    return verdict


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _segment(path: str) -> list[Verdict]:
    verdict = Verdict(path)
    with ExitStack() as stack:
        # Indexes first: a broker that is writing has the batches of every entry in the log by then.
        checks: list[_Check] = []
        for suffix, make in _CHECKS.items():
            other = beside(path, suffix)
            if os.path.exists(other):
                checks.append(make(Verdict(other), stack.enter_context(Source(other))))
        source = stack.enter_context(Source(path))
        whole = _walk(source, verdict, checks)
        for check in checks:
            check.finish(whole=whole)
    others = [check.verdict for check in checks]
    index = beside(path, TRANSACTION_INDEX_SUFFIX)
    if os.path.exists(index):
        found = _table(index, TRANSACTION_INDEX_SUFFIX)
        others.append(found)
    return [verdict, *others]


def _walk(source: Source, verdict: Verdict, checks: list[_Check]) -> bool:
    """Look at every batch. Whether the segment could be read up to its end."""
    least = base_offset_of(source.path)
    epoch = -1
    try:
        for found in batches(source):
            verdict.batches += 1
            where = f"batch at {found.position}"
            if not found.crc_matches:
                verdict.problem(f"{where}: the checksum does not match")
            if found.base_offset < least:
                verdict.problem(f"{where}: offset {found.base_offset} where {least} is the least")
            if verdict.first_offset < 0:
                verdict.first_offset = found.base_offset
            verdict.last_offset = max(verdict.last_offset, found.last_offset)
            least = verdict.last_offset + 1
            if isinstance(found.header, Message):
                _messages(found, found.header, where, verdict)
            else:
                its = found.header.partition_leader_epoch
                if its < epoch:
                    verdict.problem(f"{where}: leader epoch {its} after {epoch}")
                epoch = max(epoch, its)
                if found.crc_matches:
                    _records(found, where, verdict)
            for check in checks:
                check.batch(found)
    except Damaged as error:
        verdict.problem(str(error))
        return False
    return True


def _messages(found: Found, header: Message, where: str, verdict: Verdict) -> None:
    if not is_wrapper(header) or not found.crc_matches:
        verdict.records += 1
        return
    before = NO_OFFSET
    try:
        for message in wrapped_by(found):
            verdict.records += 1
            if message.offset <= before:
                verdict.problem(f"{where}: message {message.offset} after {before}")
            before = message.offset
    except KafkaError as error:
        verdict.problem(f"{where}: {error}")


def _records(found: Found, where: str, verdict: Verdict) -> None:
    before = found.base_offset - 1
    try:
        for record in records_of(found):
            verdict.records += 1
            if record.offset <= before:
                verdict.problem(f"{where}: record {record.offset} after {before}")
            before = record.offset
    except (Damaged, KafkaError) as error:
        verdict.problem(f"{where}: {error}")


class _Check:
    """An index that is read along with its segment."""

    def __init__(
        self,
        verdict: Verdict,
        source: Source,
        entries: Callable[[Source], Iterator[tuple[int, int]]],
    ) -> None:
        self.verdict = verdict
        self._entries = entries(source)
        self._entry: tuple[int, int] | None = None
        self._before: tuple[int, int] | None = None
        self.advance()

    def advance(self) -> None:
        """Go to the next entry. Both of its numbers must be above those before."""
        self._before = self._entry
        try:
            self._entry = next(self._entries, None)
        except Damaged as error:
            self.verdict.problem(str(error))
            self._entry = None
        if self._entry is None:
            return
        self.verdict.entries += 1
        before = self._before
        if before is not None and not (before[0] < self._entry[0] and before[1] < self._entry[1]):
            self.verdict.problem(f"entry {self._entry} after {before}")

    def batch(self, found: Found) -> None:
        """Look at the next batch of the segment."""
        raise NotImplementedError

    def finish(self, *, whole: bool) -> None:
        """The segment has ended, or could not be read on (not ``whole``)."""
        while self._entry is not None:
            if whole:
                self.verdict.problem(f"entry {self._entry} is beyond the end of the segment")
            self.advance()


class _OffsetCheck(_Check):
    """An entry is where a batch begins, and the last offset of that batch or of a later one before
    the next entry: Kafka writes one for several batches that are appended together."""

    def __init__(self, verdict: Verdict, source: Source) -> None:
        self._is_found = False
        super().__init__(verdict, source, offset_entries)

    def advance(self) -> None:
        self._is_found = False
        super().advance()

    def batch(self, found: Found) -> None:
        while self._entry is not None:
            offset, position = self._entry
            self._is_found |= position == found.position
            if not self._is_found:
                if position > found.position:
                    return
                self.verdict.problem(f"entry {self._entry}: no batch begins at {position}")
            elif offset > found.last_offset:
                return
            elif offset != found.last_offset:
                self.verdict.problem(f"entry {self._entry}: {offset} ends no batch from there on")
            done = self._is_found and offset == found.last_offset
            self.advance()
            if done:
                return


class _TimeCheck(_Check):
    """An entry is the largest timestamp of the batch that its offset is in."""

    def __init__(self, verdict: Verdict, source: Source) -> None:
        super().__init__(verdict, source, time_entries)

    def batch(self, found: Found) -> None:
        while self._entry is not None and self._entry[1] <= found.last_offset:
            timestamp, offset = self._entry
            # Where a wrapper of old messages begins is not known.
            first = offset if isinstance(found.header, Message) else found.base_offset
            if offset < first:
                self.verdict.problem(f"entry {self._entry}: {offset} is in no batch")
            elif timestamp != found.max_timestamp:
                self.verdict.problem(
                    f"entry {self._entry}: the batch's largest timestamp is {found.max_timestamp}"
                )
            self.advance()


_CHECKS: Final[dict[str, Callable[[Verdict, Source], _Check]]] = {
    INDEX_SUFFIX: _OffsetCheck,
    TIME_INDEX_SUFFIX: _TimeCheck,
}
