"""The file ``partition.metadata`` of a partition's directory: which topic it belongs to."""

from __future__ import annotations

import uuid

from barnabas.seams import Files
from barnabas.storage.checkpoints import (
    PARTITION_METADATA,
    PartitionMetadata,
    decode_partition_metadata,
    encode_partition_metadata,
)
from barnabas.storage.log import Log
from barnabas.storage.small_files import write_new


def read_topic_id(files: Files, directory: str, *, clean: bool) -> uuid.UUID | None:
    """The id in a directory, None if it has none."""
    metadata = f"{directory}/{PARTITION_METADATA}"
    if not files.exists(metadata):
        return None
    data = files.read(metadata)
    if not clean and not data:
        # Created just before the machine died: the controller will tell the id again.
        return None
    return decode_partition_metadata(data).topic_id


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
