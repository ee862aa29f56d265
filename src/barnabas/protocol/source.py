"""A little help for writing Python source, shared by the encoder and decoder generators."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Source:
    """Lines of a function being written, and the constants it refers to."""

    def __init__(self, signature: str, names: dict[str, Any], *, in_steps: bool = False) -> None:
        self.names = dict(names)
        self._in_steps = in_steps
        self._lines = [signature]
        self._depth = 1
        self._fresh = 0

    def line(self, text: str) -> None:
        """One line at the present depth."""
        self._lines.append("    " * self._depth + text)

    def step(self, count: str = "1") -> None:
        """In a generator: a place to pause, after so many elements."""
        if self._in_steps:
            self.line(f"yield {count}")

    @contextmanager
    def block(self, opening: str) -> Iterator[None]:
        """``opening`` (ends in a colon) and what is written inside, one level deeper."""
        self.line(opening)
        self._depth += 1
        yield
        self._depth -= 1

    def fresh(self) -> str:
        """A variable name not used yet in this function."""
        self._fresh += 1
        return f"v{self._fresh}"

    def constant(self, value: Any, prefix: str = "C") -> str:
        """A name for a constant of the function."""
        name = f"{prefix}{len(self.names)}"
        self.names[name] = value
        return name

    def layout(self, formats: str) -> struct.Struct:
        """A big-endian Struct."""
        return struct.Struct(">" + formats)

    def compile(self, title: str) -> Any:
        """The function; its name is that of the signature."""
        text = "\n".join(self._lines) + "\n"
        namespace = dict(self.names)
        exec(compile(text, f"<{title}>", "exec"), namespace)
        name = self._lines[0].removeprefix("def ").split("(", 1)[0]
        return namespace[name]
