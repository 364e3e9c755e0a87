# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody does by hand to a platform that stands as it is declared, and where a drift report has to tell of it.

Each change is one that a person makes in the console, in a hurry or without asking. They are made with boto3, on a
platform of the inventories ``organization`` and ``dev`` without API servers.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rehearsal import estate
from rehearsal.state import EmulatorState

ANYWHERE = "0.0.0.0/0"
_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@dataclass
class Hands:
    """Somebody with every permission in every account.

    :param known: ids of what stands, by ``stack/address``.
    """

    emulator: EmulatorState
    known: dict[str, str]

    @cached_property
    def accounts(self) -> dict[str, estate.Account]:
        return {account.name: account for account in estate.survey(self.emulator)}

    def __call__(self, service: str, account: str = "dev") -> Any:
        return self.accounts[account].client(service)

    def id(self, where: str) -> str:
        return self.known[where]

    def arn(self, service: str, resource: str, account: str = "dev", region: str = "eu-central-1") -> str:
        return f"arn:aws:{service}:{region}:{self.accounts[account].id}:{resource}"

    def available(self) -> None:
        """Wait until the database has taken the last modification."""
        self("rds").get_waiter("db_instance_available").wait(
            DBInstanceIdentifier="dev", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )

    def settled(self) -> None:
        """Wait until the cluster and its node group have taken the last update."""
        eks = self("eks")
        until = time.monotonic() + 60
        while time.monotonic() < until:
            group = eks.describe_nodegroup(clusterName="dev", nodegroupName="core")["nodegroup"]["status"]
            if (eks.describe_cluster(name="dev")["cluster"]["status"], group) == ("ACTIVE", "ACTIVE"):
                return
            time.sleep(0.1)
        raise AssertionError("the cluster doesn't settle")


@dataclass(frozen=True)
class ByHand:
    """A change and the finding that tells of it.

    :param where: ``stack/address`` of the finding; for what has no address of ours, a part of its id.
    :param category: ``changed``, ``missing`` or ``unowned``.
    :param shows: the property that differs, for what is changed.
    :param also: another finding of the same change, as somebody else sees it.
    """

    what: str
    do: Callable[[Hands], Any]
    where: str
    category: str = "changed"
    shows: str = ""
    also: str = ""

    @property
    def stack(self) -> str:
        return self.where.partition("/")[0]

    @property
    def address(self) -> str:
        return self.where.partition("/")[2]


def _ec2(operation: str, where: str, parameter: str, **parameters: Any) -> Callable[[Hands], Any]:
    def do(hands: Hands) -> Any:
        return getattr(hands("ec2"), operation)(**{parameter: hands.id(where)}, **parameters)

    return do


def _rds(**parameters: Any) -> Callable[[Hands], Any]:
    def do(hands: Hands) -> Any:
        hands.available()
        return hands("rds").modify_db_instance(DBInstanceIdentifier="dev", ApplyImmediately=True, **parameters)

    return do


def _eks(operation: str, **parameters: Any) -> Callable[[Hands], Any]:
    def do(hands: Hands) -> Any:
        hands.settled()
        return getattr(hands("eks"), operation)(**parameters)

    return do


def _untagged(where: str, *keys: str) -> Callable[[Hands], Any]:
    return lambda hands: hands("ec2").delete_tags(Resources=[hands.id(where)], Tags=[{"Key": key} for key in keys])


def _iam(operation: str, role: str, **parameters: Any) -> Callable[[Hands], Any]:
    return lambda hands: getattr(hands("iam"), operation)(RoleName=role, **parameters)


def _network_acl(where: str, number: int, *, delete: bool) -> Callable[[Hands], Any]:
    def do(hands: Hands) -> None:
        key = {"NetworkAclId": hands.id(where), "RuleNumber": number, "Egress": False}
        if delete:
            entries = hands("ec2").describe_network_acls(NetworkAclIds=[key["NetworkAclId"]])["NetworkAcls"][0][
                "Entries"
            ]
            key["RuleNumber"] = min(entry["RuleNumber"] for entry in entries if not entry["Egress"])
            hands("ec2").delete_network_acl_entry(**key)
        else:
            hands("ec2").create_network_acl_entry(**key, Protocol="-1", RuleAction="allow", CidrBlock=ANYWHERE)

    return do


def _other_acl(hands: Hands) -> None:
    ec2 = hands("ec2")
    acl = ec2.describe_network_acls(NetworkAclIds=[hands.id("vpc-dev/network_acl.private")])["NetworkAcls"][0]
    filters = [{"Name": "vpc-id", "Values": [acl["VpcId"]]}, {"Name": "default", "Values": ["true"]}]
    default = ec2.describe_network_acls(Filters=filters)["NetworkAcls"][0]
    ec2.replace_network_acl_association(
        AssociationId=acl["Associations"][0]["NetworkAclAssociationId"], NetworkAclId=default["NetworkAclId"]
    )


def _disassociated(hands: Hands) -> None:
    ec2 = hands("ec2")
    table = ec2.describe_route_tables(RouteTableIds=[hands.id("vpc-dev/route_table.private-c")])["RouteTables"][0]
    ec2.disassociate_route_table(AssociationId=table["Associations"][0]["RouteTableAssociationId"])


def _deleted_subnet(hands: Hands) -> None:
    ec2, subnet = hands("ec2"), hands.id("vpc-dev/subnet.public-c")
    tables = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["RouteTables"]
    for item in (item for table in tables for item in table["Associations"] if item.get("SubnetId") == subnet):
        ec2.disassociate_route_table(AssociationId=item["RouteTableAssociationId"])
    ec2.delete_subnet(SubnetId=subnet)


def _deleted_gateway(hands: Hands) -> None:
    ec2, gateway = hands("ec2"), hands.id("vpc-dev/nat_gateway.nat-a")
    ec2.delete_nat_gateway(NatGatewayId=gateway)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if ec2.describe_nat_gateways(NatGatewayIds=[gateway])["NatGateways"][0]["State"] == "deleted":
            return
        time.sleep(0.1)


def _deleted_policy(hands: Hands) -> None:
    iam, arn = hands("iam"), hands.id("resources-karpenter-dev/iam_policy.iam-integration")
    iam.detach_role_policy(RoleName="karpenter-dev-controller", PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)


def _key_policy(hands: Hands) -> None:
    root = f"arn:aws:iam::{hands.accounts['dev'].id}:root"
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:Decrypt", "Resource": "*"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    hands("kms").put_key_policy(KeyId=hands.id("postgres-dev/kms_key.main"), PolicyName="default", Policy=policy)


def _addon_version(hands: Hands) -> None:
    hands.settled()
    eks = hands("eks")
    now = eks.describe_addon(clusterName="dev", addonName="coredns")["addon"]["addonVersion"]
    offered = eks.describe_addon_versions(addonName="coredns", kubernetesVersion="1.35")["addons"][0]["addonVersions"]
    other = next(item["addonVersion"] for item in offered if item["addonVersion"] != now)
    eks.update_addon(clusterName="dev", addonName="coredns", addonVersion=other)


def _template(hands: Hands) -> None:
    ec2, template = hands("ec2"), hands.id("eks-dev/launch_template.core")
    version = ec2.create_launch_template_version(
        LaunchTemplateId=template,
        SourceVersion="$Default",
        LaunchTemplateData={"MetadataOptions": {"HttpTokens": "optional"}},
    )["LaunchTemplateVersion"]["VersionNumber"]
    ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion=str(version))


def _subnet_group(hands: Hands) -> None:
    subnets = [hands.id(f"vpc-dev/subnet.{name}") for name in ("isolated-a", "isolated-b", "private-a")]
    hands("rds").modify_db_subnet_group(DBSubnetGroupName="dev-isolated", SubnetIds=subnets)


def _parameter(name: str, value: str) -> Callable[[Hands], Any]:
    setting = {"ParameterName": name, "ParameterValue": value, "ApplyMethod": "immediate"}
    return lambda hands: hands("rds").modify_db_parameter_group(
        DBParameterGroupName="dev-postgres17", Parameters=[setting]
    )


def _queue_policy(hands: Hands) -> None:
    sqs = hands("sqs")
    url = sqs.get_queue_url(QueueName="dev")["QueueUrl"]
    arn = hands.arn("sqs", "dev")
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def _queue(**attributes: str) -> Callable[[Hands], Any]:
    def do(hands: Hands) -> None:
        sqs = hands("sqs")
        sqs.set_queue_attributes(QueueUrl=sqs.get_queue_url(QueueName="dev")["QueueUrl"], Attributes=attributes)

    return do


def _deleted_rule(hands: Hands) -> None:
    events, rule = hands("events"), "karpenter-dev-capacity-reservation"
    events.remove_targets(Rule=rule, Ids=["karpenter"])
    events.delete_rule(Name=rule)


def _rule_pattern(hands: Hands) -> None:
    pattern = json.dumps({"source": ["aws.health"], "detail-type": ["Nothing"]})
    description = hands("events").describe_rule(Name="karpenter-dev-scheduled-change")["Description"]
    hands("events").put_rule(Name="karpenter-dev-scheduled-change", EventPattern=pattern, Description=description)


def _org(operation: str, **parameters: str) -> Callable[[Hands], Any]:
    """Call Organizations; parameters that begin with ``=`` are addresses."""

    def do(hands: Hands) -> Any:
        given = {
            name: hands.id(f"organization/{value[1:]}") if value.startswith("=") else value
            for name, value in parameters.items()
        }
        return getattr(hands("organizations", "management"), operation)(**given)

    return do


def _retagged_account(hands: Hands) -> None:
    account = hands.id("organization/organization_account.dev")
    tags = [{"Key": "environment", "Value": "prod"}]
    hands("organizations", "management").tag_resource(ResourceId=account, Tags=tags)


def _moved_account(hands: Hands) -> None:
    hands("organizations", "management").move_account(
        AccountId=hands.id("organization/organization_account.shared-services"),
        SourceParentId=hands.id("organization/organizational_unit.Infrastructure"),
        DestinationParentId=hands.id("organization/organization_root.main"),
    )


def _tagged_queue(hands: Hands) -> None:
    tags = {"innovate:stack": "vpc-dev", "innovate:address": "sqs_queue.jobs"}
    hands("sqs").create_queue(QueueName="by-hand", tags=tags)


def _tagged_bucket(hands: Hands) -> None:
    s3 = hands("s3")
    s3.create_bucket(Bucket="by-hand-1", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_bucket_tagging(Bucket="by-hand-1", Tagging={"TagSet": [{"Key": "innovate:stack", "Value": "resources-old"}]})


def _tagged_group(hands: Hands) -> None:
    tags = [{"Key": "innovate:stack", "Value": "vpc-dev"}, {"Key": "innovate:address", "Value": "security_group.old"}]
    hands("ec2").create_security_group(
        GroupName="by-hand",
        Description="by hand",
        VpcId=hands.id("vpc-dev/vpc.main"),
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
    )


def _tagged_elsewhere(hands: Hands) -> None:
    hands("logs", "security").create_log_group(logGroupName="/by-hand", tags={"innovate:stack": "resources-audit"})


def _role_in_path(hands: Hands) -> None:
    trust = json.dumps(_trusting("ec2.amazonaws.com"))
    hands("iam").create_role(RoleName="by-hand", Path="/innovate/vpc-dev/", AssumeRolePolicyDocument=trust)


def _trusting(service: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _admin_entry(hands: Hands) -> None:
    eks, role = hands("eks"), hands.arn("iam", "role/somebody", region="")
    hands("iam").create_role(RoleName="somebody", AssumeRolePolicyDocument=json.dumps(_trusting("ec2.amazonaws.com")))
    eks.create_access_entry(clusterName="dev", principalArn=role)
    eks.associate_access_policy(
        clusterName="dev",
        principalArn=role,
        policyArn="arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
        accessScope={"type": "cluster"},
    )


def _entry_policy(hands: Hands) -> None:
    hands("eks").associate_access_policy(
        clusterName="dev",
        principalArn=hands.arn("iam", "role/OrganizationAccountAccessRole", region=""),
        policyArn="arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy",
        accessScope={"type": "cluster"},
    )


def _pod_identity(where: str, **parameters: Any) -> Callable[[Hands], Any]:
    operation = "update_pod_identity_association" if parameters else "delete_pod_identity_association"

    def do(hands: Hands) -> Any:
        given = {name: hands.arn("iam", value, region="") for name, value in parameters.items()}
        return getattr(hands("eks"), operation)(clusterName="dev", associationId=hands.id(where), **given)

    return do


def _oidc(hands: Hands) -> None:
    hands("iam").delete_open_id_connect_provider(OpenIDConnectProviderArn=hands.id("eks-dev/iam_oidc_provider.main"))


def _policy_version(hands: Hands) -> None:
    arn = hands.id("resources-karpenter-dev/iam_policy.interruption")
    hands("iam").create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(_ALL), SetAsDefault=True)


def _trust(hands: Hands) -> None:
    anybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [anybody]})
    hands("iam").update_assume_role_policy(RoleName="postgres-dev-monitoring", PolicyDocument=document)


def _scp(hands: Hands) -> None:
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "ec2:RunInstances", "Resource": "*"}]}
    hands("organizations", "management").update_policy(
        PolicyId=hands.id("organization/organization_policy.baseline"), Content=json.dumps(deny)
    )


_TCP = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": ANYWHERE}]}
_OUT = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": ANYWHERE}]}
_ENDPOINT = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}],
}


def _emptied_group(hands: Hands) -> None:
    ec2, group = hands("ec2"), hands.id("postgres-dev/security_group.main")
    rules = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rules)


def _database_group(hands: Hands) -> None:
    groups = [hands.id("postgres-dev/security_group.main"), hands.id("vpc-dev/default_security_group.main")]
    _rds(VpcSecurityGroupIds=groups)(hands)


def _gateway_route(hands: Hands) -> None:
    hands("ec2").replace_route(
        RouteTableId=hands.id("vpc-dev/route_table.private-a"),
        DestinationCidrBlock=ANYWHERE,
        GatewayId=hands.id("vpc-dev/internet_gateway.main"),
    )


def _added_route(hands: Hands) -> None:
    hands("ec2").create_route(
        RouteTableId=hands.id("vpc-dev/route_table.isolated"),
        DestinationCidrBlock="192.168.0.0/16",
        GatewayId=hands.id("vpc-dev/internet_gateway.main"),
    )


def _endpoint_tables(hands: Hands) -> None:
    hands("ec2").modify_vpc_endpoint(
        VpcEndpointId=hands.id("vpc-dev/vpc_endpoint.dynamodb"),
        RemoveRouteTableIds=[hands.id("vpc-dev/route_table.public")],
    )


def _log_key(hands: Hands) -> None:
    key = hands.arn("kms", f"key/{hands.id('postgres-dev/kms_key.main')}")
    kms = hands("kms")
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    principal = {"Service": "logs.eu-central-1.amazonaws.com"}
    policy["Statement"].append({"Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*"})
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))
    hands("logs").associate_kms_key(logGroupName="/aws/rds/instance/dev/postgresql", kmsKeyId=key)


def _moved_alias(hands: Hands) -> None:
    hands("kms").update_alias(AliasName="alias/eks-dev", TargetKeyId=hands.id("postgres-dev/kms_key.main"))


def _named_key(hands: Hands) -> None:
    hands("kms").create_alias(AliasName="alias/by-hand", TargetKeyId=hands.id("postgres-dev/kms_key.main"))


def _key(operation: str, where: str, **parameters: Any) -> Callable[[Hands], Any]:
    return lambda hands: getattr(hands("kms"), operation)(KeyId=hands.id(where), **parameters)


def _log(operation: str, name: str, **parameters: Any) -> Callable[[Hands], Any]:
    return lambda hands: getattr(hands("logs"), operation)(logGroupName=name, **parameters)


def _boundary(hands: Hands) -> None:
    hands("iam").put_role_permissions_boundary(
        RoleName="karpenter-dev-controller", PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess"
    )


def _foreign_association(hands: Hands) -> None:
    role = hands.arn("iam", "role/innovate/eks-dev/eks-dev-vpc-cni", region="")
    hands("eks").create_pod_identity_association(
        clusterName="dev", namespace="default", serviceAccount="by-hand", roleArn=role
    )


VPC, EKS, RDS, KARPENTER, ORG = "vpc-dev", "eks-dev", "postgres-dev", "resources-karpenter-dev", "organization"

CHANGES: list[ByHand] = [
    # Network
    ByHand(
        "a name is changed",
        lambda hands: hands("ec2").create_tags(
            Resources=[hands.id(f"{VPC}/subnet.private-b")], Tags=[{"Key": "Name", "Value": "mine"}]
        ),
        f"{VPC}/subnet.private-b",
        shows="tags",
    ),
    ByHand(
        "a tag is removed", _untagged(f"{VPC}/subnet.private-c", "project"), f"{VPC}/subnet.private-c", shows="tags"
    ),
    ByHand(
        "the tags of ownership are removed",
        _untagged(f"{VPC}/elastic_ip.nat-a", "innovate:stack", "innovate:address"),
        f"{VPC}/elastic_ip.nat-a",
        "missing",
    ),
    ByHand(
        "the default security group is opened",
        _ec2("authorize_security_group_ingress", f"{VPC}/default_security_group.main", "GroupId", IpPermissions=[_TCP]),
        f"{VPC}/default_security_group.main",
        shows="ingress",
    ),
    ByHand(
        "a database's security group lets everything out",
        _ec2("authorize_security_group_egress", f"{RDS}/security_group.main", "GroupId", IpPermissions=[_OUT]),
        f"{RDS}/security_group.main",
        shows="egress",
    ),
    ByHand("its rules for clients are taken away", _emptied_group, f"{RDS}/security_group.main", shows="ingress"),
    ByHand("a route leads to another target", _gateway_route, f"{VPC}/route_table.private-a", shows="routes"),
    ByHand("a route is added", _added_route, f"{VPC}/route_table.isolated", shows="routes"),
    ByHand(
        "a route is deleted",
        _ec2("delete_route", f"{VPC}/route_table.public", "RouteTableId", DestinationCidrBlock=ANYWHERE),
        f"{VPC}/route_table.public",
        shows="routes",
    ),
    ByHand("a subnet loses its route table", _disassociated, f"{VPC}/route_table.private-c", shows="subnet_ids"),
    ByHand(
        "a network ACL lets everything in",
        _network_acl(f"{VPC}/network_acl.isolated", 50, delete=False),
        f"{VPC}/network_acl.isolated",
        shows="entries",
    ),
    ByHand(
        "an entry of a network ACL is deleted",
        _network_acl(f"{VPC}/network_acl.public", 0, delete=True),
        f"{VPC}/network_acl.public",
        shows="entries",
    ),
    ByHand("a subnet gets another network ACL", _other_acl, f"{VPC}/network_acl.private", shows="subnet_ids"),
    ByHand(
        "instances of a subnet get public addresses",
        _ec2("modify_subnet_attribute", f"{VPC}/subnet.public-a", "SubnetId", MapPublicIpOnLaunch={"Value": True}),
        f"{VPC}/subnet.public-a",
        shows="map_public_ip_on_launch",
    ),
    ByHand("a subnet is deleted", _deleted_subnet, f"{VPC}/subnet.public-c", "missing"),
    ByHand(
        "a VPC's host names are switched off",
        _ec2("modify_vpc_attribute", f"{VPC}/vpc.main", "VpcId", EnableDnsHostnames={"Value": False}),
        f"{VPC}/vpc.main",
        shows="enable_dns_hostnames",
    ),
    ByHand(
        "an endpoint's policy is written",
        _ec2("modify_vpc_endpoint", f"{VPC}/vpc_endpoint.s3", "VpcEndpointId", PolicyDocument=json.dumps(_ENDPOINT)),
        f"{VPC}/vpc_endpoint.s3",
        shows="policy_document",
    ),
    ByHand(
        "an endpoint leaves a route table", _endpoint_tables, f"{VPC}/vpc_endpoint.dynamodb", shows="route_table_ids"
    ),
    ByHand("a NAT gateway is deleted", _deleted_gateway, f"{VPC}/nat_gateway.nat-a", "missing"),
    ByHand(
        "flow logs are deleted",
        lambda hands: hands("ec2").delete_flow_logs(FlowLogIds=[hands.id(f"{VPC}/flow_log.main")]),
        f"{VPC}/flow_log.main",
        "missing",
    ),
    # Logs
    ByHand(
        "logs are kept for a day",
        _log("put_retention_policy", "/aws/vpc/dev/flow-logs", retentionInDays=1),
        f"{VPC}/log_group.flow-logs",
        shows="retention_in_days",
    ),
    ByHand(
        "logs are kept for ever",
        _log("delete_retention_policy", "/aws/eks/dev/cluster"),
        f"{EKS}/log_group.control-plane",
        shows="retention_in_days",
    ),
    ByHand(
        "logs are deleted",
        _log("delete_log_group", "/aws/rds/instance/dev/upgrade"),
        f"{RDS}/log_group.upgrade",
        "missing",
    ),
    # IAM
    ByHand(
        "an inline policy is changed",
        _iam("put_role_policy", "vpc-dev-flow-logs", PolicyName="write", PolicyDocument=json.dumps(_ALL)),
        f"{VPC}/iam_role.flow-logs",
        shows="policies",
    ),
    ByHand(
        "an inline policy is added",
        _iam("put_role_policy", "eks-dev-vpc-cni", PolicyName="more", PolicyDocument=json.dumps(_ALL)),
        f"{EKS}/iam_role.vpc-cni",
        shows="policies",
    ),
    ByHand(
        "an inline policy is deleted",
        _iam("delete_role_policy", "eks-dev-cluster", PolicyName="log-group"),
        f"{EKS}/iam_role.cluster",
        shows="policies",
    ),
    ByHand("anybody may assume a role", _trust, f"{RDS}/iam_role.monitoring", shows="assume_role_policy_document"),
    ByHand(
        "a role becomes administrator",
        _iam("attach_role_policy", "eks-dev-node", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"),
        f"{EKS}/iam_role.node",
        shows="managed_policy_arns",
    ),
    ByHand(
        "a role loses a policy",
        _iam(
            "detach_role_policy",
            "eks-dev-aws-ebs-csi-driver",
            PolicyArn="arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy",
        ),
        f"{EKS}/iam_role.aws-ebs-csi-driver",
        shows="managed_policy_arns",
    ),
    ByHand(
        "a role's sessions last longer",
        _iam("update_role", "karpenter-dev-controller", MaxSessionDuration=43200),
        f"{KARPENTER}/iam_role.controller",
        shows="max_session_duration",
    ),
    ByHand("a role gets a boundary", _boundary, f"{KARPENTER}/iam_role.controller", shows="permissions_boundary"),
    ByHand(
        "a role loses its owner's tags",
        _iam("untag_role", "karpenter-dev-node", TagKeys=["innovate:stack", "innovate:address"]),
        f"{KARPENTER}/iam_role.node",
        "missing",
    ),
    ByHand(
        "a policy gets another version",
        _policy_version,
        f"{KARPENTER}/iam_policy.interruption",
        shows="policy_document",
    ),
    ByHand("a policy is deleted", _deleted_policy, f"{KARPENTER}/iam_policy.iam-integration", "missing"),
    ByHand("an identity provider is deleted", _oidc, f"{EKS}/iam_oidc_provider.main", "missing"),
    ByHand("a role is made under a stack's path", _role_in_path, f"{VPC}/role/innovate/vpc-dev/by-hand", "unowned"),
    # KMS
    ByHand(
        "keys aren't rotated any more",
        _key("disable_key_rotation", f"{EKS}/kms_key.secrets"),
        f"{EKS}/kms_key.secrets",
        shows="enable_key_rotation",
    ),
    ByHand(
        "a key is disabled", _key("disable_key", f"{EKS}/kms_key.secrets"), f"{EKS}/kms_key.secrets", shows="enabled"
    ),
    ByHand(
        "a key is rotated less often",
        _key("enable_key_rotation", f"{RDS}/kms_key.main", RotationPeriodInDays=2560),
        f"{RDS}/kms_key.main",
        shows="rotation_period_in_days",
    ),
    ByHand("anybody may decrypt with a key", _key_policy, f"{RDS}/kms_key.main", shows="policy"),
    ByHand(
        "an alias leads to another key",
        _moved_alias,
        f"{EKS}/kms_alias.secrets",
        shows="target_key_id",
        also=f"{RDS}/kms_alias.eks-dev",
    ),
    ByHand("a key gets another name", _named_key, f"{RDS}/kms_alias.by-hand", "unowned"),
    ByHand("a key is put on logs", _log_key, f"{RDS}/log_group.postgresql", shows="kms_key_id"),
    # EKS
    ByHand(
        "the control plane's logs are switched off",
        _eks(
            "update_cluster_config",
            name="dev",
            logging={"clusterLogging": [{"types": ["api", "audit", "authenticator"], "enabled": False}]},
        ),
        f"{EKS}/eks_cluster.main",
        shows="logging",
    ),
    ByHand(
        "the API server is opened to everybody",
        _eks(
            "update_cluster_config",
            name="dev",
            resourcesVpcConfig={"endpointPublicAccess": True, "publicAccessCidrs": [ANYWHERE]},
        ),
        f"{EKS}/eks_cluster.main",
        shows="resources_vpc_config",
    ),
    ByHand(
        "the cluster gets expensive support",
        _eks("update_cluster_config", name="dev", upgradePolicy={"supportType": "EXTENDED"}),
        f"{EKS}/eks_cluster.main",
        shows="upgrade_policy",
    ),
    ByHand(
        "the cluster's protection is switched",
        _eks("update_cluster_config", name="dev", deletionProtection=True),
        f"{EKS}/eks_cluster.main",
        shows="deletion_protection",
    ),
    ByHand(
        "a node group may grow further",
        _eks(
            "update_nodegroup_config",
            clusterName="dev",
            nodegroupName="core",
            scalingConfig={"minSize": 1, "maxSize": 40, "desiredSize": 2},
        ),
        f"{EKS}/eks_nodegroup.core",
        shows="scaling_config",
    ),
    ByHand(
        "a node group gets a label",
        _eks(
            "update_nodegroup_config", clusterName="dev", nodegroupName="core", labels={"addOrUpdateLabels": {"a": "b"}}
        ),
        f"{EKS}/eks_nodegroup.core",
        shows="labels",
    ),
    ByHand(
        "nodes start without IMDSv2",
        _template,
        f"{EKS}/launch_template.core",
        shows="launch_template_data",
    ),
    ByHand(
        "an add-on is deleted",
        _eks("delete_addon", clusterName="dev", addonName="kube-proxy"),
        f"{EKS}/eks_addon.kube-proxy",
        "missing",
    ),
    ByHand("an add-on is put to another version", _addon_version, f"{EKS}/eks_addon.coredns", shows="addon_version"),
    ByHand(
        "an add-on is configured",
        _eks("update_addon", clusterName="dev", addonName="vpc-cni", configurationValues='{"env": {"A": "b"}}'),
        f"{EKS}/eks_addon.vpc-cni",
        shows="configuration_values",
    ),
    ByHand(
        "an add-on is installed",
        _eks("create_addon", clusterName="dev", addonName="metrics-server"),
        f"{EKS}/addon/dev/metrics-server",
        "unowned",
    ),
    ByHand("somebody becomes administrator of the cluster", _admin_entry, f"{EKS}/somebody", "unowned"),
    ByHand(
        "an access entry gets another policy",
        _entry_policy,
        f"{EKS}/eks_access_entry.role-OrganizationAccountAccessRole",
        shows="access_policies",
    ),
    ByHand(
        "an access entry is deleted",
        lambda hands: hands("eks").delete_access_entry(
            clusterName="dev",
            principalArn=hands.arn("iam", "role/innovate/resources-karpenter-dev/karpenter-dev-node", region=""),
        ),
        f"{KARPENTER}/eks_access_entry.nodes",
        "missing",
    ),
    ByHand(
        "pods get another role",
        _pod_identity(
            f"{EKS}/eks_pod_identity_association.kube-system-aws-node",
            roleArn="role/innovate/eks-dev/eks-dev-aws-ebs-csi-driver",
        ),
        f"{EKS}/eks_pod_identity_association.kube-system-aws-node",
        shows="role_arn",
    ),
    ByHand(
        "pods lose their role",
        _pod_identity(f"{KARPENTER}/eks_pod_identity_association.controller"),
        f"{KARPENTER}/eks_pod_identity_association.controller",
        "missing",
    ),
    ByHand("pods get a role by hand", _foreign_association, f"{EKS}/podidentityassociation/dev/", "unowned"),
    # RDS
    ByHand(
        "backups are kept for a day",
        _rds(BackupRetentionPeriod=1),
        f"{RDS}/db_instance.main",
        shows="backup_retention_period",
    ),
    ByHand(
        "a database's protection is switched off",
        _rds(DeletionProtection=False),
        f"{RDS}/db_instance.main",
        shows="deletion_protection",
    ),
    ByHand(
        "a database grows", _rds(DBInstanceClass="db.m6g.xlarge"), f"{RDS}/db_instance.main", shows="db_instance_class"
    ),
    ByHand(
        "a database gets a public address",
        _rds(PubliclyAccessible=True),
        f"{RDS}/db_instance.main",
        shows="publicly_accessible",
    ),
    ByHand(
        "a database gets a security group", _database_group, f"{RDS}/db_instance.main", shows="vpc_security_group_ids"
    ),
    ByHand(
        "IAM tokens open a database",
        _rds(EnableIAMDatabaseAuthentication=True),
        f"{RDS}/db_instance.main",
        shows="enable_iam_database_authentication",
    ),
    ByHand(
        "a parameter is changed",
        _parameter("log_statement", "none"),
        f"{RDS}/db_parameter_group.postgres17",
        shows="parameters",
    ),
    ByHand(
        "a parameter is set that nobody declared",
        _parameter("log_lock_waits", "1"),
        f"{RDS}/db_parameter_group.postgres17",
        shows="parameters",
    ),
    ByHand("a database's subnets are changed", _subnet_group, f"{RDS}/db_subnet_group.main", shows="subnet_ids"),
    # SQS, EventBridge
    ByHand("anybody may use a queue", _queue_policy, f"{KARPENTER}/sqs_queue.interruptions", shows="policy"),
    ByHand(
        "messages are kept longer",
        _queue(MessageRetentionPeriod="86400"),
        f"{KARPENTER}/sqs_queue.interruptions",
        shows="message_retention_period",
    ),
    ByHand(
        "messages come late", _queue(DelaySeconds="900"), f"{KARPENTER}/sqs_queue.interruptions", shows="delay_seconds"
    ),
    ByHand(
        "a rule is disabled",
        lambda hands: hands("events").disable_rule(Name="karpenter-dev-rebalance"),
        f"{KARPENTER}/event_rule.rebalance",
        shows="state",
    ),
    ByHand(
        "a rule loses its target",
        lambda hands: hands("events").remove_targets(Rule="karpenter-dev-spot-interruption", Ids=["karpenter"]),
        f"{KARPENTER}/event_rule.spot-interruption",
        shows="targets",
    ),
    ByHand(
        "a rule gets a target",
        lambda hands: hands("events").put_targets(
            Rule="karpenter-dev-instance-state", Targets=[{"Id": "mine", "Arn": hands.arn("sqs", "mine")}]
        ),
        f"{KARPENTER}/event_rule.instance-state",
        shows="targets",
    ),
    ByHand(
        "a rule's pattern is changed", _rule_pattern, f"{KARPENTER}/event_rule.scheduled-change", shows="event_pattern"
    ),
    ByHand("a rule is deleted", _deleted_rule, f"{KARPENTER}/event_rule.capacity-reservation", "missing"),
    # Organization
    ByHand("a service control policy is changed", _scp, f"{ORG}/organization_policy.baseline", shows="content"),
    ByHand(
        "a service control policy is detached",
        _org("detach_policy", PolicyId="=organization_policy.baseline", TargetId="=organizational_unit.Security"),
        f"{ORG}/organization_policy_attachment.baseline@Security",
        "missing",
    ),
    ByHand(
        "a service control policy is attached elsewhere",
        _org("attach_policy", PolicyId="=organization_policy.baseline", TargetId="=organization_account.prod"),
        f"{ORG}/organization_policy_attachment.baseline@prod",
        "unowned",
    ),
    ByHand(
        "a unit is renamed",
        _org("update_organizational_unit", OrganizationalUnitId="=organizational_unit.Suspended", Name="Attic"),
        f"{ORG}/organizational_unit.Suspended",
        shows="name",
    ),
    ByHand("an account is moved", _moved_account, f"{ORG}/organization_account.shared-services", shows="parent_id"),
    ByHand("an account is tagged otherwise", _retagged_account, f"{ORG}/organization_account.dev", shows="tags"),
    ByHand(
        "a policy type is disabled",
        _org("disable_policy_type", RootId="=organization_root.main", PolicyType="BACKUP_POLICY"),
        f"{ORG}/organization_root.main",
        shows="policy_types",
    ),
    ByHand(
        "a service gets access to all accounts",
        _org("enable_aws_service_access", ServicePrincipal="ssm.amazonaws.com"),
        f"{ORG}/organization.main",
        shows="service_access_principals",
    ),
    # What carries our tags
    ByHand("a queue carries a stack's tags", _tagged_queue, f"{VPC}/by-hand", "unowned"),
    ByHand("a bucket carries the tags of a stack that isn't", _tagged_bucket, "resources-old/by-hand-1", "unowned"),
    ByHand("a security group carries a stack's tags", _tagged_group, f"{VPC}/security_group.old", "unowned"),
    ByHand("something in another account carries tags", _tagged_elsewhere, "resources-audit//by-hand", "unowned"),
]


@dataclass(frozen=True)
class Figures:
    """How a report stands to what was done.

    :param found: what was done and told of; ``lost``, what wasn't.
    :param false: findings that nobody's change explains.
    """

    found: list[ByHand]
    lost: list[ByHand]
    false: list[str]

    def __str__(self) -> str:
        done = len(self.found) + len(self.lost)
        told = len(self.found) / done if done else 1.0
        words = f"{done} changes by hand, {len(self.found)} found (recall {told:.1%}), {len(self.false)} false alarms"
        lines = [f"  lost: {change.what} ({change.where} {change.shows})" for change in self.lost]
        return "\n".join([words, *lines, *(f"  false: {item}" for item in self.false)])


def judge(document: dict[str, Any], changes: list[ByHand]) -> Figures:
    """Compare a report with what was done: a finding tells of a change by its address, category and property."""
    items = [
        (stack["stack"], item)
        for account in document["accounts"]
        for stack in account["stacks"]
        for item in stack["items"]
        if item["category"] != "follows"
    ]
    explained: set[int] = set()
    found: list[ByHand] = []
    lost: list[ByHand] = []
    for change in changes:
        told = [
            index
            for index, (stack, item) in enumerate(items)
            if stack == change.stack
            and item["category"] == change.category
            and (item["address"] == change.address or (change.category == "unowned" and change.address in _names(item)))
            and (not change.shows or change.shows in {value["name"] for value in item["values"]})
        ]
        explained.update(told)
        explained.update(
            index for index, (stack, item) in enumerate(items) if change.also == f"{stack}/{item['address']}"
        )
        (found if told else lost).append(change)
    false = [
        f"{stack} {item['category']} {item['address'] or item['id']}"
        for index, (stack, item) in enumerate(items)
        if index not in explained
    ]
    return Figures(found, lost, false)


def _names(item: dict[str, Any]) -> str:
    return " ".join(item[name] or "" for name in ("address", "id", "arn"))
