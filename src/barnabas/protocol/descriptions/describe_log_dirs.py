"""DescribeLogDirs, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
DescribeLogDirsRequest 0-4 2+
  topics []DescribableLogDirTopic 0+ ?0+
    topic string 0+
    partitions []int32 0+
"""

RESPONSE = """
DescribeLogDirsResponse 0-4 2+
  throttle_time int32 0+
  error_code int16 3+
  results []DescribeLogDirsResult 0+
    error_code int16 0+
    log_dir string 0+
    topics []DescribeLogDirsTopic 0+
      name string 0+
      partitions []DescribeLogDirsPartition 0+
        partition_index int32 0+
        partition_size int64 0+
        offset_lag int64 0+
        is_future_key bool 0+
    total_bytes int64 4+ =-1
    usable_bytes int64 4+ =-1
"""
