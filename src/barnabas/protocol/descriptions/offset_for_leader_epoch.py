"""OffsetForLeaderEpoch, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
OffsetForLeaderEpochRequest 0-4 4+
  replica_id int32 3+ =-2
  topics []OffsetForLeaderTopic 0+
    topic string 0+
    partitions []OffsetForLeaderPartition 0+
      partition int32 0+
      current_leader_epoch int32 2+ =-1
      leader_epoch int32 0+
"""

RESPONSE = """
OffsetForLeaderEpochResponse 0-4 4+
  throttle_time int32 2+
  topics []OffsetForLeaderTopicResult 0+
    topic string 0+
    partitions []EpochEndOffset 0+
      error_code int16 0+
      partition int32 0+
      leader_epoch int32 1+ =-1
      end_offset int64 0+ =-1
"""
