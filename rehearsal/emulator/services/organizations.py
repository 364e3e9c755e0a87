# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Organizations.

https://docs.aws.amazon.com/organizations/latest/APIReference/

Limits: https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from moto.iam.models import iam_backends

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation, page
from rehearsal.emulator.services import quotas, tagging
from rehearsal.emulator.world import MANAGEMENT_ACCOUNT, World, letters

_LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"

#: Largest policy document by type, in characters.
POLICY_SIZES = {
    "SERVICE_CONTROL_POLICY": 5120,
    "RESOURCE_CONTROL_POLICY": 5120,
    "TAG_POLICY": 10000,
    "BACKUP_POLICY": 10000,
    "AISERVICES_OPT_OUT_POLICY": 2500,
}
#: Most policies of a type attached to one root, OU or account.
POLICIES_PER_TARGET = {"SERVICE_CONTROL_POLICY": 5, "RESOURCE_CONTROL_POLICY": 5}
MOST_CREATIONS = 5
DEEPEST_UNIT = 5

_FULL = {
    "SERVICE_CONTROL_POLICY": (
        "p-FullAWSAccess",
        "FullAWSAccess",
        "Allows access to every operation",
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
    ),
    "RESOURCE_CONTROL_POLICY": (
        "p-RCPFullAWSAccess",
        "RCPFullAWSAccess",
        "Allows access to every resource",
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]},
    ),
}


@dataclass
class Node:
    """The root, an organizational unit or an account. ``kind``: ROOT, ORGANIZATIONAL_UNIT, ACCOUNT."""

    id: str
    arn: str
    name: str
    kind: str
    parent: str | None
    email: str = ""
    status: str = "ACTIVE"
    method: str = "CREATED"
    joined: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))
    tags: dict[str, str] = field(default_factory=dict)
    policies: list[str] = field(default_factory=list)


@dataclass
class Policy:
    """A policy of any type."""

    id: str
    arn: str
    name: str
    description: str
    type: str
    content: str
    managed: bool
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class Creation:
    """A CreateAccount request on its way."""

    id: str
    name: str
    email: str
    role: str
    tags: dict[str, str]
    requested: datetime.datetime
    at: float
    state: str = "IN_PROGRESS"
    account: str | None = None
    failure: str | None = None
    completed: datetime.datetime | None = None


@dataclass
class Organization:
    """The one organization, if there is one."""

    id: str
    features: str
    root: str
    email: str
    nodes: dict[str, Node] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    creations: dict[str, Creation] = field(default_factory=dict)
    services: dict[str, datetime.datetime] = field(default_factory=dict)
    admins: dict[str, dict[str, datetime.datetime]] = field(default_factory=dict)
    resource_policy: str | None = None

    def arn(self, kind: str, *parts: str) -> str:
        """The ARN of something in the organization."""
        return f"arn:aws:organizations::{MANAGEMENT_ACCOUNT}:{kind}/" + "/".join((self.id, *parts))

    def children(self, parent: str) -> Iterator[Node]:
        """What is directly below a root or a unit."""
        return (node for node in self.nodes.values() if node.parent == parent)


class _Holder:
    organization: Organization | None = None


def _holder(world: World) -> _Holder:
    return world.store("organizations", "", "", _Holder)


def current(world: World) -> Organization | None:
    """The organization as of now: creations whose time has come are finished."""
    organization = _holder(world).organization
    if organization is not None:
        for creation in organization.creations.values():
            if creation.state == "IN_PROGRESS" and time.time() >= creation.at:
                _finish(world, organization, creation)
    return organization


def accounts_by_name(world: World) -> dict[str, str]:
    """Account ids by name; without an organization only the management account."""
    organization = current(world)
    if organization is None:
        return {"management": MANAGEMENT_ACCOUNT}
    return {node.name: node.id for node in organization.nodes.values() if node.kind == "ACCOUNT"}


def _finish(world: World, organization: Organization, creation: Creation) -> None:
    creation.completed = datetime.datetime.now(datetime.UTC)
    taken = {node.email.lower() for node in organization.nodes.values() if node.kind == "ACCOUNT"}
    if creation.email.lower() in taken:
        creation.state, creation.failure = "FAILED", "EMAIL_ALREADY_EXISTS"
        return
    # Numbers that depend on the e-mail address alone stay the same from one rehearsal to the next.
    number, salt = "", 0
    while not number or number in world.accounts:
        digest = hashlib.sha256(f"{creation.email.lower()}#{salt}".encode()).hexdigest()
        number, salt = f"{int(digest, 16) % 899_999_999_999 + 100_000_000_000}", salt + 1
    account = Node(
        number,
        organization.arn("account", number),
        creation.name,
        "ACCOUNT",
        organization.root,
        creation.email,
        tags=dict(creation.tags),
    )
    _inherit_full_access(organization, account)
    organization.nodes[number] = account
    world.accounts.add(number)
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{MANAGEMENT_ACCOUNT}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    iam = iam_backends[number]["aws"]
    iam.create_role(creation.role, json.dumps(trust), "/", None, "", [], "3600")
    iam.attach_role_policy("arn:aws:iam::aws:policy/AdministratorAccess", creation.role)
    creation.state, creation.account = "SUCCEEDED", number


def _inherit_full_access(organization: Organization, node: Node) -> None:
    node.policies.append("p-FullAWSAccess")
    if "RESOURCE_CONTROL_POLICY" in organization.types:
        node.policies.append("p-RCPFullAWSAccess")


_MEMBERS_MAY = frozenset({"DescribeOrganization"})


def _org(call: Call) -> Organization:
    """The organization; refuses callers that may not ask this."""
    organization = current(call.world)
    if organization is None:
        raise AwsError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
    if call.account not in organization.nodes:
        raise AwsError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
    if call.account != MANAGEMENT_ACCOUNT and call.operation not in _MEMBERS_MAY:
        reads = call.operation.startswith(("List", "Describe"))
        if not (reads and call.account in organization.admins):
            raise AwsError("AccessDeniedException", "You don't have permissions to access this resource.")
    return organization


def _account(organization: Organization, number: str) -> Node:
    node = organization.nodes.get(number)
    if node is None or node.kind != "ACCOUNT":
        raise AwsError("AccountNotFoundException", "You specified an account that doesn't exist.")
    return node


def _unit(organization: Organization, unit: str) -> Node:
    node = organization.nodes.get(unit)
    if node is None or node.kind != "ORGANIZATIONAL_UNIT":
        message = "You specified an organizational unit that doesn't exist."
        raise AwsError("OrganizationalUnitNotFoundException", message)
    return node


def _parent(organization: Organization, parent: str, code: str = "ParentNotFoundException") -> Node:
    node = organization.nodes.get(parent)
    if node is None or node.kind == "ACCOUNT":
        raise AwsError(code, "You specified parent that doesn't exist.")
    return node


def _target(organization: Organization, target: str) -> Node:
    node = organization.nodes.get(target)
    if node is None:
        raise AwsError("TargetNotFoundException", "You specified a target that doesn't exist.")
    return node


def _policy(organization: Organization, policy: str) -> Policy:
    found = organization.policies.get(policy)
    if found is None:
        raise AwsError("PolicyNotFoundException", "You specified a policy that doesn't exist.")
    return found


def _paged(call: Call, key: str, items: list[Any]) -> dict[str, Any]:
    error = AwsError("InvalidInputException", "You specified an invalid value.", Reason="INVALID_PAGINATION_TOKEN")
    some, following = page(items, call.get("NextToken"), min(call.get("MaxResults", 20), 20), error)
    return {key: some, **({"NextToken": following} if following else {})}


def _constraint(message: str, reason: str) -> AwsError:
    return AwsError("ConstraintViolationException", message, Reason=reason)


def _tags(items: list[dict[str, str]]) -> dict[str, str]:
    keys = [tag["Key"] for tag in items]
    if len({key.lower() for key in keys}) != len(keys):
        raise AwsError("InvalidInputException", "You specified an invalid value.", Reason="DUPLICATE_TAG_KEY")
    if any(key.lower().startswith("aws:") for key in keys):
        raise AwsError(
            "InvalidInputException", "You specified an invalid value.", Reason="INVALID_SYSTEM_TAGS_PARAMETER"
        )
    if len(keys) > 50:
        raise _constraint("You have exceeded the allowed number of tags.", "MAX_TAG_LIMIT_EXCEEDED")
    return {tag["Key"]: tag["Value"] for tag in items}


def _organization_view(organization: Organization) -> dict[str, Any]:
    return {
        "Id": organization.id,
        "Arn": organization.arn("organization"),
        "FeatureSet": organization.features,
        "MasterAccountArn": organization.arn("account", MANAGEMENT_ACCOUNT),
        "MasterAccountId": MANAGEMENT_ACCOUNT,
        "MasterAccountEmail": organization.email,
        "AvailablePolicyTypes": [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}]
        if organization.features == "ALL"
        else [],
    }


def _root_view(organization: Organization) -> dict[str, Any]:
    types = [{"Type": name, "Status": status} for name, status in organization.types.items()]
    root = organization.nodes[organization.root]
    return {"Id": root.id, "Arn": root.arn, "Name": "Root", "PolicyTypes": types}


def path_of(organization: Organization, node: Node) -> str:
    parts = [node.id]
    while node.parent is not None:
        node = organization.nodes[node.parent]
        parts.append(node.id)
    return "/".join([organization.id, *reversed(parts), ""])


def _account_view(organization: Organization, node: Node) -> dict[str, Any]:
    return {
        "Id": node.id,
        "Paths": [path_of(organization, node)],
        "Arn": node.arn,
        "Email": node.email,
        "Name": node.name,
        "Status": node.status,
        "State": node.status,
        "JoinedMethod": node.method,
        "JoinedTimestamp": node.joined,
    }


def _unit_view(organization: Organization, node: Node) -> dict[str, Any]:
    return {"Id": node.id, "Arn": node.arn, "Name": node.name, "Path": path_of(organization, node)}


def _policy_summary(policy: Policy) -> dict[str, Any]:
    return {
        "Id": policy.id,
        "Arn": policy.arn,
        "Name": policy.name,
        "Description": policy.description,
        "Type": policy.type,
        "AwsManaged": policy.managed,
    }


def _creation_view(creation: Creation) -> dict[str, Any]:
    view: dict[str, Any] = {
        "Id": creation.id,
        "AccountName": creation.name,
        "State": creation.state,
        "RequestedTimestamp": creation.requested,
    }
    if creation.completed is not None:
        view["CompletedTimestamp"] = creation.completed
    if creation.account is not None:
        view["AccountId"] = creation.account
    if creation.failure is not None:
        view["FailureReason"] = creation.failure
    return view


@operation("organizations", "CreateOrganization")
def create_organization(call: Call) -> dict[str, Any]:
    holder = _holder(call.world)
    if holder.organization is not None:
        message = "The AWS account is already a member of an organization."
        raise AwsError("AlreadyInOrganizationException", message)
    made = Organization(
        f"o-{letters(10, _LOWER)}", call.get("FeatureSet", "ALL"), f"r-{letters(4, _LOWER)}", "management@example.com"
    )
    made.nodes[made.root] = Node(made.root, made.arn("root", made.root), "Root", "ROOT", None)
    number = MANAGEMENT_ACCOUNT
    made.nodes[number] = Node(
        number, made.arn("account", number), "management", "ACCOUNT", made.root, made.email, method="INVITED"
    )
    identifier, name, description, content = _FULL["SERVICE_CONTROL_POLICY"]
    made.policies[identifier] = Policy(
        identifier,
        f"arn:aws:organizations::aws:policy/service_control_policy/{identifier}",
        name,
        description,
        "SERVICE_CONTROL_POLICY",
        json.dumps(content),
        True,
    )
    for node in made.nodes.values():
        node.policies.append(identifier)
    holder.organization = made
    return {"Organization": _organization_view(made)}


@operation("organizations", "DescribeOrganization")
def describe_organization(call: Call) -> dict[str, Any]:
    return {"Organization": _organization_view(_org(call))}


@operation("organizations", "DeleteOrganization")
def delete_organization(call: Call) -> None:
    organization = _org(call)
    others = [n for n in organization.nodes.values() if n.kind != "ROOT" and n.id != MANAGEMENT_ACCOUNT]
    if others or any(not policy.managed for policy in organization.policies.values()):
        message = "The organization isn't empty. To delete an organization, you must first remove all accounts except "
        message += "the management account, delete all OUs, and delete all policies."
        raise AwsError("OrganizationNotEmptyException", message)
    _holder(call.world).organization = None


@operation("organizations", "ListRoots")
def list_roots(call: Call) -> dict[str, Any]:
    return {"Roots": [_root_view(_org(call))]}


@operation("organizations", "EnablePolicyType")
def enable_policy_type(call: Call) -> dict[str, Any]:
    organization = _org(call)
    _require_root(organization, call["RootId"])
    kind = call["PolicyType"]
    if organization.features != "ALL":
        message = "You can't enable the policy type because the organization doesn't have all features enabled."
        raise AwsError("PolicyTypeNotAvailableForOrganizationException", message)
    if kind in organization.types:
        raise AwsError("PolicyTypeAlreadyEnabledException", "The specified policy type is already enabled.")
    organization.types[kind] = "ENABLED"
    if kind == "RESOURCE_CONTROL_POLICY":
        identifier, name, description, content = _FULL[kind]
        organization.policies[identifier] = Policy(
            identifier,
            f"arn:aws:organizations::aws:policy/resource_control_policy/{identifier}",
            name,
            description,
            kind,
            json.dumps(content),
            True,
        )
        for node in organization.nodes.values():
            node.policies.append(identifier)
    return {"Root": _root_view(organization)}


@operation("organizations", "DisablePolicyType")
def disable_policy_type(call: Call) -> dict[str, Any]:
    organization = _org(call)
    _require_root(organization, call["RootId"])
    kind = call["PolicyType"]
    if kind not in organization.types:
        raise AwsError(
            "PolicyTypeNotEnabledException", "The specified policy type isn't currently enabled in this root."
        )
    del organization.types[kind]
    for node in organization.nodes.values():
        keep = "p-FullAWSAccess"
        node.policies = [p for p in node.policies if p == keep or organization.policies[p].type != kind]
    return {"Root": _root_view(organization)}


def _require_root(organization: Organization, root: str) -> None:
    if root != organization.root:
        raise AwsError("RootNotFoundException", "You specified a root that doesn't exist.")


@operation("organizations", "CreateOrganizationalUnit")
def create_organizational_unit(call: Call) -> dict[str, Any]:
    organization = _org(call)
    parent = _parent(organization, call["ParentId"])
    _require_free_name(organization, parent.id, call["Name"])
    depth, above = 1, parent
    while above.parent is not None:
        depth, above = depth + 1, organization.nodes[above.parent]
    if depth > DEEPEST_UNIT:
        raise _constraint("You have exceeded the maximum depth of OUs.", "OU_DEPTH_LIMIT_EXCEEDED")
    identifier = f"ou-{organization.root[2:]}-{letters(8, _LOWER)}"
    node = Node(
        identifier,
        organization.arn("ou", identifier),
        call["Name"],
        "ORGANIZATIONAL_UNIT",
        parent.id,
        tags=_tags(call.get("Tags", [])),
    )
    _inherit_full_access(organization, node)
    organization.nodes[identifier] = node
    return {"OrganizationalUnit": _unit_view(organization, node)}


def _require_free_name(organization: Organization, parent: str, name: str, but: str = "") -> None:
    for other in organization.children(parent):
        if other.kind == "ORGANIZATIONAL_UNIT" and other.name == name and other.id != but:
            raise AwsError("DuplicateOrganizationalUnitException", "An OU with the same name already exists.")


@operation("organizations", "DescribeOrganizationalUnit")
def describe_organizational_unit(call: Call) -> dict[str, Any]:
    organization = _org(call)
    return {"OrganizationalUnit": _unit_view(organization, _unit(organization, call["OrganizationalUnitId"]))}


@operation("organizations", "UpdateOrganizationalUnit")
def update_organizational_unit(call: Call) -> dict[str, Any]:
    organization = _org(call)
    node = _unit(organization, call["OrganizationalUnitId"])
    if "Name" in call.params:
        _require_free_name(organization, str(node.parent), call["Name"], node.id)
        node.name = call["Name"]
    return {"OrganizationalUnit": _unit_view(organization, node)}


@operation("organizations", "DeleteOrganizationalUnit")
def delete_organizational_unit(call: Call) -> None:
    organization = _org(call)
    node = _unit(organization, call["OrganizationalUnitId"])
    if any(organization.children(node.id)):
        message = "The specified OU is not empty. Move all accounts to another root or to other OUs, remove all child "
        message += "OUs, and try the operation again."
        raise AwsError("OrganizationalUnitNotEmptyException", message)
    del organization.nodes[node.id]


@operation("organizations", "ListOrganizationalUnitsForParent")
def list_organizational_units_for_parent(call: Call) -> dict[str, Any]:
    organization = _org(call)
    parent = _parent(organization, call["ParentId"])
    units = [_unit_view(organization, n) for n in organization.children(parent.id) if n.kind == "ORGANIZATIONAL_UNIT"]
    return _paged(call, "OrganizationalUnits", units)


@operation("organizations", "CreateAccount")
def create_account(call: Call) -> dict[str, Any]:
    organization = _org(call)
    pending = [c for c in organization.creations.values() if c.state == "IN_PROGRESS"]
    # Closed accounts count until they are gone for good.
    there = sum(node.kind == "ACCOUNT" for node in organization.nodes.values()) + len(pending)
    message = "You have exceeded the allowed number of AWS accounts."
    reason = "ACCOUNT_NUMBER_LIMIT_EXCEEDED"
    quotas.allow(
        call, "L-E619E033", there, lambda _limit: AwsError("ConstraintViolationException", message, Reason=reason)
    )
    if len(pending) >= MOST_CREATIONS:
        message = "You have sent too many requests in too short a period of time. The quota helps protect against "
        message += "denial-of-service attacks. Try again later."
        raise AwsError("TooManyRequestsException", message, Type="CreateAccount")
    creation = Creation(
        f"car-{letters(32, _LOWER)}",
        call["AccountName"],
        call["Email"],
        call.get("RoleName", "OrganizationAccountAccessRole"),
        _tags(call.get("Tags", [])),
        datetime.datetime.now(datetime.UTC),
        call.world.due("account"),
    )
    organization.creations[creation.id] = creation
    view = _creation_view(creation)
    current(call.world)
    return {"CreateAccountStatus": view}


@operation("organizations", "DescribeCreateAccountStatus")
def describe_create_account_status(call: Call) -> dict[str, Any]:
    creation = _org(call).creations.get(call["CreateAccountRequestId"])
    if creation is None:
        message = "We can't find a create account request with the CreateAccountRequestId that you specified."
        raise AwsError("CreateAccountStatusNotFoundException", message)
    return {"CreateAccountStatus": _creation_view(creation)}


@operation("organizations", "ListCreateAccountStatus")
def list_create_account_status(call: Call) -> dict[str, Any]:
    wanted = call.get("States")
    creations = _org(call).creations.values()
    found = [_creation_view(c) for c in creations if not wanted or c.state in wanted]
    return _paged(call, "CreateAccountStatuses", found)


@operation("organizations", "ListAccounts")
def list_accounts(call: Call) -> dict[str, Any]:
    organization = _org(call)
    found = [_account_view(organization, n) for n in organization.nodes.values() if n.kind == "ACCOUNT"]
    return _paged(call, "Accounts", found)


@operation("organizations", "ListAccountsForParent")
def list_accounts_for_parent(call: Call) -> dict[str, Any]:
    organization = _org(call)
    parent = _parent(organization, call["ParentId"])
    found = [_account_view(organization, n) for n in organization.children(parent.id) if n.kind == "ACCOUNT"]
    return _paged(call, "Accounts", found)


@operation("organizations", "DescribeAccount")
def describe_account(call: Call) -> dict[str, Any]:
    organization = _org(call)
    return {"Account": _account_view(organization, _account(organization, call["AccountId"]))}


@operation("organizations", "ListParents")
def list_parents(call: Call) -> dict[str, Any]:
    organization = _org(call)
    node = organization.nodes.get(call["ChildId"])
    if node is None or node.parent is None:
        raise AwsError("ChildNotFoundException", "You specified a child that doesn't exist.")
    return {"Parents": [{"Id": node.parent, "Type": organization.nodes[node.parent].kind}]}


@operation("organizations", "ListChildren")
def list_children(call: Call) -> dict[str, Any]:
    organization = _org(call)
    parent = _parent(organization, call["ParentId"])
    kind = call["ChildType"]
    found = [{"Id": n.id, "Type": kind} for n in organization.children(parent.id) if n.kind == kind]
    return _paged(call, "Children", found)


@operation("organizations", "MoveAccount")
def move_account(call: Call) -> None:
    organization = _org(call)
    node = _account(organization, call["AccountId"])
    _parent(organization, call["SourceParentId"], "SourceParentNotFoundException")
    _parent(organization, call["DestinationParentId"], "DestinationParentNotFoundException")
    if node.parent == call["DestinationParentId"]:
        raise AwsError("DuplicateAccountException", "That account is already present in the specified destination.")
    if node.parent != call["SourceParentId"]:
        message = "We can't find a source root or OU with the ParentId that you specified."
        raise AwsError("SourceParentNotFoundException", message)
    node.parent = call["DestinationParentId"]


@operation("organizations", "CloseAccount")
def close_account(call: Call) -> None:
    organization = _org(call)
    node = _account(organization, call["AccountId"])
    if node.id == MANAGEMENT_ACCOUNT:
        raise _constraint("You cannot close the management account.", "CANNOT_CLOSE_MANAGEMENT_ACCOUNT")
    if node.status != "ACTIVE":
        raise AwsError("AccountAlreadyClosedException", "The account is closed already.")
    node.status = "SUSPENDED"
    call.world.suspended.add(node.id)


@operation("organizations", "RemoveAccountFromOrganization")
def remove_account(call: Call) -> None:
    organization = _org(call)
    node = _account(organization, call["AccountId"])
    if node.id == MANAGEMENT_ACCOUNT:
        message = "You can't remove a management account from an organization."
        raise AwsError("MasterCannotLeaveOrganizationException", message)
    if node.method == "CREATED":
        message = "The account can't be removed: it has not the information required to be a standalone account."
        raise _constraint(message, "MEMBER_ACCOUNT_PAYMENT_INSTRUMENT_REQUIRED")
    del organization.nodes[node.id]


def _check_content(kind: str, content: str) -> None:
    most = POLICY_SIZES.get(kind, 10000)
    if len(content) > most:
        message = f"You have exceeded the maximum policy size: {len(content)} of {most} characters."
        raise _constraint(message, "POLICY_CONTENT_LIMIT_EXCEEDED")
    malformed = AwsError(
        "MalformedPolicyDocumentException",
        "The provided policy document does not meet the requirements of the specified policy type.",
    )
    try:
        document = json.loads(content)
    except ValueError:
        raise malformed from None
    if not isinstance(document, dict):
        raise malformed
    if kind not in ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"):
        return
    statements = document.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements or document.keys() - {"Version", "Statement", "Id"}:
        raise malformed
    for statement in statements:
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            raise malformed
        if "Action" not in statement and "NotAction" not in statement:
            raise malformed
        if kind == "SERVICE_CONTROL_POLICY" and ("Principal" in statement or "NotPrincipal" in statement):
            raise malformed
        if "Resource" not in statement and "NotResource" not in statement:
            raise malformed


@operation("organizations", "CreatePolicy")
def create_policy(call: Call) -> dict[str, Any]:
    organization = _org(call)
    kind = call["Type"]
    _check_content(kind, call["Content"])
    if any(policy.name == call["Name"] for policy in organization.policies.values() if policy.type == kind):
        raise AwsError("DuplicatePolicyException", "A policy with the same name already exists.")
    identifier = f"p-{letters(8, _LOWER)}"
    policy = Policy(
        identifier,
        organization.arn("policy", kind.lower(), identifier),
        call["Name"],
        call["Description"],
        kind,
        call["Content"],
        False,
        _tags(call.get("Tags", [])),
    )
    organization.policies[identifier] = policy
    return {"Policy": {"PolicySummary": _policy_summary(policy), "Content": policy.content}}


@operation("organizations", "DescribePolicy")
def describe_policy(call: Call) -> dict[str, Any]:
    policy = _policy(_org(call), call["PolicyId"])
    return {"Policy": {"PolicySummary": _policy_summary(policy), "Content": policy.content}}


@operation("organizations", "UpdatePolicy")
def update_policy(call: Call) -> dict[str, Any]:
    organization = _org(call)
    policy = _changeable(_policy(organization, call["PolicyId"]))
    if "Content" in call.params:
        _check_content(policy.type, call["Content"])
    if any(p.name == call.get("Name") and p.id != policy.id for p in organization.policies.values()):
        raise AwsError("DuplicatePolicyException", "A policy with the same name already exists.")
    policy.name = call.get("Name", policy.name)
    policy.description = call.get("Description", policy.description)
    policy.content = call.get("Content", policy.content)
    return {"Policy": {"PolicySummary": _policy_summary(policy), "Content": policy.content}}


def _changeable(policy: Policy) -> Policy:
    if policy.managed:
        raise AwsError("AccessDeniedException", "You don't have permissions to access this resource.")
    return policy


@operation("organizations", "DeletePolicy")
def delete_policy(call: Call) -> None:
    organization = _org(call)
    policy = _changeable(_policy(organization, call["PolicyId"]))
    if any(policy.id in node.policies for node in organization.nodes.values()):
        message = (
            "The policy is attached to one or more entities. You must detach it from all roots, OUs, and accounts "
        )
        message += "before performing this operation."
        raise AwsError("PolicyInUseException", message)
    del organization.policies[policy.id]


@operation("organizations", "ListPolicies")
def list_policies(call: Call) -> dict[str, Any]:
    found = [_policy_summary(p) for p in _org(call).policies.values() if p.type == call["Filter"]]
    return _paged(call, "Policies", found)


@operation("organizations", "AttachPolicy")
def attach_policy(call: Call) -> None:
    organization = _org(call)
    policy, target = _policy(organization, call["PolicyId"]), _target(organization, call["TargetId"])
    if policy.type not in organization.types:
        message = "The specified policy type isn't currently enabled in this root."
        raise AwsError("PolicyTypeNotEnabledException", message)
    if policy.id in target.policies:
        message = "The selected policy is already attached to the specified target."
        raise AwsError("DuplicatePolicyAttachmentException", message)
    attached = [p for p in target.policies if organization.policies[p].type == policy.type]
    if len(attached) >= POLICIES_PER_TARGET.get(policy.type, 10):
        message = "You have attached the maximum number of policies to the specified target."
        raise _constraint(message, "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED")
    target.policies.append(policy.id)


@operation("organizations", "DetachPolicy")
def detach_policy(call: Call) -> None:
    organization = _org(call)
    policy, target = _policy(organization, call["PolicyId"]), _target(organization, call["TargetId"])
    if policy.id not in target.policies:
        message = "The policy isn't attached to the specified target in the specified root."
        raise AwsError("PolicyNotAttachedException", message)
    attached = [p for p in target.policies if organization.policies[p].type == policy.type]
    if policy.id == "p-RCPFullAWSAccess" or (policy.type == "SERVICE_CONTROL_POLICY" and len(attached) == 1):
        message = "You cannot remove the last policy attached to the specified target. You must have at least one "
        message += "attached at all times."
        raise _constraint(message, "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED")
    target.policies.remove(policy.id)


@operation("organizations", "ListPoliciesForTarget")
def list_policies_for_target(call: Call) -> dict[str, Any]:
    organization = _org(call)
    attached = [organization.policies[p] for p in _target(organization, call["TargetId"]).policies]
    return _paged(call, "Policies", [_policy_summary(p) for p in attached if p.type == call["Filter"]])


@operation("organizations", "ListTargetsForPolicy")
def list_targets_for_policy(call: Call) -> dict[str, Any]:
    organization = _org(call)
    policy = _policy(organization, call["PolicyId"])
    found = [
        {"TargetId": n.id, "Arn": n.arn, "Name": n.name, "Type": n.kind}
        for n in organization.nodes.values()
        if policy.id in n.policies
    ]
    return _paged(call, "Targets", found)


@operation("organizations", "DescribeEffectivePolicy")
def describe_effective_policy(call: Call) -> dict[str, Any]:
    organization = _org(call)
    kind, target = call["PolicyType"], call.get("TargetId", call.account)
    node: Node | None = _target(organization, target)
    merged: dict[str, Any] = {}
    while node is not None:
        for identifier in node.policies:
            if organization.policies[identifier].type == kind:
                merged = {**json.loads(organization.policies[identifier].content), **merged}
        node = organization.nodes[node.parent] if node.parent else None
    if not merged:
        message = "If you ran this action on the management account, this policy type is not enabled. If you ran the "
        message += "action on a member account, the account doesn't have an effective policy of this type."
        raise AwsError("EffectivePolicyNotFoundException", message)
    now = datetime.datetime.now(datetime.UTC)
    content = json.dumps(merged)
    return {
        "EffectivePolicy": {
            "PolicyContent": content,
            "LastUpdatedTimestamp": now,
            "TargetId": target,
            "PolicyType": kind,
        }
    }


def _tagged(call: Call) -> dict[str, str]:
    organization = _org(call)
    identifier = call["ResourceId"]
    if identifier in organization.nodes:
        return organization.nodes[identifier].tags
    if identifier in organization.policies:
        return organization.policies[identifier].tags
    raise AwsError("TargetNotFoundException", "You specified a target that doesn't exist.")


@operation("organizations", "TagResource")
def tag_resource(call: Call) -> None:
    tags = _tagged(call)
    tags.update(_tags(call["Tags"]))


@operation("organizations", "UntagResource")
def untag_resource(call: Call) -> None:
    tags = _tagged(call)
    for key in call["TagKeys"]:
        tags.pop(key, None)


@operation("organizations", "ListTagsForResource")
def list_tags_for_resource(call: Call) -> dict[str, Any]:
    return _paged(call, "Tags", [{"Key": key, "Value": value} for key, value in _tagged(call).items()])


@operation("organizations", "EnableAWSServiceAccess")
def enable_service_access(call: Call) -> None:
    organization = _org(call)
    _require_principal(call["ServicePrincipal"])
    organization.services.setdefault(call["ServicePrincipal"], datetime.datetime.now(datetime.UTC))


@operation("organizations", "DisableAWSServiceAccess")
def disable_service_access(call: Call) -> None:
    organization = _org(call)
    _require_principal(call["ServicePrincipal"])
    organization.services.pop(call["ServicePrincipal"], None)


def _require_principal(principal: str) -> None:
    if not principal.endswith(".amazonaws.com"):
        message = "You specified an unrecognized service principal."
        raise AwsError("InvalidInputException", message, Reason="UNRECOGNIZED_SERVICE_PRINCIPAL")


@operation("organizations", "ListAWSServiceAccessForOrganization")
def list_service_access(call: Call) -> dict[str, Any]:
    services = sorted(_org(call).services.items())
    found = [{"ServicePrincipal": name, "DateEnabled": since} for name, since in services]
    return _paged(call, "EnabledServicePrincipals", found)


@operation("organizations", "RegisterDelegatedAdministrator")
def register_delegated_administrator(call: Call) -> None:
    organization = _org(call)
    if call["AccountId"] == MANAGEMENT_ACCOUNT:
        message = "You cannot register the management account of an organization as its delegated administrator."
        raise _constraint(message, "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR")
    node = _account(organization, call["AccountId"])
    principal = call["ServicePrincipal"]
    _require_principal(principal)
    if principal not in organization.services:
        message = "You must enable service access before you can register a delegated administrator."
        raise _constraint(message, "SERVICE_ACCESS_NOT_ENABLED")
    services = organization.admins.setdefault(node.id, {})
    if principal in services:
        message = "The provided account is already a delegated administrator for your organization."
        raise AwsError("AccountAlreadyRegisteredException", message)
    services[principal] = datetime.datetime.now(datetime.UTC)


@operation("organizations", "DeregisterDelegatedAdministrator")
def deregister_delegated_administrator(call: Call) -> None:
    organization = _org(call)
    node = _account(organization, call["AccountId"])
    services = organization.admins.get(node.id, {})
    if call["ServicePrincipal"] not in services:
        message = "The provided account is not a registered delegated administrator for your organization."
        raise AwsError("AccountNotRegisteredException", message)
    del services[call["ServicePrincipal"]]
    if not services:
        organization.admins.pop(node.id)


@operation("organizations", "ListDelegatedAdministrators")
def list_delegated_administrators(call: Call) -> dict[str, Any]:
    organization = _org(call)
    wanted = call.get("ServicePrincipal")
    found = [
        {**_account_view(organization, organization.nodes[number]), "DelegationEnabledDate": min(services.values())}
        for number, services in organization.admins.items()
        if wanted is None or wanted in services
    ]
    return _paged(call, "DelegatedAdministrators", found)


@operation("organizations", "ListDelegatedServicesForAccount")
def list_delegated_services(call: Call) -> dict[str, Any]:
    organization = _org(call)
    node = _account(organization, call["AccountId"])
    if node.id not in organization.admins:
        message = "The provided account is not a registered delegated administrator for your organization."
        raise AwsError("AccountNotRegisteredException", message)
    services = organization.admins[node.id].items()
    found = [{"ServicePrincipal": name, "DelegationEnabledDate": since} for name, since in services]
    return _paged(call, "DelegatedServices", found)


def _resource_policy(organization: Organization) -> dict[str, Any]:
    summary = {"Id": "rp-rehearsal", "Arn": organization.arn("resourcepolicy", "rp-rehearsal")}
    return {"ResourcePolicy": {"ResourcePolicySummary": summary, "Content": organization.resource_policy}}


@operation("organizations", "PutResourcePolicy")
def put_resource_policy(call: Call) -> dict[str, Any]:
    organization = _org(call)
    with contextlib.suppress(ValueError):
        json.loads(call["Content"])
        organization.resource_policy = call["Content"]
        return _resource_policy(organization)
    raise AwsError("InvalidInputException", "You specified an invalid value.", Reason="INVALID_RESOURCE_POLICY_JSON")


@operation("organizations", "DescribeResourcePolicy")
def describe_resource_policy(call: Call) -> dict[str, Any]:
    organization = _org(call)
    if organization.resource_policy is None:
        raise AwsError("ResourcePolicyNotFoundException", "We can't find a resource policy request.")
    return _resource_policy(organization)


@operation("organizations", "DeleteResourcePolicy")
def delete_resource_policy(call: Call) -> None:
    organization = _org(call)
    if organization.resource_policy is None:
        raise AwsError("ResourcePolicyNotFoundException", "We can't find a resource policy request.")
    organization.resource_policy = None


@operation("account", "PutAccountName")
def put_account_name(call: Call) -> None:
    """https://docs.aws.amazon.com/accounts/latest/APIReference/API_PutAccountName.html."""
    organization = _org(call)
    number = call.get("AccountId", call.account)
    if number != call.account and "account.amazonaws.com" not in organization.services:
        message = "User is not authorized: trusted access for AWS Account Management is not enabled."
        raise AwsError("AccessDeniedException", message)
    _account(organization, number).name = call["AccountName"]


@tagging.source
def tagged(call: Call) -> Iterator[tuple[str, dict[str, str]]]:
    """What the organization has that carries tags: the tagging API shows it to the management account in us-east-1."""
    organization = current(call.world)
    if organization is not None and (call.account, call.region) == (MANAGEMENT_ACCOUNT, "us-east-1"):
        things: list[Node | Policy] = [*organization.nodes.values(), *organization.policies.values()]
        yield from ((thing.arn, dict(thing.tags)) for thing in things)
