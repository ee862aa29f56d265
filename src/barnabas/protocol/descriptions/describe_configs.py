"""DescribeConfigs, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
DescribeConfigsRequest 0-4 4+
  resources []DescribeConfigsResource 0+
    resource_type int8 0+
    resource_name string 0+
    configuration_keys []string 0+ ?0+
  include_synonyms bool 1+ =false
  include_documentation bool 3+ =false
"""

RESPONSE = """
DescribeConfigsResponse 0-4 4+
  throttle_time int32 0+
  results []DescribeConfigsResult 0+
    error_code int16 0+
    error_message string 0+ ?0+
    resource_type int8 0+
    resource_name string 0+
    configs []DescribeConfigsResourceResult 0+
      name string 0+
      value string 0+ ?0+
      read_only bool 0+
      is_default bool 0
      config_source int8 1+ =-1
      is_sensitive bool 0+
      synonyms []DescribeConfigsSynonym 1+
        name string 1+
        value string 1+ ?0+
        source int8 1+
      config_type int8 3+ =0
      documentation string 3+ ?0+
"""
