# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.emulator.conftest import REGION, Aws, eventually, refused

ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


def role(aws: Aws, name: str, *services: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": list(services)}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return str(aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"])


@dataclass
class World:
    aws: Aws
    eks: Any
    vpc: str
    subnets: list[str]
    cluster_role: str
    node_role: str
    pod_role: str
    fargate_role: str
    key: str

    def cluster(self, name: str, **more: Any) -> Any:
        config = {"subnetIds": self.subnets, **more.pop("vpc_config", {})}
        more.setdefault("accessConfig", {"authenticationMode": "API"})
        made = self.eks.create_cluster(name=name, roleArn=self.cluster_role, resourcesVpcConfig=config, **more)
        return made["cluster"]


@pytest.fixture(scope="module")
def world(aws: Aws) -> World:
    ec2 = aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.10.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.10.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
            "SubnetId"
        ]
        for n, zone in enumerate("abc")
    ]
    return World(
        aws,
        aws("eks"),
        vpc,
        subnets,
        role(aws, "cluster", "eks.amazonaws.com"),
        role(aws, "node", "ec2.amazonaws.com"),
        role(aws, "pod", "pods.eks.amazonaws.com"),
        role(aws, "fargate", "eks-fargate-pods.amazonaws.com"),
        aws("kms").create_key()["KeyMetadata"]["Arn"],
    )


@pytest.fixture
def cluster(world: World, name: str) -> Iterator[str]:
    world.aws.pace(0)
    world.cluster(name)
    yield name
    world.aws.pace(0)


def node_group(world: World, cluster: str, name: str = "core", **more: Any) -> Any:
    return world.eks.create_nodegroup(
        clusterName=cluster, nodegroupName=name, nodeRole=world.node_role, subnets=world.subnets, **more
    )["nodegroup"]


def test_a_cluster_is_creating_before_it_has_an_endpoint(world: World, name: str) -> None:
    world.aws.pace(0.1)
    try:
        made = world.cluster(name, logging={"clusterLogging": [{"types": ["api"], "enabled": True}]})
        assert made["status"] == "CREATING"
        assert "endpoint" not in made
        world.eks.get_waiter("cluster_active").wait(name=name, WaiterConfig={"Delay": 0, "MaxAttempts": 20000})
    finally:
        world.aws.pace(0)
    shown = world.eks.describe_cluster(name=name)["cluster"]
    assert shown["endpoint"].startswith("https://")
    assert shown["certificateAuthority"]["data"]
    assert shown["identity"]["oidc"]["issuer"].startswith(f"https://oidc.eks.{REGION}.amazonaws.com/id/")
    assert shown["accessConfig"] == {"bootstrapClusterCreatorAdminPermissions": True, "authenticationMode": "API"}
    assert shown["deletionProtection"] is False
    assert {tuple(p["types"]): p["enabled"] for p in shown["logging"]["clusterLogging"]}[("api",)] is True


def test_the_cluster_security_group_exists_and_goes_with_the_cluster(world: World, cluster: str) -> None:
    ec2 = world.aws("ec2")
    group = world.eks.describe_cluster(name=cluster)["cluster"]["resourcesVpcConfig"]["clusterSecurityGroupId"]
    shown = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    assert {"Key": "aws:eks:cluster-name", "Value": cluster} in shown["Tags"]
    assert shown["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"] == group
    world.eks.delete_cluster(name=cluster)
    assert refused(world.eks.describe_cluster, name=cluster) == "ResourceNotFoundException"
    assert refused(ec2.describe_security_groups, GroupIds=[group]) == "InvalidGroup.NotFound"


def test_the_cluster_security_group_stays_while_another_groups_rule_names_it(world: World, cluster: str) -> None:
    ec2 = world.aws("ec2")
    network = world.eks.describe_cluster(name=cluster)["cluster"]["resourcesVpcConfig"]
    group = network["clusterSecurityGroupId"]
    other = ec2.create_security_group(GroupName="database", Description="d", VpcId=network["vpcId"])["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": group}]}
    ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[rule])
    world.eks.delete_cluster(name=cluster)
    assert refused(world.eks.describe_cluster, name=cluster) == "ResourceNotFoundException"
    ec2.revoke_security_group_ingress(GroupId=other, IpPermissions=[rule])
    ec2.delete_security_group(GroupId=group)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"version": "1.20"}, "InvalidParameterException"),
        ({"roleArn": "arn:aws:iam::123456789012:role/none"}, "InvalidParameterException"),
        ({"roleArn": "arn:aws:iam::123456789012:role/node"}, "InvalidParameterException"),
        ({"resourcesVpcConfig": {"subnetIds": ["subnet-0123456789abcdef0"]}}, "InvalidParameterException"),
        ({"resourcesVpcConfig": {"subnetIds": []}}, "InvalidParameterException"),
        (
            {"encryptionConfig": [{"resources": ["secrets"], "provider": {"keyArn": "arn:aws:kms:x:1:key/none"}}]},
            "InvalidParameterException",
        ),
    ],
)
def test_a_cluster_needs_what_it_names(world: World, change: dict[str, Any], code: str) -> None:
    parameters = {
        "name": "never",
        "roleArn": world.cluster_role,
        "resourcesVpcConfig": {"subnetIds": world.subnets},
        **change,
    }
    assert refused(world.eks.create_cluster, **parameters) == code


def test_subnets_of_one_zone_do_not_make_a_cluster(world: World) -> None:
    config = {"subnetIds": world.subnets[:1]}
    code = refused(world.eks.create_cluster, name="never", roleArn=world.cluster_role, resourcesVpcConfig=config)
    assert code == "InvalidParameterException"


def test_the_same_token_makes_one_cluster(world: World, name: str) -> None:
    first = world.cluster(name, clientRequestToken=f"token-{name}")
    second = world.cluster(name, clientRequestToken=f"token-{name}")
    assert first["arn"] == second["arn"]
    assert refused(lambda: world.cluster(name, clientRequestToken="another")) == "ResourceInUseException"


@pytest.mark.parametrize(
    ("change", "kind", "look"),
    [
        (
            {"logging": {"clusterLogging": [{"types": ["audit"], "enabled": True}]}},
            "LoggingUpdate",
            lambda c: c["logging"]["clusterLogging"][0] == {"types": ["audit"], "enabled": True},
        ),
        (
            {"resourcesVpcConfig": {"endpointPrivateAccess": True, "endpointPublicAccess": False}},
            "EndpointAccessUpdate",
            lambda c: c["resourcesVpcConfig"]["endpointPrivateAccess"] is True,
        ),
        ({"deletionProtection": True}, "DeletionProtectionUpdate", lambda c: c["deletionProtection"] is True),
        (
            {"upgradePolicy": {"supportType": "STANDARD"}},
            "UpgradePolicyUpdate",
            lambda c: c["upgradePolicy"] == {"supportType": "STANDARD"},
        ),
        (
            {"zonalShiftConfig": {"enabled": True}},
            "ZonalShiftConfigUpdate",
            lambda c: c["zonalShiftConfig"] == {"enabled": True},
        ),
    ],
)
def test_each_kind_of_change_is_an_update_that_can_be_followed(
    world: World, cluster: str, change: dict[str, Any], kind: str, look: Any
) -> None:
    world.aws.pace(0.2)
    update = world.eks.update_cluster_config(name=cluster, **change)["update"]
    assert (update["type"], update["status"]) == (kind, "InProgress")
    assert world.eks.describe_cluster(name=cluster)["cluster"]["status"] == "UPDATING"
    busy = refused(
        world.eks.update_cluster_config,
        name=cluster,
        logging={"clusterLogging": [{"types": ["scheduler"], "enabled": True}]},
    )
    assert busy == "ResourceInUseException"
    assert eventually(
        lambda: world.eks.describe_update(name=cluster, updateId=update["id"])["update"]["status"] == "Successful"
    )
    assert look(world.eks.describe_cluster(name=cluster)["cluster"])
    assert refused(world.eks.update_cluster_config, name=cluster, **change) == "InvalidParameterException"
    assert world.eks.list_updates(name=cluster)["updateIds"] == [update["id"]]


def test_two_kinds_of_change_at_once_are_refused(world: World, cluster: str) -> None:
    code = refused(
        world.eks.update_cluster_config,
        name=cluster,
        deletionProtection=True,
        logging={"clusterLogging": [{"types": ["api"], "enabled": True}]},
    )
    assert code == "InvalidParameterException"


def test_a_version_goes_up_by_one_minor_only(world: World, name: str) -> None:
    world.cluster(name, version="1.33")
    for version in ("1.33", "1.32", "1.35"):
        assert refused(world.eks.update_cluster_version, name=name, version=version) == "InvalidParameterException"
    world.eks.update_cluster_version(name=name, version="1.34")
    assert world.eks.describe_cluster(name=name)["cluster"]["version"] == "1.34"


def test_a_protected_cluster_is_not_deleted(world: World, name: str) -> None:
    world.cluster(name, deletionProtection=True)
    assert refused(world.eks.delete_cluster, name=name) == "InvalidRequestException"


def test_encryption_is_associated_once(world: World, cluster: str) -> None:
    config = [{"resources": ["secrets"], "provider": {"keyArn": world.key}}]
    world.eks.associate_encryption_config(clusterName=cluster, encryptionConfig=config)
    assert world.eks.describe_cluster(name=cluster)["cluster"]["encryptionConfig"] == config
    code = refused(world.eks.associate_encryption_config, clusterName=cluster, encryptionConfig=config)
    assert code == "InvalidRequestException"


def test_the_versions_on_offer_have_support_dates(world: World) -> None:
    shown = world.eks.describe_cluster_versions()["clusterVersions"]
    assert [v["clusterVersion"] for v in shown] == ["1.35", "1.34", "1.33", "1.32"]
    assert all(v["endOfStandardSupportDate"] < v["endOfExtendedSupportDate"] for v in shown)
    assert [v["clusterVersion"] for v in world.eks.describe_cluster_versions(defaultOnly=True)["clusterVersions"]] == [
        "1.35"
    ]


def test_a_node_group_comes_changes_and_goes(world: World, cluster: str) -> None:
    made = node_group(
        world,
        cluster,
        labels={"a": "1"},
        taints=[{"key": "core", "value": "true", "effect": "NO_SCHEDULE"}],
        scalingConfig={"minSize": 1, "maxSize": 3, "desiredSize": 2},
    )
    assert made["amiType"] == "AL2023_x86_64_STANDARD"
    assert made["resources"]["autoScalingGroups"][0]["name"].startswith("eks-core-")
    assert refused(world.eks.delete_cluster, name=cluster) == "ResourceInUseException"
    world.eks.update_nodegroup_config(
        clusterName=cluster,
        nodegroupName="core",
        labels={"addOrUpdateLabels": {"b": "2"}, "removeLabels": ["a"]},
        taints={"removeTaints": [{"key": "core", "value": "true", "effect": "NO_SCHEDULE"}]},
        scalingConfig={"maxSize": 5},
    )
    shown = world.eks.describe_nodegroup(clusterName=cluster, nodegroupName="core")["nodegroup"]
    assert shown["labels"] == {"b": "2"}
    assert shown.get("taints", []) == []
    assert shown["scalingConfig"] == {"minSize": 1, "maxSize": 5, "desiredSize": 2}
    world.eks.delete_nodegroup(clusterName=cluster, nodegroupName="core")
    assert world.eks.list_nodegroups(clusterName=cluster)["nodegroups"] == []


@pytest.mark.parametrize(
    "more",
    [
        {"instanceTypes": ["t4g.medium"]},
        {"instanceTypes": ["m6i.large"], "amiType": "AL2023_ARM_64_STANDARD"},
        {"instanceTypes": ["t9.nano"]},
        {"scalingConfig": {"minSize": 3, "maxSize": 5, "desiredSize": 1}},
        {"version": "1.36"},
        {"launchTemplate": {"name": "none"}},
    ],
)
def test_a_node_group_that_cannot_be_is_refused(world: World, cluster: str, more: dict[str, Any]) -> None:
    assert refused(lambda: node_group(world, cluster, **more)) == "InvalidParameterException"


def test_a_node_group_waits_for_an_active_cluster(world: World, name: str) -> None:
    world.aws.pace(60)
    world.cluster(name)
    assert refused(lambda: node_group(world, name)) == "InvalidRequestException"
    world.aws.pace(0)


def test_an_add_on_with_a_deployment_needs_nodes(world: World, cluster: str) -> None:
    world.eks.create_addon(clusterName=cluster, addonName="vpc-cni")
    world.eks.create_addon(clusterName=cluster, addonName="coredns")

    def status(addon: str) -> str:
        return str(world.eks.describe_addon(clusterName=cluster, addonName=addon)["addon"]["status"])

    assert (status("vpc-cni"), status("coredns")) == ("ACTIVE", "DEGRADED")
    node_group(world, cluster)
    assert status("coredns") == "ACTIVE"


def test_add_on_versions_fit_the_cluster_version(world: World, cluster: str) -> None:
    wanted = ["vpc-cni", "coredns", "kube-proxy", "aws-ebs-csi-driver", "eks-pod-identity-agent"]
    for addon in wanted:
        shown = world.eks.describe_addon_versions(addonName=addon, kubernetesVersion="1.35")["addons"][0]
        defaults = [
            v["addonVersion"] for v in shown["addonVersions"] if any(c["defaultVersion"] for c in v["compatibilities"])
        ]
        made = world.eks.create_addon(clusterName=cluster, addonName=addon, addonVersion=defaults[0])["addon"]
        assert made["addonVersion"] == defaults[0]
    code = refused(
        world.eks.update_addon, clusterName=cluster, addonName="kube-proxy", addonVersion="v1.32.9-eksbuild.2"
    )
    assert code == "InvalidParameterException"
    assert sorted(world.eks.list_addons(clusterName=cluster)["addons"]) == sorted(wanted)


def test_an_add_on_brings_its_pod_identity_association(world: World, cluster: str) -> None:
    account = [{"serviceAccount": "ebs-csi-controller-sa", "roleArn": world.pod_role}]
    world.eks.create_addon(clusterName=cluster, addonName="aws-ebs-csi-driver", podIdentityAssociations=account)
    listed = world.eks.list_pod_identity_associations(clusterName=cluster)["associations"]
    assert [(a["namespace"], a["serviceAccount"]) for a in listed] == [("kube-system", "ebs-csi-controller-sa")]
    world.eks.delete_addon(clusterName=cluster, addonName="aws-ebs-csi-driver")
    assert world.eks.list_pod_identity_associations(clusterName=cluster)["associations"] == []


def test_the_creator_and_the_nodes_have_access_entries(world: World, cluster: str) -> None:
    node_group(world, cluster)
    entries = world.eks.list_access_entries(clusterName=cluster)["accessEntries"]
    assert entries == sorted([world.node_role, "arn:aws:iam::123456789012:user/rehearsal"])
    shown = world.eks.describe_access_entry(clusterName=cluster, principalArn=world.node_role)["accessEntry"]
    assert (shown["type"], shown["username"]) == ("EC2_LINUX", "system:node:{{EC2PrivateDNSName}}")


def test_access_entries_carry_policies(world: World, cluster: str) -> None:
    who = {"clusterName": cluster, "principalArn": world.pod_role}
    made = world.eks.create_access_entry(**who, kubernetesGroups=["viewers"])["accessEntry"]
    assert made["username"] == "arn:aws:sts::123456789012:assumed-role/pod/{{SessionName}}"
    assert refused(world.eks.create_access_entry, **who) == "ResourceInUseException"
    world.eks.associate_access_policy(**who, policyArn=ADMIN, accessScope={"type": "cluster"})
    listed = world.eks.list_associated_access_policies(**who)["associatedAccessPolicies"]
    assert [p["policyArn"] for p in listed] == [ADMIN]
    world.eks.update_access_entry(**who, kubernetesGroups=[])
    world.eks.disassociate_access_policy(**who, policyArn=ADMIN)
    world.eks.delete_access_entry(**who)
    assert refused(world.eks.describe_access_entry, **who) == "ResourceNotFoundException"


@pytest.mark.parametrize(
    "more",
    [
        {"principalArn": "arn:aws:iam::123456789012:role/none"},
        {"kubernetesGroups": ["system:masters"]},
        {"type": "EC2_LINUX", "kubernetesGroups": ["a"]},
        {"type": "NONSENSE"},
    ],
)
def test_an_access_entry_that_cannot_be_is_refused(world: World, cluster: str, more: dict[str, Any]) -> None:
    parameters = {"clusterName": cluster, "principalArn": world.pod_role, **more}
    assert refused(world.eks.create_access_entry, **parameters) == "InvalidParameterException"


def test_access_entries_need_the_api_mode_and_there_is_no_way_back(world: World, name: str) -> None:
    world.cluster(name, accessConfig={"authenticationMode": "CONFIG_MAP"})
    assert refused(world.eks.list_access_entries, clusterName=name) == "InvalidRequestException"
    for mode in ("API_AND_CONFIG_MAP", "API"):
        world.eks.update_cluster_config(name=name, accessConfig={"authenticationMode": mode})
    code = refused(
        world.eks.update_cluster_config, name=name, accessConfig={"authenticationMode": "API_AND_CONFIG_MAP"}
    )
    assert code == "InvalidParameterException"


def test_pod_identity_needs_a_role_that_trusts_it(world: World, cluster: str) -> None:
    where = {"clusterName": cluster, "namespace": "app", "serviceAccount": "api"}
    bad = refused(world.eks.create_pod_identity_association, **where, roleArn=world.node_role)
    assert bad == "InvalidParameterException"
    made = world.eks.create_pod_identity_association(**where, roleArn=world.pod_role)["association"]
    twice = refused(world.eks.create_pod_identity_association, **where, roleArn=world.pod_role)
    assert twice == "ResourceInUseException"
    world.eks.delete_pod_identity_association(clusterName=cluster, associationId=made["associationId"])
    assert world.eks.list_pod_identity_associations(clusterName=cluster)["associations"] == []


def test_a_fargate_profile_has_tags_and_goes_before_the_cluster(world: World, cluster: str) -> None:
    made = world.eks.create_fargate_profile(
        clusterName=cluster,
        fargateProfileName="system",
        podExecutionRoleArn=world.fargate_role,
        subnets=world.subnets,
        selectors=[{"namespace": "kube-system"}],
        tags={"a": "b"},
    )["fargateProfile"]
    assert world.eks.list_tags_for_resource(resourceArn=made["fargateProfileArn"])["tags"] == {"a": "b"}
    assert refused(world.eks.delete_cluster, name=cluster) == "ResourceInUseException"
    world.eks.delete_fargate_profile(clusterName=cluster, fargateProfileName="system")
    world.eks.delete_cluster(name=cluster)


def test_everything_in_a_cluster_can_be_tagged(world: World, cluster: str) -> None:
    group = node_group(world, cluster)
    addon = world.eks.create_addon(clusterName=cluster, addonName="vpc-cni")["addon"]
    entry = world.eks.create_access_entry(clusterName=cluster, principalArn=world.pod_role)["accessEntry"]
    pod = world.eks.create_pod_identity_association(
        clusterName=cluster, namespace="a", serviceAccount="b", roleArn=world.pod_role
    )["association"]
    shown = world.eks.describe_cluster(name=cluster)["cluster"]
    for arn in (shown["arn"], group["nodegroupArn"], addon["addonArn"], entry["accessEntryArn"], pod["associationArn"]):
        world.eks.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
        world.eks.untag_resource(resourceArn=arn, tagKeys=["a"])
        assert world.eks.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}


def test_insights_speak_of_the_next_version(world: World, name: str) -> None:
    world.cluster(name, version="1.34")
    assert {i["kubernetesVersion"] for i in world.eks.list_insights(clusterName=name)["insights"]} == {"1.35"}


def test_answers_fit_the_model(world: World) -> None:
    odd = world.aws.state.admin("responses")
    assert {text: count for text, count in odd.items() if text.startswith("eks ")} == {}
