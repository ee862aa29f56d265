"""Pictures of a cluster at one moment."""

from __future__ import annotations

from tests.console.kit import cluster, partition

from barnabas.console.tour.lesson import Cell, group_picture, picture_of
from barnabas.types import TopicPartition

TP = TopicPartition("orders", 0)


def test_a_picture_has_a_cell_for_each_broker() -> None:
    snapshot = cluster("123", partition("123", 1, "12", 4))
    picture = picture_of("now", snapshot, ["orders"], [1, 2, 3], ends={(TP, 1): 7, (TP, 2): 1})
    assert picture.columns == ("broker 1, controller", "broker 2", "broker 3")
    (row,) = picture.rows
    assert row.cells == (
        Cell(state="leader", note="7 records"),
        Cell(state="in sync", note="1 record"),
        Cell(state="lagging"),
    )
    assert row.note == "leader 1, epoch 4, in sync [1, 2]"


def test_a_dead_process_is_offline_before_the_znodes_say_so() -> None:
    snapshot = cluster("123", partition("123", 1, "123"))
    picture = picture_of("now", snapshot, ["orders"], [1, 2, 3], gone=[1], paused=[2])
    assert picture.columns == ("broker 1, gone", "broker 2, paused", "broker 3")
    assert [cell.state for cell in picture.rows[0].cells] == ["offline", "in sync", "in sync"]
    assert picture.rows[0].note.startswith("no leader")


def test_other_topics_are_left_out() -> None:
    snapshot = cluster("1", partition("1", 1, "1"))
    assert picture_of("now", snapshot, ["others"], [1]).rows == ()


def test_a_group_has_a_column_for_each_member() -> None:
    picture = group_picture("now", {"A": (0, 2), "B": (1,)}, 3)
    assert [[c.state for c in row.cells] for row in picture.rows] == [
        ["reads", ""],
        ["", "reads"],
        ["reads", ""],
    ]
