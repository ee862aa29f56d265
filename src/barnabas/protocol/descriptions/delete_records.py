"""DeleteRecords, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
DeleteRecordsRequest 0-2 2+
  topics []DeleteRecordsTopic 0+
    name string 0+
    partitions []DeleteRecordsPartition 0+
      partition_index int32 0+
      offset int64 0+
  timeout int32 0+
"""

RESPONSE = """
DeleteRecordsResponse 0-2 2+
  throttle_time int32 0+
  topics []DeleteRecordsTopicResult 0+
    name string 0+
    partitions []DeleteRecordsPartitionResult 0+
      partition_index int32 0+
      low_watermark int64 0+
      error_code int16 0+
"""
