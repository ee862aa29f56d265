"""What tests of this room share: a reader of HTTP and of the text of metrics."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

TIMEOUT_S = 10.0


class Answer(NamedTuple):
    """Of a server."""

    status: int
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def get(url: str, **headers: str) -> Answer:
    """Whatever the status."""
    request = urllib.request.Request(
        url, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return Answer(answer.status, answer.read().decode(), dict(answer.headers))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read().decode(), dict(error.headers))


class Series:
    """The samples of one reading of ``/metrics``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = list(text_string_to_metric_families(text))
        self._samples = [s for family in self.families for s in family.samples]

    @property
    def names(self) -> set[str]:
        return {sample.name for sample in self._samples}

    def all(self, name: str, **labels: str) -> dict[tuple[tuple[str, str], ...], float]:
        """Values by labels, of those that have these labels."""
        return {
            tuple(sorted(s.labels.items())): s.value
            for s in self._samples
            if s.name == name and labels.items() <= s.labels.items()
        }

    def one(self, name: str, **labels: str) -> float:
        """The only value with exactly these labels."""
        found = [s.value for s in self._samples if s.name == name and s.labels == labels]
        assert len(found) == 1, (name, labels, self.all(name))
        return found[0]


def metrics(url: str) -> Series:
    answer = get(f"{url}/metrics")
    assert answer.status == 200, answer
    return Series(answer.text)


def until(condition: Callable[[], bool], what: str) -> None:
    """A reading shows what was when it was taken: read until it shows what is wanted."""
    import time

    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
