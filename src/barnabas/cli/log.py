"""``barnabas log``: files of a log directory, shown and verified (DumpLogSegments)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence

import click

from barnabas.cli.internal_records import DECODERS, Decoder, decoder_for, shown_bytes
from barnabas.cli.log_batches import (
    Found,
    batch_entry,
    batches,
    is_wrapper,
    message_entry,
    record_entry,
    records_of,
    wrapped_by,
)
from barnabas.cli.log_source import Damaged, Entry, Source
from barnabas.cli.log_tables import base_offset_of, kind_of, table_entries
from barnabas.cli.log_verify import PROBLEMS_MAX, Verdict, beside, verify
from barnabas.cli.options import text_output
from barnabas.coordinator.group.placement import OFFSETS_TOPIC
from barnabas.coordinator.transaction.records import TRANSACTION_TOPIC
from barnabas.errors import ConfigError, KafkaError
from barnabas.logs import visible
from barnabas.records.batch import Record
from barnabas.records.legacy import Message
from barnabas.storage.segment import (
    INDEX_SUFFIX,
    LOG_SUFFIX,
    TIME_INDEX_SUFFIX,
    TRANSACTION_INDEX_SUFFIX,
)

EXIT_FAILED = 1
SHOWN_CHARACTERS_MAX = 100_000
"""Of a key or a value, unless all of it is asked for as JSON."""

_files = click.argument("paths", nargs=-1, required=True, metavar="FILE|DIRECTORY...")


@click.group()
def command() -> None:
    """Show and verify files of a log directory, Kafka's or ours. They are only read.

    \b
    Segments (.log) of all message formats, .index, .timeindex, .txnindex, .snapshot,
    leader-epoch-checkpoint, the other checkpoints, partition.metadata, meta.properties.
    """


@command.command()
@_files
@click.option("--deep-iteration", is_flag=True, help="Show each record, not only batches.")
@click.option("--print-data-log", is_flag=True, help="Show records with keys and values.")
@click.option("--skip-record-metadata", is_flag=True, help="Show only keys and values of records.")
@click.option("--offsets-decoder", is_flag=True, help="Read records as __consumer_offsets.")
@click.option("--transaction-log-decoder", is_flag=True, help="Read them as __transaction_state.")
@text_output
def dump(
    paths: tuple[str, ...],
    deep_iteration: bool,
    print_data_log: bool,
    skip_record_metadata: bool,
    offsets_decoder: bool,
    transaction_log_decoder: bool,
    output: str,
) -> None:
    """Show what is in files, by Kafka's names of the fields.

    Records of internal topics are decoded if their segment is in a directory of the topic's name.

    \b
    barnabas log dump data/orders-0/00000000000000000000.log --print-data-log
    barnabas log dump data/__consumer_offsets-12 --print-data-log -o jsonl
    """
    if offsets_decoder and transaction_log_decoder:
        raise click.UsageError("give one of --offsets-decoder, --transaction-log-decoder")
    decoder: Decoder | None = None
    if offsets_decoder:
        decoder = DECODERS[OFFSETS_TOPIC]
    elif transaction_log_decoder:
        decoder = DECODERS[TRANSACTION_TOPIC]
    values = print_data_log or skip_record_metadata or decoder is not None
    job = _Dump(output, deep_iteration or values, values, skip_record_metadata, decoder)
    failed = False
    for path in _expand(paths):
        try:
            job.file(path)
        except (ConfigError, Damaged) as error:
            text = str(error) if isinstance(error, ConfigError) else f"{visible(path)}: {error}"
            click.echo(f"barnabas: {visible(text)}", err=True)
            failed = True
    if failed:
        raise click.exceptions.Exit(EXIT_FAILED)


class _Dump:
    """Prints files one after the other."""

    def __init__(
        self, output: str, deep: bool, values: bool, bare: bool, decoder: Decoder | None
    ) -> None:
        self._json = output == "jsonl"
        self._deep = deep
        self._values = values
        self._bare = bare
        self._decoder = decoder

    def file(self, path: str) -> None:
        """Print one file. Damaged after what could be read; ConfigError."""
        kind = kind_of(path)
        if kind is None:
            raise ConfigError(f"{visible(path)}: no file of a log directory by its name")
        with Source(path) as source:
            if not self._json:
                click.echo(f"Dumping {visible(path)}")
            if kind != LOG_SUFFIX:
                for entry in table_entries(kind, source):
                    self._print(path, entry)
                return
            if not self._json:
                click.echo(f"Log starting offset: {base_offset_of(path)}")
            self._segment(path, source)

    def _segment(self, path: str, source: Source) -> None:
        decoder = self._decoder or decoder_for(path)
        for found in batches(source):
            old = found.header if isinstance(found.header, Message) else None
            if not (self._bare and old is None):
                entry = batch_entry(found)
                if old is not None and self._values and not is_wrapper(old):
                    entry |= {"key": _bytes(old.key), "payload": _bytes(old.value)}
                self._print(path, entry)
            if not self._deep:
                continue
            try:
                if old is not None:
                    self._wrapped(path, found, old)
                    continue
                is_control = not isinstance(found.header, Message) and found.header.is_control
                for record in records_of(found):
                    entry = {} if self._bare else record_entry(found, record)
                    if self._values and not is_control:
                        entry |= _data(record, decoder)
                    if entry:
                        self._print(path, entry, "| ")
            except (KafkaError, Damaged) as error:
                # The batches behind it may be whole.
                click.echo(f"barnabas: {visible(path)}: at {found.position}: {error}", err=True)

    def _wrapped(self, path: str, found: Found, old: Message) -> None:
        for message in wrapped_by(found) if is_wrapper(old) else ():
            entry = message_entry(message)
            if self._values:
                entry |= {"key": _bytes(message.key), "payload": _bytes(message.value)}
            self._print(path, entry, "| ")

    def _print(self, path: str, entry: Entry, before: str = "") -> None:
        if self._json:
            click.echo(json.dumps({"file": path, **entry}))
        else:
            text = " ".join(f"{name}: {_text(name, value)}" for name, value in entry.items())
            click.echo(before + visible(text))


def _data(record: Record, decoder: Decoder | None) -> Entry:
    if decoder is not None:
        try:
            key, value = decoder(record)
            return {"key": key, "payload": value}
        except KafkaError as error:
            return {
                "key": _bytes(record.key),
                "payload": _bytes(record.value),
                "unread": str(error),
            }
    entry: Entry = {}
    if record.key is not None:
        entry["key"] = shown_bytes(record.key)
    if record.value is not None:
        entry["payload"] = shown_bytes(record.value)
    if record.headers:
        entry["headers"] = [
            [name, None if value is None else _bytes(value)] for name, value in record.headers
        ]
    return entry


def _bytes(data: bytes | None) -> str | None:
    return None if data is None else shown_bytes(bytes(data))


def _text(name: str, value: object) -> str:
    if name in ("deleteHorizonMs", "currentTxnFirstOffset"):
        return "OptionalLong.empty" if value is None else f"OptionalLong[{value}]"
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "None"
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, list):
        return f"[{','.join(_text('', each) for each in value)}]"
    text = str(value)
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[:SHOWN_CHARACTERS_MAX]}..."


@command.command("verify")
@_files
@text_output
def verify_command(paths: tuple[str, ...], output: str) -> None:
    """Check files: checksums, offsets, leader epochs, records, and that indexes fit their segment.

    Exit code 1 if anything is wrong. The end of a segment that a running broker writes may be cut
    short for a moment.

    \b
    barnabas log verify data/orders-0
    barnabas log verify data/orders-*/*.log
    """
    failed = False
    before = None
    for path in _without_indexes(list(_expand(paths))):
        try:
            if kind_of(path) is None:
                raise ConfigError(f"{visible(path)}: no file of a log directory by its name")
            verdicts = verify(path)
            if kind_of(path) == LOG_SUFFIX:
                verdicts[0].follows(before)
                before = verdicts[0]
        except ConfigError as error:
            click.echo(f"barnabas: {visible(error)}", err=True)
            failed = True
            continue
        for verdict in verdicts:
            _show(verdict, output)
            failed |= verdict.count > 0
    if failed:
        raise click.exceptions.Exit(EXIT_FAILED)


def _without_indexes(paths: Sequence[str]) -> Iterator[str]:
    """Indexes are verified with their segment, if that is there too."""
    segments = {os.path.abspath(path) for path in paths if kind_of(path) == LOG_SUFFIX}
    for path in paths:
        indexed = kind_of(path) in (INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX)
        if indexed and os.path.exists(log := beside(path, LOG_SUFFIX)):
            if os.path.abspath(log) in segments:
                continue
            segments.add(os.path.abspath(log))
            yield log
        else:
            yield path


def _show(verdict: Verdict, output: str) -> None:
    if output == "jsonl":
        found: Entry = {"file": verdict.path, "sound": not verdict.count}
        for name in ("batches", "records", "entries", "first_offset", "last_offset"):
            found[name] = getattr(verdict, name)
        click.echo(json.dumps({**found, "problems": verdict.problems, "count": verdict.count}))
        return
    counts = _number(verdict.entries, "entry", "entries")
    if kind_of(verdict.path) == LOG_SUFFIX:
        counts = _number(verdict.batches, "batch", "batches")
        if verdict.batches:
            records = _number(verdict.records, "record", "records")
            counts += f", {records}, offsets {verdict.first_offset} to {verdict.last_offset}"
    state = _number(verdict.count, "problem", "problems") if verdict.count else "sound"
    click.echo(f"{visible(verdict.path)}: {state}, {counts}")
    for text in verdict.problems:
        click.echo(f"  {visible(text)}")
    if verdict.count > PROBLEMS_MAX:
        click.echo(f"  and {verdict.count - PROBLEMS_MAX} more")


def _number(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _expand(paths: Iterable[str]) -> Iterator[str]:
    """Files as they are; of a directory those with a known name."""
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        try:
            names = sorted(os.listdir(path))
        except OSError as error:
            raise ConfigError(f"{visible(path)}: {error.strerror}") from None
        known = [os.path.join(path, n) for n in names if kind_of(n) is not None]
        if not known:
            raise ConfigError(f"{visible(path)}: no files of a log directory")
        yield from known
