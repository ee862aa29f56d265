"""ListOffsets, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
ListOffsetsRequest 0-9 6+
  replica_id int32 0+
  isolation_level int8 2+
  topics []ListOffsetsTopic 0+
    name string 0+
    partitions []ListOffsetsPartition 0+
      partition_index int32 0+
      current_leader_epoch int32 4+ =-1
      timestamp int64 0+
      max_num_offsets int32 0 =1
"""

RESPONSE = """
ListOffsetsResponse 0-9 6+
  throttle_time int32 2+
  topics []ListOffsetsTopicResponse 0+
    name string 0+
    partitions []ListOffsetsPartitionResponse 0+
      partition_index int32 0+
      error_code int16 0+
      old_style_offsets []int64 0
      timestamp int64 1+ =-1
      offset int64 1+ =-1
      leader_epoch int32 4+ =-1
"""
