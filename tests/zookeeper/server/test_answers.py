"""Our answers to the table of raw requests are those that ZooKeeper 3.8.4 gave."""

from __future__ import annotations

from tests.places import GOLDEN
from tests.virtual_time import run
from tests.zookeeper.server.answers import ask
from tests.zookeeper.server.kit import coordinator

RECORDED = GOLDEN / "zookeeper-answers.txt"


def test_every_request_is_answered_as_by_the_original() -> None:
    async def main() -> list[str]:
        async with coordinator() as server:
            return await ask(server)

    recorded = RECORDED.read_text().splitlines()
    ours = run(main())
    assert [f"{o}   (recorded: {r})" for o, r in zip(ours, recorded, strict=True) if o != r] == []
