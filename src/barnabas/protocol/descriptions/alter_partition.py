"""AlterPartition, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
AlterPartitionRequest 0-3 0+
  broker_id int32 0+
  broker_epoch int64 0+ =-1
  topics []TopicData 0+
    topic_name string 0-1
    topic_id uuid 2+
    partitions []PartitionData 0+
      partition_index int32 0+
      leader_epoch int32 0+
      new_isr []int32 0-2
      new_isr_with_epochs []BrokerState 3+
        broker_id int32 3+
        broker_epoch int64 3+ =-1
      leader_recovery_state int8 1+ =0
      partition_epoch int32 0+
"""

RESPONSE = """
AlterPartitionResponse 0-3 0+
  throttle_time int32 0+
  error_code int16 0+
  topics []TopicData 0+
    topic_name string 0-1
    topic_id uuid 2+
    partitions []PartitionData 0+
      partition_index int32 0+
      error_code int16 0+
      leader_id int32 0+
      leader_epoch int32 0+
      isr []int32 0+
      leader_recovery_state int8 1+ =0
      partition_epoch int32 0+
"""
