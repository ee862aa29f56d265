"""CRC-32C, imported without its package's command line.

``import crc32c`` reads the package's metadata and an argument parser: a third of a hundred modules
that a broker has no use for, 25 ms and 2 MiB. The function is in an extension module of its own.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec

if "crc32c" in sys.modules:
    from crc32c import crc32c
else:
    _found = find_spec("crc32c")
    assert _found is not None
    sys.modules["crc32c"] = module_from_spec(_found)  # knows where its modules are; was not run
    try:
        from crc32c._crc32c import crc32c
    finally:
        del sys.modules["crc32c"]  # whoever else imports it gets all of it

__all__ = ["crc32c"]
