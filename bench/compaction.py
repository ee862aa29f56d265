"""A compacted topic of a million updates over a thousand keys on three real brokers: read from the
start before, during and after compaction and a kill in the middle of it.

    python -m bench.compaction [--updates 1000000] [--keys 1000]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.cluster.compaction import OVERRIDES, Compaction
from tests.cluster_kit import Cluster


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=1_000_000)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--bytes-per-second", type=int, default=5_000_000)
    options = parser.parse_args()
    slowly = {"log.cleaner.io.max.bytes.per.second": str(options.bytes_per_second)}
    with (
        tempfile.TemporaryDirectory() as directory,
        Cluster(directory=Path(directory), overrides=OVERRIDES | slowly) as cluster,
    ):
        compaction = Compaction(cluster, options.updates, options.keys)
        try:
            compaction.run()
        finally:
            print("\n".join(compaction.lines))


if __name__ == "__main__":
    main()
