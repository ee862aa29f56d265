"""AclAuthorizer.logAuditMessage: logs one line for each decision to ``kafka.authorizer.logger``.

A denial is logged at INFO, a permission at DEBUG, and the reason of both at DEBUG. Checks that only
filter a list are not logged.
"""

from __future__ import annotations

import logging

from barnabas.authorizer.acl import PatternType, ResourcePattern
from barnabas.authorizer.decision import Decision, Question, Reason
from barnabas.protocol.api import API_TABLE

log = logging.getLogger("kafka.authorizer.logger")


def enabled(*, allowed: bool) -> bool:
    """Whether a line would be written. Asked first, since a line costs more than the decision."""
    return log.isEnabledFor(logging.DEBUG if allowed else logging.INFO)


def record(question: Question, decision: Decision, api_key: int) -> None:
    """Log a decision. ``api_key``: the API of the request."""
    if log.isEnabledFor(logging.DEBUG):
        _explain(question, decision)
    kind = question.resource_type.label
    if question.name is None:
        resource, count = f"{kind}:UNKNOWN:NONE", 0
    else:
        resource, count = f"{kind}:{PatternType.LITERAL.name}:{question.name}", 1
    log.log(
        logging.DEBUG if decision.allowed else logging.INFO,
        "Principal = %s is %s Operation = %s from host = %s on resource = %s for request = %s"
        " with resourceRefCount = %d",
        question.principal,
        "Allowed" if decision.allowed else "Denied",
        question.operation.label,
        question.host,
        resource,
        API_TABLE[api_key].name,
        count,
    )


def _explain(question: Question, decision: Decision) -> None:
    if decision.reason is Reason.SUPER_USER:
        log.debug(
            "principal = %s is a super user, allowing operation without checking acls.",
            question.principal,
        )
    if question.name is None:
        return
    pattern = ResourcePattern(question.resource_type, question.name)
    if decision.reason is Reason.NO_ACL_AT_ALL:
        log.debug(
            "No acl found for resource %s, authorized = %s", pattern, str(decision.allowed).lower()
        )
    elif decision.binding is not None:
        entry = decision.binding.entry
        log.debug(
            "operation = %s on resource = %s from host = %s is %s based on acl = %s",
            entry.operation.name,
            pattern,
            question.host,
            entry.permission.name,
            entry,
        )
