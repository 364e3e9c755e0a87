# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses what the policies don't allow: enforcement, which is off until it is switched on.

A request becomes demands, each an action on a resource (RunInstances needs leave for the image, the subnet, the
instance, and for passing its role). Each is decided by all the policies that concern the caller (``iam_policies``).
"""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends

from rehearsal.emulator import resource_arns
from rehearsal.emulator.actions import FREE, action
from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.iam_policies import Caller, Decision, Policies, Policy, Request, decide, parsed, trust_allows
from rehearsal.emulator.recording import Recording
from rehearsal.emulator.resource_arns import Asked
from rehearsal.emulator.services import organizations
from rehearsal.emulator.services.instances import template_of
from rehearsal.emulator.world import MANAGEMENT_ACCOUNT, MANAGEMENT_USER, Principal, World


@dataclass(frozen=True)
class Demand:
    """One thing that has to be allowed. ``keys`` are the condition keys that only this one has."""

    action: str
    resource: str
    keys: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Identity:
    """What IAM knows of a caller: the user or role behind the credentials, and what it is allowed."""

    arn: str
    tags: dict[str, str]
    kind: str
    policies: tuple[Policy, ...]
    boundary: Policy | None


class Authority:
    """Whether requests are judged, and what was refused last."""

    def __init__(self, world: World, *, enforcing: bool = False) -> None:
        self.world = world
        self.enforcing = self.at_first = enforcing
        self.refusals: deque[dict[str, str]] = deque(maxlen=1000)
        self.recording = Recording(world)

    def page(self, method: str, query: dict[str, list[str]]) -> dict[str, Any]:
        """``/rehearsal/enforcement``: POST switches it on, DELETE off, GET tells; with the last refusals."""
        if method in ("POST", "DELETE"):
            self.enforcing = method == "POST"
            self.refusals.clear()
        return {"enforcing": self.enforcing, "refused": list(self.refusals)}

    def reset(self) -> None:
        """Back to how it was at the start."""
        self.enforcing = self.at_first
        self.refusals.clear()
        self.recording.clear()

    def check(self, asked: Asked, caller: Principal) -> None:
        """Refuse a request that policies don't allow. The world's lock is to be held.

        Raises:
            AwsError: in the service's own words.
        """
        if self.recording.label is not None:
            self._record(asked, caller)
        if not self.enforcing:
            return
        for demand, decision in self._judged(asked, caller):
            if not decision.allowed:
                row = {"principal": caller.arn, "action": demand.action, "resource": demand.resource}
                self.refusals.append({**row, "why": decision.why})
                raise refusal(asked, caller, demand, decision)

    def check_unknown(self, service: str, caller: Principal) -> None:
        """Refuse, to all but the management account's own credentials, an operation that can't be told.

        Raises:
            AwsError: enforcement is on.
        """
        if self.enforcing and caller.user_id != MANAGEMENT_USER:
            raise AwsError("AccessDenied", f"{caller.arn} asks {service} for an unknown operation", status=403)

    def _record(self, asked: Asked, caller: Principal) -> None:
        identity = identity_of(caller, asked.partition)
        for demand in _all_demands(asked):
            request = Request(demand.action, demand.resource, {**keys(asked, caller, identity, demand), **demand.keys})
            who = identity.arn or caller.arn
            self.recording.note(who, caller.account, asked.region, demand.action, demand.resource, request.values)

    def _judged(self, asked: Asked, caller: Principal) -> Iterator[tuple[Demand, Decision]]:
        for demand in _all_demands(asked):
            decision = self._assuming if demand.action == "sts:AssumeRole" else self.decision
            yield demand, decision(asked, caller, demand)

    def decision(self, asked: Asked, caller: Principal, demand: Demand) -> Decision:
        """Whether a caller may do one thing."""
        if caller.user_id == MANAGEMENT_USER:
            return Decision(True)
        identity = identity_of(caller, asked.partition)
        request = Request(demand.action, demand.resource, {**keys(asked, caller, identity, demand), **demand.keys})
        resource = _resource_policy(asked, demand)
        policies = Policies(
            identity.policies,
            identity.boundary,
            None if caller.session_policies is None else [Policy(parsed(text)) for text in caller.session_policies],
            service_control(self.world, caller.account),
            resource,
            resource_decides=demand.action.startswith("kms:") and resource is not None,
        )
        return decide(request, policies, Caller((caller.arn, identity.arn), caller.account))

    def _assuming(self, asked: Asked, caller: Principal, demand: Demand) -> Decision:
        """Whether a caller may assume a role.

        The role has to trust it; where it trusts only the caller's account, or is in another one, the caller's own
        policies have to allow it too.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
        """
        role = role_of(demand.resource)
        if role is None:
            return Decision(True)  # the operation says that it isn't there
        identity = identity_of(caller, asked.partition)
        request = Request(demand.action, demand.resource, {**keys(asked, caller, identity, demand), **demand.keys})
        named, delegated, denied = trust_allows(
            _document(role.assume_role_policy_document), request, Caller((caller.arn, identity.arn), caller.account)
        )
        if denied or not (named or delegated):
            return Decision(False)
        own = self.decision(asked, caller, demand)
        same_account = demand.resource.split(":")[4] == caller.account
        denied_by_own = own.why.startswith("with an explicit deny") or "service control" in own.why
        return Decision(True) if named and same_account and not denied_by_own else own


def refusal(asked: Asked, caller: Principal, demand: Demand, decision: Decision) -> AwsError:
    """The service's error and AWS's sentence.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """
    where = f" on resource: {demand.resource}" if demand.resource != "*" or asked.service != "ec2" else ""
    sentence = f"User: {caller.arn} is not authorized to perform: {demand.action}{where} {decision.why}".rstrip()
    protocol = _protocol(asked.service)
    if protocol == "ec2":
        text = f"You are not authorized to perform this operation. {sentence}"
        return AwsError("UnauthorizedOperation", text, status=403)
    if protocol in ("query", "rest-xml") or asked.service in ("cloudwatch", "sqs"):
        return AwsError("AccessDenied", sentence, status=403)
    return AwsError("AccessDeniedException", sentence, status=403 if protocol == "rest-json" else 400)


def _protocol(service: str) -> str:
    from moto.core.utils import get_service_model  # noqa: PLC0415 - loads botocore's models

    return str(get_service_model(service).metadata["protocol"])


# ---- what is demanded

#: Who gets a role that a request names, by service and member; else ``<service>.amazonaws.com``.
_PASSED_TO = {
    ("eks", "podIdentityRoleArn"): "pods.eks.amazonaws.com",
    ("eks", "roleArn"): "eks.amazonaws.com",
    ("eks", "podExecutionRoleArn"): "eks-fargate-pods.amazonaws.com",
    ("ec2", "DeliverLogsPermissionArn"): "vpc-flow-logs.amazonaws.com",
    ("rds", "MonitoringRoleArn"): "monitoring.rds.amazonaws.com",
}
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")
#: Members that name a role without giving it to anybody.
_NOT_PASSED = ("principalArn", "PrincipalArn", "ResourceArn", "resourceArn", "PolicySourceArn")
_PASSING = re.compile(r"(Create|Put|Update|Run|Register|Start|Associate|Modify|Request|Restore|Add)")
#: What giving tags to something that is being made takes, beside the making.
_TAGGING = {
    "dynamodb": "dynamodb:TagResource",
    "ecr": "ecr:TagResource",
    "eks": "eks:TagResource",
    "elbv2": "elasticloadbalancing:AddTags",
    "events": "events:TagResource",
    "kms": "kms:TagResource",
    "lambda": "lambda:TagResource",
    "logs": "logs:TagResource",
    "organizations": "organizations:TagResource",
    "rds": "rds:AddTagsToResource",
    "secretsmanager": "secretsmanager:TagResource",
    "sns": "sns:TagResource",
    "sqs": "sqs:TagQueue",
    "ssm": "ssm:AddTagsToResource",
}
_IAM_TAGGED = {
    "CreateRole": "iam:TagRole",
    "CreatePolicy": "iam:TagPolicy",
    "CreateUser": "iam:TagUser",
    "CreateInstanceProfile": "iam:TagInstanceProfile",
    "CreateOpenIDConnectProvider": "iam:TagOpenIDConnectProvider",
}


def _all_demands(asked: Asked) -> list[Demand]:
    """All that a request needs leave for; nothing for what everybody may."""
    name = action(asked.service, asked.operation)
    if name in FREE or resource_arns.gone(asked):
        return []
    if name == "sts:AssumeRole":
        return [Demand(name, str(asked.params.get("RoleArn", "")), _role_keys(asked))]
    return demands(asked)


def demands(asked: Asked) -> list[Demand]:
    """All that a request needs leave for."""
    name, given = action(asked.service, asked.operation), _request_tags(asked.params)
    found = []
    for arn in resource_arns.of(asked):
        # What is being made has no tags yet; only then do the tags of an EC2 request belong to it.
        made = arn.endswith("/*")
        found.append(Demand(name, arn, _own_keys(asked, arn, given if asked.service != "ec2" or made else {})))
        if asked.service == "ec2" and made and _specified(asked.params, arn):
            tags = _specified(asked.params, arn)
            found.append(Demand("ec2:CreateTags", arn, {**_tag_keys(tags), "ec2:CreateAction": asked.operation}))
    if given and asked.operation.startswith(("Create", "Put", "Run", "Restore")):
        extra = _IAM_TAGGED.get(asked.operation) if asked.service == "iam" else _TAGGING.get(asked.service)
        if extra:
            found += [Demand(extra, item.resource, item.keys) for item in found if item.action == name]
    if asked.operation == "CopyObject" and asked.service == "s3":
        source = str(asked.params.get("CopySource", "")).lstrip("/").partition("?")[0]
        found.append(Demand("s3:GetObject", f"arn:{asked.partition}:s3:::{source}"))
    return found + list(_passed(asked))


def _specified(params: Mapping[str, Any], arn: str) -> dict[str, str]:
    """The tags that a request of EC2 gives to what it makes of a type."""
    kind = arn.split(":", 5)[5].partition("/")[0]
    return {
        tag["Key"]: tag.get("Value", "")
        for item in params.get("TagSpecifications") or []
        if item.get("ResourceType") == kind
        for tag in item.get("Tags", [])
    }


def _passed(asked: Asked) -> Iterator[Demand]:
    if not _PASSING.match(asked.operation):
        return
    if asked.service == "iam":
        if asked.operation == "AddRoleToInstanceProfile":
            role = _by_name(asked, asked.params["RoleName"])
            yield Demand("iam:PassRole", role, {"iam:PassedToService": "ec2.amazonaws.com"})
        return
    if asked.service in ("sts", "organizations", "kms"):
        return
    backend = iam_backends[asked.account][asked.partition]
    for name, value in _members(asked.params):
        if asked.service == "ec2" and name == "IamInstanceProfile":
            wanted = {str(item) for item in (value.values() if isinstance(value, Mapping) else [value])}
            for profile in backend.instance_profiles.values():
                if wanted & {profile.arn, profile.name} and not asked.operation.startswith("CreateLaunchTemplate"):
                    for role in profile.roles:
                        yield Demand("iam:PassRole", role.arn, {"iam:PassedToService": "ec2.amazonaws.com"})
        elif isinstance(value, str) and _ROLE.fullmatch(value) and name not in _NOT_PASSED:
            service = _PASSED_TO.get((asked.service, name), f"{asked.service}.amazonaws.com")
            if asked.service == "eks" and asked.operation in (
                "CreatePodIdentityAssociation",
                "UpdatePodIdentityAssociation",
            ):
                service = "pods.eks.amazonaws.com"
            yield Demand("iam:PassRole", value, {"iam:PassedToService": service})


def _by_name(asked: Asked, name: str) -> str:
    backend = iam_backends[asked.account][asked.partition]
    return next(
        (role.arn for role in backend.roles.values() if role.name == name), asked.arn(f"role/{name}", region="")
    )


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    """Every member of a request, at any depth, with its name; items of a list have the list's name."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield name, item
            if isinstance(item, list):
                yield from ((name, one) for one in item if not isinstance(one, Mapping))
                for one in item:
                    yield from _members(one)
            else:
                yield from _members(item)


# ---- condition keys


def _request_tags(params: Mapping[str, Any]) -> dict[str, str]:
    """The tags that a request gives, in whichever of AWS's forms."""
    found: dict[str, str] = {}
    bare = [params.get(name) for name in ("Tags", "tags", "TagList")]
    bare += [item.get("Tags") for item in params.get("TagSpecifications") or []]
    bare.append(params.get("Tagging", {}).get("TagSet") if isinstance(params.get("Tagging"), Mapping) else None)
    for tags in bare:
        if isinstance(tags, Mapping):
            found.update({str(key): str(value) for key, value in tags.items()})
        for tag in tags if isinstance(tags, list) else ():
            lowered = {str(name).lower().removeprefix("tag"): value for name, value in tag.items()}
            found[str(lowered.get("key", ""))] = str(lowered.get("value", ""))
    return found


def _tag_keys(tags: Mapping[str, str]) -> dict[str, Any]:
    return {"aws:RequestTag/": tags.get, "aws:TagKeys": sorted(tags) or None}


def _own_keys(asked: Asked, arn: str, tags: Mapping[str, str]) -> dict[str, Any]:
    """The keys that an action on one resource has."""
    taken = asked.params.get("TagKeys") or asked.params.get("tagKeys")
    found = _tag_keys(tags)
    if taken:
        found["aws:TagKeys"] = taken
    if asked.service == "ec2" and arn.endswith("/*"):
        specified = _specified(asked.params, arn)
        found.update(_tag_keys({**tags, **specified} if specified else {}))
    return found


def _role_keys(asked: Asked) -> dict[str, Any]:
    params = asked.params
    tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
    return {
        **_tag_keys(tags),
        "sts:ExternalId": params.get("ExternalId"),
        "sts:RoleSessionName": params.get("RoleSessionName"),
        "sts:SourceIdentity": params.get("SourceIdentity"),
        "sts:TransitiveTagKeys": params.get("TransitiveTagKeys"),
    }


#: Condition keys of services that are members of their requests.
_FROM_MEMBERS: dict[str, dict[str, str]] = {
    "ec2": {
        "ec2:InstanceType": "InstanceType",
        "ec2:Encrypted": "Encrypted",
        "ec2:AvailabilityZone": "AvailabilityZone",
        "ec2:Attribute/HttpTokens": "HttpTokens",
    },
    "eks": {"eks:principalArn": "principalArn", "eks:accessEntryType": "type", "eks:clusterName": "clusterName"},
    "iam": {
        "iam:PolicyARN": "PolicyArn",
        "iam:AWSServiceName": "AWSServiceName",
        "iam:PermissionsBoundary": "PermissionsBoundary",
    },
    "kms": {"kms:KeySpec": "KeySpec", "kms:RequestAlias": "KeyId"},
    "organizations": {"organizations:ServicePrincipal": "ServicePrincipal", "organizations:PolicyType": "Type"},
    "rds": {
        "rds:DatabaseEngine": "Engine",
        "rds:DatabaseClass": "DBInstanceClass",
        "rds:StorageEncrypted": "StorageEncrypted",
        "rds:MultiAz": "MultiAZ",
    },
    "s3": {
        "s3:prefix": "Prefix",
        "s3:delimiter": "Delimiter",
        "s3:max-keys": "MaxKeys",
        "s3:x-amz-acl": "ACL",
        "s3:x-amz-server-side-encryption": "ServerSideEncryption",
        "s3:x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
        "s3:x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    },
    "secretsmanager": {"secretsmanager:Name": "Name", "secretsmanager:SecretId": "SecretId"},
    "ssm": {"ssm:Overwrite": "Overwrite", "ssm:Recursive": "Recursive"},
}


def _launch_keys(asked: Asked) -> dict[str, Any]:
    """What RunInstances starts an instance with: the request's own word goes before the launch template's.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-options.html (order of precedence)
    """
    params = asked.params
    tokens = (params.get("MetadataOptions") or {}).get("HttpTokens")
    given = params.get("LaunchTemplate")
    if tokens is None and given:
        # A template that isn't there is the operation's matter.
        with contextlib.suppress(EC2ClientError, KeyError):
            version = template_of(ec2_backends[asked.account][asked.region], given)
            tokens = (version.data.get("MetadataOptions") or {}).get("HttpTokens")
    return {"ec2:MetadataHttpTokens": tokens or "optional"}


def _shared_with(params: Mapping[str, Any]) -> dict[str, Any]:
    """Whom an image or a snapshot is given to, in either of the request's forms."""
    added = [
        item
        for member in ("CreateVolumePermission", "LaunchPermission")
        for item in (params.get(member) or {}).get("Add") or []
    ]
    groups = [item["Group"] for item in added if item.get("Group")]
    users = [item["UserId"] for item in added if item.get("UserId")]
    if params.get("OperationType") == "add":
        groups += params.get("GroupNames") or params.get("UserGroups") or []
        users += params.get("UserIds") or []
    return {"ec2:Add/group": groups or None, "ec2:Add/userId": users or None}


def keys(asked: Asked, caller: Principal, identity: _Identity, demand: Demand) -> dict[str, Any]:
    """The condition keys of a request: the global ones, and those of the service that can be told.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    now = datetime.datetime.now(datetime.UTC)
    parts = demand.resource.split(":")
    owner = parts[4] if len(parts) > 5 and parts[4].isdigit() else asked.account
    cached: dict[str, dict[str, str]] = {}

    def resource_tag(name: str) -> str | None:
        if "tags" not in cached:
            cached["tags"] = resource_arns.tags_of(asked, demand.resource)
        return cached["tags"].get(name)

    def member(name: str) -> Any:
        value = next((found for key, found in _members(asked.params) if key == name), None)
        return str(value).lower() if isinstance(value, bool) else value if isinstance(value, str | int) else None

    session = identity.kind == "AssumedRole"
    own = {key: member(name) for key, name in _FROM_MEMBERS.get(asked.service, {}).items()}
    if asked.service == "ec2" and asked.operation == "RunInstances":
        own |= _launch_keys(asked)
    if asked.service == "ec2" and asked.operation in ("ModifyImageAttribute", "ModifySnapshotAttribute"):
        own |= _shared_with(asked.params)
    if asked.service == "iam" and own.get("iam:PermissionsBoundary") is None:
        role = role_of(demand.resource)
        own["iam:PermissionsBoundary"] = getattr(role, "permissions_boundary_arn", None) or None
    prefix = demand.action.partition(":")[0]
    return {
        **own,
        f"{prefix}:ResourceTag/": resource_tag,
        "aws:CurrentTime": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "aws:EpochTime": int(now.timestamp()),
        "aws:MultiFactorAuthPresent": "false" if session else None,
        "aws:PrincipalAccount": caller.account,
        "aws:PrincipalArn": identity.arn or caller.arn,
        "aws:PrincipalIsAWSService": "false",
        "aws:PrincipalOrgID": lambda: _organization_id(asked.world),
        "aws:PrincipalOrgPaths": lambda: _organization_paths(asked.world, caller.account),
        "aws:PrincipalTag/": {**identity.tags, **dict(caller.session_tags)}.get,
        "aws:PrincipalType": identity.kind,
        "aws:RequestedRegion": asked.region,
        "aws:ResourceAccount": owner,
        "aws:ResourceOrgID": lambda: _organization_id(asked.world) if owner in asked.world.accounts else None,
        "aws:ResourceOrgPaths": lambda: _organization_paths(asked.world, owner),
        "aws:ResourceTag/": resource_tag,
        # What is asked over loopback stands for what is asked over TLS.
        "aws:SecureTransport": "true",
        "aws:SourceIp": "127.0.0.1",
        "aws:TokenIssueTime": _iso(caller.issued) if session and caller.issued else None,
        "aws:ViaAWSService": "false",
        "aws:userid": caller.user_id,
        "aws:username": None if session else caller.arn.rpartition("/")[2],
        "ec2:Region": asked.region if asked.service == "ec2" else None,
        "kms:CallerAccount": caller.account if asked.service == "kms" else None,
    }


def _iso(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def _organization_id(world: World) -> str | None:
    organization = organizations.current(world)
    return organization.id if organization else None


def _organization_paths(world: World, account: str) -> list[str] | None:
    organization = organizations.current(world)
    node = organization.nodes.get(account) if organization else None
    if organization is None or node is None:
        return None
    # The path of an account's parent: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    return [organizations.path_of(organization, node).removesuffix(f"{account}/")]


# ---- policies


def _document(text: Any) -> Mapping[str, Any]:
    return parsed(text) if isinstance(text, str) else text


def _managed(policy: Any) -> Policy:
    current = next(version.document for version in policy.versions if version.is_default)
    return Policy(_document(current), policy.arn)


def role_of(arn: str) -> Any:
    """The role with an ARN in any account, or None."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[2] != "iam" or not parts[5].startswith("role/"):
        return None
    return next((role for role in iam_backends[parts[4]][parts[1]].roles.values() if role.arn == arn), None)


def identity_of(caller: Principal, partition: str) -> _Identity:
    """The user or role behind credentials. A role that is gone leaves its sessions with nothing allowed."""
    backend = iam_backends[caller.account][partition]
    kind = caller.arn.split(":", 5)[5].partition("/")[0]
    if kind == "assumed-role":
        role = backend.roles.get(caller.user_id.partition(":")[0])
        if role is None:
            return _Identity("", {}, "AssumedRole", (), None)
        return _Identity(
            role.arn,
            _tags(role.tags),
            "AssumedRole",
            tuple(_own(role)),
            _boundary(backend, role.permissions_boundary_arn),
        )
    name = caller.arn.rpartition("/")[2]
    user = backend.users.get(name)
    if user is None:
        return _Identity(caller.arn, {}, "User", (), None)
    groups = [group for group in backend.groups.values() if user in group.users]
    policies = [policy for holder in (user, *groups) for policy in _own(holder)]
    boundary = getattr(user, "permissions_boundary_arn", None)
    return _Identity(user.arn, _tags(user.tags), "User", tuple(policies), _boundary(backend, boundary))


def _own(holder: Any) -> Iterator[Policy]:
    yield from (Policy(_document(text)) for text in holder.policies.values())
    yield from (_managed(policy) for policy in holder.managed_policies.values())


def _boundary(backend: Any, arn: str | None) -> Policy | None:
    if not arn:
        return None
    found = backend.managed_policies.get(arn)
    return _managed(found) if found else Policy({"Statement": []}, arn)


def _tags(tags: Any) -> dict[str, str]:
    rows = tags.values() if isinstance(tags, dict) else tags or []
    return {tag["Key"]: tag["Value"] for tag in rows}


def service_control(world: World, account: str) -> list[list[Policy]]:
    """The service control policies of an account, a list for each level from the root down; none for the management's.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html
    """
    organization = organizations.current(world)
    if organization is None or account == MANAGEMENT_ACCOUNT or account not in organization.nodes:
        return []
    if "SERVICE_CONTROL_POLICY" not in organization.types:
        return []
    levels: list[list[Policy]] = []
    node = organization.nodes.get(account)
    while node is not None:
        attached = [organization.policies[number] for number in node.policies]
        levels.append([Policy(parsed(p.content), p.arn) for p in attached if p.type == "SERVICE_CONTROL_POLICY"])
        node = organization.nodes.get(node.parent) if node.parent else None
    return levels[::-1]


def _resource_policy(asked: Asked, demand: Demand) -> Policy | None:
    """The policy of a key, a bucket or a queue; None where there is none."""
    text: Any = None
    service, name = demand.action.partition(":")[0], demand.resource.split(":", 5)[-1]
    if service == "kms" and name.startswith("key/"):
        key = kms_backends[asked.account][asked.region].keys.get(name.partition("/")[2])
        text = key.policy if key else None
    elif service == "s3" and name not in ("*", ""):
        bucket = s3_backends[asked.account][asked.partition].buckets.get(name.partition("/")[0])
        text = bucket.policy if bucket else None
    elif service == "sqs":
        queue = sqs_backends[asked.account][asked.region].queues.get(name)
        text = queue.policy if queue else None
    if isinstance(text, bytes):
        text = text.decode()
    return Policy(json.loads(text) if isinstance(text, str) else text) if text else None
