"""Where the files are that tests read."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
GOLDEN = REPOSITORY / "tests" / "golden"
DOCS = REPOSITORY / "docs"
