# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM Identity Center: permission sets, who has them in which account, and the roles that come of that.

https://docs.aws.amazon.com/singlesignon/latest/APIReference/

An organization instance is enabled by a person in the console, in one Region. Here that person has done it already: the
instance is there as soon as the organization is. The page ``identity-center`` takes it away, or to another Region.

Quotas: https://docs.aws.amazon.com/singlesignon/latest/userguide/limits.html
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from moto.iam.models import iam_backends

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation, page
from rehearsal.emulator.services import organizations
from rehearsal.emulator.services.identity_store import Store
from rehearsal.emulator.world import MANAGEMENT_ACCOUNT, World

SERVICE = "sso-admin"
PRINCIPAL = "sso.amazonaws.com"
HOME = "eu-central-1"
MOST_POLICIES = 20
MOST_INLINE = 10_240
MOST_OUTSTANDING = 10
INLINE = "AwsSSOInlinePolicy"

_LATEST, _OUTDATED = "LATEST_PERMISSION_SET_PROVISIONED", "LATEST_PERMISSION_SET_NOT_PROVISIONED"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclass
class PermissionSet:
    """A permission set. ``version`` counts its changes; ``provisioned`` has the version that each account has."""

    name: str
    arn: str
    description: str = ""
    session_duration: str = "PT1H"
    relay_state: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    managed: list[str] = field(default_factory=list)
    references: list[tuple[str, str]] = field(default_factory=list)
    inline: str = ""
    boundary: dict[str, Any] | None = None
    version: int = 1
    provisioned: dict[str, int] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    created: datetime.datetime = field(default_factory=_now)


@dataclass
class Provisioning:
    """Something that AWS does in its own time: ``kind`` is creation, deletion or provisioning."""

    id: str
    kind: str
    members: dict[str, Any]
    status: str = "IN_PROGRESS"
    failure: str = ""
    created: datetime.datetime = field(default_factory=_now)


@dataclass
class Center:
    """The organization's instance. ``assignments`` are account, permission set, type and id of the principal."""

    id: str
    store: Store
    region: str
    sets: dict[str, PermissionSet] = field(default_factory=dict)
    assignments: list[tuple[str, str, str, str]] = field(default_factory=list)
    requests: dict[str, Provisioning] = field(default_factory=dict)
    #: How often each account was given a permission set of a name.
    times: dict[tuple[str, str], int] = field(default_factory=dict)
    created: datetime.datetime = field(default_factory=_now)

    @property
    def arn(self) -> str:
        """The instance's ARN, which names neither account nor Region."""
        return f"arn:aws:sso:::instance/{self.id}"


class _Holder:
    region = HOME
    center: Center | None = None


def _holder(world: World) -> _Holder:
    return world.store(SERVICE, "", "", _Holder)


def console(world: World, method: str, query: dict[str, list[str]]) -> dict[str, Any]:
    """``/rehearsal/identity-center``: what a person does in the console.

    POST with ``region`` enables it there, DELETE takes it away with all that is in it, GET tells.
    """
    holder = _holder(world)
    if method == "DELETE":
        holder.region, holder.center = "", None
    elif method == "POST":
        holder.region, holder.center = query.get("region", [HOME])[0], None
    return {"region": holder.region, "instance": holder.center.arn if holder.center else None}


def center_of(world: World) -> Center | None:
    """The instance, made as soon as there is an organization with all features."""
    holder = _holder(world)
    organization = organizations.current(world)
    if holder.center is None and holder.region and organization is not None and organization.features == "ALL":
        store = Store(f"d-{secrets.token_hex(5)}")
        holder.center = Center(f"ssoins-{secrets.token_hex(8)}", store, holder.region)
    return holder.center


def current(call: Call) -> Center | None:
    """The instance, if it is in the Region that is asked."""
    center = center_of(call.world)
    return center if center is not None and center.region == call.region else None


def authorized(call: Call) -> None:
    """Refuse all but the management account and a delegated administrator."""
    organization = organizations.current(call.world)
    delegated = organization is not None and PRINCIPAL in organization.admins.get(call.account, {})
    if call.account != MANAGEMENT_ACCOUNT and not delegated:
        raise _denied(call)


def _denied(call: Call) -> AwsError:
    prefix = "identitystore" if call.service == "identitystore" else "sso"
    message = f"User: {call.principal.arn} is not authorized to perform: {prefix}:{call.operation}"
    return AwsError("AccessDeniedException", message)


def _center(call: Call) -> Center:
    authorized(call)
    center = current(call)
    if center is None or call.get("InstanceArn", center.arn) != center.arn:
        raise AwsError("ResourceNotFoundException", f"Instance {call.get('InstanceArn', '')} was not found")
    return center


def _set(call: Call, center: Center, *, changing: bool = False) -> PermissionSet:
    found = center.sets.get(call["PermissionSetArn"])
    if found is None:
        name = call["PermissionSetArn"].rpartition("/")[2]
        raise AwsError("ResourceNotFoundException", f"Could not find PermissionSet with id {name}")
    # https://docs.aws.amazon.com/singlesignon/latest/userguide/delegated-admin.html
    if changing and call.account != MANAGEMENT_ACCOUNT and MANAGEMENT_ACCOUNT in found.provisioned:
        raise _denied(call)
    return found


def _changed(call: Call) -> PermissionSet:
    """The permission set that a request changes; accounts that have it aren't up to date from now on."""
    found = _set(call, _center(call), changing=True)
    found.version += 1
    return found


def _paged(call: Call, key: str, items: list[Any]) -> dict[str, Any]:
    error = AwsError("ValidationException", "Invalid NextToken")
    some, following = page(items, call.get("NextToken"), call.get("MaxResults", 100), error)
    return {key: some, **({"NextToken": following} if following else {})}


@operation(SERVICE, "ListInstances")
def list_instances(call: Call) -> dict[str, Any]:
    """The organization's instance, in its own Region."""
    center = current(call)
    return _paged(call, "Instances", [_instance(center)] if center is not None else [])


@operation(SERVICE, "DescribeInstance")
def describe_instance(call: Call) -> dict[str, Any]:
    """The instance."""
    return _instance(_center(call))


def _instance(center: Center) -> dict[str, Any]:
    return {
        "InstanceArn": center.arn,
        "IdentityStoreId": center.store.id,
        "OwnerAccountId": MANAGEMENT_ACCOUNT,
        "CreatedDate": center.created,
        "Status": "ACTIVE",
        "PrimaryRegion": center.region,
    }


@operation(SERVICE, "CreateInstance")
def create_instance(call: Call) -> dict[str, Any]:
    """An instance of one account, which no permission sets go with; never in the management account."""
    if call.account == MANAGEMENT_ACCOUNT:
        message = "An instance can't be created in the management account of an organization by this operation"
        raise AwsError("ValidationException", message)
    raise AwsError("AccessDeniedException", "Account instances are not enabled in this organization")


@operation(SERVICE, "CreatePermissionSet")
def create_permission_set(call: Call) -> dict[str, Any]:
    """A permission set with a name of its own."""
    center = _center(call)
    if any(item.name.lower() == call["Name"].lower() for item in center.sets.values()):
        raise AwsError("ConflictException", f"PermissionSet with name {call['Name']} already exists.")
    arn = f"arn:aws:sso:::permissionSet/{center.id}/ps-{secrets.token_hex(8)}"
    made = PermissionSet(
        call["Name"],
        arn,
        call.get("Description", ""),
        _duration(call.get("SessionDuration", "PT1H")),
        call.get("RelayState", ""),
        {tag["Key"]: tag["Value"] for tag in call.get("Tags", [])},
    )
    center.sets[arn] = made
    return {"PermissionSet": _permission_set(made)}


_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


def _seconds(duration: str) -> int:
    found = _DURATION.fullmatch(duration)
    return sum(int(n or 0) * unit for n, unit in zip(found.groups(), (86400, 3600, 60, 1), strict=True)) if found else 0


def _duration(duration: str) -> str:
    if not 3600 <= _seconds(duration) <= 12 * 3600:
        raise AwsError("ValidationException", "Session duration must be between 1 and 12 hours")
    return duration


def _permission_set(found: PermissionSet) -> dict[str, Any]:
    optional = {"Description": found.description, "RelayState": found.relay_state}
    return {
        "Name": found.name,
        "PermissionSetArn": found.arn,
        "SessionDuration": found.session_duration,
        "CreatedDate": found.created,
        **{name: value for name, value in optional.items() if value},
    }


@operation(SERVICE, "DescribePermissionSet")
def describe_permission_set(call: Call) -> dict[str, Any]:
    """One permission set, without its policies."""
    return {"PermissionSet": _permission_set(_set(call, _center(call)))}


@operation(SERVICE, "ListPermissionSets")
def list_permission_sets(call: Call) -> dict[str, Any]:
    """The ARNs of all permission sets, and nothing else."""
    return _paged(call, "PermissionSets", list(_center(call).sets))


@operation(SERVICE, "UpdatePermissionSet")
def update_permission_set(call: Call) -> dict[str, Any]:
    """What isn't given stays, but for the relay state, which is cleared."""
    duration = _duration(call["SessionDuration"]) if "SessionDuration" in call.params else ""
    found = _changed(call)
    found.description = call.get("Description", found.description)
    found.session_duration = duration or found.session_duration
    found.relay_state = call.get("RelayState", "")
    return {}


@operation(SERVICE, "DeletePermissionSet")
def delete_permission_set(call: Call) -> dict[str, Any]:
    """One that no account has any more."""
    center = _center(call)
    found = _set(call, center, changing=True)
    if found.provisioned or any(item[1] == found.arn for item in center.assignments):
        raise AwsError("ConflictException", f"PermissionSet {found.name} is still assigned or provisioned")
    del center.sets[found.arn]
    return {}


@operation(SERVICE, "ListTagsForResource")
def list_tags_for_resource(call: Call) -> dict[str, Any]:
    """A permission set's tags."""
    return _paged(call, "Tags", [{"Key": key, "Value": value} for key, value in _tags(call).items()])


@operation(SERVICE, "TagResource")
def tag_resource(call: Call) -> dict[str, Any]:
    """Tags concern the permission set only, not the roles: nothing has to be provisioned again."""
    _tags(call).update({tag["Key"]: tag["Value"] for tag in call["Tags"]})
    return {}


@operation(SERVICE, "UntagResource")
def untag_resource(call: Call) -> dict[str, Any]:
    """Tags less."""
    tags = _tags(call)
    for key in call["TagKeys"]:
        tags.pop(key, None)
    return {}


def _tags(call: Call) -> dict[str, str]:
    found = _center(call).sets.get(call["ResourceArn"])
    if found is None:
        raise AwsError("ResourceNotFoundException", f"Resource {call['ResourceArn']} was not found")
    return found.tags


@operation(SERVICE, "AttachManagedPolicyToPermissionSet")
def attach_managed_policy(call: Call) -> dict[str, Any]:
    """An AWS managed policy more."""
    arn = call["ManagedPolicyArn"]
    found = _set(call, _center(call), changing=True)
    _require_managed(arn)
    if arn in found.managed:
        raise AwsError("ConflictException", f"Permission set {found.name} already has the managed policy {arn}")
    _require_room(found)
    _changed(call).managed.append(arn)
    return {}


def _require_managed(arn: str) -> None:
    known = iam_backends[MANAGEMENT_ACCOUNT]["aws"].managed_policies
    if ":iam::aws:policy/" not in arn or not any(policy.arn == arn for policy in known.values()):
        raise AwsError("ResourceNotFoundException", f"Policy does not exist with ARN: {arn}")


def _require_room(found: PermissionSet) -> None:
    if len(found.managed) + len(found.references) >= MOST_POLICIES:
        message = f"A permission set can have at most {MOST_POLICIES} managed policies"
        raise AwsError("ServiceQuotaExceededException", message)


@operation(SERVICE, "DetachManagedPolicyFromPermissionSet")
def detach_managed_policy(call: Call) -> dict[str, Any]:
    """An AWS managed policy less."""
    arn = call["ManagedPolicyArn"]
    if arn not in _set(call, _center(call), changing=True).managed:
        raise AwsError("ResourceNotFoundException", f"Could not find ManagedPolicy with arn {arn}")
    _changed(call).managed.remove(arn)
    return {}


@operation(SERVICE, "ListManagedPoliciesInPermissionSet")
def list_managed_policies(call: Call) -> dict[str, Any]:
    """The AWS managed policies."""
    found = _set(call, _center(call)).managed
    return _paged(call, "AttachedManagedPolicies", [{"Name": arn.rpartition("/")[2], "Arn": arn} for arn in found])


def _reference(value: dict[str, Any]) -> tuple[str, str]:
    return value["Name"], value.get("Path", "/")


@operation(SERVICE, "AttachCustomerManagedPolicyReferenceToPermissionSet")
def attach_reference(call: Call) -> dict[str, Any]:
    """The name of a policy that accounts are to have; nobody looks whether they do before it is provisioned."""
    reference = _reference(call["CustomerManagedPolicyReference"])
    found = _set(call, _center(call), changing=True)
    if reference in found.references:
        raise AwsError("ConflictException", f"Customer managed policy {reference[0]} is attached already")
    _require_room(found)
    _changed(call).references.append(reference)
    return {}


@operation(SERVICE, "DetachCustomerManagedPolicyReferenceFromPermissionSet")
def detach_reference(call: Call) -> dict[str, Any]:
    """A name less."""
    reference = _reference(call["CustomerManagedPolicyReference"])
    if reference not in _set(call, _center(call), changing=True).references:
        raise AwsError("ResourceNotFoundException", f"Customer managed policy {reference[0]} is not attached")
    _changed(call).references.remove(reference)
    return {}


@operation(SERVICE, "ListCustomerManagedPolicyReferencesInPermissionSet")
def list_references(call: Call) -> dict[str, Any]:
    """The names of customer managed policies."""
    found = [{"Name": name, "Path": path} for name, path in _set(call, _center(call)).references]
    return _paged(call, "CustomerManagedPolicyReferences", found)


@operation(SERVICE, "PutInlinePolicyToPermissionSet")
def put_inline_policy(call: Call) -> dict[str, Any]:
    """The one inline policy; spaces don't count against its size."""
    text = call["InlinePolicy"]
    try:
        policy = json.loads(text)
    except ValueError:
        policy = None
    if not isinstance(policy, dict) or not policy.get("Statement"):
        raise AwsError("ValidationException", "Inline policy is not a valid policy document")
    if len(re.sub(r"\s", "", text)) > MOST_INLINE:
        raise AwsError("ServiceQuotaExceededException", f"Inline policy is larger than {MOST_INLINE} bytes")
    _changed(call).inline = text
    return {}


@operation(SERVICE, "GetInlinePolicyForPermissionSet")
def get_inline_policy(call: Call) -> dict[str, Any]:
    """The inline policy, an empty text where there is none."""
    return {"InlinePolicy": _set(call, _center(call)).inline}


@operation(SERVICE, "DeleteInlinePolicyFromPermissionSet")
def delete_inline_policy(call: Call) -> dict[str, Any]:
    """No inline policy any more."""
    if not _set(call, _center(call), changing=True).inline:
        raise AwsError("ResourceNotFoundException", "The permission set has no inline policy")
    _changed(call).inline = ""
    return {}


@operation(SERVICE, "PutPermissionsBoundaryToPermissionSet")
def put_permissions_boundary(call: Call) -> dict[str, Any]:
    """A boundary: an AWS managed policy or the name of one in the accounts."""
    boundary = call["PermissionsBoundary"]
    if len(boundary) != 1:
        raise AwsError("ValidationException", "Exactly one kind of policy must be given as the boundary")
    if "ManagedPolicyArn" in boundary:
        _require_managed(boundary["ManagedPolicyArn"])
    _changed(call).boundary = boundary
    return {}


@operation(SERVICE, "GetPermissionsBoundaryForPermissionSet")
def get_permissions_boundary(call: Call) -> dict[str, Any]:
    """The boundary; an error where there is none."""
    return {"PermissionsBoundary": _boundary(_set(call, _center(call)))}


@operation(SERVICE, "DeletePermissionsBoundaryFromPermissionSet")
def delete_permissions_boundary(call: Call) -> dict[str, Any]:
    """No boundary any more."""
    _boundary(_set(call, _center(call), changing=True))
    _changed(call).boundary = None
    return {}


def _boundary(found: PermissionSet) -> dict[str, Any]:
    if found.boundary is None:
        raise AwsError("ResourceNotFoundException", f"Permission set {found.name} has no permissions boundary")
    return found.boundary


@operation(SERVICE, "CreateAccountAssignment")
def create_account_assignment(call: Call) -> dict[str, Any]:
    """Begin to assign; one that is there already is assigned again, without an error."""
    return {"AccountAssignmentCreationStatus": _assign(call, "creation", _assigned)}


@operation(SERVICE, "DeleteAccountAssignment")
def delete_account_assignment(call: Call) -> dict[str, Any]:
    """Begin to take away; with the last one of an account goes the role."""
    center = _center(call)
    if _key(call) not in center.assignments:
        raise AwsError("ResourceNotFoundException", "The account assignment does not exist")
    return {"AccountAssignmentDeletionStatus": _assign(call, "deletion", _unassigned)}


def _key(call: Call) -> tuple[str, str, str, str]:
    return call["TargetId"], call["PermissionSetArn"], call["PrincipalType"], call["PrincipalId"]


def _assign(call: Call, kind: str, act: Callable[[Center, tuple[str, str, str, str]], str]) -> dict[str, Any]:
    center = _center(call)
    key = _key(call)
    account, arn, principal_type, principal = key
    if account == MANAGEMENT_ACCOUNT and call.account != MANAGEMENT_ACCOUNT:
        raise _denied(call)
    _set(call, center)
    organization = organizations.current(call.world)
    node = organization.nodes.get(account) if organization is not None else None
    if node is None or node.kind != "ACCOUNT" or node.status != "ACTIVE":
        raise AwsError("ResourceNotFoundException", f"Account {account} was not found in the organization")
    known = center.store.groups if principal_type == "GROUP" else center.store.users
    if kind == "creation" and principal not in known:
        raise AwsError("ResourceNotFoundException", f"{principal_type} {principal} was not found")
    busy = [item for item in center.requests.values() if item.status == "IN_PROGRESS" and item.kind != "provisioning"]
    if any((item.members["TargetId"], item.members["PermissionSetArn"]) == (account, arn) for item in busy):
        message = "There is a conflicting operation in process for this account and permission set"
        raise AwsError("ConflictException", message)
    if len(busy) >= MOST_OUTSTANDING:
        raise AwsError("ThrottlingException", "There are too many requests processing. Please try again later.")
    members = {
        "TargetId": account,
        "TargetType": "AWS_ACCOUNT",
        "PermissionSetArn": arn,
        "PrincipalType": principal_type,
        "PrincipalId": principal,
    }
    return _begin(call, center, kind, members, lambda: act(center, key))


def _begin(call: Call, center: Center, kind: str, members: dict[str, Any], act: Callable[[], str]) -> dict[str, Any]:
    """Put something off; the answer says that it is in progress, however quick it is."""
    request = Provisioning(str(uuid.uuid4()), kind, members)
    center.requests[request.id] = request
    answer = _status(request)

    def finish() -> None:
        request.failure = act()
        request.status = "FAILED" if request.failure else "SUCCEEDED"

    call.world.later(call.world.lasts("identity-center"), finish)
    return answer


def _status(request: Provisioning) -> dict[str, Any]:
    failure = {"FailureReason": request.failure} if request.failure else {}
    return {
        "RequestId": request.id,
        "Status": request.status,
        "CreatedDate": request.created,
        **failure,
        **request.members,
    }


def _assigned(center: Center, key: tuple[str, str, str, str]) -> str:
    found = center.sets[key[1]]
    failure = _provision(center, found, key[0])
    if not failure and key not in center.assignments:
        center.assignments.append(key)
    return failure


def _unassigned(center: Center, key: tuple[str, str, str, str]) -> str:
    if key in center.assignments:
        center.assignments.remove(key)
    if not any(item[:2] == key[:2] for item in center.assignments):
        found = center.sets[key[1]]
        found.provisioned.pop(key[0], None)
        _drop_role(key[0], found.roles.pop(key[0], ""))
    return ""


def _provision(center: Center, found: PermissionSet, account: str) -> str:
    """Make or update the role of a permission set in an account; why not, if that can't be done."""
    iam = iam_backends[account]["aws"]
    arns = {policy.arn for policy in iam.managed_policies.values()}
    wanted = [*found.managed]
    boundary: str | None = None
    references = [("policy", reference) for reference in found.references]
    if found.boundary is not None:
        boundary = found.boundary.get("ManagedPolicyArn")
        if boundary is None:
            references.append(("boundary", _reference(found.boundary["CustomerManagedPolicyReference"])))
    for use, (name, path) in references:
        arn = f"arn:aws:iam::{account}:policy{path}{name}"
        if arn not in arns:
            return f"Received a 404 status error: Policy {arn} does not exist or is not attachable."
        if use == "boundary":
            boundary = arn
        else:
            wanted.append(arn)
    if account not in found.roles:
        found.roles[account] = _make_role(center, found, account)
    name = found.roles[account]
    role = iam.get_role(name)
    role.description, role.max_session_duration = found.description, str(_seconds(found.session_duration))
    role.permissions_boundary_arn = boundary
    for arn in [*role.managed_policies]:
        if arn not in wanted:
            iam.detach_role_policy(arn, name)
    for arn in wanted:
        if arn not in role.managed_policies:
            iam.attach_role_policy(arn, name)
    role.policies.pop(INLINE, None)
    if found.inline:
        role.policies[INLINE] = found.inline
    found.provisioned[account] = found.version
    return ""


def _make_role(center: Center, found: PermissionSet, account: str) -> str:
    """A role with a new name, which only people who come from Identity Center get into.

    https://docs.aws.amazon.com/singlesignon/latest/userguide/referencingpermissionsets.html
    """
    iam = iam_backends[account]["aws"]
    provider = f"AWSSSO_{_hash(account)}_DO_NOT_DELETE"
    if provider not in iam.saml_providers:
        iam.create_saml_provider(provider, "<EntityDescriptor/>")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:aws:iam::{account}:saml-provider/{provider}"},
                "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"],
                "Condition": {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}},
            }
        ],
    }
    # The same in every rehearsal, and another one each time that an account gets the permission set anew.
    times = center.times[account, found.name] = center.times.get((account, found.name), 0) + 1
    suffix = _hash(account, found.name, str(times))
    name = f"AWSReservedSSO_{found.name}_{suffix}"
    region = "" if center.region == "us-east-1" else f"{center.region}/"
    iam.create_role(
        name, json.dumps(trust), f"/aws-reserved/sso.amazonaws.com/{region}", None, found.description, [], "3600"
    )
    return name


def _hash(*parts: str) -> str:
    return hashlib.sha256("#".join(parts).encode()).hexdigest()[:16]


def _drop_role(account: str, name: str) -> None:
    iam = iam_backends[account]["aws"]
    if name:
        role = iam.get_role(name)
        for arn in [*role.managed_policies]:
            iam.detach_role_policy(arn, name)
        role.policies.clear()
        iam.delete_role(name)


@operation(SERVICE, "ProvisionPermissionSet")
def provision_permission_set(call: Call) -> dict[str, Any]:
    """Begin to bring roles up to date, in one account or wherever the permission set is."""
    center = _center(call)
    found = _set(call, center)
    everywhere = call["TargetType"] == "ALL_PROVISIONED_ACCOUNTS"
    if everywhere == ("TargetId" in call.params):
        raise AwsError("ValidationException", "TargetId goes with AWS_ACCOUNT, and only with it")
    targets = [*found.provisioned] if everywhere else [call["TargetId"]]
    if call.account != MANAGEMENT_ACCOUNT and MANAGEMENT_ACCOUNT in targets:
        raise _denied(call)

    def act() -> str:
        failures = [_provision(center, found, account) for account in targets if account in found.provisioned]
        return next((failure for failure in failures if failure), "")

    members = {"PermissionSetArn": found.arn, **({} if everywhere else {"AccountId": call["TargetId"]})}
    return {"PermissionSetProvisioningStatus": _begin(call, center, "provisioning", members, act)}


_STATUS = {
    "DescribeAccountAssignmentCreationStatus": (
        "creation",
        "AccountAssignmentCreationRequestId",
        "AccountAssignmentCreationStatus",
    ),
    "DescribeAccountAssignmentDeletionStatus": (
        "deletion",
        "AccountAssignmentDeletionRequestId",
        "AccountAssignmentDeletionStatus",
    ),
    "DescribePermissionSetProvisioningStatus": (
        "provisioning",
        "ProvisionPermissionSetRequestId",
        "PermissionSetProvisioningStatus",
    ),
}
_STATUSES = {
    "ListAccountAssignmentCreationStatus": ("creation", "AccountAssignmentsCreationStatus"),
    "ListAccountAssignmentDeletionStatus": ("deletion", "AccountAssignmentsDeletionStatus"),
    "ListPermissionSetProvisioningStatus": ("provisioning", "PermissionSetsProvisioningStatus"),
}


@operation(SERVICE, *_STATUS)
def describe_status(call: Call) -> dict[str, Any]:
    """How something stands that was begun."""
    kind, parameter, key = _STATUS[call.operation]
    request = _center(call).requests.get(call[parameter])
    if request is None or request.kind != kind:
        raise AwsError("ResourceNotFoundException", f"Request {call[parameter]} was not found")
    return {key: _status(request)}


@operation(SERVICE, *_STATUSES)
def list_status(call: Call) -> dict[str, Any]:
    """What was begun, or what of it has a status."""
    kind, key = _STATUSES[call.operation]
    wanted = (call.get("Filter") or {}).get("Status")
    found = [
        {"RequestId": item.id, "Status": item.status, "CreatedDate": item.created}
        for item in _center(call).requests.values()
        if item.kind == kind and wanted in (None, item.status)
    ]
    return _paged(call, key, found)


@operation(SERVICE, "ListAccountAssignments")
def list_account_assignments(call: Call) -> dict[str, Any]:
    """Who has a permission set in an account."""
    center = _center(call)
    found = _set(call, center)
    here = [item for item in center.assignments if item[:2] == (call["AccountId"], found.arn)]
    return _paged(call, "AccountAssignments", [_assignment(item) for item in here])


@operation(SERVICE, "ListAccountAssignmentsForPrincipal")
def list_account_assignments_for_principal(call: Call) -> dict[str, Any]:
    """What a group or user has, the user's groups included. For the management account only."""
    center = _center(call)
    if call.account != MANAGEMENT_ACCOUNT:
        raise _denied(call)
    principals = {(call["PrincipalType"], call["PrincipalId"])}
    if call["PrincipalType"] == "USER":
        pairs = center.store.memberships.values()
        principals |= {("GROUP", group) for group, user in pairs if user == call["PrincipalId"]}
    account = (call.get("Filter") or {}).get("AccountId")
    here = [item for item in center.assignments if item[2:] in principals and account in (None, item[0])]
    return _paged(call, "AccountAssignments", [_assignment(item) for item in here])


def _assignment(item: tuple[str, str, str, str]) -> dict[str, str]:
    return dict(zip(("AccountId", "PermissionSetArn", "PrincipalType", "PrincipalId"), item, strict=True))


def _is(status: str | None, found: PermissionSet, account: str) -> bool:
    latest = found.provisioned[account] == found.version
    return status is None or status == (_LATEST if latest else _OUTDATED)


@operation(SERVICE, "ListAccountsForProvisionedPermissionSet")
def list_accounts_for_permission_set(call: Call) -> dict[str, Any]:
    """The accounts that have the role of a permission set, up to date or not."""
    found = _set(call, _center(call))
    status = call.get("ProvisioningStatus")
    return _paged(call, "AccountIds", [account for account in found.provisioned if _is(status, found, account)])


@operation(SERVICE, "ListPermissionSetsProvisionedToAccount")
def list_permission_sets_of_account(call: Call) -> dict[str, Any]:
    """The permission sets that an account has a role of."""
    account, status = call["AccountId"], call.get("ProvisioningStatus")
    found = [
        item.arn for item in _center(call).sets.values() if account in item.provisioned and _is(status, item, account)
    ]
    return _paged(call, "PermissionSets", found)
