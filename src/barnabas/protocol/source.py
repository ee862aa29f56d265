"""Builds the source of a Python function, for the generators of encoders and decoders."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Source:
    """The lines of the function, and the constants that they use."""

    def __init__(self, signature: str, names: dict[str, Any], *, in_steps: bool = False) -> None:
        self.names = dict(names)
        self._in_steps = in_steps
        self._lines = [signature]
        self._depth = 1
        self._fresh = 0

    def line(self, text: str) -> None:
        """Add a line with the current indentation."""
        self._lines.append("    " * self._depth + text)

    def step(self, count: str = "1") -> None:
        """Add a pause, in a generator: it yields ``count``, the number of elements since the last
        one or to come."""
        if self._in_steps:
            self.line(f"yield {count}")

    @contextmanager
    def block(self, opening: str) -> Iterator[None]:
        """Add ``opening``, which ends in a colon; lines added inside are indented."""
        self.line(opening)
        self._depth += 1
        yield
        self._depth -= 1

    def fresh(self) -> str:
        """A new variable name."""
        self._fresh += 1
        return f"v{self._fresh}"

    def constant(self, value: Any, prefix: str = "C") -> str:
        """Add a constant; returns its name."""
        name = f"{prefix}{len(self.names)}"
        self.names[name] = value
        return name

    def layout(self, formats: str) -> struct.Struct:
        """A big-endian Struct."""
        return struct.Struct(">" + formats)

    def compile(self, title: str) -> Any:
        """Compile and return the function that the signature names."""
        text = "\n".join(self._lines) + "\n"
        namespace = dict(self.names)
        exec(compile(text, f"<{title}>", "exec"), namespace)
        name = self._lines[0].removeprefix("def ").split("(", 1)[0]
        return namespace[name]
