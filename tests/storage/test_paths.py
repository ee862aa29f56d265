from __future__ import annotations

import pytest

from barnabas.storage.paths import is_inside


@pytest.mark.parametrize(
    ("path", "directory", "inside"),
    [
        ("/data/1/t-0", "/data/1", True),
        ("/data/1", "/data/1/", True),
        ("/data//1/t-0", "/data/1/", True),
        ("/data/10/t-0", "/data/1", False),
        ("/data", "/data/1", False),
        ("/data/1/../2", "/data/1", False),
        ("/t-0", "/", True),
    ],
)
def test_paths_are_compared_by_whole_names(path: str, directory: str, inside: bool) -> None:
    assert is_inside(path, directory) == inside
