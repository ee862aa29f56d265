"""Protocol faults: rules that say what happens to which requests, and how often.

The test keeps the rules, even if brokers are processes of their own. A broker asks the test about
each request whose API has a rule. So "twice" means twice in the whole cluster.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey

Verdict: TypeAlias = dict[str, Any]
"""What to do with a request: ``error`` (a code), ``delay_ms``, ``throttle_ms``, ``disconnect``,
``drop_response``; ``topic`` and ``partition`` as the rule names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a rule looks at in a request."""

    api: int
    broker: int
    client_id: str | None
    partitions: Sequence[tuple[str, int | None]]
    """(topic, partition) for all that it names; None where it names only a topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A request that a fault has hit."""

    at: float
    """Monotonic time in seconds."""
    api: str
    broker: int
    client_id: str | None
    partitions: tuple[tuple[str, int | None], ...]


def api_key(name: str | ApiKey) -> ApiKey:
    """The API of a name such as ``"Produce"``, ``"PRODUCE"`` or ``"list_offsets"``. Raises
    ValueError."""
    if isinstance(name, ApiKey):
        return name
    wanted = name.replace("_", "").lower()
    for key in ApiKey:
        if key.name.replace("_", "").lower() == wanted:
            return key
    raise ValueError(f"no API is named {name!r}")


class Fault:
    """One rule. Call a method that says what happens (``error``, ``delay``, …), and if it should
    not always happen, one that says when."""

    def __init__(
        self,
        api: ApiKey,
        *,
        topic: str | None,
        partition: int | None,
        client_id: str | None,
        broker: int | None,
        seed: int,
        lock: threading.Lock,
    ) -> None:
        self.api = api
        self._topic = topic
        self._partition = partition
        self._client_id = client_id
        self._broker = broker
        self._lock = lock
        self._verdict: Verdict = {}
        self._times: int | None = None
        self._skipped = 0
        self._after = 0
        self._probability = 1.0
        self._random = random.Random(seed)
        self._hits: list[Hit] = []

    # What happens

    def error(self, error: str | ErrorCode) -> Self:
        """Do not serve the request; answer this error, such as ``"NOT_LEADER_OR_FOLLOWER"``."""
        code = ErrorCode[error] if isinstance(error, str) else error
        return self.does(error=int(code))

    def delay(self, ms: float) -> Self:
        """Serve the request ``ms`` later. Later requests on the connection wait too."""
        return self.does(delay_ms=ms)

    def throttle(self, ms: int) -> Self:
        """Serve the request; the answer tells the client to send nothing for ``ms``."""
        return self.does(throttle_ms=ms)

    def disconnect(self) -> Self:
        """Do not serve the request; close the connection."""
        return self.does(disconnect=True)

    def drop_response(self) -> Self:
        """Serve the request but do not answer. The connection stays open and nothing more is
        answered on it. With ``disconnect()`` too, it is closed instead."""
        return self.does(drop_response=True)

    def does(self, **verdict: object) -> Self:
        """Several of these at once, as a ``Verdict`` has them."""
        with self._lock:
            if self._topic is not None:
                verdict |= {"topic": self._topic, "partition": self._partition}
            self._verdict |= verdict
        return self

    # When

    def times(self, count: int) -> Self:
        """Only for the first ``count`` requests."""
        with self._lock:
            self._times = count
        return self

    def once_after(self, count: int) -> Self:
        """Once, after ``count`` requests without a fault."""
        with self._lock:
            self._after, self._times = count, 1
        return self

    def probability(self, share: float, *, seed: int | None = None) -> Self:
        """For this share of requests, chosen at random by ``seed``."""
        with self._lock:
            self._probability = share
            if seed is not None:
                self._random.seed(seed)
        return self

    # What was hit

    @property
    def hits(self) -> list[Hit]:
        """The requests that it has hit so far."""
        with self._lock:
            return list(self._hits)

    def decide(self, question: Question) -> Verdict | None:
        """What to do with a request; None if the rule does not apply. Call it with the lock
        held."""
        if not self._verdict or not self._means(question):
            return None
        if self._times is not None and len(self._hits) >= self._times:
            return None
        if self._skipped < self._after:
            self._skipped += 1
            return None
        if self._probability < 1.0 and self._random.random() >= self._probability:
            return None
        self._hits.append(
            Hit(
                at=time.monotonic(),
                api=ApiKey(question.api).name,
                broker=question.broker,
                client_id=question.client_id,
                partitions=tuple((topic, number) for topic, number in question.partitions),
            )
        )
        return dict(self._verdict)

    def _means(self, question: Question) -> bool:
        return (
            question.api == self.api
            and self._broker in (None, question.broker)
            and self._client_id in (None, question.client_id)
            and (
                self._topic is None
                or any(
                    topic == self._topic and (self._partition is None or number == self._partition)
                    for topic, number in question.partitions
                )
            )
        )


class Faults:
    """All rules of one cluster: ``cluster.faults``. Safe for use in any thread."""

    def __init__(
        self,
        seed: int,
        publish: Callable[[Sequence[int]], None],
        note: Callable[[str, Mapping[str, object]], None],
    ) -> None:
        """``publish`` tells every broker which APIs have rules, and returns when they know."""
        self._seed = seed
        self._publish = publish
        self._note = note
        self._lock = threading.Lock()
        self._rules: list[Fault] = []

    def on(
        self,
        api: str | ApiKey,
        *,
        topic: str | None = None,
        partition: int | None = None,
        client_id: str | None = None,
        broker: int | None = None,
    ) -> Fault:
        """Make a rule for clients' requests of one API.

        It can be limited to requests that name a topic (or one of its partitions), to one client
        id, and to one broker. It does nothing before one of its methods says what happens. The
        first rule that applies and is not used up decides. An error answers the whole request; only
        for Produce, Fetch and Metadata it answers single partitions or topics."""
        key = api_key(api)
        with self._lock:
            fault = Fault(
                key,
                topic=topic,
                partition=partition,
                client_id=client_id,
                broker=broker,
                seed=self._seed,
                lock=self._lock,
            )
            self._rules.append(fault)
            watched = self._watched()
        self._publish(watched)
        return fault

    def remove(self, fault: Fault) -> None:
        """Forget one rule."""
        with self._lock:
            self._rules = [rule for rule in self._rules if rule is not fault]
            watched = self._watched()
        self._publish(watched)

    def clear(self) -> None:
        """Remove all rules."""
        with self._lock:
            self._rules.clear()
        self._publish([])

    @property
    def hits(self) -> list[Hit]:
        """The hits of all rules, in order of time."""
        with self._lock:
            found = [hit for rule in self._rules for hit in rule._hits]
        return sorted(found, key=lambda hit: hit.at)

    def judge(self, question: Question) -> Verdict | None:
        """What to do with a request."""
        with self._lock:
            for rule in self._rules:
                verdict = rule.decide(question)
                if verdict is not None:
                    break
            else:
                return None
        told = {k: v for k, v in verdict.items() if v is not None}
        if "error" in told:
            told["error"] = ErrorCode(told["error"]).name
        fields = {"api": ApiKey(question.api).name, "client_id": question.client_id, **told}
        self._note(f"broker:{question.broker}", fields)
        return verdict

    def _watched(self) -> list[int]:
        return sorted({int(rule.api) for rule in self._rules})
