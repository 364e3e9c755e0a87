# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes of managed node groups and of Fargate, and the pods on them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from kubernetes import client as kubernetes

from tests.kubernetes.conftest import REGION, Aws, Cluster, eventually, needs_binaries

pytestmark = needs_binaries

APPS = "/apis/apps/v1/namespaces"


def deployment(cluster: Cluster, namespace: str, name: str, replicas: int, **pod: Any) -> None:
    labels = {"app": name}
    spec = {"containers": [{"name": "main", "image": "example.org/app:1"}], **pod}
    document = {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
    cluster.plane.api.create(f"{APPS}/{namespace}/deployments", document)


def budget(cluster: Cluster, namespace: str, name: str, least: int) -> None:
    document = {
        "metadata": {"name": name},
        "spec": {"minAvailable": least, "selector": {"matchLabels": {"app": name}}},
    }
    cluster.plane.api.create(f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets", document)


def available(cluster: Cluster, namespace: str, name: str) -> int:
    found = cluster.plane.api.get(f"{APPS}/{namespace}/deployments/{name}")
    return int(found["status"].get("availableReplicas") or 0)


def delete_group(cluster: Cluster, name: str) -> None:
    cluster.eks.delete_nodegroup(clusterName=cluster.name, nodegroupName=name)

    def gone() -> bool:
        return name not in cluster.eks.list_nodegroups(clusterName=cluster.name)["nodegroups"]

    assert eventually(gone, 60)
    assert cluster.nodes(name) == {}


def running(aws: Aws, cluster: Cluster, group: str) -> dict[str, Any]:
    """The group's instances that run, by id."""
    filters = [
        {"Name": "tag:eks:nodegroup-name", "Values": [group]},
        {"Name": "tag:eks:cluster-name", "Values": [cluster.name]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    found = aws("ec2").describe_instances(Filters=filters)["Reservations"]
    return {item["InstanceId"]: item for reservation in found for item in reservation["Instances"]}


def test_a_node_group_is_active_when_its_nodes_are_ready(aws: Aws, cluster: Cluster) -> None:
    cluster.group(
        "core",
        3,
        instanceTypes=["m7g.large"],
        amiType="AL2023_ARM_64_STANDARD",
        labels={"team": "core"},
        taints=[{"key": "CriticalAddonsOnly", "value": "true", "effect": "NO_SCHEDULE"}],
    )
    nodes = cluster.nodes("core")
    assert len(nodes) == 3
    instances = running(aws, cluster, "core")
    zones: Counter[str] = Counter()
    for name, node in nodes.items():
        labels = node["metadata"]["labels"]
        zone = labels["topology.kubernetes.io/zone"]
        zones[zone] += 1
        instance = instances[node["spec"]["providerID"].rpartition("/")[2]]
        assert node["spec"]["providerID"] == f"aws:///{zone}/{instance['InstanceId']}"
        assert (instance["PrivateDnsName"], instance["Placement"]["AvailabilityZone"]) == (name, zone)
        assert (instance["ImageId"], instance["Architecture"]) == (labels["eks.amazonaws.com/nodegroup-image"], "arm64")
        assert {key: labels[key] for key in labels if not key.startswith(("beta.", "failure-domain."))} == {
            "eks.amazonaws.com/capacityType": "ON_DEMAND",
            "eks.amazonaws.com/nodegroup": "core",
            "eks.amazonaws.com/nodegroup-image": labels["eks.amazonaws.com/nodegroup-image"],
            "kubernetes.io/arch": "arm64",
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "node.kubernetes.io/instance-type": "m7g.large",
            "team": "core",
            "topology.k8s.aws/zone-id": labels["topology.k8s.aws/zone-id"],
            "topology.kubernetes.io/region": REGION,
            "topology.kubernetes.io/zone": zone,
        }
        assert node["spec"]["taints"] == [{"key": "CriticalAddonsOnly", "value": "true", "effect": "NoSchedule"}]
        assert node["status"]["capacity"]["cpu"] == "2"
        assert node["status"]["capacity"]["pods"] == "29"
        assert node["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.35.")
        ready = [item["status"] for item in node["status"]["conditions"] if item["type"] == "Ready"]
        assert ready == ["True"]
    assert set(zones.values()) == {1}
    delete_group(cluster, "core")
    assert running(aws, cluster, "core") == {}
    # Nothing is left that would keep the subnets from being deleted.
    found = aws("ec2").describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": aws.subnets}])
    assert {item["Description"] for item in found["NetworkInterfaces"]} <= {f"Amazon EKS {cluster.name}"}


def test_pods_run_and_their_logs_come_through_the_proxy(cluster: Cluster, namespace: str) -> None:
    cluster.group("apps", 2)
    deployment(cluster, namespace, "web", 3)
    assert eventually(lambda: available(cluster, namespace, "web") == 3, 30)
    pods = cluster.plane.api.items(f"/api/v1/namespaces/{namespace}/pods")
    assert {pod["status"]["phase"] for pod in pods} == {"Running"}
    assert {pod["spec"]["nodeName"] for pod in pods} <= set(cluster.nodes("apps"))
    log = cluster.plane.api.get(f"/api/v1/namespaces/{namespace}/pods/{pods[0]['metadata']['name']}/log")
    assert "KWOK runs this pod" in log
    delete_group(cluster, "apps")


@pytest.mark.parametrize(("code", "condition"), [(None, "Complete"), ("1", "Failed")])
def test_a_job_ends_as_its_pods_annotation_says(
    cluster: Cluster, namespace: str, code: str | None, condition: str
) -> None:
    name = f"jobs-{condition.lower()}"
    cluster.group(name, 1)
    annotations = {"rehearsal.innovate/exit-code": code} if code else {}
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example.org/app:1"}]}
    job = {
        "metadata": {"name": "job"},
        "spec": {"backoffLimit": 0, "template": {"metadata": {"annotations": annotations}, "spec": pod}},
    }
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    cluster.plane.api.create(path, job)

    def conditions() -> set[str]:
        found = cluster.plane.api.get(f"{path}/job")["status"].get("conditions") or []
        return {item["type"] for item in found if item["status"] == "True"}

    assert condition in eventually(lambda: conditions() & {"Complete", "Failed"}, 30)
    delete_group(cluster, name)


def test_labels_taints_and_size_are_brought_to_nodes_that_stand(aws: Aws, cluster: Cluster) -> None:
    cluster.group("grow", 1, labels={"old": "1"})
    (first,) = cluster.nodes("grow")
    cluster.eks.update_nodegroup_config(
        clusterName=cluster.name,
        nodegroupName="grow",
        scalingConfig={"minSize": 0, "maxSize": 6, "desiredSize": 3},
        labels={"addOrUpdateLabels": {"new": "2"}, "removeLabels": ["old"]},
        taints={"addOrUpdateTaints": [{"key": "dedicated", "value": "x", "effect": "NO_EXECUTE"}]},
    )
    cluster.group_is("grow", "ACTIVE")
    nodes = cluster.nodes("grow")
    assert first in nodes
    assert len(nodes) == 3
    for node in nodes.values():
        labels = node["metadata"]["labels"]
        assert (labels.get("old"), labels.get("new")) == (None, "2")
        assert node["spec"]["taints"] == [{"key": "dedicated", "value": "x", "effect": "NoExecute"}]
    # One that is terminated in EC2 is replaced.
    (instance, *_) = running(aws, cluster, "grow")
    aws("ec2").terminate_instances(InstanceIds=[instance])

    def replaced() -> bool:
        now = running(aws, cluster, "grow")
        ids = {node["spec"]["providerID"].rpartition("/")[2] for node in cluster.nodes("grow").values()}
        return instance not in now and len(now) == 3 and ids == set(now)

    assert eventually(replaced, 30)
    delete_group(cluster, "grow")


def test_a_version_update_replaces_all_nodes_and_keeps_to_the_budgets(cluster: Cluster, namespace: str) -> None:
    cluster.group("roll", 2, version="1.34")
    old = cluster.nodes("roll")
    assert {node["status"]["nodeInfo"]["kubeletVersion"][:6] for node in old.values()} == {"v1.34."}
    deployment(cluster, namespace, "api", 3, nodeSelector={"eks.amazonaws.com/nodegroup": "roll"})
    budget(cluster, namespace, "api", 2)
    assert eventually(lambda: available(cluster, namespace, "api") == 3, 30)
    seen = []
    update = cluster.eks.update_nodegroup_version(clusterName=cluster.name, nodegroupName="roll", version="1.35")

    def done() -> bool:
        seen.append(available(cluster, namespace, "api"))
        described = cluster.eks.describe_update(
            name=cluster.name, nodegroupName="roll", updateId=update["update"]["id"]
        )
        return bool(described["update"]["status"] == "Successful")

    assert eventually(done, 60)
    assert min(seen) >= 2
    new = cluster.nodes("roll")
    assert len(new) == 2
    assert not set(new) & set(old)
    assert {node["status"]["nodeInfo"]["kubeletVersion"][:6] for node in new.values()} == {"v1.35."}
    delete_group(cluster, "roll")


def test_a_budget_that_allows_nothing_fails_the_update_unless_it_is_forced(cluster: Cluster, namespace: str) -> None:
    cluster.group("held", 1, version="1.34")
    (old,) = cluster.nodes("held")
    deployment(cluster, namespace, "one", 1, nodeSelector={"eks.amazonaws.com/nodegroup": "held"})
    budget(cluster, namespace, "one", 1)
    assert eventually(lambda: available(cluster, namespace, "one") == 1, 30)
    names = {"clusterName": cluster.name, "nodegroupName": "held"}

    def outcome(update: str) -> Any:
        found = cluster.eks.describe_update(name=cluster.name, nodegroupName="held", updateId=update)["update"]
        return found if found["status"] != "InProgress" else None

    first = cluster.eks.update_nodegroup_version(**names, version="1.35")["update"]["id"]
    failed = eventually(lambda: outcome(first), 60)
    assert failed["status"] == "Failed"
    assert [error["errorCode"] for error in failed["errors"]] == ["PodEvictionFailure"]
    assert old in cluster.nodes("held")
    assert "unschedulable" not in cluster.nodes("held")[old]["spec"]
    second = cluster.eks.update_nodegroup_version(**names, version="1.35", force=True)["update"]["id"]
    assert eventually(lambda: outcome(second), 60)["status"] == "Successful"
    assert old not in cluster.nodes("held")
    delete_group(cluster, "held")


def test_a_fargate_profile_gives_each_pod_a_node_of_its_own(aws: Aws, cluster: Cluster, namespace: str) -> None:
    cluster.eks.create_fargate_profile(
        clusterName=cluster.name,
        fargateProfileName="quiet",
        podExecutionRoleArn=aws.roles["fargate"],
        subnets=aws.subnets,
        selectors=[{"namespace": namespace, "labels": {"app": "batch"}}],
    )

    def status() -> str:
        named = {"clusterName": cluster.name, "fargateProfileName": "quiet"}
        return str(cluster.eks.describe_fargate_profile(**named)["fargateProfile"]["status"])

    assert eventually(lambda: status() == "ACTIVE", 20)
    deployment(cluster, namespace, "batch", 2)
    assert eventually(lambda: available(cluster, namespace, "batch") == 2, 30)
    pods = cluster.plane.api.items(f"/api/v1/namespaces/{namespace}/pods")
    places = {pod["spec"]["nodeName"] for pod in pods}
    assert len(places) == 2
    for place in places:
        node = cluster.nodes()[place]
        assert node["metadata"]["labels"]["eks.amazonaws.com/compute-type"] == "fargate"
        taints = {taint["key"]: taint["effect"] for taint in node["spec"]["taints"]}
        assert taints["eks.amazonaws.com/compute-type"] == "NoSchedule"
    assert {pod["metadata"]["labels"]["eks.amazonaws.com/fargate-profile"] for pod in pods} == {"quiet"}
    cluster.plane.api.delete(f"{APPS}/{namespace}/deployments/batch", {"propagationPolicy": "Foreground"})
    assert eventually(lambda: not places & set(cluster.nodes()), 30)
    cluster.eks.delete_fargate_profile(clusterName=cluster.name, fargateProfileName="quiet")
    assert eventually(lambda: not cluster.eks.list_fargate_profiles(clusterName=cluster.name)["fargateProfileNames"])


def test_the_python_client_sees_what_stands(aws: Aws, cluster: Cluster) -> None:
    arn, credentials = aws.person("operator")
    cluster.admit(arn, "AmazonEKSAdminViewPolicy")
    version = kubernetes.VersionApi(cluster.api(credentials)).get_code()
    assert version.git_version == "v1.35.4"
