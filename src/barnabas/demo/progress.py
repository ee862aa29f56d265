"""A progress bar on a terminal. It shows nothing if the output is no terminal."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Self

from barnabas.demo.stream import Stream


class Progress:
    """Shows how many records are acknowledged, from a thread of its own."""

    def __init__(self, stream: Stream, total: int) -> None:
        self._stream = stream
        self._total = total
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if sys.stdout.isatty():
            self._thread = threading.Thread(target=self._draw, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _draw(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        columns = ("acknowledged", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Bar(*columns, transient=True, redirect_stdout=True) as bar:
            task = bar.add_task("", total=self._total)
            while not self._done.wait(0.1):
                bar.update(task, completed=self._stream.acknowledged_count)
            bar.update(task, completed=self._stream.acknowledged_count)
