# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances that join a cluster by their user data, and those that don't get in."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kubernetes.conftest import Aws, Cluster, eventually, needs_binaries

pytestmark = needs_binaries

_numbers = itertools.count(1)
PARAMETER = "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/{}/standard/recommended/image_id"


def config(cluster: Cluster, **changed: str) -> str:
    """User data of AL2023 that lead to a cluster."""
    described = cluster.eks.describe_cluster(name=cluster.name)["cluster"]
    details = {
        "name": cluster.name,
        "apiServerEndpoint": described["endpoint"],
        "certificateAuthority": described["certificateAuthority"]["data"],
        "cidr": described["kubernetesNetworkConfig"]["serviceIpv4Cidr"],
        **changed,
    }
    taint = {"key": "karpenter.sh/unregistered", "effect": "NoExecute"}
    kubelet = {"flags": ['--node-labels="team=a"'], "config": {"registerWithTaints": [taint], "maxPods": 17}}
    spec = {"cluster": details, "kubelet": kubelet}
    text = json.dumps({"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": spec})
    head = 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="//"\n\n'
    return f"{head}--//\nContent-Type: application/node.eks.aws\n\n{text}\n--//--\n"


@pytest.fixture
def profile(aws: Aws, cluster: Cluster) -> Iterator[str]:
    """An instance profile whose role may join."""
    name = f"joining-{next(_numbers)}"
    arn = aws.role(name, {"Service": "ec2.amazonaws.com"})
    aws("iam").create_instance_profile(InstanceProfileName=name)
    aws("iam").add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    cluster.eks.create_access_entry(clusterName=cluster.name, principalArn=arn, type="EC2_LINUX")
    yield name
    cluster.eks.delete_access_entry(clusterName=cluster.name, principalArn=arn)


def launch(aws: Aws, cluster: Cluster, profile: str, arch: str = "arm64", **more: Any) -> str:
    groups = [
        cluster.eks.describe_cluster(name=cluster.name)["cluster"]["resourcesVpcConfig"]["clusterSecurityGroupId"]
    ]
    asked = {
        "ImageId": aws("ssm").get_parameter(Name=PARAMETER.format(arch))["Parameter"]["Value"],
        "InstanceType": "m7g.large" if arch == "arm64" else "m6i.large",
        "SubnetId": aws.subnets[0],
        "SecurityGroupIds": groups,
        "UserData": config(cluster),
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 40}}],
        **({"IamInstanceProfile": {"Name": profile}} if profile else {}),
        **more,
    }
    return str(aws("ec2").run_instances(MinCount=1, MaxCount=1, **asked)["Instances"][0]["InstanceId"])


def node(cluster: Cluster, instance: str) -> dict[str, Any] | None:
    found = [n for n in cluster.nodes().values() if n["spec"].get("providerID", "").endswith(f"/{instance}")]
    return found[0] if found else None


def kept_out(aws: Aws, cluster: Cluster, instance: str) -> str:
    clusters = aws.state.admin("clusters")["clusters"]
    (found,) = [told for arn, told in clusters.items() if arn.endswith(f"/{cluster.name}")]
    return str(found["kept_out"].get(instance, ""))


@pytest.mark.parametrize(("arch", "name"), [("arm64", "arm64"), ("x86_64", "amd64")])
def test_an_instance_becomes_the_node_that_its_user_data_describe(
    aws: Aws, cluster: Cluster, profile: str, arch: str, name: str
) -> None:
    instance = launch(aws, cluster, profile, arch)
    made = eventually(lambda: node(cluster, instance), 20)
    assert made is not None
    described = aws("ec2").describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    labels = made["metadata"]["labels"]
    assert made["metadata"]["name"] == described["PrivateDnsName"]
    zone = described["Placement"]["AvailabilityZone"]
    assert made["spec"]["providerID"] == f"aws:///{zone}/{instance}"
    assert (labels["team"], labels["kubernetes.io/arch"], labels["topology.kubernetes.io/zone"]) == ("a", name, zone)
    assert labels["topology.k8s.aws/zone-id"] == described["Placement"]["AvailabilityZoneId"]
    assert labels["node.kubernetes.io/instance-type"] == described["InstanceType"]
    assert {"key": "karpenter.sh/unregistered", "effect": "NoExecute"} in made["spec"]["taints"]
    assert made["status"]["capacity"]["pods"] == "17"
    assert made["status"]["capacity"]["ephemeral-storage"] == "40Gi"
    assert made["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.35.0-eks-")
    aws("ec2").terminate_instances(InstanceIds=[instance])
    assert eventually(lambda: node(cluster, instance) is None, 20)


def test_a_node_that_is_deleted_does_not_come_back(aws: Aws, cluster: Cluster, profile: str) -> None:
    instance = launch(aws, cluster, profile)
    made = eventually(lambda: node(cluster, instance), 20)
    assert made is not None
    cluster.plane.api.delete(f"/api/v1/nodes/{made['metadata']['name']}")
    other = launch(aws, cluster, profile)
    assert eventually(lambda: node(cluster, other), 20)
    assert node(cluster, instance) is None
    aws("ec2").terminate_instances(InstanceIds=[instance, other])
    assert eventually(lambda: node(cluster, other) is None, 20)


def test_a_stopped_instance_is_told_from_one_that_is_gone(aws: Aws, cluster: Cluster, profile: str) -> None:
    instance = launch(aws, cluster, profile)
    assert eventually(lambda: node(cluster, instance), 20)

    def shut() -> bool:
        made = node(cluster, instance)
        return made is not None and "node.cloudprovider.kubernetes.io/shutdown" in {
            taint["key"] for taint in made["spec"].get("taints") or []
        }

    aws("ec2").stop_instances(InstanceIds=[instance])
    assert eventually(shut, 20)
    aws("ec2").start_instances(InstanceIds=[instance])
    assert eventually(lambda: not shut(), 20)
    aws("ec2").terminate_instances(InstanceIds=[instance])
    assert eventually(lambda: node(cluster, instance) is None, 20)


def test_who_has_no_access_entry_gets_in_as_soon_as_there_is_one(aws: Aws, cluster: Cluster) -> None:
    name = f"joining-{next(_numbers)}"
    arn = aws.role(name, {"Service": "ec2.amazonaws.com"})
    aws("iam").create_instance_profile(InstanceProfileName=name)
    aws("iam").add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    instance = launch(aws, cluster, name)
    assert eventually(lambda: kept_out(aws, cluster, instance), 20) == f"401 Unauthorized: no access entry for {arn}"
    cluster.eks.create_access_entry(clusterName=cluster.name, principalArn=arn)
    assert eventually(lambda: "is of type STANDARD" in kept_out(aws, cluster, instance), 20)
    assert node(cluster, instance) is None
    cluster.eks.delete_access_entry(clusterName=cluster.name, principalArn=arn)
    cluster.eks.create_access_entry(clusterName=cluster.name, principalArn=arn, type="EC2_LINUX")
    assert eventually(lambda: node(cluster, instance), 20)
    log = (cluster.plane.directory / "nodes.log").read_text()
    assert f"{instance} doesn't join: 401 Unauthorized" in log
    assert kept_out(aws, cluster, instance) == ""
    aws("ec2").terminate_instances(InstanceIds=[instance])
    assert eventually(lambda: node(cluster, instance) is None, 20)


@pytest.fixture
def forgetful(aws: Aws) -> Iterator[None]:
    """What was terminated is seen for a while; here the emulator has to forget it, and not after a minute."""
    usual = aws.state.admin("linger")["linger"]
    aws.state.admin("linger?seconds=1")
    yield
    aws.state.admin(f"linger?seconds={usual}")


@pytest.mark.usefixtures("forgetful")
def test_the_wrong_door_is_named(aws: Aws, cluster: Cluster, profile: str) -> None:
    vpc = aws("ec2").describe_subnets(SubnetIds=aws.subnets[:1])["Subnets"][0]["VpcId"]
    alone = aws("ec2").create_security_group(GroupName=profile, Description="alone", VpcId=vpc)["GroupId"]
    other = base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode()
    wrong: dict[str, tuple[str, dict[str, Any]]] = {
        "lead to https://10.0.0.1": (profile, {"UserData": config(cluster, apiServerEndpoint="https://10.0.0.1")}),
        "unknown authority": (profile, {"UserData": config(cluster, certificateAuthority=other)}),
        f"lets {alone} through": (profile, {"SecurityGroupIds": [alone]}),
        "no instance profile": ("", {}),
    }
    started = {said: launch(aws, cluster, name, **more) for said, (name, more) in wrong.items()}
    elsewhere = launch(aws, cluster, profile, UserData=config(cluster, name="prod"))
    for said, instance in started.items():
        assert eventually(lambda i=instance: kept_out(aws, cluster, i), 20)  # type: ignore[misc]
        assert said in kept_out(aws, cluster, instance)
        assert node(cluster, instance) is None
    assert kept_out(aws, cluster, elsewhere) == ""
    assert node(cluster, elsewhere) is None
    # A rule of the cluster's group lets the other one in.
    groups = cluster.eks.describe_cluster(name=cluster.name)["cluster"]["resourcesVpcConfig"]
    pair = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": alone}]}
    aws("ec2").authorize_security_group_ingress(GroupId=groups["clusterSecurityGroupId"], IpPermissions=[pair])
    late = started[f"lets {alone} through"]
    assert eventually(lambda: node(cluster, late), 20)
    aws("ec2").terminate_instances(InstanceIds=[*started.values(), elsewhere])
    assert eventually(lambda: node(cluster, late) is None, 20)
    assert eventually(lambda: kept_out(aws, cluster, started["no instance profile"]) == "", 30)
