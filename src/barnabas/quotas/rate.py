"""Rate, Avg, TokenBucket: a rate or a mean over recent time, and the wait until a rate is low
enough. Pure.

The arithmetic is Kafka's, since clients see its results as ``throttle_time_ms``. Times are in ms of
any clock that does not go back.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

THROTTLE_MS_MAX: Final = 2**31 - 1
"""The longest wait that fits into an answer. Kafka's number overflows here, so with a quota of 0 it
does not throttle at all."""


@dataclass(frozen=True, slots=True)
class Window:
    """``quota.window.num`` samples of ``quota.window.size.seconds``."""

    samples: int = 11
    sample_ms: int = 1000

    @property
    def expire_ms(self) -> int:
        """What happened longer ago than this does not count."""
        return self.samples * self.sample_ms


class _Sample:
    __slots__ = ("last_ms", "start_ms", "value")

    def __init__(self, now_ms: int) -> None:
        self.start_ms = self.last_ms = now_ms
        self.value = 0.0


class Rate:
    """What was recorded in the last samples, per second.

    The time that counts is never shorter than all samples but one: missing samples count as empty.
    So after idle time a burst of ten seconds' quota (with 11 samples of 1 s) needs no wait."""

    __slots__ = ("_least_s", "_samples", "_total", "_window")

    def __init__(self, window: Window) -> None:
        self._window = window
        self._samples: deque[_Sample] = deque(maxlen=window.samples + 1)
        self._total = 0.0
        """The sum of all samples."""
        self._least_s = max((window.samples - 1) * window.sample_ms, 1) / 1000
        """The shortest time that the rate is computed over."""

    def record(self, value: float, now_ms: int) -> None:
        """Add what happened now; a negative value takes back what was recorded."""
        samples = self._samples
        if not samples or now_ms - samples[-1].start_ms >= self._window.sample_ms:
            samples.append(_Sample(now_ms))
            self._total = sum(sample.value for sample in samples)
        current = samples[-1]
        current.value += value
        current.last_ms = now_ms
        self._total += value

    def throttle_ms(self, quota: float, now_ms: int, most_ms: int = THROTTLE_MS_MAX) -> int:
        """How long to wait until the rate has fallen to the quota."""
        if self._total <= quota * self._least_s:
            return 0  # below the quota for any length of the window
        return throttle_ms(self.measure(now_ms), quota, self.window_ms(now_ms), most_ms)

    def measure(self, now_ms: int) -> float:
        """The rate per second."""
        window_ms = self.window_ms(now_ms)
        return self._total / (window_ms / 1000)

    def window_ms(self, now_ms: int) -> int:
        """The time that the rate is computed over."""
        self._purge(now_ms)
        return self._window_ms(now_ms - self._samples[0].start_ms)

    def _window_ms(self, elapsed_ms: int) -> int:
        window = self._window
        full = elapsed_ms // window.sample_ms
        missing = window.samples - 1 - full
        if missing > 0:
            elapsed_ms += missing * window.sample_ms
        return max(elapsed_ms, 1)

    def _purge(self, now_ms: int) -> None:
        samples = self._samples
        if samples and now_ms - samples[0].last_ms < self._window.expire_ms:
            return
        while samples and now_ms - samples[0].last_ms >= self._window.expire_ms:
            samples.popleft()
        if not samples:
            samples.append(_Sample(now_ms))
        self._total = sum(sample.value for sample in samples)


class SimpleRate(Rate):
    """A rate over the time since the oldest sample, at least one sample. It allows no burst."""

    __slots__ = ()

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._least_s = window.sample_ms / 1000

    def _window_ms(self, elapsed_ms: int) -> int:
        return max(elapsed_ms, self._window.sample_ms)


class Average:
    """The mean of what was recorded in the last samples."""

    __slots__ = ("_samples", "_window")

    def __init__(self, window: Window) -> None:
        self._window = window
        self._samples: deque[tuple[_Sample, int]] = deque(maxlen=window.samples)
        """Sums, and of how many values."""

    def record(self, value: float, now_ms: int) -> None:
        """Add what happened now."""
        samples = self._samples
        if not samples or now_ms - samples[-1][0].start_ms >= self._window.sample_ms:
            samples.append((_Sample(now_ms), 0))
        current, count = samples[-1]
        current.value += value
        current.last_ms = now_ms
        samples[-1] = current, count + 1

    def measure(self, now_ms: int) -> float:
        """The mean; 0 if nothing was recorded."""
        since_ms = now_ms - self._window.expire_ms
        recent = [(sample, count) for sample, count in self._samples if sample.last_ms > since_ms]
        values = sum(count for _, count in recent)
        return sum(sample.value for sample, _ in recent) / values if values else 0.0


class TokenBucket:
    """Holds at most ``Window.samples`` of quota and is refilled all the time. It may go below 0."""

    __slots__ = ("_samples_s", "_tokens", "_updated_ms")

    def __init__(self, window: Window) -> None:
        self._samples_s = window.expire_ms / 1000
        self._tokens = math.inf
        """A new bucket is full."""
        self._updated_ms = 0

    def left(self, quota: float, now_ms: int) -> float:
        """The tokens left now; ``quota`` is what is refilled per second. Changes nothing."""
        refilled = self._tokens + quota * (now_ms - self._updated_ms) / 1000
        return min(self._samples_s * quota, refilled)

    def tokens(self, quota: float, now_ms: int) -> float:
        """The tokens left now, which are what is refilled from."""
        self._tokens = self.left(quota, now_ms)
        self._updated_ms = now_ms
        return self._tokens

    def take(self, count: float, quota: float, now_ms: int) -> None:
        """Take ``count`` tokens, even if fewer are there."""
        self._tokens = min(self._samples_s * quota, self.tokens(quota, now_ms) - count)


def throttle_ms(rate: float, quota: float, window_ms: int, most_ms: int = THROTTLE_MS_MAX) -> int:
    """How long to wait until the rate has fallen to the quota; 0 if it is not above it."""
    if not rate > quota:
        return 0
    return rounded_ms((rate - quota) / quota * window_ms if quota > 0 else math.inf, most_ms)


def rounded_ms(exact_ms: float, most_ms: int = THROTTLE_MS_MAX) -> int:
    """Java's ``Math.round``, which rounds halves up."""
    return most_ms if exact_ms >= most_ms else math.floor(exact_ms + 0.5)
