# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ARNs of what a request is about, as IAM sees them, and their tags.

By https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html.
What doesn't exist yet has ``*`` where its id will be, as on AWS. Where a request names nothing the answer is ``*``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.secretsmanager.models import secretsmanager_backends

from rehearsal.emulator.registry import Call
from rehearsal.emulator.services import organizations, tagging
from rehearsal.emulator.world import Principal, World


@dataclass(frozen=True)
class Asked:
    """A request: what is asked of which service, by botocore's names, in whose account and which Region."""

    world: World
    service: str
    operation: str
    params: Mapping[str, Any]
    account: str
    region: str
    partition: str = "aws"

    def arn(self, resource: str, *, service: str = "", region: str | None = None, account: str | None = None) -> str:
        """An ARN where the request is."""
        region = self.region if region is None else region
        account = self.account if account is None else account
        return f"arn:{self.partition}:{service or self.service}:{region}:{account}:{resource}"


#: EC2's types of resources by how their ids begin.
EC2_TYPES = {
    "acl": "network-acl",
    "ami": "image",
    "cgw": "customer-gateway",
    "dopt": "dhcp-options",
    "eigw": "egress-only-internet-gateway",
    "eipalloc": "elastic-ip",
    "eni": "network-interface",
    "fl": "vpc-flow-log",
    "fleet": "fleet",
    "i": "instance",
    "igw": "internet-gateway",
    "lt": "launch-template",
    "nat": "natgateway",
    "pcx": "vpc-peering-connection",
    "pl": "prefix-list",
    "rtb": "route-table",
    "sg": "security-group",
    "sgr": "security-group-rule",
    "sir": "spot-instances-request",
    "snap": "snapshot",
    "subnet": "subnet",
    "tgw": "transit-gateway",
    "vol": "volume",
    "vpc": "vpc",
    "vpce": "vpc-endpoint",
}
_EC2_ID = re.compile(rf"({'|'.join(EC2_TYPES)})-[0-9a-f]{{8,17}}")
#: The types that an operation makes.
_EC2_MAKES: dict[str, tuple[str, ...]] = {
    "AllocateAddress": ("elastic-ip",),
    "AuthorizeSecurityGroupEgress": ("security-group-rule",),
    "AuthorizeSecurityGroupIngress": ("security-group-rule",),
    "CreateFleet": ("fleet", "instance", "network-interface", "volume"),
    "CreateFlowLogs": ("vpc-flow-log",),
    "CreateInternetGateway": ("internet-gateway",),
    "CreateLaunchTemplate": ("launch-template",),
    "CreateNatGateway": ("natgateway",),
    "CreateNetworkAcl": ("network-acl",),
    "CreateNetworkInterface": ("network-interface",),
    "CreateRouteTable": ("route-table",),
    "CreateSecurityGroup": ("security-group",),
    "CopySnapshot": ("snapshot",),
    "CreateSnapshot": ("snapshot",),
    "CreateSnapshots": ("snapshot",),
    "CreateSubnet": ("subnet",),
    "CreateVolume": ("volume",),
    "CreateVpc": ("vpc",),
    "CreateVpcEndpoint": ("vpc-endpoint",),
    "CreateVpcPeeringConnection": ("vpc-peering-connection",),
    "RunInstances": ("instance", "network-interface", "volume"),
}
#: Operations that are judged by fewer types than their requests name.
_EC2_ONLY: dict[str, tuple[str, ...]] = {
    "AuthorizeSecurityGroupEgress": ("security-group", "security-group-rule"),
    "AuthorizeSecurityGroupIngress": ("security-group", "security-group-rule"),
    "CreateLaunchTemplate": ("launch-template",),
    "CreateLaunchTemplateVersion": ("launch-template",),
    "CreateNetworkAclEntry": ("network-acl",),
    "CreateRoute": ("route-table",),
    "ReplaceRoute": ("route-table",),
    "RevokeSecurityGroupEgress": ("security-group", "security-group-rule"),
    "RevokeSecurityGroupIngress": ("security-group", "security-group-rule"),
}
_GROUP_RULES = (
    "AuthorizeSecurityGroupEgress",
    "AuthorizeSecurityGroupIngress",
    "RevokeSecurityGroupEgress",
    "RevokeSecurityGroupIngress",
)
#: Types that belong to no account: AWS's own or shared ones.
_EC2_UNOWNED = ("image", "snapshot")
_EC2_GLOBAL_READS = re.compile(r"(Describe|Search|GetEbs|GetSpot|GetSecurityGroupsForVpc|GetInstanceTypes|GetManaged)")

#: For each service the members of requests that name resources, and the ARN's last part; the first row that fits is
#: taken, in RDS all rows that fit. ``*`` as the service makes it a look-up that needs the whole request.
_MEMBERS: dict[str, tuple[tuple[tuple[str, ...], str], ...]] = {
    "cloudwatch": ((("AlarmName",), "alarm:{0}"),),
    "dynamodb": ((("TableName",), "table/{0}"),),
    "ecr": ((("repositoryName",), "repository/{0}"), (("repositoryNames",), "repository/{0}")),
    "eks": (
        (("clusterName", "addonName"), "addon/{0}/{1}/*"),
        (("clusterName", "nodegroupName"), "nodegroup/{0}/{1}/*"),
        (("clusterName", "fargateProfileName"), "fargateprofile/{0}/{1}/*"),
        (("clusterName", "associationId"), "podidentityassociation/{0}/{1}"),
        (("clusterName",), "cluster/{0}"),
        (("name",), "cluster/{0}"),
    ),
    "events": ((("Rule",), "rule/{0}"), (("Name",), "rule/{0}")),
    "lambda": ((("FunctionName",), "function:{0}"),),
    "logs": ((("logGroupName",), "log-group:{0}:*"),),
    "rds": (
        (("DBInstanceIdentifier",), "db:{0}"),
        (("SourceDBInstanceIdentifier",), "db:{0}"),
        (("TargetDBInstanceIdentifier",), "db:{0}"),
        (("DBClusterIdentifier",), "cluster:{0}"),
        (("DBSnapshotIdentifier",), "snapshot:{0}"),
        (("DBSubnetGroupName",), "subgrp:{0}"),
        (("DBParameterGroupName",), "pg:{0}"),
        (("DBClusterParameterGroupName",), "cluster-pg:{0}"),
        (("OptionGroupName",), "og:{0}"),
    ),
    "sns": ((("Name",), "{0}"),),
    "sqs": ((("QueueName",), "{0}"),),
}
#: What listings without a name are judged by, where that isn't ``*``.
_LISTINGS = {
    "ecr:DescribeRepositories": "repository/*",
    "eks:ListClusters": "cluster/*",
    "logs:DescribeLogGroups": "log-group:*",
    "rds:DescribeDBClusters": "cluster:*",
    "rds:DescribeDBInstances": "db:*",
    "rds:DescribeDBParameterGroups": "pg:*",
    "rds:DescribeDBSnapshots": "snapshot:*",
    "rds:DescribeDBSubnetGroups": "subgrp:*",
}
#: EKS judges the making of these by their cluster.
_BY_CLUSTER = ("CreateAddon", "CreateFargateProfile", "CreateNodegroup", "CreatePodIdentityAssociation")


def of(asked: Asked) -> list[str]:
    """The ARNs that a request is judged by: ``["*"]`` where the action knows no resources."""
    special = _SPECIAL.get(asked.service)
    found = list(dict.fromkeys(special(asked) if special is not None else _by_members(asked)))
    return found or ["*"]


def gone(asked: Asked) -> bool:
    """Whether a request names nothing that there is: the service says so before it asks what the caller may.

    Only where the resource is found by what hangs on it: the route table of an association that is no more, the key of
    an alias that isn't there.
    """
    if asked.service == "kms":
        return any(_is_unknown_alias(asked, str(asked.params.get(name, ""))) for name in ("KeyId", "TargetKeyId"))
    return asked.operation == "DisassociateRouteTable" and asked.service == "ec2" and not list(_ec2(asked))


def _by_members(asked: Asked) -> Iterator[str]:
    params = asked.params
    for name in ("resourceArn", "ResourceArn", "ResourceARN", "resourceARN", "ResourceName", "TopicArn"):
        value = params.get(name)
        if isinstance(value, str) and value.startswith("arn:"):
            yield value
            return
    fitting = 0
    for members, template in _MEMBERS.get(asked.service, ()):
        values = [params.get(member) for member in members]
        if asked.service == "eks" and asked.operation in _BY_CLUSTER and len(members) > 1:
            continue
        if all(values) and (asked.service == "rds" or not fitting):
            fitting += 1
            several = values[0] if isinstance(values[0], list) else [values[0]]
            for value in several:
                text = template.format(value, *values[1:])
                yield str(value) if str(value).startswith("arn:") else asked.arn(text)
    if not fitting:
        listing = _LISTINGS.get(f"{asked.service}:{asked.operation}")
        if listing:
            yield asked.arn(listing)


def _eks(asked: Asked) -> Iterator[str]:
    cluster, principal = asked.params.get("clusterName"), asked.params.get("principalArn")
    if cluster and principal and asked.operation != "CreateAccessEntry":
        kind, _, path = str(principal).partition("::")[2].partition(":")[2].partition("/")
        account = str(principal).split(":")[4]
        yield asked.arn(f"access-entry/{cluster}/{kind}/{account}/{path.rpartition('/')[2]}/*")
        return
    yield from _by_members(asked)


def texts(value: Any) -> Iterator[str]:
    """Every text in what is asked or answered, at any depth."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def ec2_arn(asked: Asked, kind: str, identifier: str) -> str:
    """The ARN of something of EC2."""
    account = "" if kind in _EC2_UNOWNED else asked.account
    return asked.arn(f"{kind}/{identifier}", service="ec2", account=account)


def _ec2(asked: Asked) -> Iterator[str]:
    name = asked.operation
    if _EC2_GLOBAL_READS.match(name):
        return
    only = _EC2_ONLY.get(name)
    made = list(_EC2_MAKES.get(name, ()))
    specifications = asked.params.get("TagSpecifications") or []
    made += [item["ResourceType"] for item in specifications if item.get("ResourceType") and made]
    for kind in made:
        yield ec2_arn(asked, kind, "*")
    left_out: tuple[str, ...] = ("Filters", "TagSpecifications", "Tags")
    if name in _GROUP_RULES:
        left_out += ("IpPermissions",)  # a rule's other group is not asked for leave
    given = {key: value for key, value in asked.params.items() if key not in left_out}
    network = ec2_backends[asked.account][asked.region]
    for text in texts(given):
        match = _EC2_ID.fullmatch(text)
        if match and (only is None or EC2_TYPES[match[1]] in only):
            yield ec2_arn(asked, EC2_TYPES[match[1]], text)
    association = str(asked.params.get("AssociationId", ""))
    for table in network.route_tables.values() if association.startswith("rtbassoc-") else ():
        if association in table.associations or association == table.main_association_id:
            yield ec2_arn(asked, "route-table", table.id)
    template = str(asked.params.get("LaunchTemplateName", ""))
    if template and name != "CreateLaunchTemplate":
        found = next((item for item in network.launch_templates.values() if item.name == template), None)
        yield ec2_arn(asked, "launch-template", found.id if found else "*")


def _iam(asked: Asked) -> Iterator[str]:
    params, backend = asked.params, iam_backends[asked.account][asked.partition]

    def arn(kind: str, path: str, name: str) -> str:
        return asked.arn(f"{kind}{path or '/'}{name}", region="")

    path = params.get("Path", "/")
    if params.get("InstanceProfileName"):
        profile = backend.instance_profiles.get(params["InstanceProfileName"]) or next(
            (item for item in backend.instance_profiles.values() if item.name == params["InstanceProfileName"]), None
        )
        yield profile.arn if profile else arn("instance-profile", path, params["InstanceProfileName"])
    elif params.get("RoleName"):
        role = next((item for item in backend.roles.values() if item.name == params["RoleName"]), None)
        yield role.arn if role else arn("role", path, params["RoleName"])
    elif params.get("UserName"):
        user = backend.users.get(params["UserName"])
        yield user.arn if user else arn("user", path, params["UserName"])
        if params.get("GroupName"):
            yield arn("group", "/", params["GroupName"])
    elif params.get("GroupName"):
        group = backend.groups.get(params["GroupName"])
        yield group.arn if group else arn("group", path, params["GroupName"])
    elif params.get("PolicyArn"):
        yield params["PolicyArn"]
    elif params.get("PolicyName"):
        yield arn("policy", path, params["PolicyName"])
    elif params.get("OpenIDConnectProviderArn"):
        yield params["OpenIDConnectProviderArn"]
    elif asked.operation == "CreateOpenIDConnectProvider":
        yield asked.arn(f"oidc-provider/{str(params['Url']).removeprefix('https://')}", region="")
    elif params.get("AWSServiceName"):
        yield asked.arn(f"role/aws-service-role/{params['AWSServiceName']}/*", region="")


def key_arn(asked: Asked, identifier: str) -> str:
    """The ARN of a KMS key by id, ARN or alias."""
    backend = kms_backends[asked.account][asked.region]
    found = backend.keys.get(backend.any_id_to_key_id(identifier))
    return str(found.arn) if found else asked.arn(f"key/{identifier.rpartition('/')[2]}", service="kms")


def _is_unknown_alias(asked: Asked, identifier: str) -> bool:
    backend = kms_backends[asked.account][asked.region]
    name = backend.get_alias_name(identifier)
    # What moto makes when it is first named is there.
    return name.startswith("alias/") and not name.startswith("alias/aws/") and not backend.alias_exists(name)


def _kms(asked: Asked) -> Iterator[str]:
    params = asked.params
    if params.get("AliasName"):
        yield asked.arn(params["AliasName"])
    for name in ("KeyId", "TargetKeyId"):
        if params.get(name):
            yield key_arn(asked, params[name])


def _secretsmanager(asked: Asked) -> Iterator[str]:
    backend = secretsmanager_backends[asked.account][asked.region]
    identifier = asked.params.get("SecretId")
    if identifier:
        secret = next((item for item in backend.secrets.values() if identifier in (item.arn, item.name)), None)
        yield (
            secret.arn if secret else identifier if identifier.startswith("arn:") else asked.arn(f"secret:{identifier}")
        )
    elif asked.operation == "CreateSecret":
        yield asked.arn(f"secret:{asked.params['Name']}")


def _sqs(asked: Asked) -> Iterator[str]:
    url = asked.params.get("QueueUrl")
    if url:
        yield asked.arn(str(url).rpartition("/")[2])
    else:
        yield from _by_members(asked)


def _s3(asked: Asked) -> Iterator[str]:
    bucket, key = asked.params.get("Bucket"), asked.params.get("Key")
    if not bucket:
        return
    arn = bucket if bucket.startswith("arn:") else f"arn:{asked.partition}:s3:::{bucket}"
    if asked.operation == "DeleteObjects":
        yield from (f"{arn}/{item['Key']}" for item in asked.params.get("Delete", {}).get("Objects", []))
    else:
        yield f"{arn}/{key}" if key else arn


def _ssm(asked: Asked) -> Iterator[str]:
    params = asked.params
    names = [params.get("Name"), params.get("Path"), *params.get("Names", [])]
    if params.get("ResourceType") == "Parameter":
        names.append(params.get("ResourceId"))
    for name in filter(None, names):
        yield name if name.startswith("arn:") else asked.arn(f"parameter/{name.strip('/')}")


def _organizations(asked: Asked) -> Iterator[str]:
    organization = organizations.current(asked.world)
    if organization is None:
        return
    for text in texts(asked.params):
        found = organization.nodes.get(text) or organization.policies.get(text)
        if found is not None:
            yield found.arn


def _sts(asked: Asked) -> Iterator[str]:
    if asked.params.get("RoleArn"):
        yield asked.params["RoleArn"]


_SPECIAL: dict[str, Callable[[Asked], Iterator[str]]] = {
    "ec2": _ec2,
    "eks": _eks,
    "iam": _iam,
    "kms": _kms,
    "organizations": _organizations,
    "s3": _s3,
    "secretsmanager": _secretsmanager,
    "sqs": _sqs,
    "ssm": _ssm,
    "sts": _sts,
}


# ---- tags

_NOBODY = Principal("", "", "")


def tags_of(asked: Asked, arn: str) -> dict[str, str]:
    """The tags of a resource of the request's account, by its ARN; empty where it isn't there or has none."""
    service = arn.split(":")[2] if arn.count(":") >= 5 else ""
    if service == "ec2":
        return dict(ec2_backends[asked.account][asked.region].tags.get(arn.rpartition("/")[2], {}))
    if service == "iam":
        return _iam_tags(asked, arn)
    if service == "organizations":
        return _organization_tags(asked, arn)
    call = Call(
        asked.world, asked.service, asked.operation, asked.account, asked.region, _NOBODY, {}, "", lambda edit: {}
    )
    known = {found.removesuffix(":*"): tags for found, tags in tagging.tagged(call)}
    return known.get(arn.removesuffix(":*")) or next(
        (tags for found, tags in known.items() if arn.endswith("/*") and found.startswith(arn[:-1])), {}
    )


def _organization_tags(asked: Asked, arn: str) -> dict[str, str]:
    organization = organizations.current(asked.world)
    things: list[Any] = [*organization.nodes.values(), *organization.policies.values()] if organization else []
    return next((dict(thing.tags) for thing in things if thing.arn == arn), {})


def _iam_tags(asked: Asked, arn: str) -> dict[str, str]:
    backend = iam_backends[arn.split(":")[4]][asked.partition]
    providers = backend.open_id_providers
    groups = (backend.roles, backend.managed_policies, backend.instance_profiles, backend.users, providers)
    for thing in (item for group in groups for item in group.values()):
        if thing.arn == arn:
            tags = thing.tags or []
            return {tag["Key"]: tag["Value"] for tag in (tags.values() if isinstance(tags, dict) else tags)}
    return {}
