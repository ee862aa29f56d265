"""CRC-32C, imported without its package's command line.

``import crc32c`` also imports its metadata and an argument parser: more than thirty modules that a
broker does not need, 25 ms and 2 MiB. The function itself is in a separate extension module.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec

if "crc32c" in sys.modules:
    from crc32c import crc32c
else:
    _found = find_spec("crc32c")
    assert _found is not None
    sys.modules["crc32c"] = module_from_spec(_found)  # the package without its __init__
    try:
        from crc32c._crc32c import crc32c
    finally:
        del sys.modules["crc32c"]  # so that others import the whole package

__all__ = ["crc32c"]
