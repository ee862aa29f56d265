"""What a leader concludes of fetches and answers; the rules themselves are in ``test_isr.py``."""

from __future__ import annotations

import pytest

from barnabas.errors import ErrorCode, KafkaError
from barnabas.replication.isr import AlterPartitionAnswer, Committed, PendingExpand, Reaction
from barnabas.replication.leadership import NO_PROGRESS, Leadership, Progress

LAG_MS = 1000
GRANTED = AlterPartitionAnswer(
    error=ErrorCode.NONE, leader_epoch=4, partition_epoch=8, isr=(1, 2, 3)
)


def leading(isr: tuple[int, ...] = (1, 2), end: int = 10) -> Leadership:
    """Broker 1 leads 1, 2, 3 from offset ``end`` on; its clock stands at 0."""
    leadership = Leadership(1, LAG_MS)
    leadership.begin(isr, (1, 2, 3), leader_end=end, now_ms=0, new_leader=True, new_epoch=True)
    return leadership


def fetched(leadership: Leadership, replica: int, offset: int, *, epoch: int = 5) -> Progress:
    return leadership.note_fetch(
        replica, offset=offset, log_start=0, leader_end=10, broker_epoch=epoch, now_ms=10
    )


def watermark(leadership: Leadership, *alive: int) -> int | None:
    return leadership.high_watermark(
        leader_end=10, is_alive=lambda broker: broker in alive, min_isr=1, now_ms=10
    )


def test_a_new_epoch_waits_for_nobody_outside_of_the_isr_who_has_not_fetched_in_it() -> None:
    """A replica that is being moved had all records when the epoch began, and is put off since."""
    leadership = leading()
    fetched(leadership, 2, 10)
    fetched(leadership, 3, 10)
    leadership.begin((1, 2), (1, 2, 3), leader_end=10, now_ms=20, new_leader=False, new_epoch=True)
    leadership.note_fetch(2, offset=11, log_start=0, leader_end=11, broker_epoch=5, now_ms=30)

    def high_watermark() -> int | None:
        return leadership.high_watermark(
            leader_end=11, is_alive=lambda broker: True, min_isr=2, now_ms=30
        )

    assert high_watermark() == 11
    leadership.note_fetch(3, offset=10, log_start=0, leader_end=10, broker_epoch=5, now_ms=30)
    assert high_watermark() == 10, "about to join"


def test_a_fetch_says_what_it_has_moved() -> None:
    leadership = leading()
    assert fetched(leadership, 2, 7) == Progress(end=True, start=True)
    assert fetched(leadership, 2, 7) == NO_PROGRESS
    assert fetched(leadership, 2, 8) == Progress(end=True, start=False)
    assert fetched(leadership, 9, 8) == NO_PROGRESS, "it is no replica"


def test_a_fetch_of_an_earlier_incarnation_counts_for_nothing() -> None:
    leadership = leading()
    fetched(leadership, 2, 7, epoch=6)
    with pytest.raises(KafkaError) as refused:
        fetched(leadership, 2, 9, epoch=5)
    assert refused.value.code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert leadership.remotes[2].log_end_offset == 7


def test_the_watermark_waits_for_the_isr_and_for_who_is_about_to_join_it() -> None:
    leadership = leading()
    assert watermark(leadership, 2, 3) == -1, "nothing is known of 2"
    fetched(leadership, 2, 9)
    assert watermark(leadership, 2, 3) == 9
    fetched(leadership, 3, 10)
    fetched(leadership, 2, 10)
    leadership.remotes[3].log_end_offset = 8
    assert watermark(leadership, 2, 3) == 8, "3 had caught up a moment ago"
    assert watermark(leadership, 2) == 10, "3 is dead"


@pytest.mark.parametrize(
    ("answer", "step", "isr"),
    [
        (GRANTED, Reaction.COMMIT, (1, 2, 3)),
        (AlterPartitionAnswer(error=ErrorCode.INELIGIBLE_REPLICA), Reaction.REVERT, (1, 2)),
    ],
)
def test_an_answer_is_about_the_state_that_was_sent(
    answer: AlterPartitionAnswer, step: Reaction, isr: tuple[int, ...]
) -> None:
    leadership = leading()
    fetched(leadership, 3, 10)
    pending = leadership.expansion(3, high_watermark=10, is_alive=True, highest_epoch=5)
    assert pending is not None
    leadership.propose(pending)
    assert leadership.state.maximal == (1, 2, 3)
    epochs = {"leader_epoch": 4, "partition_epoch": 7}
    other = PendingExpand(last=Committed(isr=(1, 2)), new_replica=3)
    assert leadership.answered(other, answer, still_leads=True, **epochs) is Reaction.IGNORE
    assert leadership.answered(pending, answer, still_leads=False, **epochs) is Reaction.IGNORE
    assert leadership.state is pending
    assert leadership.answered(pending, answer, still_leads=True, **epochs) is step
    assert leadership.state == Committed(isr=isr)


def test_a_replica_of_an_earlier_incarnation_does_not_join() -> None:
    leadership = leading()
    fetched(leadership, 3, 10, epoch=5)
    for is_alive, highest in ((False, 5), (True, 6)):
        assert (
            leadership.expansion(3, high_watermark=10, is_alive=is_alive, highest_epoch=highest)
            is None
        )


def test_who_is_silent_for_too_long_leaves() -> None:
    leadership = leading()
    assert leadership.shrinkage(leader_end=10, now_ms=LAG_MS) is None
    late = leadership.shrinkage(leader_end=10, now_ms=LAG_MS + 1)
    assert late is not None
    assert late.proposed == (1,)
    assert leadership.with_epochs(late.proposed, 12) == ((1, 12),)
