"""IncrementalAlterConfigs, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
IncrementalAlterConfigsRequest 0-1 1+
  resources []AlterConfigsResource 0+
    resource_type int8 0+
    resource_name string 0+
    configs []AlterableConfig 0+
      name string 0+
      config_operation int8 0+
      value string 0+ ?0+
  validate_only bool 0+
"""

RESPONSE = """
IncrementalAlterConfigsResponse 0-1 1+
  throttle_time int32 0+
  responses []AlterConfigsResourceResponse 0+
    error_code int16 0+
    error_message string 0+ ?0+
    resource_type int8 0+
    resource_name string 0+
"""
