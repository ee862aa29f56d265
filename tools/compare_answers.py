"""What two clusters say to every wrong input, side by side.

    python tools/compare_answers.py OURS:PORT ORIGINAL:PORT [--all] [--record FILE] [WORD ...]

Prints a table of API and version, what is wrong, codes and texts of the original, and ours;
only the differences, unless ``--all`` is given. WORDs limit it to cases whose names contain all
of them. Broker N listens at PORT + N - 1. Both clusters have to be new: what an earlier run left
behind (groups, transactional ids) changes answers. ``--record`` writes the original's answers as
the golden files of the tests (``tests/golden/answers-N.json``,
``answers-frames.json``). With ``--older`` it asks right requests in older versions instead
(``tests/golden/answers-older.json``).
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.answers import older
from tests.answers.case import Case, summary
from tests.answers.cases import ALL
from tests.answers.run import ANSWER_MS, answers, frames

from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.message import Message


class Cluster:
    """Asks the brokers of a cluster whose ports follow each other."""

    def __init__(self, address: str) -> None:
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)
        self._connections: dict[int, KafkaConnection] = {}

    async def connection(self, broker: int = 1) -> KafkaConnection:
        """The connection to a broker, opened anew if it was closed."""
        found = self._connections.get(broker)
        if found is None or not found.is_open:
            port = self.port + broker - 1
            found = await KafkaConnection.connect(
                self.host, port, client_id="answers", timeout_ms=10_000
            )
            self._connections[broker] = found
        return found

    async def ask(
        self, api: ApiKey, version: int, message: Message | None = None, *, broker: int = 1
    ) -> Any:
        """The decoded answer. Raises ConnectionError."""
        connection = await self.connection(broker)
        return await connection.send(api, version, message or Message(), timeout_ms=ANSWER_MS)


async def record(file: Path, cluster: Cluster, found: dict[Case, Any], brokers: int) -> None:
    """Write the golden files: the answers, and from one broker frames of some wrong ones."""
    _write(file, {case.name: answer for case, answer in found.items()})
    if brokers == 1 and "--older" not in sys.argv:
        hexed = {case.name: text async for case, text in frames(cluster, list(found))}
        _write(file.with_name("answers-frames.json"), hexed)


def _write(file: Path, rows: dict[str, Any]) -> None:
    lines = [f"{json.dumps(name)}: {json.dumps(answer)}" for name, answer in rows.items()]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n")


async def main() -> None:
    words = [a for a in sys.argv[1:] if not a.startswith("--")]
    file = None
    if "--record" in sys.argv:
        file = Path(sys.argv[sys.argv.index("--record") + 1])
        words.remove(str(file))
    ours, theirs, words = Cluster(words[0]), Cluster(words[1]), words[2:]
    wanted = older.CASES if "--older" in sys.argv else ALL
    cases = [c for c in wanted if all(w in c.name for w in words)]
    view = await theirs.ask(ApiKey.METADATA, 12, Message(topics=[]))
    brokers = len(view.brokers)
    expected = {c: a async for c, a in answers(theirs, cases, brokers=brokers)}
    if file is not None:
        await record(file, theirs, expected, brokers)
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
