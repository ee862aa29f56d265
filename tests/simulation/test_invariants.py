"""The judge of replicas: for each invariant a story that breaks it and one that does not."""

from __future__ import annotations

import struct

import pytest
from tests.simulation.disk import Directory, Disk, Inode
from tests.simulation.invariants import Invariants
from tests.simulation.kernel import Kernel
from tests.simulation.shadow import Shadows

from barnabas.types import Broker, Endpoint, LeaderAndIsr, TopicPartition
from barnabas.zk.znodes import (
    TopicZNode,
    encode_broker,
    encode_controller_epoch,
    encode_partition_state,
    encode_topic,
)
from barnabas.zookeeper.server.store import Batch as StoreBatch
from barnabas.zookeeper.server.store import StoredNode

TP = TopicPartition("t", 0)
SEGMENT = "00000000000000000000.log"


class World:
    """Three replicas that do what a test says."""

    def __init__(self, *, flush: bool = False) -> None:
        kernel = Kernel(1)
        self.broken: list[str] = []
        shadows = Shadows()
        self.disks = {number: Disk(kernel, f"b{number}", number) for number in (1, 2, 3)}
        for number, disk in self.disks.items():
            shadows.add_broker(number, disk, "/data")
            _make(disk)
        self.judge = Invariants(shadows, lambda name, text: self.broken.append(name), flush=flush)
        self.judge.assignments[TP] = (1, 2, 3)
        self.zxid = 100
        self.created: dict[str, int] = {}
        """czxid of the persistent znodes."""
        self.version = -1
        self.elected(1)
        self.state(1, 0, (1, 2, 3), 1)
        for number in (1, 2, 3):
            self.role(number, leader=1, epoch=0, isr=(1, 2, 3))

    def write(self, broker: int, *batches: tuple[int, int, int, int]) -> None:
        """Append (base, last, epoch, crc)."""
        inode = self.disks[broker].find(f"/data/t-0/{SEGMENT}")
        assert isinstance(inode, Inode)
        for base, last, epoch, crc in batches:
            body = struct.pack(">ibIhi", epoch, 2, crc, 0, last - base)
            self.disks[broker].change(
                inode, len(inode.visible), struct.pack(">qi", base, len(body)) + body
            )

    def cut(self, broker: int, size: int = 0) -> None:
        """Truncate the log, with the event."""
        inode = self.disks[broker].find(f"/data/t-0/{SEGMENT}")
        self.disks[broker].change(inode, size, None)  # type: ignore[arg-type]
        self.note(broker, "truncated", offset=0, epoch=0)

    def note(self, broker: int, event: str, *, life: int = 1, **fields: object) -> None:
        """A broker notes something about the partition."""
        known = {"topic": "t", "partition": 0, **fields}
        self.judge.on_note(f"b{broker}", life, event, known)

    def role(
        self, broker: int, *, leader: int, epoch: int, isr: tuple[int, ...], life: int = 1
    ) -> None:
        """A broker takes a role."""
        if broker == leader:
            self.note(broker, "became_leader", life=life, epoch=epoch, isr=isr)
        else:
            self.note(broker, "became_follower", life=life, epoch=epoch)

    def watermark(self, broker: int, offset: int, epoch: int = 0, role: str = "leader") -> None:
        """A high watermark advances."""
        self.note(broker, "high_watermark", offset=offset, epoch=epoch, role=role)

    def state(self, leader: int, epoch: int, isr: tuple[int, ...], controller: int) -> None:
        """The coordinator commits a partition state."""
        self.version += 1
        wanted = LeaderAndIsr(
            leader=leader,
            leader_epoch=epoch,
            isr=isr,
            partition_epoch=self.version,
            controller_epoch=controller,
        )
        self._commit("/brokers/topics/t/partitions/0/state", encode_partition_state(wanted))

    def assigned(
        self, replicas: tuple[int, ...], adding: tuple[int, ...], removing: tuple[int, ...]
    ) -> None:
        """The coordinator commits the topic's assignment."""
        moving = bool(adding or removing)
        znode = TopicZNode(
            partitions={0: replicas},
            topic_id=None,
            adding={0: adding} if moving else {},
            removing={0: removing} if moving else {},
        )
        self._commit("/brokers/topics/t", encode_topic(znode))

    def elected(self, epoch: int) -> None:
        """Another controller."""
        self._commit("/controller_epoch", encode_controller_epoch(epoch))

    def registered(self, broker: int, *, in_doubt: bool = False) -> None:
        """A broker registers (again)."""
        node = Broker(
            id=broker,
            epoch=0,
            endpoints=(Endpoint("PLAINTEXT", "PLAINTEXT", "h", 9092),),
            unclean_start=in_doubt,
        )
        self._commit(f"/brokers/ids/{broker}", encode_broker(node, 0))

    def _commit(self, path: str, data: bytes) -> None:
        self.zxid += 1
        z = self.zxid
        created = z if path.startswith("/brokers/ids/") else self.created.setdefault(path, z)
        node = StoredNode(path, data, (), created, z, z, 0, 0, max(self.version, 0), 0, 0, 0)
        self.judge.on_commit(StoreBatch([node], [], [], []))


def _make(disk: Disk) -> None:
    data, partition = Directory(), Directory()
    disk.bind((disk.root, "data", data))
    disk.bind((data, "t-0", partition))
    disk.bind((partition, SEGMENT, Inode()))


A, B, OTHER = (0, 1, 0, 11), (2, 2, 0, 12), (2, 2, 0, 99)


@pytest.fixture
def world() -> World:
    made = World()
    for number in (1, 2, 3):
        made.write(number, A)
    made.watermark(1, 2)
    assert made.broken == []
    return made


def test_a_sound_story(world: World) -> None:
    for number in (1, 2, 3):
        world.write(number, B)
    world.watermark(1, 3)
    world.watermark(2, 3, role="follower")
    world.judge.on_note("p", 1, "acknowledged", {"key": "t-0", "offset": 2, "count": 1})
    world.state(2, 1, (2, 3), 1)
    world.role(2, leader=2, epoch=1, isr=(2, 3))
    world.role(3, leader=2, epoch=1, isr=(2, 3))
    assert world.broken == []
    assert world.judge.end(TP) == 3
    world.role(1, leader=2, epoch=1, isr=(2, 3))
    assert world.judge.level(TP) == ""


def test_committed_but_not_on_an_isr_member(world: World) -> None:
    world.write(1, B)
    world.write(2, B)
    world.watermark(1, 3)
    assert world.broken == ["StrongIsr"]


def test_an_isr_member_with_another_record(world: World) -> None:
    world.write(1, B)
    world.write(2, (2, 2, 0, 12))
    world.write(3, (2, 2, 1, 99))
    world.watermark(1, 3)
    assert "StrongIsr" in world.broken


def test_two_records_at_one_offset_in_one_epoch(world: World) -> None:
    world.write(1, B)
    world.write(2, OTHER)
    world.role(2, leader=1, epoch=0, isr=(1, 2, 3))
    world.role(1, leader=1, epoch=0, isr=(1, 2, 3))
    assert world.broken == ["OneValue"]


def test_an_isr_member_that_cuts_what_was_committed(world: World) -> None:
    world.cut(3)
    assert world.broken == ["StrongIsr"]


def test_one_outside_of_the_isr_may_cut(world: World) -> None:
    world.state(1, 0, (1, 2), 1)
    world.cut(3)
    assert world.broken == []


def test_a_leader_without_what_was_committed(world: World) -> None:
    world.state(1, 0, (1, 2), 1)
    for number in (1, 2):
        world.write(number, B)
    world.note(1, "isr_changed", isr=(1, 2), partition_epoch=1)
    world.watermark(1, 3)
    assert world.broken == []
    world.state(3, 1, (3,), 1)
    world.role(3, leader=3, epoch=1, isr=(3,))
    assert world.broken[0] in ("StrongIsr", "LeaderComplete")


def test_a_newcomer_that_lacks_something_enters_the_isr(world: World) -> None:
    world.state(1, 0, (1, 2), 1)
    world.note(1, "isr_changed", isr=(1, 2), partition_epoch=1)
    for number in (1, 2):
        world.write(number, B)
    world.watermark(1, 3)
    assert world.broken == []
    world.state(1, 0, (1, 2, 3), 1)
    assert world.broken == ["StrongIsr"]


def test_the_watermark_counts_a_proposed_newcomer(world: World) -> None:
    world.state(1, 0, (1, 2), 1)
    world.note(1, "isr_changed", isr=(1, 2), partition_epoch=1)
    world.note(1, "isr_expand_proposed", isr=(1, 2, 3), last_isr=(1, 2))
    for number in (1, 2):
        world.write(number, B)
    world.watermark(1, 3)
    assert world.broken == ["ValidHighWatermark"]


def test_a_refused_newcomer_does_not_count(world: World) -> None:
    world.state(1, 0, (1, 2), 1)
    world.note(1, "isr_changed", isr=(1, 2), partition_epoch=1)
    world.note(1, "isr_expand_proposed", isr=(1, 2, 3), last_isr=(1, 2))
    world.note(1, "isr_proposal_refused", isr=(1, 2))
    for number in (1, 2):
        world.write(number, B)
    world.watermark(1, 3)
    assert world.broken == []


def test_watermarks_ahead_behind_and_alone(world: World) -> None:
    world.watermark(2, 3, role="follower")
    assert world.broken == ["ValidHighWatermark"]
    world.broken.clear()
    world.watermark(1, 1)
    assert world.broken == ["MonotonicHighWatermark"]
    world.broken.clear()
    world.note(1, "isr_changed", isr=(1,), partition_epoch=1)
    world.watermark(1, 2)
    assert world.broken == ["MinIsr"]


def test_an_acknowledgement_of_what_is_not_committed(world: World) -> None:
    world.judge.on_note("p", 1, "acknowledged", {"key": "t-0", "offset": 2, "count": 1})
    assert world.broken == ["AckRule"]


def test_one_epoch_has_one_leader_and_one_life_of_it(world: World) -> None:
    world.role(1, leader=1, epoch=0, isr=(1, 2, 3))
    assert world.broken == []
    world.role(1, leader=1, epoch=0, isr=(1, 2, 3), life=2)
    assert world.broken == ["OneLeaderPerEpoch"]


def test_epochs_in_a_log_never_go_back(world: World) -> None:
    world.write(3, (2, 2, 1, 50), (3, 3, 0, 51))
    world.role(3, leader=1, epoch=0, isr=(1, 2, 3))
    assert world.broken == ["EpochOrder"]


def test_states_and_controllers_only_go_on(world: World) -> None:
    world.state(2, 1, (2, 1, 3), 1)
    world.state(2, 0, (2, 1, 3), 1)
    assert world.broken == ["Monotonic"]
    world.broken.clear()
    world.state(3, 2, (2, 1), 1)
    assert world.broken == ["LeaderInIsr"]
    world.broken.clear()
    world.elected(2)
    world.state(2, 3, (2, 1), 2)
    assert world.broken == []
    world.state(2, 4, (2, 1), 1)
    assert "FencedController" in world.broken


def test_a_move_ends_when_its_target_is_in_sync(world: World) -> None:
    world.assigned((4, 2, 1, 3), (4,), (1, 3))
    world.state(1, 0, (1, 2, 3, 4), 1)
    world.state(4, 1, (4, 2), 1)
    world.assigned((4, 2), (), ())
    assert world.broken == []
    world.assigned((4, 3, 2), (3,), (2,))
    world.assigned((4, 2), (), ())  # cancelled
    world.assigned((4, 3, 2), (3,), (2,))
    assert world.broken == []
    world.assigned((4, 3), (), ())
    assert world.broken == ["MovedInSync"]


def test_orders_of_a_replaced_controller(world: World) -> None:
    world.note(2, "controller_order", controller_epoch=2)
    world.note(3, "controller_order", controller_epoch=1)
    world.note(2, "controller_order", controller_epoch=2)
    assert world.broken == []
    world.note(2, "controller_order", controller_epoch=1)
    assert world.broken == ["FencedController"]


def test_session_ids_are_used_once(world: World) -> None:
    world.judge.on_note("zk", 1, "session_began", {"session": 5})
    world.judge.on_note("zk", 2, "session_began", {"session": 6})
    assert world.broken == []
    world.judge.on_note("zk", 2, "session_began", {"session": 5})
    assert world.broken == ["SessionIds"]


def test_whoever_lost_power_is_weak_until_it_joins_again(world: World) -> None:
    for number in (1, 2, 3):
        world.registered(number)
    assert world.judge.can_lose(3)
    world.judge.lost_power(3)
    world.cut(3)
    assert world.broken == []
    world.judge.lost_power(2)
    assert world.judge.can_lose(2)
    assert not world.judge.can_lose(1)
    world.registered(3)
    world.state(1, 0, (1, 2, 3), 1)
    assert world.broken == ["StrongIsr"]


def test_two_members_in_doubt_are_one_too_many(world: World) -> None:
    world.state(1, 0, (1, 2), 1)
    for number in (1, 2):
        world.registered(number)
    assert world.judge.can_lose(1)
    world.registered(2, in_doubt=True)
    assert not world.judge.can_lose(1)
    assert world.judge.can_lose(2)
    world.registered(2)
    assert world.judge.can_lose(1)


@pytest.mark.parametrize(("start", "broken"), [(2, []), (3, ["DeletedUncommitted"])])
def test_nothing_uncommitted_is_deleted(world: World, start: int, broken: list[str]) -> None:
    world.watermark(1, 2)
    directory = world.disks[3].find("/data/t-0")
    assert isinstance(directory, Directory)
    inode = directory.visible.pop(SEGMENT)
    world.disks[3].change(inode, 0, None)  # type: ignore[arg-type]
    directory.visible[f"{start:020}.log"] = inode
    world.role(3, leader=1, epoch=0, isr=(1, 2, 3))
    assert list(dict.fromkeys(world.broken)) == broken


@pytest.mark.parametrize(
    ("lacking", "broken"),
    [("", []), ("bytes", ["Durable"]), ("name", ["Durable"]), ("directory", ["Durable"])],
)
def test_what_counts_as_flushed_is_on_the_disk(lacking: str, broken: list[str]) -> None:
    world = World(flush=True)
    for number, disk in world.disks.items():
        world.write(number, A)
        inode = disk.find(f"/data/t-0/{SEGMENT}")
        directories = {"directory": "/data", "name": "/data/t-0", "root": "/"}
        assert isinstance(inode, Inode)
        if number != 3 or lacking != "bytes":
            inode.sync(disk.next_number())
        world.write(number, B)  # which nobody has flushed
        for holds, path in directories.items():
            directory = disk.find(path)
            assert isinstance(directory, Directory)
            if number != 3 or lacking != holds:
                disk.sync_names(directory)
    world.watermark(1, 2)
    assert world.broken == broken


def test_what_a_new_life_holds_is_not_known_before_it_has_a_role(world: World) -> None:
    world.note(3, "broker_registered", life=2)
    inode = world.disks[3].find(f"/data/t-0/{SEGMENT}")
    world.disks[3].change(inode, 0, None)  # type: ignore[arg-type]
    world.watermark(1, 2)
    assert world.broken == []
    world.role(3, leader=1, epoch=0, isr=(1, 2, 3), life=2)
    assert world.broken == ["StrongIsr"]


def test_replicas_that_are_not_level(world: World) -> None:
    world.write(2, B)
    assert "broker 2 ends at 3" in world.judge.level(TP)


def test_a_topic_made_again_has_nothing_to_do_with_the_one_before(world: World) -> None:
    for number in (1, 2, 3):
        world.write(number, B)
    world.watermark(1, 3)
    assert world.judge.end(TP) == 3
    world.created.clear()
    world.state(1, 0, (1, 2, 3), 1)
    assert world.judge.end(TP) == 0
    assert world.broken == []
