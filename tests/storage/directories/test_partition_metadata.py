"""The id of a topic in a partition's directory, and what a crash leaves of it."""

from __future__ import annotations

import uuid

import pytest
from tests.storage.support import FaultyFiles, create, environment

from barnabas.storage.checkpoints import CheckpointError
from barnabas.storage.directories.partition_metadata import read_topic_id, write_topic_id

TOPIC_ID = uuid.UUID(int=7)
SIZE = len(b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAABw")


@pytest.mark.parametrize("kept", range(SIZE))
def test_a_torn_file_is_none_and_goes(kept: int) -> None:
    files = FaultyFiles()
    log = create(environment(files))
    path = write_topic_id(files, log, TOPIC_ID)
    whole = files.files[path]
    assert len(whole) == SIZE
    assert read_topic_id(files, log.directory, clean=False) == TOPIC_ID
    files.files[path] = whole[:kept]
    with pytest.raises(CheckpointError):
        read_topic_id(files, log.directory, clean=True)
    assert read_topic_id(files, log.directory, clean=False) is None
    assert read_topic_id(files, log.directory, clean=True) is None
    write_topic_id(files, log, TOPIC_ID)
    assert read_topic_id(files, log.directory, clean=True) == TOPIC_ID
