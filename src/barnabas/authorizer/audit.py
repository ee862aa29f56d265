"""AclAuthorizer.logAuditMessage: one line for each decision, to ``kafka.authorizer.logger``.

What is denied is said at INFO, what is allowed at DEBUG, and at DEBUG also why. Questions that only
choose what a list shows are not said.
"""

from __future__ import annotations

import logging

from barnabas.authorizer.acl import PatternType, ResourcePattern
from barnabas.authorizer.decision import Decision, Question, Reason
from barnabas.protocol.api import API_TABLE

log = logging.getLogger("kafka.authorizer.logger")


def enabled(*, allowed: bool) -> bool:
    """Whether a line would be written: asked first, since making one costs more than deciding."""
    return log.isEnabledFor(logging.DEBUG if allowed else logging.INFO)


def record(question: Question, decision: Decision, api_key: int) -> None:
    """``api_key``: the API that asks."""
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
