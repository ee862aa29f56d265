"""OffsetCommit, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
OffsetCommitRequest 0-9 8+
  group_id string 0+
  generation_id_or_member_epoch int32 1+ =-1
  member_id string 1+
  group_instance_id string 7+ ?7+ =null
  retention_time int64 2-4 =-1
  topics []OffsetCommitRequestTopic 0+
    name string 0+
    partitions []OffsetCommitRequestPartition 0+
      partition_index int32 0+
      committed_offset int64 0+
      committed_leader_epoch int32 6+ =-1
      commit_timestamp int64 1 =-1
      committed_metadata string 0+ ?0+
"""

RESPONSE = """
OffsetCommitResponse 0-9 8+
  throttle_time int32 3+
  topics []OffsetCommitResponseTopic 0+
    name string 0+
    partitions []OffsetCommitResponsePartition 0+
      partition_index int32 0+
      error_code int16 0+
"""
