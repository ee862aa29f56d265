"""All wrong inputs, in order of their APIs' rooms."""

from __future__ import annotations

from tests.answers import configs, groups, moving, others, topics

ALL = [*topics.CASES, *configs.CASES, *moving.CASES, *groups.CASES, *others.CASES]
