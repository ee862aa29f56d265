"""The coordinator's memory on disk."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from barnabas.errors import ConfigError
from barnabas.zookeeper.messages import OPEN_ACL_UNSAFE, Acl
from barnabas.zookeeper.server.sqlite_store import FILE_NAME, SqliteStore
from barnabas.zookeeper.server.store import Batch, StoredNode, StoredSession

NODES = [
    StoredNode("/a", None, OPEN_ACL_UNSAFE, 1, 2, 3, 4, 5, 6, 7, 8, -(1 << 63)),
    StoredNode("/ä", b"", (Acl(1, "world", "anyone"), Acl(31, "digest", "x:y")), *range(9)),
    StoredNode("/b", b"\0\xff", OPEN_ACL_UNSAFE, 1 << 40, 2, 3, 4, 5, 6, 7, 8, 9),
]
SESSION = StoredSession(1 << 56 | 5, bytes(range(16)), 6000, 300)


def test_what_was_committed_comes_back(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "new" / "directory"))
    assert store.load() == (1, [], [])
    asyncio.run(store.commit(Batch(NODES, [], [SESSION], [])))
    asyncio.run(store.commit(Batch([NODES[2]._replace(version=9)], ["/a"], [], [])))
    store.close()
    store.close()
    again = SqliteStore(str(tmp_path / "new" / "directory"), flush=False)
    stored = again.load()
    assert stored.epoch == 2
    assert stored.nodes == [NODES[2]._replace(version=9), NODES[1]]
    assert stored.sessions == [SESSION]
    asyncio.run(again.commit(Batch([], [], [], [SESSION.id])))
    again.close()
    last = SqliteStore(str(tmp_path / "new" / "directory"))
    assert last.load().sessions == []
    last.close()


def test_one_coordinator_at_a_time(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path))
    store.load()
    second = SqliteStore(str(tmp_path))
    with pytest.raises(ConfigError, match="in use by another coordinator"):
        second.load()
    assert second._database is None
    store.close()
    assert second.load().epoch == 2
    second.close()


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database" * 100)
    with pytest.raises(ConfigError, match=r"coordinator\.sqlite"):
        SqliteStore(str(tmp_path)).load()


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / FILE_NAME)
    database.execute("PRAGMA user_version=99")
    database.close()
    store = SqliteStore(str(tmp_path))
    with pytest.raises(ConfigError, match="later version"):
        store.load()
    store.close()


@pytest.mark.parametrize("statement", ["UPDATE nodes SET acl = '{'", "UPDATE nodes SET acl = '5'"])
def test_a_damaged_row_is_refused_and_the_file_closed(tmp_path: Path, statement: str) -> None:
    store = SqliteStore(str(tmp_path))
    store.load()
    asyncio.run(store.commit(Batch(NODES, [], [], [])))
    store.close()
    database = sqlite3.connect(tmp_path / FILE_NAME)
    with database:
        database.execute(statement)
    database.close()
    with pytest.raises(ConfigError, match="damaged"):
        store.load()
    assert store._database is None


def test_commits_are_flushed_unless_asked_otherwise(tmp_path: Path) -> None:
    for flush, expected in ((True, 2), (False, 1)):
        store = SqliteStore(str(tmp_path), flush=flush)
        store.load()
        assert store._database is not None
        assert store._database.execute("PRAGMA synchronous").fetchone() == (expected,)
        assert store._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        store.close()


def test_a_commit_after_closing_is_an_error(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path))
    store.load()
    store.close()
    with pytest.raises(OSError, match="closed"):
        asyncio.run(store.commit(Batch([], [], [], [])))
    store.close()


def test_the_names_of_the_file_and_its_directories_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite syncs its file; whoever made the directories may have been killed before they were."""
    opened: dict[int, str] = {}
    synced: list[str] = []
    open_, fsync = os.open, os.fsync

    def opening(path: Any, flags: int, *more: Any) -> int:
        descriptor = open_(path, flags, *more)
        opened[descriptor] = str(path)
        return descriptor

    def syncing(descriptor: int) -> None:
        synced.append(opened[descriptor])
        fsync(descriptor)

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "fsync", syncing)
    directory = tmp_path / "a" / "b"
    store = SqliteStore(str(directory))
    store.load()
    store.close()
    assert synced[:3] == [str(directory), str(directory.parent), str(tmp_path)]
    assert synced[-1] == "/"
