"""The coordinator's store on disk: one SQLite file. An edge: it uses files and a thread.

Commits run in one worker thread, so that a disk that is slow to sync does not stop the loop. The
file is in WAL mode and locked for as long as the store is open.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from barnabas.errors import ConfigError
from barnabas.zookeeper.messages import OPEN_ACL_UNSAFE, Acl
from barnabas.zookeeper.server.store import Batch, Stored, StoredNode, StoredSession

T = TypeVar("T")

FILE_NAME = "coordinator.sqlite"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS nodes (
    path TEXT PRIMARY KEY, data BLOB, acl TEXT, czxid INTEGER NOT NULL, mzxid INTEGER NOT NULL,
    pzxid INTEGER NOT NULL, ctime INTEGER NOT NULL, mtime INTEGER NOT NULL,
    version INTEGER NOT NULL, cversion INTEGER NOT NULL, aversion INTEGER NOT NULL,
    owner INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS sessions (
    id INTEGER PRIMARY KEY, password BLOB NOT NULL, timeout_ms INTEGER NOT NULL,
    grace_ms INTEGER NOT NULL)""",
)
_EPOCH_MAX = (1 << 31) - 1
"""The greatest upper half of a zxid, which is a signed number of 64 bits."""
_LAYOUT = 1
"""``user_version`` of the file; a later one is refused."""


_ROWS_AT_ONCE = 64
"""Rows of one statement. With each statement the worker gives the interpreter to the loop, and has
it again milliseconds later if the loop is busy. Older SQLite takes 999 values in one."""
_NODE_VALUES = f"({','.join('?' * len(StoredNode._fields))})"


class SqliteStore:
    """A ``Store`` in ``directory``. ``flush`` False leaves syncing to the system: a killed process
    loses nothing, a machine without power may lose the last commits."""

    def __init__(self, directory: str, *, flush: bool = True) -> None:
        self._path = os.path.join(directory, FILE_NAME)
        self._flush = flush
        self._database: sqlite3.Connection | None = None
        self._worker: ThreadPoolExecutor | None = None

    def load(self) -> Stored:
        """Raises ConfigError if the file is in use, damaged or of a later version; then it is
        closed again."""
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            self._database = sqlite3.connect(
                self._path, timeout=0, isolation_level=None, check_same_thread=False
            )
            self._prepare(self._database)
            stored = self._read(self._database)
            if self._flush:
                _sync_names(os.path.dirname(os.path.abspath(self._path)))
            return stored
        except BaseException as problem:
            self.close()
            if isinstance(problem, sqlite3.Error | OSError):
                in_use = isinstance(problem, sqlite3.OperationalError) and "locked" in str(problem)
                reason = "in use by another coordinator" if in_use else str(problem)
                raise ConfigError(f"{self._path}: {reason}") from problem
            if isinstance(problem, ValueError | TypeError):
                raise ConfigError(f"{self._path}: damaged ({problem})") from problem
            raise

    def _prepare(self, database: sqlite3.Connection) -> None:
        database.execute("PRAGMA locking_mode=EXCLUSIVE")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(f"PRAGMA synchronous={'FULL' if self._flush else 'NORMAL'}")

    def _read(self, database: sqlite3.Connection) -> Stored:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version > _LAYOUT:
            raise ConfigError(f"{self._path}: written by a later version ({version})")
        database.execute("BEGIN")
        for statement in _SCHEMA:
            database.execute(statement)
        database.execute(f"PRAGMA user_version={_LAYOUT}")
        epoch = database.execute(
            "INSERT INTO meta VALUES ('epoch', 1) "
            "ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"
        ).fetchone()[0]
        database.execute("COMMIT")
        if epoch > _EPOCH_MAX:
            raise ConfigError(f"{self._path}: started {epoch} times; no zxid is left for this one")
        nodes = [
            StoredNode(path, data, _decode_acl(acl), *numbers)
            for path, data, acl, *numbers in database.execute("SELECT * FROM nodes ORDER BY path")
        ]
        sessions = [
            StoredSession(*row) for row in database.execute("SELECT * FROM sessions ORDER BY id")
        ]
        return Stored(epoch, nodes, sessions)

    async def commit(self, batch: Batch) -> None:
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="coordinator-store")
        await asyncio.get_running_loop().run_in_executor(self._worker, self._write, batch)

    def _write(self, batch: Batch) -> None:
        database = self._database
        if database is None:
            raise OSError(f"{self._path}: closed")
        try:
            database.execute("BEGIN")
            for paths in _parts(batch.deleted_paths):
                marks = ",".join("?" * len(paths))
                database.execute(f"DELETE FROM nodes WHERE path IN ({marks})", paths)
            for nodes in _parts(batch.nodes):
                values = ",".join([_NODE_VALUES] * len(nodes))
                fields = [
                    field
                    for path, data, acl, *numbers in nodes
                    for field in (path, data, _encode_acl(acl), *numbers)
                ]
                database.execute(f"INSERT OR REPLACE INTO nodes VALUES {values}", fields)
            if batch.ended_sessions:
                database.executemany(
                    "DELETE FROM sessions WHERE id = ?", [(id_,) for id_ in batch.ended_sessions]
                )
            if batch.sessions:
                database.executemany(
                    "INSERT OR REPLACE INTO sessions VALUES (?,?,?,?)", batch.sessions
                )
            database.execute("COMMIT")
        except (sqlite3.Error, OverflowError) as problem:
            raise OSError(f"{self._path}: {problem}") from problem

    def close(self) -> None:
        if self._worker is not None:
            self._worker.shutdown(wait=True)
            self._worker = None
        if self._database is not None:
            self._database.close()
            self._database = None


def _parts(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for at in range(0, len(rows), _ROWS_AT_ONCE):
        yield rows[at : at + _ROWS_AT_ONCE]


def _encode_acl(acl: tuple[Acl, ...]) -> str | None:
    return None if acl == OPEN_ACL_UNSAFE else json.dumps(acl)


def _decode_acl(text: str | None) -> tuple[Acl, ...]:
    return OPEN_ACL_UNSAFE if text is None else tuple(Acl(*entry) for entry in json.loads(text))


def _sync_names(directory: str) -> None:
    """Make the file's name durable, and those of all directories above it. SQLite does so for its
    own file only, and the process that made the directories may have been killed."""
    while True:
        try:
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except PermissionError:
            return  # a directory that cannot be read was not made by this user
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        above = os.path.dirname(directory)
        if above == directory:
            return
        directory = above
