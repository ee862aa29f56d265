"""PartitionMetadataFile: ``partition.metadata`` of a partition's directory names its topic."""

from __future__ import annotations

import uuid

from barnabas.seams import Files
from barnabas.storage.checkpoints import (
    PARTITION_METADATA,
    CheckpointError,
    PartitionMetadata,
    decode_partition_metadata,
    encode_partition_metadata,
)
from barnabas.storage.log import Log
from barnabas.storage.small_files import write_new


def read_topic_id(files: Files, directory: str, *, clean: bool) -> uuid.UUID | None:
    """The id in a directory, None if it has none. CheckpointError for what cannot be one."""
    metadata = f"{directory}/{PARTITION_METADATA}"
    try:
        return decode_partition_metadata(files.read(metadata)).topic_id
    except FileNotFoundError:
        return None
    except CheckpointError:
        if clean:
            raise
        # Written just before the machine died, which may have kept any part of it. The controller
        # will tell the id again; until then a clean stop must not leave this behind.
        files.remove(metadata)
        return None


def write_topic_id(files: Files, log: Log, topic_id: uuid.UUID) -> str:
    """Give a log its id; the path of a file to be synced in the background. If the machine loses
    it, the controller tells the id again."""
    path = f"{log.directory}/{PARTITION_METADATA}"
    data = encode_partition_metadata(PartitionMetadata(topic_id=topic_id))
    try:
        write_new(files, path, data)
    except OSError as error:
        raise log.fence(error) from error
    log.topic_id = topic_id
    return path
