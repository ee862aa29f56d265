"""OffsetDelete, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
OffsetDeleteRequest 0 none
  group_id string 0+
  topics []OffsetDeleteRequestTopic 0+
    name string 0+
    partitions []OffsetDeleteRequestPartition 0+
      partition_index int32 0+
"""

RESPONSE = """
OffsetDeleteResponse 0 none
  error_code int16 0+
  throttle_time int32 0+
  topics []OffsetDeleteResponseTopic 0+
    name string 0+
    partitions []OffsetDeleteResponsePartition 0+
      partition_index int32 0+
      error_code int16 0+
"""
