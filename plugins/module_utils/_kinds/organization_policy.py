# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies of an organization."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from .._engine.resource import is_known
from . import _organizations
from ._once import once
from ._policies import document, not_json, parsed, policy_problems, same_policy
from ._session import Session
from ._shapes import violations
from ._tags import tag_list

_MOST = {"SERVICE_CONTROL_POLICY": 5120, "RESOURCE_CONTROL_POLICY": 5120, "AISERVICES_OPT_OUT_POLICY": 2500}
_MOST_OTHERS = 10_000
"""Characters of a document, spaces included
(https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html)."""


_IAM_TYPES = ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY")
_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+")
_OPERATOR = re.compile(
    r"(ForAnyValue:|ForAllValues:)?(String(Not)?(Equals(IgnoreCase)?|Like)|(Numeric|Date)((Not)?Equals|(Less|Greater)Than(Equals)?)"
    r"|Bool|BinaryEquals|(Not)?IpAddress|Arn(Not)?(Equals|Like))(IfExists)?|Null"
)
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html"""


class OrganizationPolicy(Kind):
    """A policy of any type (https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreatePolicy.html)."""

    name = "organization_policy"
    central = True
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property("str", required=True, doc="Unique among the policies of its type."),
        "description": Property("str", default="", doc="What it is for."),
        "type": Property("str", required=True, immutable=True, doc="Such as C(SERVICE_CONTROL_POLICY)."),
        "content": Property("json", required=True, same=same_policy, doc="The policy document."),
    }
    attributes = ("arn",)
    key = ("type", "name")
    tag = _organizations.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the policies that are declared or the stack's own, with their contents."""
        return session.each(lambda summary: self._read(session, summary), policies(session, scope))

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the policy with its tags."""
        made = _organizations.change(
            session,
            "create_policy",
            Name=wanted["name"],
            Description=wanted["description"],
            Type=wanted["type"],
            Content=document(parsed(wanted["content"])),
            Tags=tag_list(wanted.tags),
        )["Policy"]
        return self._observed(made, wanted.tags)

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Write what differs."""
        new = {
            "Name": wanted["name"],
            "Description": wanted["description"],
            "Content": document(parsed(wanted["content"])),
        }
        made = _organizations.change(
            session,
            "update_policy",
            PolicyId=observed.id,
            **{member: value for member, value in new.items() if member.lower() in changed},
        )["Policy"]
        return self._observed(made, wanted.tags)

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete the policy once its attachments are gone."""
        _organizations.change(
            session,
            "delete_policy",
            retry_on=("PolicyInUseException",),
            missing=("PolicyNotFoundException",),
            PolicyId=observed.id,
        )

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, and the document's form and size."""
        known = {name: value for name, value in properties.items() if name not in ("content", "tags")}
        problems = violations(_organizations.SERVICE, "CreatePolicy", known)
        content = properties["content"]
        if not is_known(content):
            return problems
        is_iam = properties["type"] in _IAM_TYPES
        wrong = policy_problems("content", content) if is_iam else not_json("content", content)
        problems += wrong
        if is_iam and not wrong:
            problems += _beyond_iam(properties["type"], parsed(content))
        if isinstance(parsed(content), str):
            return problems
        if not wrong and not isinstance(parsed(content), Mapping):
            problems.append("content is not a JSON object")
        text = document(parsed(content))
        most = _MOST.get(properties["type"], _MOST_OTHERS)
        if len(text) > most:
            largest = _largest(parsed(content)) if is_iam and not wrong else ""
            problems.append(
                f"content has {len(text)} characters, a {properties['type']} may have {most}: split it or shorten it"
                + (f" (the largest statements: {largest})" if largest else "")
            )
        return problems

    def _read(self, session: Session, summary: Mapping[str, Any]) -> Observed:
        found = session.call(_organizations.SERVICE, "describe_policy", PolicyId=summary["Id"])["Policy"]
        return self._observed(found, _organizations.tags_of(session, summary["Id"]))

    @staticmethod
    def _observed(policy: Mapping[str, Any], tags: Mapping[str, str]) -> Observed:
        summary = policy["PolicySummary"]
        return Observed(
            id=summary["Id"],
            properties={
                "name": summary["Name"],
                "description": summary.get("Description", ""),
                "type": summary["Type"],
                "content": json.loads(policy["Content"]),
            },
            attributes={"arn": summary["Arn"]},
            tags=tags,
        )


def _beyond_iam(policy_type: str, policy: Any) -> Iterator[str]:
    """Yield what AWS Organizations refuses in a policy that IAM's grammar allows.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_syntax.html and
    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps_syntax.html
    """
    if not isinstance(policy, Mapping):
        return
    statements = _several(policy["Statement"])
    sids = Counter(str(item["Sid"]) for item in statements if isinstance(item, Mapping) and item.get("Sid"))
    yield from (f"content: the Sid '{sid}' is that of {count} statements" for sid, count in sids.items() if count > 1)
    for index, statement in enumerate(statements):
        if isinstance(statement, Mapping):
            where = f"content.Statement[{index}]"
            yield from (f"{where}{problem}" for problem in _wrong_elements(statement))
            rules = _wrong_control if policy_type == "SERVICE_CONTROL_POLICY" else _wrong_resource_control
            yield from (f"{where}{problem}" for problem in rules(statement))


def _wrong_elements(statement: Mapping[str, Any]) -> Iterator[str]:
    if ("Resource" in statement) == ("NotResource" in statement):
        yield " needs either Resource or NotResource"
    for element in ("Action", "NotAction"):
        for action in _several(statement.get(element, ())):
            if isinstance(action, str) and not _ACTION.fullmatch(action):
                yield f".{element}: '{action}' is not a service and an action, such as s3:GetObject"
    condition = statement.get("Condition") or {}
    if not isinstance(condition, Mapping):
        yield ".Condition is not a JSON object"
        return
    for operator, keys in condition.items():
        if not _OPERATOR.fullmatch(str(operator)):
            yield f".Condition: there is no operator '{operator}'"
        elif not isinstance(keys, Mapping) or not keys:
            yield f".Condition.{operator} needs a JSON object of condition keys and values"


def _wrong_control(statement: Mapping[str, Any]) -> Iterator[str]:
    for element in ("Principal", "NotPrincipal"):
        if element in statement:
            yield f": a service control policy has no {element}, it is for all identities of an account"


def _wrong_resource_control(statement: Mapping[str, Any]) -> Iterator[str]:
    if statement.get("Effect") != "Deny":
        yield ".Effect: a resource control policy can only deny"
    if statement.get("Principal") != "*":
        yield ": the Principal of a resource control policy is '*', narrow it by a Condition"
    yield from (
        f": a resource control policy has no {name}" for name in ("NotAction", "NotPrincipal") if name in statement
    )
    if "*" in _several(statement.get("Action", ())):
        yield ".Action: a resource control policy names services, such as s3:*"


def _largest(policy: Mapping[str, Any]) -> str:
    """Return the three largest statements with their sizes in characters, by ``Sid`` or number."""
    found = policy["Statement"]
    statements = [found] if isinstance(found, Mapping) else found
    sizes = [(len(document(item)), item.get("Sid") or f"Statement[{index}]") for index, item in enumerate(statements)]
    return ", ".join(f"{name} {count}" for count, name in sorted(sizes, key=lambda item: -item[0])[:3])


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def policies(session: Session, scope: Scope) -> list[dict[str, Any]]:
    """Return the summaries of the policies that are declared (by type and name) or the stack's own.

    Asked for once in an observation: the attachments are those of the same policies.
    """
    return once(session, scope, "organizations-policies", lambda: _list(session, scope))


def _list(session: Session, scope: Scope) -> list[dict[str, Any]]:
    ours = {arn for arn in _organizations.owned(session, scope) if ":policy/" in arn}
    declared = {(item.get("type"), item.get("name")) for item in scope.declared.get(OrganizationPolicy.name, ())}
    # arn:aws:organizations::<management account>:policy/<organization>/<type>/<policy>
    types = {kind for kind, _name in declared if isinstance(kind, str)} | {arn.split("/")[-2].upper() for arn in ours}
    listed = session.each(
        lambda kind: session.pages(
            _organizations.SERVICE, "list_policies", "Policies", missing=[_organizations.NOT_IN_USE], Filter=kind
        ),
        sorted(types),
    )
    return [
        summary
        for summaries in listed
        for summary in summaries
        if not summary["AwsManaged"] and ((summary["Type"], summary["Name"]) in declared or summary["Arn"] in ours)
    ]
