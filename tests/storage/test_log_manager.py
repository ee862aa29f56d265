"""All logs of a broker: start, stop, placement, deletion, checkpoints, failing directories."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest
from tests.defaults import log_config, log_manager_settings
from tests.places import GOLDEN
from tests.storage.support import (
    ILLEGAL,
    RECORDED_MS,
    TOPIC_ID,
    A,
    B,
    C,
    FaultyFiles,
    append,
    environment,
    killed,
    manager,
    read_all,
    run,
    started,
    until,
)

from barnabas.errors import ConfigError, ErrorCode, KafkaError
from barnabas.records.batch import Record, build_batch
from barnabas.storage.checkpoints import decode_offsets
from barnabas.storage.directories.log_dir import deleted_name, java_date, partition_of
from barnabas.storage.files import OperatingSystemFiles
from barnabas.storage.log_manager import LogManager
from barnabas.storage.memory_files import MemoryFiles
from barnabas.storage.producers.snapshot_format import decode_snapshot
from barnabas.types import TopicPartition


def offsets(files: MemoryFiles, name: str) -> dict[TopicPartition, int]:
    return decode_offsets(files.read(f"/data/{name}"))


def test_a_life() -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        first = await started(files)
        assert not first.unclean_machine_start
        log = first.get_or_create(A, TOPIC_ID, is_new=True)
        append(log, 5)
        log.set_high_watermark(4)
        assert first.get(A) is log
        assert first.get(B) is None
        await first.shutdown()
        assert files.read("/data/.kafka_cleanshutdown") == b'{"version":0,"brokerEpoch":-1}'
        assert offsets(files, "recovery-point-offset-checkpoint") == {A: 5}
        assert offsets(files, "replication-offset-checkpoint") == {A: 4}
        assert not files.exists("/data/.lock")

        second = await started(files)
        assert not files.exists("/data/.kafka_cleanshutdown")
        again = second.get(A)
        assert again is not None
        assert (again.topic_id, again.log_end_offset) == (TOPIC_ID, 5)
        assert (again.high_watermark, again.flushed_offset) == (4, 5)
        assert not second.unclean_machine_start

    run(main)


def test_a_killed_process_is_told_from_a_dead_machine() -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        first = await started(files)
        append(first.get_or_create(A, TOPIC_ID, is_new=True), 5)
        same = await started(killed(files))
        assert not same.unclean_machine_start
        log = same.get(A)
        assert log is not None
        assert (log.log_end_offset, log.flushed_offset) == (5, 0)
        assert (await started(killed(files), boot_id="boot-2")).unclean_machine_start
        await first.shutdown()
        assert not (await started(killed(files), boot_id="boot-2")).unclean_machine_start

    run(main)


def test_a_dead_machine_leaves_no_doubt_if_all_was_flushed_before() -> None:
    flushing = log_manager_settings(log_flush_before_ack=True)
    plain = log_manager_settings()

    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        first = await started(files, settings=flushing)
        append(first.get_or_create(A, TOPIC_ID, is_new=True), 5)
        for boot, settings, doubtful in (
            ("boot-2", flushing, False),
            # Switched off: what this life acknowledges may be in the page cache only,
            ("boot-2", plain, False),
            # and still is when it has been switched on again without a flush between.
            ("boot-2", flushing, False),
            ("boot-3", flushing, True),
            # Another restart does not hide it,
            ("boot-3", flushing, True),
        ):
            files = killed(files)
            again = await started(files, boot_id=boot, settings=settings)
            assert again.unclean_machine_start is doubtful
        # only what others say does; from then on what could be read back counts.
        again.end_doubt()
        assert not again.unclean_machine_start
        last = await started(killed(files), boot_id="boot-4", settings=flushing)
        assert not last.unclean_machine_start

    run(main)


def test_lost_partition_directories_leave_doubt() -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        first = await started(files)
        append(first.get_or_create(A, TOPIC_ID, is_new=True), 5)
        files.remove_tree(f"/data/{A}")
        assert (await started(killed(files), boot_id="boot-2")).unclean_machine_start

    run(main)


def test_a_new_broker_is_not_an_unclean_one() -> None:
    async def main() -> None:
        assert not (await started(MemoryFiles())).unclean_machine_start

    run(main)


def test_directories_are_locked_and_belong_to_one_broker() -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        await started(files)
        with pytest.raises(ConfigError, match=r"^log.dirs: /data is in use"):
            manager(files)
        left = killed(files)
        assert b"broker.id=1\nversion=0\ncluster.id=cluster\n" in left.read("/data/meta.properties")
        other = manager(left)
        with pytest.raises(ConfigError, match=r"/data belongs to broker.id 1, .* broker 2"):
            await other.load(broker_id=2, cluster_id="cluster")
        with pytest.raises(ConfigError, match="/data belongs to cluster cluster"):
            await other.load(broker_id=1, cluster_id="elsewhere")
        left = killed(files)
        left.make_directories("/more")
        left.files["/more/meta.properties"] = bytearray(
            b"version=0\nbroker.id=9\ncluster.id=cluster\n"
        )
        with pytest.raises(ConfigError, match="/more and /data belong to different brokers"):
            manager(left, "/data", "/more")
        left.files["/data/meta.properties"][:] = b"nonsense"
        with pytest.raises(ConfigError, match=r"/data/meta.properties cannot be read"):
            manager(killed(left))

    run(main)


def test_meta_properties_are_offered_before_loading() -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        await started(files)
        env = environment(killed(files))
        logs = LogManager(env, ["/data"], log_config(), settings=log_manager_settings())
        meta = logs.open()
        assert meta is not None
        assert (meta.broker_id, meta.cluster_id) == (1, "cluster")

    run(main)


def test_partitions_spread_over_directories() -> None:
    async def main() -> None:
        logs = await started(MemoryFiles(), "/a", "/b")
        for number in range(6):
            logs.get_or_create(TopicPartition("t", number), None, is_new=True)
        homes = [logs.directory_of(TopicPartition("t", number)) for number in range(6)]
        assert homes == ["/a", "/b"] * 3

    run(main)


def test_deleting_renames_at_once_and_removes_later() -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        logs = await started(files, default_config=log_config(file_delete_delay_ms=20))
        old = logs.get_or_create(A, TOPIC_ID, is_new=True)
        append(old, 3)
        await old.flush()
        old.set_high_watermark(3)
        old.advance_log_start(2)
        await logs.checkpoint()
        assert offsets(files, "log-start-offset-checkpoint") == {A: 2}
        await logs.delete(A)
        await logs.checkpoint_deletions()
        assert offsets(files, "log-start-offset-checkpoint") == {}
        assert offsets(files, "recovery-point-offset-checkpoint") == {}
        assert [n[-7:] for n in files.list("/data") if n.startswith("flights")] == ["-delete"]
        with pytest.raises(KafkaError):
            append(old)
        new = logs.get_or_create(A, uuid.UUID(int=78), is_new=True)
        assert append(new) == (0, 0)
        background = asyncio.create_task(logs.run())
        await until(lambda: not any(n.endswith("-delete") for n in files.list("/data")))
        background.cancel()
        await asyncio.gather(background, return_exceptions=True)
        assert read_all(new) == [(0, 0)]

    run(main)


def test_a_successor_does_not_inherit_checkpoints() -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        first = await started(files)
        log = first.get_or_create(A, TOPIC_ID, is_new=True)
        append(log, 9)
        log.set_high_watermark(9)
        log.advance_log_start(7)
        await first.checkpoint()
        files.remove_tree("/data/flights-0")
        left = killed(files)
        second = await started(left)
        append(second.get_or_create(A, TOPIC_ID, is_new=True), 2)
        third = await started(killed(left))
        survivor = third.get(A)
        assert survivor is not None
        assert (survivor.log_start_offset, survivor.log_end_offset) == (0, 2)

    run(main)


def test_no_hole_is_seen_where_the_checkpoint_of_the_cleaner_was_lost() -> None:
    """The machine dies after a pass, before ``cleaner-offset-checkpoint`` is durable. What cleaning
    left out lies below the recovery point, which was durable before the pass."""
    config = log_config(cleanup_policy=("compact",), segment_bytes=500)

    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        first = await started(files, default_config=config)
        log = first.get_or_create(A, TOPIC_ID, is_new=True)
        for number in range(30):
            records = [Record(timestamp=RECORDED_MS, key=b"%d" % (number // 10), value=bytes(50))]
            log.append_as_leader(memoryview(build_batch(records)), 0, now_ms=RECORDED_MS)
        log.set_high_watermark(log.log_end_offset)
        assert await first.cleaner.clean(log, first.cleaner.range_of(log))
        left = killed(files)
        del left.files["/data/cleaner-offset-checkpoint"]
        second = await started(left, default_config=config, boot_id="boot-2")
        survivor = second.get(A)
        assert survivor is not None
        assert survivor.log_end_offset == log.log_end_offset == 30
        assert read_all(survivor) == read_all(log)
        assert len(read_all(log)) < 20

    run(main)


def test_deleted_directories_of_the_last_life_go_strays_stay() -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        gone = deleted_name(A, "0" * 32)
        for name in (gone, f"flights-1.{'0' * 32}-stray", "lost+found", "flights-2"):
            files.make_directories(f"/data/{name}")
        logs = await started(files, default_config=log_config(file_delete_delay_ms=0))
        assert list(logs.logs) == [C]
        background = asyncio.create_task(logs.run())
        await until(lambda: not files.exists(f"/data/{gone}"))
        background.cancel()
        await asyncio.gather(background, return_exceptions=True)
        assert files.exists(f"/data/flights-1.{'0' * 32}-stray")

    run(main)


def test_a_broken_directory_takes_its_logs_offline_only() -> None:
    class HalfBroken(FaultyFiles):
        def open(self, path: str, *, create: bool = False) -> Any:
            if self.create_error and path.startswith("/a/"):
                raise OSError(5, "injected")
            return MemoryFiles.open(self, path, create=create)

    async def main() -> None:
        files = HalfBroken()
        failures: list[str] = []
        everything: list[bool] = []
        logs = await started(
            files,
            "/a",
            "/b",
            on_dir_failure=lambda path, error: failures.append(path),
            on_all_dirs_failed=lambda: everything.append(True),
        )
        broken = logs.get_or_create(A, TOPIC_ID, is_new=True)
        sound = logs.get_or_create(B, TOPIC_ID, is_new=True)
        append(sound)
        files.create_error = True
        with pytest.raises(KafkaError) as caught:
            append(broken, epoch=3)
        assert caught.value.code == ErrorCode.KAFKA_STORAGE_ERROR
        assert (failures, everything) == (["/a"], [])
        assert logs.offline_dirs == ["/a"]
        assert logs.is_offline(A)
        assert logs.get(A) is None
        append(sound)
        with pytest.raises(KafkaError):
            logs.get_or_create(A, TOPIC_ID, is_new=True)
        with pytest.raises(KafkaError):
            logs.get_or_create(C, TOPIC_ID, is_new=False)
        assert logs.get_or_create(C, TOPIC_ID, is_new=True).directory == "/b/flights-2"
        await logs.shutdown()
        assert files.exists("/b/.kafka_cleanshutdown")
        assert not files.exists("/a/.kafka_cleanshutdown")

    run(main)


def test_the_last_directory_halts_the_broker() -> None:
    async def main() -> None:
        files = FaultyFiles()
        halted: list[bool] = []
        logs = await started(files, on_all_dirs_failed=lambda: halted.append(True))
        log = logs.get_or_create(A, TOPIC_ID, is_new=True)
        append(log)
        files.sync_error = True
        with pytest.raises(KafkaError):
            await log.flush()
        assert halted == [True]

    run(main)


def test_no_clean_marker_without_loading() -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        logs = manager(files)
        await logs.shutdown()
        assert not files.exists("/data/.kafka_cleanshutdown")

    run(main)


def test_background_work_checkpoints_and_retains() -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        settings = log_manager_settings(
            retention_check_interval_ms=5,
            initial_task_delay_ms=5,
            high_watermark_checkpoint_interval_ms=5,
            offset_checkpoint_interval_ms=5,
        )
        config = log_config(segment_bytes=300, retention_bytes=500, retention_ms=-1)
        logs = await started(files, settings=settings, default_config=config)
        log = logs.get_or_create(A, TOPIC_ID, is_new=True)
        for _ in range(20):
            append(log, size=100)
        log.set_high_watermark(18)
        background = asyncio.create_task(logs.run())

        def done() -> bool:
            name = "/data/replication-offset-checkpoint"
            return (
                files.exists(name)
                and offsets(files, "replication-offset-checkpoint") == {A: 18}
                and log.size_bytes <= 800
                and log.recovery_point > 15
            )

        await until(done)
        background.cancel()
        await asyncio.gather(background, return_exceptions=True)
        assert log.log_start_offset > 0

    run(main)


def test_config_and_topic_ids() -> None:
    async def main() -> None:
        logs = await started(MemoryFiles())
        log = logs.get_or_create(A, None, is_new=True)
        assert log.topic_id is None
        logs.get_or_create(A, TOPIC_ID, is_new=False)
        assert log.topic_id == TOPIC_ID
        logs.get_or_create(A, uuid.UUID(int=1), is_new=False)
        assert log.topic_id == TOPIC_ID
        other = logs.get_or_create(TopicPartition("others", 0), None, is_new=True)
        more = logs.get_or_create(TopicPartition(A.topic, 7), None, is_new=True)
        logs.update_config("flights", log_config(segment_bytes=77))
        assert (log.config.segment_bytes, more.config.segment_bytes) == (77, 77)
        assert other.config.segment_bytes != 77

    run(main)


def test_the_logs_of_a_topic_are_found_among_all_others() -> None:
    async def main() -> None:
        logs = await started(MemoryFiles())
        online = logs._directories.logs
        names = [TopicPartition(topic, number) for topic in ("a", "b") for number in range(3)]
        for name in names:
            logs.get_or_create(name, None, is_new=True)
        assert online.of_topic("a") == [online[name] for name in names[:3]]
        logs.update_config("b", log_config(flush_ms=5))
        assert online.whose_topic(lambda config: config.flush_ms == 5) == online.of_topic("b")
        assert online.whose_topic(lambda config: config.flush_ms == 6) == []
        gone = online.pop(names[1])
        assert gone not in online.of_topic("a")
        assert len(online.of_topic("a")) == 2
        assert online.pop(names[1], None) is None
        for name in names[3:]:
            online.pop(name)
        assert online.of_topic("b") == []
        assert list(online._of_topic) == ["a"]

    run(main)


def test_the_whole_directory_of_the_original_recovers(tmp_path: Path) -> None:
    """Against golden/storage. Differences allowed: snapshots list producers in another order, and
    ``barnabas-...`` are ours. Checkpoint files list partitions in another order."""
    killed_dir = GOLDEN / "storage/killed"
    wanted = GOLDEN / "storage/recovered-and-stopped"
    target = tmp_path / "data"
    shutil.copytree(killed_dir, target)
    recorded = log_config(segment_bytes=16384, index_interval_bytes=512)
    topics = dict.fromkeys(("rolled", "retained", "compacted"), recorded)
    env = environment(OperatingSystemFiles())

    async def main() -> None:
        logs = LogManager(env, [str(target)], log_config(), settings=log_manager_settings())
        meta = logs.open()
        assert meta is not None
        assert meta.broker_id is not None
        assert meta.cluster_id is not None
        await logs.load(broker_id=meta.broker_id, cluster_id=meta.cluster_id, topic_configs=topics)
        assert {str(p): log.high_watermark for p, log in logs.logs.items()} == {
            "__transaction_state-0": 19,
            "rolled-0": 1536,
            "compacted-0": 3000,
            "retained-0": 1500,
        }
        await logs.shutdown()

    run(main)

    def names(root: Path) -> list[str]:
        return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())

    assert [n for n in names(target) if not n.startswith("barnabas-")] == names(wanted)
    for name in names(wanted):
        ours, theirs = (target / name).read_bytes(), (wanted / name).read_bytes()
        if name.endswith(".snapshot"):
            assert sorted(decode_snapshot(ours)) == sorted(decode_snapshot(theirs)), name
        elif name.endswith("offset-checkpoint"):
            assert decode_offsets(ours) == decode_offsets(theirs), name
        else:
            assert ours == theirs, name


@pytest.mark.parametrize("broker", [1, 2, 3])
def test_closed_directories_of_the_original_open(broker: int, tmp_path: Path) -> None:
    target = tmp_path / "data"
    shutil.copytree(GOLDEN / f"data/broker-{broker}", target)
    env = environment(OperatingSystemFiles())

    async def main() -> None:
        logs = LogManager(env, [str(target)], log_config(), settings=log_manager_settings())
        meta = logs.open()
        assert meta is not None
        assert meta.cluster_id is not None
        await logs.load(broker_id=broker, cluster_id=meta.cluster_id)
        assert len(logs.logs) == len(list(target.glob("*-[0-9]")))
        for log in logs.logs.values():
            assert log.topic_id is not None
            assert log.high_watermark == log.log_end_offset
        await logs.shutdown()

    run(main)


def test_names() -> None:
    assert partition_of("a-b-12") == TopicPartition("a-b", 12)
    assert partition_of(f"a-1.{'0' * 32}-delete") is None
    assert partition_of("lost+found") is None
    assert partition_of("-1") is None
    assert len(deleted_name(TopicPartition("t" * 249, 4), "0" * 32)) == 255
    assert java_date(1_795_394_815_000) == "Mon Nov 23 00:46:55 UTC 2026"
    assert java_date(951_782_400_000) == "Tue Feb 29 00:00:00 UTC 2000"


@pytest.mark.parametrize(
    "partition", [TopicPartition(name, 0) for name in ILLEGAL] + [TopicPartition("t", -1)]
)
def test_no_path_is_built_from_what_is_not_legal(partition: TopicPartition) -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        logs = await started(files)
        before = set(files.directories) | set(files.files)
        with pytest.raises(KafkaError) as refused:
            logs.get_or_create(partition, uuid.UUID(int=1), is_new=True)
        assert refused.value.code in (
            ErrorCode.INVALID_TOPIC_EXCEPTION,
            ErrorCode.INVALID_PARTITIONS,
        )
        with pytest.raises(KafkaError):
            logs.place(partition, "/data")
        assert set(files.directories) | set(files.files) == before
        assert logs.offline_dirs == []

    asyncio.run(main())


def test_a_start_goes_on_after_a_bad_line(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        files = MemoryFiles(RECORDED_MS)
        logs = await started(files)
        logs.get_or_create(TopicPartition("t", 0), None, is_new=True)
        await logs.checkpoint()
        await logs.checkpoint_high_watermarks()
        for path in [p for p in files.files if p.endswith("-checkpoint")]:
            if b"\nt 0 " in bytes(files.files[path]):
                files.files[path] = bytearray(b"0\n2\n 0 5\nt 0 0\n")
        again = manager(killed(files))
        await again.load(broker_id=1, cluster_id="cluster")
        assert again.offline_dirs == []
        await again.checkpoint_high_watermarks()
        await again.checkpoint()

    asyncio.run(main())
    assert "a line is ignored:  0 5" in caplog.text
