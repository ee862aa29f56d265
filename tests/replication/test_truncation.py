"""Truncation by epoch: reference 5.7; traps 1, 2, 3, 9, 16. Convergence as a property."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.replication.truncation import EpochEnd, Truncation, diverges, truncation_point

UNDEFINED = EpochEnd(-1, -1)


@pytest.mark.parametrize(
    ("leader", "local", "end", "fetch_offset", "expected"),
    [
        (UNDEFINED, UNDEFINED, 10, 8, Truncation(8, final=True)),
        (EpochEnd(-1, 5), UNDEFINED, 10, 10, Truncation(5, final=True)),
        (EpochEnd(3, 7), EpochEnd(3, 9), 10, 10, Truncation(7, final=True)),
        (EpochEnd(3, 9), EpochEnd(3, 7), 10, 10, Truncation(7, final=True)),
        (EpochEnd(3, 20), EpochEnd(3, 30), 10, 10, Truncation(10, final=True)),
        (EpochEnd(3, 7), EpochEnd(2, 5), 10, 10, Truncation(5, final=False)),
        (EpochEnd(3, 7), UNDEFINED, 10, 10, Truncation(7, final=True)),
        (EpochEnd(3, 70), UNDEFINED, 10, 10, Truncation(10, final=True)),
    ],
)
def test_table(
    leader: EpochEnd, local: EpochEnd, end: int, fetch_offset: int, expected: Truncation
) -> None:
    assert (
        truncation_point(leader, local=local, log_end_offset=end, fetch_offset=fetch_offset)
        == expected
    )


class ModelLog:
    """A log as the list of its records' epochs."""

    def __init__(self, epochs: list[int]) -> None:
        self.records = list(epochs)
        self.tail_epoch = epochs[-1] if epochs else -1

    def starts(self) -> list[tuple[int, int]]:
        entries: list[tuple[int, int]] = []
        for offset, epoch in enumerate(self.records):
            if not entries or entries[-1][0] != epoch:
                entries.append((epoch, offset))
        return entries

    def latest(self) -> int:
        entries = self.starts()
        return entries[-1][0] if entries else -1

    def end_of(self, epoch: int) -> EpochEnd:
        """Reference 4.9."""
        entries = self.starts()
        if epoch == -1 or not entries or epoch > entries[-1][0]:
            return UNDEFINED
        if epoch == entries[-1][0]:
            return EpochEnd(epoch, len(self.records))
        if epoch < entries[0][0]:
            return EpochEnd(epoch, entries[0][1])
        known = max(e for e, _ in entries if e <= epoch)
        end = min(start for e, start in entries if e > epoch)
        return EpochEnd(known, end)


class ModelLeader(ModelLog):
    """Its own epoch stands in the cache from the moment it leads, empty or not (trap 3)."""

    def __init__(self, epochs: list[int], leader_epoch: int) -> None:
        super().__init__(epochs)
        self.leader_epoch = leader_epoch

    def starts(self) -> list[tuple[int, int]]:
        entries = super().starts()
        if not entries or entries[-1][0] < self.leader_epoch:
            entries.append((self.leader_epoch, len(self.records)))
        return entries


def converge(leader: ModelLeader, follower: ModelLog) -> int:
    """Fetch rounds until the follower equals the leader; the number of truncating rounds."""
    rounds = 0
    for _ in range(100):
        offset, last = len(follower.records), follower.latest()
        end = leader.end_of(last)
        if last != -1 and diverges(end, last_fetched_epoch=last, fetch_offset=offset):
            rounds += 1
            cut = truncation_point(
                end,
                local=follower.end_of(end.epoch),
                log_end_offset=offset,
                fetch_offset=offset,
            )
            assert cut.offset < offset, "every divergence removes something"
            del follower.records[cut.offset :]
            continue
        assert offset <= len(leader.records)
        if offset == len(leader.records):
            return rounds
        follower.records.append(leader.records[offset])
    raise AssertionError("did not converge")


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[int], list[int], int]:
    """Two logs from a common past: each epoch's records have one author, so the same epoch holds
    the same records as far as both have them, at the same start."""
    epoch_count = draw(st.integers(1, 8))
    a: list[int] = []
    b: list[int] = []
    for epoch in range(epoch_count):
        # One of the two leads; its log goes on from its own end. The other copies a prefix of
        # what the leader wrote after truncating to the leader's log, or misses the epoch.
        leads_a = draw(st.booleans())
        leader, other = (a, b) if leads_a else (b, a)
        count = draw(st.integers(0, 4))
        leader.extend([epoch] * count)
        if draw(st.booleans()):
            copied = draw(st.integers(0, count))
            keep = len(leader) - count + copied
            other[:] = leader[:keep]
    return a, b, epoch_count


@given(histories(), st.booleans())
def test_any_two_histories_converge_and_keep_the_common_prefix(
    logs: tuple[list[int], list[int], int], a_leads: bool
) -> None:
    a, b, epochs = logs
    leader_log, follower_log = (a, b) if a_leads else (b, a)
    common = 0
    for x, y in zip(leader_log, follower_log, strict=False):
        if x != y:
            break
        common += 1
    leader = ModelLeader(leader_log, epochs)
    follower = ModelLog(follower_log)
    lowest = [len(follower_log)]
    original = follower.records

    class Watched(list[int]):
        def __delitem__(self, index: object) -> None:
            super().__delitem__(index)  # type: ignore[arg-type]
            lowest.append(len(self))

    follower.records = Watched(original)
    rounds = converge(leader, follower)
    assert list(follower.records) == leader_log
    assert min(lowest) >= min(common, len(follower_log))
    assert rounds <= epochs + 1


def test_fast_double_failover_of_kip_279() -> None:
    """KIP-279: the follower has an epoch the leader never saw, and one more than one round back."""
    follower = ModelLog([0, 0, 1, 1, 3])
    leader = ModelLeader([0, 0, 2, 2], 4)
    assert converge(leader, follower) == 2
    assert follower.records == [0, 0, 2, 2]
