# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each service words its refusal of a request that departs from its model.

Sources: the "Common errors" page of each service's API reference, for EC2
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from __future__ import annotations

from typing import Any

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.strict import Problem

#: Services whose validation error isn't their protocol's usual one.
CODES: dict[str, str] = {
    "accessanalyzer": "ValidationException",
    "cloudfront": "InvalidArgument",
    "ecr": "InvalidParameterException",
    "ecs": "InvalidParameterException",
    "eks": "InvalidParameterException",
    "elasticache": "InvalidParameterValue",
    "guardduty": "BadRequestException",
    "inspector2": "ValidationException",
    "lambda": "InvalidParameterValueException",
    "logs": "InvalidParameterException",
    "macie2": "ValidationException",
    "organizations": "InvalidInputException",
    "rds": "InvalidParameterValue",
    "resourcegroupstaggingapi": "InvalidParameterException",
    "route53": "InvalidInput",
    "route53resolver": "InvalidParameterException",
    "s3control": "InvalidRequest",
    "securityhub": "InvalidInputException",
    "sns": "InvalidParameter",
    "sqs": "InvalidParameterValue",
    "wafv2": "WAFInvalidParameterException",
}

_DEFAULTS = {
    "query": "ValidationError",
    "ec2": "InvalidParameterValue",
    "json": "ValidationException",
    "rest-json": "ValidationException",
    "rest-xml": "InvalidArgument",
}


def refusal(service: str, protocol: str, problems: list[Problem]) -> AwsError:
    """The error that a service answers for a request's violations, most basic first."""
    order = ("unknown", "type", "missing", "union")
    problems = sorted(problems, key=lambda p: order.index(p.kind) if p.kind in order else len(order))
    first = problems[0]
    if protocol == "ec2":
        return _ec2(first)
    if service in ("rds", "elasticache", "sqs", "sns") and first.kind in ("missing", "unknown"):
        return _query_missing(service, first)
    if first.kind == "type" and protocol in ("json", "rest-json") and service != "organizations":
        return AwsError("SerializationException", _conversion(first))
    if service == "s3" and protocol == "rest-xml":
        return _s3(first)
    code = CODES.get(service, _DEFAULTS[protocol])
    if service == "ecr":
        return AwsError(code, f"Invalid parameter at '{first.camel}' failed to satisfy constraint: '{_must(first)}'")
    plural = "s" if len(problems) > 1 else ""
    details = "; ".join(_detail(problem) for problem in problems)
    return AwsError(code, f"{len(problems)} validation error{plural} detected: {details}")


def _conversion(problem: Problem) -> str:
    names: dict[type[Any], str] = {str: "STRING_VALUE", int: "NUMBER_VALUE", float: "DECIMAL_VALUE", bool: "TRUE_VALUE"}
    target = {"long": "Long", "integer": "Integer", "boolean": "Boolean", "string": "String"}.get(
        problem.constraint, problem.constraint
    )
    if isinstance(problem.value, list | dict):
        return "Start of structure or map found where not expected."
    return f"{names.get(type(problem.value), 'NULL_VALUE')} can not be converted to {target} at '{problem.camel}'"


def _must(problem: Problem) -> str:
    kind, constraint = problem.kind, problem.constraint
    if kind == "missing":
        return "Member must not be null"
    if kind == "enum":
        return f"Member must satisfy enum value set: {constraint}"
    if kind == "pattern":
        return f"Member must satisfy regular expression pattern: {constraint}"
    if kind in ("length", "size"):
        return f"Member must have length {constraint}"
    if kind == "range":
        return f"Member must have value {constraint}"
    if kind == "union":
        return "Member must have exactly one member set"
    if kind == "unknown":
        return "Member is not recognized"
    return f"Member must be of type {constraint}"


def _detail(problem: Problem) -> str:
    shown = "null" if problem.kind in ("missing", "unknown") else f"'{problem.value}'"
    return f"Value {shown} at '{problem.camel}' failed to satisfy constraint: {_must(problem)}"


def _ec2(problem: Problem) -> AwsError:
    name = problem.plain
    if problem.kind == "missing":
        return AwsError("MissingParameter", f"The request must contain the parameter {name}")
    if problem.kind == "unknown":
        return AwsError("UnknownParameter", f"The parameter {name} is not recognized")
    if problem.kind == "type":
        return AwsError(
            "InvalidParameterValue",
            f"Invalid value '{problem.value}' for {name}. Must be of type {problem.constraint}.",
        )
    return AwsError(
        "InvalidParameterValue", f"Value ({problem.value}) for parameter {name} is invalid. {_must(problem)}."
    )


def _query_missing(service: str, problem: Problem) -> AwsError:
    if problem.kind == "unknown":
        code = "UnknownParameter" if service in ("rds", "elasticache") else CODES[service]
        return AwsError(code, f"The parameter {problem.plain} is not recognized")
    code = "InvalidParameter" if service == "sns" else "MissingParameter"
    return AwsError(code, f"The request must contain the parameter {problem.plain}.")


def _s3(problem: Problem) -> AwsError:
    if len(problem.path) > 1:
        return AwsError(
            "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"
        )
    return AwsError("InvalidArgument", f"Invalid Argument: {_detail(problem)}")


def unreadable(service: str, protocol: str, why: str) -> AwsError:
    """The answer to a body that can't be read at all."""
    if protocol == "rest-xml":
        return AwsError("MalformedXML", f"The XML you provided was not well-formed: {why}")
    return AwsError("SerializationException", f"The request body could not be read: {why}")
