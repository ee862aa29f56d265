"""Our answers to wrong inputs are the original's (``tests/golden/answers-N.json``, recorded by
``tools/compare_answers.py --record`` from N brokers), but for those that ``different.py`` explains.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from tests.answers.case import Case, summary
from tests.answers.cases import ALL
from tests.answers.different import DIFFERENT
from tests.answers.run import answers, frames
from tests.api import kit
from tests.places import GOLDEN

SETTINGS = {
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.num.partitions": "3",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
}


def recorded(brokers: int) -> dict[str, Any]:
    """What the original answered, by the names of the cases."""
    found: dict[str, Any] = json.loads((GOLDEN / f"answers-{brokers}.json").read_text())
    return found


@pytest.mark.parametrize("brokers", [1, 3])
def test_wrong_inputs_are_answered_as_the_original_does(brokers: int) -> None:
    got: dict[Case, Any] = {}

    async def scenario(client: kit.Client) -> None:
        got.update({case: a async for case, a in answers(client, ALL, brokers=brokers)})

    kit.run(scenario, brokers=brokers, settings=SETTINGS)
    expected = recorded(brokers)
    assert [case.name for case in got] == list(expected), "record the answers anew"
    wrong = []
    for case, answer in got.items():
        theirs, known = expected[case.name], DIFFERENT.get(case.name)
        if known is None and answer != theirs:
            wrong.append(f"{case.name}: {summary(theirs)} of the original, ours {answer}")
        if known is not None and answer == theirs:
            wrong.append(f"{case.name}: is as in the original, and need not stand in different.py")
        if known is not None and answer != theirs and summary(answer) != list(known):
            wrong.append(f"{case.name}: {list(known)} in different.py, ours {summary(answer)}")
    assert not wrong, "\n".join(wrong)


def test_answers_without_security_are_byte_for_byte_those_of_the_original() -> None:
    got: dict[str, str] = {}

    async def scenario(client: kit.Client) -> None:
        got.update({case.name: text async for case, text in frames(client, ALL)})

    kit.run(scenario, settings=SETTINGS)
    expected = json.loads((GOLDEN / "answers-frames.json").read_text())
    assert len(expected) > 100
    unordered = re.compile(r"UpdateFeatures v\d: two")  # a hash table's order
    same = [n for n in expected if n not in DIFFERENT and not unordered.fullmatch(n)]
    assert {n: got[n] for n in same} == {n: expected[n] for n in same}


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.name for case in ALL]
    assert len(set(names)) == len(names)
    assert set(DIFFERENT) <= set(names)
