"""The real file system behind the seam."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from barnabas.storage.files import OperatingSystemFiles
from barnabas.storage.memory_files import MemoryFiles


def test_appends_follow_each_other(tmp_path: Path) -> None:
    files = OperatingSystemFiles()
    file = files.open(str(tmp_path / "f"), create=True)
    assert file.append([b"ab", bytearray(b"cd"), memoryview(b"ef")]) == 6
    assert file.append([b"g"]) == 1
    assert file.append([bytes([n % 256]) for n in range(3000)]) == 3000
    assert file.size() == 3007
    assert file.pread(7, 0) == b"abcdefg"
    assert file.pread(5000, 7) == bytes(n % 256 for n in range(3000))
    file.truncate(3)
    file.pwrite(b"zz", 1)
    file.append([b"!"])
    assert files.read(str(tmp_path / "f")) == b"azz!"
    file.close()
    file.close()
    again = files.open(str(tmp_path / "f"))
    again.append([b"?"])
    assert files.size(str(tmp_path / "f")) == 5
    again.close()


def test_a_write_that_the_system_cuts_short_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite, pwritev = os.pwrite, os.pwritev
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, bytes(data)[:3], at))
    monkeypatch.setattr(
        os, "pwritev", lambda fd, buffers, at: pwritev(fd, [b"".join(buffers)[:4]], at)
    )
    files = OperatingSystemFiles()
    file = files.open(str(tmp_path / "f"), create=True)
    assert file.append([b"abc", b"defgh", b"ij"]) == 10
    assert file.append([b"0123456789"]) == 10
    assert file.append([b"x"]) == 1
    assert files.read(str(tmp_path / "f")) == b"abcdefghij0123456789x"
    file.close()


def test_callers_share_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running, may_end = threading.Event(), threading.Event()
    syncs: list[str] = []

    def slow_sync(descriptor: int) -> None:
        syncs.append(threading.current_thread().name)
        running.set()
        assert may_end.wait(10)

    monkeypatch.setattr(os, "fdatasync", slow_sync)
    files = OperatingSystemFiles()

    async def main() -> None:
        file = files.open(str(tmp_path / "f"), create=True)
        first = asyncio.ensure_future(file.fsync())
        await asyncio.sleep(0)
        await asyncio.get_running_loop().run_in_executor(None, running.wait)
        later = [asyncio.ensure_future(file.fsync()) for _ in range(10)]
        await asyncio.sleep(0)
        # Closing waits: the descriptor's number must not go to another file meanwhile.
        file.close()
        may_end.set()
        await asyncio.gather(first, *later)
        assert len(syncs) == 2
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="Bad file descriptor"):
            file.pread(1, 0)

    asyncio.run(main())
    files.close()
    assert {name.rsplit("_", 1)[0] for name in syncs} == {"barnabas-sync"}


def test_an_error_reaches_all_who_share_the_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(descriptor: int) -> None:
        raise OSError(5, "injected")

    monkeypatch.setattr(os, "fdatasync", failing)
    files = OperatingSystemFiles()

    async def main() -> None:
        file = files.open(str(tmp_path / "f"), create=True)
        results = await asyncio.gather(*(file.fsync() for _ in range(3)), return_exceptions=True)
        assert all(isinstance(result, OSError) for result in results)
        file.close()

    asyncio.run(main())
    files.close()


def test_the_loop_goes_on_while_a_file_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove, went_on = os.remove, threading.Event()

    def slow_remove(path: str) -> None:
        assert went_on.wait(60)
        remove(path)

    monkeypatch.setattr(os, "remove", slow_remove)
    files = OperatingSystemFiles()

    async def main() -> None:
        removal = asyncio.create_task(files.remove_aside(str(tmp_path / "f")))
        file = files.open(str(tmp_path / "g"), create=True)
        await file.fsync()  # nor does a sync wait for it
        file.close()
        went_on.set()
        await removal

    (tmp_path / "f").touch()
    asyncio.run(main())
    assert files.list(str(tmp_path)) == ["g"]
    files.close()


@pytest.mark.parametrize("kind", ["real", "memory"])
def test_directories_and_locks(kind: str, tmp_path: Path) -> None:
    files = OperatingSystemFiles() if kind == "real" else MemoryFiles()
    root = str(tmp_path) if kind == "real" else "/tmp"
    files.make_directories(f"{root}/a/b")
    files.make_directories(f"{root}/a/b")
    with pytest.raises(FileNotFoundError):
        files.open(f"{root}/a/f")
    with pytest.raises(FileNotFoundError):
        files.open(f"{root}/nowhere/f", create=True)
    file = files.open(f"{root}/a/b/f", create=True)
    file.append([b"content"])
    files.rename(f"{root}/a/b", f"{root}/a/c")
    assert files.list(f"{root}/a") == ["c"]
    assert files.read(f"{root}/a/c/f") == b"content" == file.pread(100, 0)
    assert files.is_directory(f"{root}/a/c")
    assert not files.is_directory(f"{root}/a/c/f")
    lock = files.lock(f"{root}/.lock")
    with pytest.raises(BlockingIOError):
        files.lock(f"{root}/.lock")
    lock.release()
    assert not files.exists(f"{root}/.lock")
    files.lock(f"{root}/.lock").release()
    files.remove(f"{root}/a/c/f")
    with pytest.raises(FileNotFoundError):
        files.remove(f"{root}/a/c/f")
    files.sync_directory(f"{root}/a")
    asyncio.run(files.fsync_directory(f"{root}/a"))
    files.open(f"{root}/a/c/f", create=True).close()
    asyncio.run(files.remove_aside(f"{root}/a/c/f"))
    with pytest.raises(FileNotFoundError):
        asyncio.run(files.remove_aside(f"{root}/a/c/f"))
    files.make_directories(f"{root}/b/b")
    asyncio.run(files.remove_aside(f"{root}/b"))
    files.remove_tree(f"{root}/a")
    assert not files.exists(f"{root}/a")
    assert not files.exists(f"{root}/b")
    assert 0 < files.free_bytes(root) <= files.total_bytes(root)
