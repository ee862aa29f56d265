"""Who is told of what."""

from __future__ import annotations

from barnabas.zookeeper.messages import OPEN_ACL_UNSAFE, EventType, WatcherType
from barnabas.zookeeper.server.tree import Event
from barnabas.zookeeper.server.watches import Watches

CREATED, DELETED = EventType.NODE_CREATED, EventType.NODE_DELETED
CHANGED, CHILDREN = EventType.NODE_DATA_CHANGED, EventType.NODE_CHILDREN_CHANGED


def event(kind: EventType, path: str) -> Event:
    return kind, path, OPEN_ACL_UNSAFE


def told(watches: Watches[str], kind: EventType, path: str) -> list[str]:
    return [watcher for watcher, _ in watches.fire([event(kind, path)])]


def test_one_shot_watches_fire_once() -> None:
    watches: Watches[str] = Watches()
    watches.watch_data("/a", "ann")
    watches.watch_data("/a", "bob")
    watches.watch_children("/a", "ann")
    assert told(watches, CHANGED, "/a") == ["ann", "bob"]
    assert told(watches, CHANGED, "/a") == []
    assert told(watches, CHILDREN, "/a") == ["ann"]
    assert watches.count() == 0


def test_a_deletion_is_told_once_to_who_watches_both_data_and_children() -> None:
    watches: Watches[str] = Watches()
    watches.watch_data("/a", "ann")
    watches.watch_children("/a", "ann")
    watches.watch_children("/a", "bob")
    assert told(watches, DELETED, "/a") == ["ann", "bob"]
    assert watches.count() == 0


def test_persistent_watches_stay() -> None:
    watches: Watches[str] = Watches()
    watches.watch_persistently("/a", "ann", recursive=False)
    for _ in range(2):
        assert told(watches, CHANGED, "/a") == ["ann"]
        assert told(watches, CHILDREN, "/a") == ["ann"]
        assert told(watches, CHANGED, "/a/b") == []


def test_recursive_watches_hear_of_everything_below_but_not_of_children_lists() -> None:
    watches: Watches[str] = Watches()
    watches.watch_persistently("/a", "ann", recursive=True)
    watches.watch_persistently("/", "root", recursive=True)
    assert told(watches, CREATED, "/a/b/c") == ["ann", "root"]
    assert told(watches, CREATED, "/ab") == ["root"]
    assert told(watches, CHILDREN, "/a") == []
    watches.forget("root")
    assert told(watches, CREATED, "/ab") == []
    assert watches.remove("/a", "ann", WatcherType.ANY)
    assert told(watches, DELETED, "/a") == []


def test_one_shot_and_persistent_live_side_by_side() -> None:
    watches: Watches[str] = Watches()
    watches.watch_persistently("/a", "ann", recursive=False)
    watches.watch_data("/a", "ann")
    assert told(watches, CHANGED, "/a") == ["ann"]
    assert told(watches, CHANGED, "/a") == ["ann"]


def test_removal_is_of_the_kind_asked_for() -> None:
    watches: Watches[str] = Watches()
    watches.watch_data("/a", "ann")
    watches.watch_children("/a", "ann")
    assert not watches.contains("/a", "bob", WatcherType.ANY)
    assert watches.remove("/a", "ann", WatcherType.CHILDREN)
    assert not watches.contains("/a", "ann", WatcherType.CHILDREN)
    assert watches.contains("/a", "ann", WatcherType.DATA)
    assert not watches.remove("/a", "ann", WatcherType.PERSISTENT_RECURSIVE)
    assert watches.remove("/a", "ann", WatcherType.ANY)
    assert watches.count() == 0
