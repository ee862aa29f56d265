"""What two clusters say to every wrong input, side by side.

    python tools/compare_answers.py OURS:PORT ORIGINAL:PORT [--all] [--record FILE] [WORD ...]

Prints a table of API and version, what is wrong, codes and texts of the original, and ours;
only the differences, unless ``--all`` is given. WORDs limit it to cases whose names contain all
of them. Broker N listens at PORT + N - 1. ``--record`` writes the original's answers as the golden
file of the tests (``tests/golden/answers-N.json``).
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.answers.cases import ALL
from tests.answers.run import answers

from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.message import Message

ANSWER_MS = 12_000
"""Longer than any request of the cases waits."""


class Cluster:
    """Asks the brokers of a cluster whose ports follow each other."""

    def __init__(self, address: str) -> None:
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)
        self._connections: dict[int, KafkaConnection] = {}

    async def ask(
        self, api: ApiKey, version: int, message: Message | None = None, *, broker: int = 1
    ) -> Any:
        found = self._connections.get(broker)
        if found is None or not found.is_open:
            port = self.port + broker - 1
            found = await KafkaConnection.connect(
                self.host, port, client_id="answers", timeout_ms=10_000
            )
            self._connections[broker] = found
        return await found.send(api, version, message or Message(), timeout_ms=ANSWER_MS)


def summary(answer: Any) -> list[str]:
    """The codes and texts of an answer, each with what it is about."""
    if isinstance(answer, str):
        return [answer]
    found: list[str] = []
    _walk(answer, "", found)
    return found or ["no error field"]


def _walk(value: Any, label: str, found: list[str]) -> None:
    if isinstance(value, list):
        for item in value:
            _walk(item, label, found)
    if not isinstance(value, dict):
        return
    code = next((value[k] for k in value if k.endswith("error_code")), None)
    if code is not None:
        text = next((value[k] for k in value if k.endswith("error_message")), None)
        found.append(f"{label}{code}" + ("" if text is None else f" {text!r}"))
    for name, item in value.items():
        if isinstance(item, list | dict):
            _walk(item, f"{name} ", found)


async def main() -> None:
    words = [a for a in sys.argv[1:] if not a.startswith("--")]
    record = None
    if "--record" in sys.argv:
        record = Path(sys.argv[sys.argv.index("--record") + 1])
        words.remove(str(record))
    ours, theirs, words = Cluster(words[0]), Cluster(words[1]), words[2:]
    cases = [c for c in ALL if all(w in c.name for w in words)]
    view = await theirs.ask(ApiKey.METADATA, 12, Message(topics=[]))
    brokers = len(view.brokers)
    expected = {c: a async for c, a in answers(theirs, cases, brokers=brokers)}
    if record is not None:
        rows = {c.name: a for c, a in expected.items()}
        lines = [f"{json.dumps(n)}: {json.dumps(a)}" for n, a in rows.items()]
        record.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    got = {c: a async for c, a in answers(ours, cases, brokers=brokers)}
    different = 0
    for asked, answer in expected.items():
        mine = got[asked]
        different += answer != mine
        if answer == mine and "--all" not in sys.argv:
            continue
        mark = "" if answer == mine else "  <--"
        theirs_said, we_said = summary(answer), summary(mine)
        print(f"{asked.name}{mark}")
        print("    original:", "; ".join(theirs_said))
        if answer != mine:
            print("    ours:    ", "; ".join(we_said))
            if theirs_said == we_said:
                print("    rest:    ", json.dumps(answer), "\n    ours:    ", json.dumps(mine))
    print(f"{len(expected)} cases, {different} different")


asyncio.run(main())
