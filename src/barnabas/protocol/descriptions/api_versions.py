"""ApiVersions, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
ApiVersionsRequest 0-4 3+
  client_software_name string 3+
  client_software_version string 3+
"""

RESPONSE = """
ApiVersionsResponse 0-4 3+
  error_code int16 0+
  api_keys []ApiVersion 0+
    api_key int16 0+
    min_version int16 0+
    max_version int16 0+
  throttle_time int32 1+
  supported_features []SupportedFeatureKey 3+ #0:3+
    name string 3+
    min_version int16 3+
    max_version int16 3+
  finalized_features_epoch int64 3+ #1:3+ =-1
  finalized_features []FinalizedFeatureKey 3+ #2:3+
    name string 3+
    max_version_level int16 3+
    min_version_level int16 3+
  zk_migration_ready bool 3+ #3:3+ =false
"""
