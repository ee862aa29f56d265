"""No move of a partition ends before its whole target was in the ISR (KIP-455,
reference 3.10): otherwise the new replicas would be fewer than the old ones were."""

from __future__ import annotations

from collections.abc import Sequence

from barnabas.types import TopicPartition


class Moves:
    """Follows the assignments and ISRs that the coordinator holds."""

    def __init__(self) -> None:
        self._targets: dict[TopicPartition, tuple[int, ...]] = {}
        self._complete: dict[TopicPartition, bool] = {}
        """Whether the target was in the ISR at some time since the move began."""

    def assigned(
        self,
        tp: TopicPartition,
        replicas: Sequence[int],
        adding: Sequence[int],
        removing: Sequence[int],
        isr: Sequence[int],
    ) -> str:
        """An assignment was written; what is wrong with it, or nothing."""
        target = tuple(r for r in replicas if r not in removing)
        before = self._targets.get(tp)
        if adding or removing:
            if target != before:
                self._targets[tp], self._complete[tp] = target, False
            self.in_sync(tp, isr)
            return ""
        self._targets.pop(tp, None)
        if target != before or self._complete.pop(tp):
            return ""
        return f"{tp}: {target} took over without having been in the ISR, which is {tuple(isr)}"

    def in_sync(self, tp: TopicPartition, isr: Sequence[int]) -> None:
        """An ISR was written."""
        target = self._targets.get(tp)
        if target is not None and all(replica in isr for replica in target):
            self._complete[tp] = True
