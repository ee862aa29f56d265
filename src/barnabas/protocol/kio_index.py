"""Imports kio without Hypothesis.

kio imports Hypothesis if it is installed, to register its types. A broker does not need that; in a
development environment it would cost 0.2 s at the start and 8 MiB of memory.
"""

from __future__ import annotations

import sys

_HYPOTHESIS = "hypothesis"

if _HYPOTHESIS in sys.modules or "kio" in sys.modules:
    from kio.index import load_request_schema, load_response_schema
else:
    sys.modules[_HYPOTHESIS] = None  # type: ignore[assignment]  # Python's mark for "cannot be imported"
    try:
        from kio.index import load_request_schema, load_response_schema
    finally:
        del sys.modules[_HYPOTHESIS]

__all__ = ["load_request_schema", "load_response_schema"]
