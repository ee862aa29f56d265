"""Print where a life recorded by ``record_life.py`` differs from the one in tests/golden.

    python tools/compare_life.py DIRECTORY [STEP...]

Per step and (sender -> receiver): how many requests of each API and version there are, and which
values each of their fields took, reduced to kinds (null, empty, -1, 0, number, text...), so that
addresses, ids, epochs and times do not matter. Then ZooKeeper's operations per step, with numbers
in paths replaced. Brokers are named by their part: ``controller`` or ``broker``. Only what brokers
send each other is counted, without fetches and ApiVersions, whose number depends on time alone.
``docs/differences.md`` explains what this prints.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from barnabas.protocol import codec
from barnabas.protocol.api import API_TABLE, ApiKey
from barnabas.protocol.header import parse_request_header, parse_response_header
from barnabas.protocol.message import MessageStruct
from barnabas.protocol.schema import Struct
from barnabas.zookeeper import jute
from barnabas.zookeeper.messages import OpCode

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
BETWEEN_BROKERS = (4, 5, 6, 7, 56, 67)
LEFT_OUT = ("__consumer_offsets", "__transaction_state")
PING = 11

Row = dict[str, Any]


def rows(directory: Path, kind: str) -> Iterator[Row]:
    """The lines of a recording, packed or not."""
    path = directory / f"{kind}-wire.jsonl"
    with path.open() if path.exists() else gzip.open(f"{path}.gz", "rt") as lines:
        for line in lines:
            yield json.loads(line)


def decode(row: Row) -> Any:
    """The body of a Kafka frame as plain values."""
    frame, api, version = bytes.fromhex(row["hex"]), row["api"], row["version"]
    if row["dir"] == "request":
        _, offset = parse_request_header(frame)
        schema = codec.message_schema(api, version, response=False)
        return as_dict(codec.decode_request(api, version, frame, offset), schema)
    _, offset = parse_response_header(api, version, frame)
    schema = codec.message_schema(api, version, response=True)
    return as_dict(codec.decode_response(api, version, frame, offset), schema)


def as_dict(value: Any, struct: Struct | None) -> Any:
    """Messages as dicts, with the fields that their version has."""
    if isinstance(value, (list, tuple)):
        return [as_dict(item, struct) for item in value]
    if not isinstance(value, MessageStruct):
        return value
    assert struct is not None
    return {f.name: as_dict(getattr(value, f.name), f.struct) for f in struct.fields}


# Who is who


def sender(row: Row) -> str:
    """``1`` of client ids ``1`` and ``broker-1-fetcher-0``; ``client`` for others."""
    client = row["client"] or ""
    found = re.fullmatch(r"(\d)|broker-(\d)-fetcher-\d", client)
    return (found[1] or found[2]) if found else "client"


class Cast:
    """Which broker is the controller in each step, read from the frames themselves."""

    def __init__(self, frames: list[Row]) -> None:
        self._controllers: dict[str, set[str]] = defaultdict(set)
        for row in frames:
            if row["api"] == ApiKey.UPDATE_METADATA and row["dir"] == "request":
                self._controllers[row["step"]].add(sender(row))
        self._last: set[str] = {"1"}
        for step in sorted({row["step"] for row in frames}):
            self._last = self._controllers.setdefault(step, self._last) or self._last

    def part(self, step: str, broker: str) -> str:
        """The part that a broker plays."""
        if broker == "client":
            return broker
        return "controller" if broker in self._controllers[step] else "broker"


# Kafka requests


def counts(frames: list[Row]) -> dict[str, Counter[str]]:
    """Per step: how many requests of each kind between whom."""
    cast = Cast(frames)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in frames:
        if row["dir"] != "request" or row["api"] not in BETWEEN_BROKERS:
            continue
        step = row["step"]
        who = cast.part(step, sender(row)), cast.part(step, str(row["broker"]))
        name = f"{who[0]} -> {who[1]} {API_TABLE[row['api']].name} v{row['version']}"
        found[step][name] += 1
    return found


def kind_of(value: Any) -> str:
    """A value without its particulars."""
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, uuid.UUID):
        return "zero id" if value.int == 0 else "id"
    if isinstance(value, int):
        return str(value) if -2 <= value <= 0 else "number"
    if isinstance(value, (str, bytes)):
        return type(value).__name__ if value else "empty"
    return type(value).__name__


def fields(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(field, kind of value) of everything in a message."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from fields(item, f"{path}.{name}" if path else name)
    elif isinstance(value, (list, tuple)):
        if not value:
            yield path, "[]"
        for item in value:
            yield from fields(item, f"{path}[]")
    else:
        yield path, kind_of(value)


def structures(frames: list[Row]) -> dict[str, dict[str, set[str]]]:
    """Per kind of frame between brokers: the values that each field took."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in frames:
        if row["api"] in (*BETWEEN_BROKERS, ApiKey.FETCH) and sender(row) != "client":
            name = f"{API_TABLE[row['api']].name} v{row['version']} {row['dir']}"
            for path, kind in fields(decode(row)):
                found[name][path].add(kind)
    return found


def contents(frames: list[Row], step: str) -> Iterator[str]:
    """The controller's announcements in a step, one line each, for reading side by side."""
    cast = Cast(frames)
    for row in frames:
        if row["step"] != step or row["dir"] != "request" or row["api"] not in BETWEEN_BROKERS:
            continue
        body = decode(row)
        who = f"{cast.part(step, sender(row))} {sender(row)} -> {row['broker']}"
        partitions = []
        for topic in body.get("topic_states") or body.get("topics") or ():
            name = topic.get("topic_name") or topic.get("topic_id")
            if name in LEFT_OUT:
                continue
            found = topic.get("partition_states") or topic.get("partitions") or ()
            partitions += [f"{name}-{summary(p)}" for p in found]
        head = {k: v for k, v in body.items() if not isinstance(v, (list, tuple))}
        brokers = [b.get("id", b.get("broker_id")) for b in body.get("live_brokers", ())]
        yield (
            f"{row['t']:>10} {who} {API_TABLE[row['api']].name} {head} brokers={brokers} "
            + "; ".join(partitions)
        )


def summary(partition: dict[str, Any]) -> str:
    """``0 leader 1 epoch 2 isr [1, 2]`` and what else is worth saying."""
    number = partition.get("partition_index")
    rest = {
        k: v
        for k, v in partition.items()
        if k not in ("partition_index", "topic_name", "replicas") and v not in ([], (), None)
    }
    return f"{number} {rest}"


# ZooKeeper operations


def operations(frames: list[Row]) -> dict[str, Counter[str]]:
    """Per step: operations with their paths, numbers replaced; a multi shows its parts."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in frames:
        if row["dir"] == "request" and row["op"] not in ("connect", PING):
            _, op, record = jute.decode_request(bytes.fromhex(row["hex"]))
            name = describe(op, record)
            if not any(left_out in name for left_out in LEFT_OUT):
                found[row["step"]][name] += 1
    return found


def describe(op: int, record: Any) -> str:
    """``getData /controller watch``."""
    name = OpCode(op).name.lower()
    if op == OpCode.MULTI:
        return f"{name}[{', '.join(describe(o, r) for o, r in record.ops)}]"
    path = getattr(record, "path", "")
    path = re.sub(r"(?<=/)\d+(?=/|$)", "N", re.sub(r"_\d{10}$", "_#", path))
    return f"{name} {path}{' watch' if getattr(record, 'watch', False) else ''}"


# Printing


def compare(title: str, golden: Counter[str], ours: Counter[str]) -> None:
    """Lines ``name: golden, ours`` where they differ."""
    lines = [
        f"  {name}: {golden[name]} recorded, {ours[name]} ours"
        for name in sorted(golden | ours)
        if golden[name] != ours[name]
    ]
    if lines:
        print(title, *lines, sep="\n")


def main(directory: str, *steps: str) -> None:
    """Everything, or the steps that begin with one of ``steps``, with the announcements."""
    kafka = {d: list(rows(d, "kafka")) for d in (GOLDEN, Path(directory))}
    zookeeper = {d: list(rows(d, "zookeeper")) for d in kafka}
    golden, ours = map(counts, kafka.values())
    golden_operations, our_operations = map(operations, zookeeper.values())
    for step in sorted(set(ours) | set(our_operations)):
        if steps and not step.startswith(steps):
            continue
        compare(f"{step}: requests", golden[step], ours[step])
        compare(f"{step}: ZooKeeper", golden_operations[step], our_operations[step])
        for name, frames in zip(("recorded", "ours"), kafka.values(), strict=True):
            if steps:
                print(f"{step}: {name}", *contents(frames, step), sep="\n  ")
    if steps:
        return
    golden_fields, our_fields = map(structures, kafka.values())
    for name in sorted(golden_fields):
        lines = []
        for path in sorted(golden_fields[name].keys() | our_fields[name].keys()):
            pair = golden_fields[name].get(path, set()), our_fields[name].get(path, set())
            if pair[0] != pair[1]:
                lines.append(f"  {path}: {sorted(pair[0])} recorded, {sorted(pair[1])} ours")
        if lines:
            print(f"fields of {name}", *lines, sep="\n")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
