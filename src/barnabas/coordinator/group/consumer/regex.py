"""Regular expressions over topic names, in time that is linear whatever a client sends. Pure.

RE2 itself, whose Java port the original uses: it has no look-around and no back references, and its
memory is bounded. Loaded with the first expression: few brokers ever see one.
"""

from __future__ import annotations

from typing import Final

from barnabas.errors import ErrorCode, KafkaError

PATTERN_LENGTH_MAX: Final = 1_000
PATTERN_BYTES_MAX: Final = 1 << 20
"""Of memory for one compiled expression and what it remembers."""


class TopicPattern:
    """One expression. Raises INVALID_REGULAR_EXPRESSION for what is not one."""

    def __init__(self, pattern: str) -> None:
        import re2

        options = re2.Options()
        options.log_errors = False
        options.max_mem = PATTERN_BYTES_MAX
        if len(pattern) > PATTERN_LENGTH_MAX:
            raise _invalid(pattern, "it is too long")
        try:
            self._compiled = re2.compile(pattern, options)
        except (re2.error, UnicodeError) as error:
            raise _invalid(pattern, str(error)) from None
        self.pattern = pattern

    def matches(self, name: str) -> bool:
        """Whether all of the name fits."""
        return self._compiled.fullmatch(name) is not None


def _invalid(pattern: str, reason: str) -> KafkaError:
    return KafkaError(
        ErrorCode.INVALID_REGULAR_EXPRESSION,
        f"SubscribedTopicRegex {pattern[:100]!r} is not a regular expression: {reason}",
    )
