"""OffsetFetch, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
OffsetFetchRequest 0-9 6+
  group_id string 0-7
  topics []OffsetFetchRequestTopic 0-7 ?2-7
    name string 0-7
    partition_indexes []int32 0-7
  groups []OffsetFetchRequestGroup 8+
    group_id string 8+
    member_id string 9+ ?9+ =null
    member_epoch int32 9+ =-1
    topics []OffsetFetchRequestTopics 8+ ?8+
      name string 8+
      partition_indexes []int32 8+
  require_stable bool 7+ =false
"""

RESPONSE = """
OffsetFetchResponse 0-9 6+
  throttle_time int32 3+
  topics []OffsetFetchResponseTopic 0-7
    name string 0-7
    partitions []OffsetFetchResponsePartition 0-7
      partition_index int32 0-7
      committed_offset int64 0-7
      committed_leader_epoch int32 5-7 =-1
      metadata string 0-7 ?0-7
      error_code int16 0-7
  error_code int16 2-7 =0
  groups []OffsetFetchResponseGroup 8+
    group_id string 8+
    topics []OffsetFetchResponseTopics 8+
      name string 8+
      partitions []OffsetFetchResponsePartitions 8+
        partition_index int32 8+
        committed_offset int64 8+
        committed_leader_epoch int32 8+ =-1
        metadata string 8+ ?8+
        error_code int16 8+
    error_code int16 8+ =0
"""
