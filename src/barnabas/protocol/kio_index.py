"""kio, imported without Hypothesis.

kio registers its types with Hypothesis wherever that is installed. A broker has no use for that,
and would pay for it with 0.2 s of start-up and 8 MiB of memory in every development environment.
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
