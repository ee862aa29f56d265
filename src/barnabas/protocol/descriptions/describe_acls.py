"""DescribeAcls, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
DescribeAclsRequest 0-3 2+
  resource_type_filter int8 0+
  resource_name_filter string 0+ ?0+
  pattern_type_filter int8 1+ =3
  principal_filter string 0+ ?0+
  host_filter string 0+ ?0+
  operation int8 0+
  permission_type int8 0+
"""

RESPONSE = """
DescribeAclsResponse 0-3 2+
  throttle_time int32 0+
  error_code int16 0+
  error_message string 0+ ?0+
  resources []DescribeAclsResource 0+
    resource_type int8 0+
    resource_name string 0+
    pattern_type int8 1+ =3
    acls []AclDescription 0+
      principal string 0+
      host string 0+
      operation int8 0+
      permission_type int8 0+
"""
