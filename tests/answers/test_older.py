"""Right requests in older versions are answered as the original answers them
(``tests/golden/answers-older.json``, recorded by ``tools/compare_answers.py --older --record``).
"""

from __future__ import annotations

import json
from typing import Any

from tests.answers.older import CASES
from tests.answers.run import answers
from tests.answers.test_answers import SETTINGS
from tests.api import kit
from tests.places import GOLDEN


def test_older_versions_are_answered_as_the_original_does() -> None:
    got: dict[str, Any] = {}

    async def scenario(client: kit.Client) -> None:
        got.update({case.name: a async for case, a in answers(client, CASES, brokers=1)})

    kit.run(scenario, settings=SETTINGS)
    expected = json.loads((GOLDEN / "answers-older.json").read_text())
    assert list(got) == list(expected), "record the answers anew"
    assert len(expected) > 150
    wrong = [
        f"{name}: {theirs} of the original, ours {got[name]}"
        for name, theirs in expected.items()
        if _named(got[name]) != _named(theirs)
    ]
    assert not wrong, "\n".join(wrong)


def _named(answer: Any) -> Any:
    """The answer without who asked, and from where."""
    if isinstance(answer, list):
        return [_named(item) for item in answer]
    if not isinstance(answer, dict):
        return answer
    return {k: _named(v) for k, v in answer.items() if k not in ("client_id", "client_host")}
