"""Runs lessons, one at a time, and keeps the last run of each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from barnabas.client.errors import ClientError, Unreachable
from barnabas.console.context import Console
from barnabas.console.tour.acts.all import ACTS
from barnabas.console.tour.lesson import Lesson
from barnabas.console.tour.run import DONE, MENDING, RUNNING, Run, belongs
from barnabas.console.tour.stage import BROKERS, Abandoned, Stage

log = logging.getLogger("barnabas.console")

SETTLE_S: Final = 0.3
"""Brokers tell of an event a little after it is seen in a znode; a lesson waits so long for it."""


class Tour:
    """The tour of one console. ``begin`` starts a lesson; ``changes`` tells of what it does."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.runs: dict[str, Run] = {}
        """The last run of each lesson, by its name."""
        self.version = 0
        self._versions: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def why_not(self) -> str | None:
        """Why no lesson can be run with this cluster; None if one can."""
        if self._console.control is None:
            return "The tour needs a cluster that 'barnabas up' or 'barnabas tour' has started."
        if not self._console.write:
            return "This console only reads: start it with --write."
        brokers = [name for name in self._console.hub.processes if name.startswith("broker:")]
        if not brokers:
            return "The processes of the cluster are not known yet."
        return None if len(brokers) >= BROKERS else f"The tour needs {BROKERS} brokers."

    @property
    def running(self) -> Lesson | None:
        """The lesson that is running now."""
        if self._task is None or self._task.done():
            return None
        return next((r.lesson for r in self.runs.values() if r.state != DONE), None)

    def begin(self, lesson: Lesson) -> Run:
        """Start a lesson; ``why_not`` must be None, and none may be running."""
        assert self.why_not() is None
        assert self.running is None
        run = Run(lesson, self._console.env.clock.wall_ms(), first_event=self._console.hub.noted)
        self.runs[lesson.name] = run
        self._task = asyncio.ensure_future(self._run(run))
        self._tell(run)
        return run

    async def close(self) -> None:
        """Stop what is running. The cluster is left as it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def changes(self) -> AsyncIterator[list[Run]]:
        """The runs that have changed since they were last given: at first all."""
        version = -1
        while True:
            changed = [r for name, r in self.runs.items() if self._versions[name] > version]
            version = self.version
            yield changed
            while self.version <= version:
                await self._changed.wait()

    def _tell(self, run: Run) -> None:
        self.version += 1
        self._versions[run.lesson.name] = self.version
        self._changed.set()
        self._changed = asyncio.Event()

    # --- one run ---

    async def _run(self, run: Run) -> None:
        control = self._console.control
        assert control is not None
        stage = Stage(self._console, control, run, lambda: self._tell(run))
        try:
            async with self._collecting(run):
                await self._carried_out(stage, run)
                run.state = MENDING
                self._tell(run)
                run.not_mended = await stage.mend()
                await asyncio.sleep(SETTLE_S)
            await stage.clear()
        finally:
            stage.close()
            run.state = DONE
            self._tell(run)

    async def _carried_out(self, stage: Stage, run: Run) -> None:
        try:
            wrong = await stage.mend()
            if wrong is not None:
                raise Abandoned(f"the cluster is not whole: {wrong}")
            run.first_event = self._console.hub.noted
            run.events = []
            run.state = RUNNING
            self._tell(run)
            run.seen = await ACTS[run.lesson.name](stage)
        except (Abandoned, ClientError, Unreachable, OSError) as error:
            run.failure = str(error) or type(error).__name__
        except Exception as error:
            log.exception("lesson %s failed", run.lesson.name)
            run.failure = f"internal error: {type(error).__name__}"

    @asynccontextmanager
    async def _collecting(self, run: Run) -> AsyncIterator[None]:
        """Give ``run`` the events of the cluster as they come."""
        following = asyncio.ensure_future(self._follow(run))
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _follow(self, run: Run) -> None:
        hub = self._console.hub
        while True:
            version = hub.version
            found = [pair for pair in hub.events(run.first_event) if belongs(run, pair[1])]
            if found != run.events:
                run.events = found
                self._tell(run)
            await hub.after(version)
