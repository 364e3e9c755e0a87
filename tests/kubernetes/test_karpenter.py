# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Karpenter's own program in a cluster that the role has prepared: it makes nodes, and takes them away again.

The tests follow one another in one cluster and leave no node behind.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rehearsal import mirror
from rehearsal.emulator import actions
from rehearsal.kubernetes import binaries, machines
from tests.kubernetes.conftest import REGION, Aws, Cluster, create, eventually, needs_binaries

_missing = binaries.missing(("karpenter", "helm"))
pytestmark = [
    needs_binaries,
    pytest.mark.skipif(
        bool(_missing), reason=f"not built: {', '.join(_missing)}; `python -m rehearsal.kubernetes build` builds them"
    ),
]

NAME = "karp"
CLAIMS = "/apis/karpenter.sh/v1/nodeclaims"
POOLS = "/apis/karpenter.sh/v1/nodepools"
CLASSES = "/apis/karpenter.k8s.aws/v1/ec2nodeclasses"
ARCH, KIND, FAMILY = "kubernetes.io/arch", "karpenter.sh/capacity-type", "karpenter.k8s.aws/instance-family"
RELEASE, NEXT_RELEASE = "al2023@v20260930", "al2023@v20261023"
#: How long a node may take from a pending pod to Ready, on a machine that is busy with other things.
PATIENCE = 120.0

POOL = {
    "name": "general",
    "architectures": ["amd64", "arm64"],
    "capacity_types": ["spot", "on-demand"],
    "instance_families": ["t3a", "m6i", "m6a", "c6i", "t4g", "m7g", "c6g", "c7g"],
    "instance_sizes": ["medium", "large", "xlarge"],
    "limits": {"cpu": 32, "memory": "128Gi"},
    "consolidation": {"policy": "WhenEmptyOrUnderutilized", "after": "5s"},
    "disruption_budgets": [{"nodes": "100%"}],
}


@dataclass
class Karpenter:
    """A cluster with the controller in it."""

    cluster: Cluster
    folder: Path

    @property
    def aws(self) -> Aws:
        return self.cluster.aws

    @property
    def api(self) -> Any:
        return self.cluster.plane.api

    def play(self, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run the role."""
        helm = binaries.find(binaries.programs()["helm"])
        assert helm is not None
        given = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "karpenter_cluster": NAME,
            "karpenter_ami": RELEASE,
            "karpenter_helm_binary": str(helm.path),
            "karpenter_node_pools": [POOL],
            "karpenter_wait_timeout": 300,
            "platform_environment": NAME,
            "platform_mirror": f"{self.aws.state.endpoint}/rehearsal/mirror",
            "platform_region": REGION,
            **variables,
        }
        play = {"hosts": "localhost", "gather_facts": False, "vars": given, "roles": ["innovate.platform.karpenter"]}
        file = self.folder / "play.yml"
        file.write_text(json.dumps([play]))
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(file)]
        environment = {**os.environ, **self.aws.state.environment(), "HOME": str(self.folder)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=900)

    def deployment(self, name: str, selector: dict[str, str]) -> None:
        """A pod that no core node takes, as large as a small instance."""
        labels = {"app": name}
        requests = {"resources": {"requests": {"cpu": "1500m", "memory": "256Mi"}}}
        spec = {
            "containers": [{"name": "main", "image": "example.org/app:1", **requests}],
            "nodeSelector": selector,
        }
        document = {
            "metadata": {"name": name},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        }
        self.api.create("/apis/apps/v1/namespaces/default/deployments", document)

    def remove(self, name: str) -> None:
        """Delete a Deployment and its pods."""
        path = f"/apis/apps/v1/namespaces/default/deployments/{name}"
        self.api.delete(path, {"propagationPolicy": "Foreground"})

    def pods(self, name: str) -> list[dict[str, Any]]:
        selected = self.api.items("/api/v1/namespaces/default/pods", labelSelector=f"app={name}")
        return [pod for pod in selected if not pod["metadata"].get("deletionTimestamp")]

    def running(self, name: str, count: int = 1) -> list[str]:
        """The nodes of a Deployment's pods, once all of them run."""

        def places() -> list[str]:
            found = [pod["spec"]["nodeName"] for pod in self.pods(name) if pod["status"]["phase"] == "Running"]
            return found if len(found) == count else []

        found = eventually(places, PATIENCE)
        assert len(found) == count, self.told()
        return found

    def claims(self) -> dict[str, dict[str, Any]]:
        return {item["metadata"]["name"]: item for item in self.api.items(CLAIMS)}

    def claim_of(self, node: str) -> dict[str, Any]:
        """A node's claim, once Karpenter has said that it is Ready."""

        def ready() -> list[dict[str, Any]]:
            found = [item for item in self.claims().values() if item["status"].get("nodeName") == node]
            return [item for item in found if machines.is_ready(item)]

        found = eventually(ready, PATIENCE)
        assert len(found) == 1, self.told()
        return found[0]

    def instance_of(self, node: str) -> dict[str, Any]:
        identifier = self.cluster.nodes()[node]["spec"]["providerID"].rpartition("/")[2]
        return self.instance(identifier)

    def instance(self, identifier: str) -> dict[str, Any]:
        answer = self.aws("ec2").describe_instances(InstanceIds=[identifier])
        found: dict[str, Any] = answer["Reservations"][0]["Instances"][0]
        return found

    def empty(self) -> bool:
        """Whether neither claims, nor their nodes, nor their instances are left."""
        mine = [{"Name": "tag-key", "Values": ["karpenter.sh/nodepool"]}]
        alive = [*mine, {"Name": "instance-state-name", "Values": ["pending", "running", "shutting-down"]}]
        nodes = [
            node for node in self.cluster.nodes().values() if "karpenter.sh/nodepool" in node["metadata"]["labels"]
        ]
        return not self.claims() and not nodes and not self.aws("ec2").describe_instances(Filters=alive)["Reservations"]

    def admin(self, page: str, method: str = "POST") -> Any:
        request = urllib.request.Request(f"{self.aws.state.endpoint}/rehearsal/{page}", method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def role(self) -> str:
        """The name of the controller's role."""
        eks = self.cluster.eks
        (found,) = eks.list_pod_identity_associations(clusterName=NAME)["associations"]
        asked = {"clusterName": NAME, "associationId": found["associationId"]}
        association = eks.describe_pod_identity_association(**asked)["association"]
        assert association["serviceAccount"] == "karpenter"
        return str(association["roleArn"]).rpartition("/")[2]

    def policies(self, role: str) -> list[dict[str, Any]]:
        """The documents of a role's policies."""
        iam = self.aws("iam")
        attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        found = []
        for item in attached:
            version = iam.get_policy(PolicyArn=item["PolicyArn"])["Policy"]["DefaultVersionId"]
            answer = iam.get_policy_version(PolicyArn=item["PolicyArn"], VersionId=version)
            found.append(answer["PolicyVersion"]["Document"])
        return found

    def called(self, role: str) -> set[str]:
        """The AWS actions that a role's sessions have asked for."""
        calls = self.admin("calls?since=0", "GET")["calls"]
        mine = [call for call in calls if f":assumed-role/{role}/" in call["principal"]]
        return {actions.action(call["service"], call["operation"]) for call in mine}

    def told(self) -> str:
        """What to look at when something didn't happen."""
        log = next((self.cluster.plane.directory / "pods").glob("kube-system.karpenter-*/controller.log"), None)
        lines = log.read_text().splitlines() if log else []
        return "\n".join([str(self.admin("clusters", "GET"))[:2000], *(line[:600] for line in lines[-30:])])


@pytest.fixture(scope="module")
def karpenter(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Karpenter]:
    mirror.ready(lambda _line: None)
    discovery = [{"Key": "karpenter.sh/discovery", "Value": NAME}]
    aws("ec2").create_tags(Resources=aws.subnets, Tags=discovery)
    cluster = create(aws, NAME, creator_is_admin=True)
    taint = {"key": "CriticalAddonsOnly", "value": "true", "effect": "NO_SCHEDULE"}
    cluster.group("core", 2, instanceTypes=["t4g.medium"], amiType="AL2023_ARM_64_STANDARD", taints=[taint])
    made = Karpenter(cluster, tmp_path_factory.mktemp("karpenter"))
    played = made.play()
    assert played.returncode == 0, f"{played.stdout[-4000:]}\n{made.told()}"
    yield made
    cluster.eks.delete_nodegroup(clusterName=NAME, nodegroupName="core")
    eventually(lambda: not cluster.eks.list_nodegroups(clusterName=NAME)["nodegroups"], 60)
    cluster.eks.delete_cluster(name=NAME)
    aws("ec2").delete_tags(Resources=aws.subnets, Tags=discovery)


@pytest.fixture(autouse=True)
def tidy(karpenter: Karpenter) -> Iterator[None]:
    """A test that fails leaves no pods to the next one."""
    yield
    for item in karpenter.api.items("/apis/apps/v1/namespaces/default/deployments"):
        karpenter.remove(item["metadata"]["name"])


def test_a_second_run_of_the_role_changes_nothing(karpenter: Karpenter) -> None:
    played = karpenter.play()
    assert played.returncode == 0, played.stdout[-4000:]
    assert "changed=0" in played.stdout


def test_a_pending_pod_gets_a_node_and_the_node_goes_after_the_pod(karpenter: Karpenter) -> None:
    # Both architectures at once: it takes Karpenter half a minute to be sure that a node is empty.
    architectures = ("arm64", "amd64")
    for arch in architectures:
        karpenter.deployment(f"web-{arch}", {ARCH: arch, KIND: "on-demand"})
    for arch in architectures:
        (node,) = karpenter.running(f"web-{arch}")
        is_as_asked_for(karpenter, node, arch)
    for arch in architectures:
        karpenter.remove(f"web-{arch}")
    assert eventually(karpenter.empty, PATIENCE), karpenter.told()


def is_as_asked_for(karpenter: Karpenter, node: str, arch: str) -> None:
    claim = karpenter.claim_of(node)
    instance = karpenter.instance_of(node)
    labels = karpenter.cluster.nodes()[node]["metadata"]["labels"]
    assert claim["status"]["providerID"].endswith(f"/{instance['InstanceId']}")
    assert (labels["karpenter.sh/nodepool"], labels["karpenter.sh/registered"]) == ("general", "true")
    assert labels["karpenter.sh/initialized"] == "true"
    assert (labels[ARCH], labels[KIND]) == (arch, "on-demand")
    assert instance["Architecture"] == {"arm64": "arm64", "amd64": "x86_64"}[arch]
    assert "InstanceLifecycle" not in instance
    # What the node class says is what the instance has.
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    described = karpenter.cluster.eks.describe_cluster(name=NAME)["cluster"]["resourcesVpcConfig"]
    assert [group["GroupId"] for group in instance["SecurityGroups"]] == [described["clusterSecurityGroupId"]]
    volumes = karpenter.aws("ec2").describe_volumes(
        Filters=[{"Name": "attachment.instance-id", "Values": [instance["InstanceId"]]}]
    )["Volumes"]
    assert [(volume["Size"], volume["Encrypted"]) for volume in volumes] == [(50, True)]
    # The cheapest type that the pod fits into, by the price list.
    assert instance["InstanceType"].partition(".")[0] in ("t3a", "t4g")


def test_nodes_that_stand_are_left_alone_and_another_image_replaces_each_once(karpenter: Karpenter) -> None:
    karpenter.deployment("steady", {ARCH: "arm64", KIND: "on-demand"})
    (node,) = karpenter.running("steady")
    claim = karpenter.claim_of(node)["metadata"]["name"]
    moved = eventually(lambda: set(karpenter.claims()) != {claim}, 20)
    assert not moved, karpenter.told()
    conditions = {item["type"]: item["status"] for item in karpenter.claims()[claim]["status"]["conditions"]}
    assert conditions.get("Drifted") != "True"
    old = karpenter.instance_of(node)["ImageId"]
    change = {"spec": {"amiSelectorTerms": [{"alias": NEXT_RELEASE}]}}
    karpenter.api.patch(f"{CLASSES}/default", change)

    def replaced() -> bool:
        claims = karpenter.claims()
        places = [
            pod["spec"].get("nodeName") for pod in karpenter.pods("steady") if pod["status"]["phase"] == "Running"
        ]
        return claim not in claims and len(claims) == 1 and places != [node] and len(places) == 1

    assert eventually(replaced, 180), karpenter.told()
    (now,) = karpenter.running("steady")
    assert karpenter.instance_of(now)["ImageId"] != old
    (after,) = karpenter.claims()
    assert not eventually(lambda: set(karpenter.claims()) != {after}, 20), karpenter.told()
    karpenter.api.patch(f"{CLASSES}/default", {"spec": {"amiSelectorTerms": [{"alias": RELEASE}]}})
    karpenter.remove("steady")
    assert eventually(karpenter.empty, 180), karpenter.told()


def test_a_spot_interruption_moves_the_pods_before_the_instance_ends(karpenter: Karpenter) -> None:
    karpenter.deployment("cheap", {ARCH: "arm64", KIND: "spot"})
    (node,) = karpenter.running("cheap")
    instance = karpenter.instance_of(node)
    assert instance["InstanceLifecycle"] == "spot"
    told = karpenter.admin(f"interrupt?instance={instance['InstanceId']}&notice=600")
    assert told["event"] == "EC2 Spot Instance Interruption Warning"
    assert eventually(lambda: node not in karpenter.cluster.nodes(), PATIENCE), karpenter.told()
    (other,) = karpenter.running("cheap")
    assert other != node
    assert karpenter.instance_of(other)["InstanceId"] != instance["InstanceId"]
    assert eventually(lambda: karpenter.instance(instance["InstanceId"])["State"]["Name"] == "terminated", PATIENCE)
    sent = [item for item in karpenter.admin("events", "GET") if item["target"].endswith(f":{NAME}")]
    assert {item["failure"] for item in sent} == {""}
    queue = karpenter.aws("sqs").get_queue_url(QueueName=NAME)["QueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def unread() -> int:
        attributes = karpenter.aws("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return sum(int(value) for value in attributes.values())

    assert eventually(lambda: unread() == 0, 60)
    karpenter.remove("cheap")
    assert eventually(karpenter.empty, PATIENCE), karpenter.told()


@pytest.fixture
def scarce(karpenter: Karpenter) -> Iterator[Callable[[str], None]]:
    yield lambda kind: karpenter.admin(f"capacity?type={kind}")
    karpenter.admin("capacity", "DELETE")


def test_a_type_without_capacity_leads_to_another(karpenter: Karpenter, scarce: Callable[[str], None]) -> None:
    scarce("t4g.*")
    scarce("c6g.*")
    karpenter.deployment("anywhere", {ARCH: "arm64", KIND: "on-demand"})
    (node,) = karpenter.running("anywhere")
    assert karpenter.instance_of(node)["InstanceType"].partition(".")[0] in ("c7g", "m7g")
    karpenter.remove("anywhere")
    assert eventually(karpenter.empty, PATIENCE), karpenter.told()


def test_a_pool_that_no_type_satisfies_says_so(karpenter: Karpenter) -> None:
    pool = karpenter.api.get(f"{POOLS}/general")
    spec = pool["spec"]
    others = [item for item in spec["template"]["spec"]["requirements"] if item["key"] not in (FAMILY, ARCH)]
    arm = {"key": ARCH, "operator": "In", "values": ["arm64"]}
    intel = {"key": FAMILY, "operator": "In", "values": ["m6i"]}
    spec["template"]["spec"]["requirements"] = [*others, arm, intel]
    spec["template"]["metadata"]["labels"] = {"only": "impossible"}
    karpenter.api.create(POOLS, {**pool, "metadata": {"name": "impossible"}, "spec": spec, "status": {}})
    karpenter.deployment("nowhere", {"only": "impossible"})

    def said() -> list[str]:
        events = karpenter.api.items("/api/v1/events", fieldSelector="reason=NoCompatibleInstanceTypes")
        return [item["message"] for item in events if item["involvedObject"]["name"] == "impossible"]

    assert eventually(said, 60), karpenter.told()
    assert "requirements filtered out all compatible available instance types" in said()[0]
    assert karpenter.claims() == {}
    assert [pod["status"]["phase"] for pod in karpenter.pods("nowhere")] == ["Pending"]
    karpenter.remove("nowhere")
    karpenter.api.delete(f"{POOLS}/impossible")


def test_an_instance_that_is_terminated_by_somebody_else_is_replaced(karpenter: Karpenter) -> None:
    karpenter.deployment("tough", {ARCH: "amd64", KIND: "on-demand"})
    (node,) = karpenter.running("tough")
    instance = karpenter.instance_of(node)["InstanceId"]
    karpenter.aws("ec2").terminate_instances(InstanceIds=[instance])

    def elsewhere() -> bool:
        places = [p["spec"]["nodeName"] for p in karpenter.pods("tough") if p["status"]["phase"] == "Running"]
        return len(places) == 1 and places != [node] and karpenter.instance_of(places[0])["InstanceId"] != instance

    assert eventually(elsewhere, 180), karpenter.told()
    karpenter.remove("tough")
    assert eventually(karpenter.empty, PATIENCE), karpenter.told()


def test_nothing_is_left_when_the_role_takes_it_away(karpenter: Karpenter) -> None:
    karpenter.deployment("last", {ARCH: "arm64"})
    karpenter.running("last")
    role = karpenter.role()
    policies = karpenter.policies(role)
    played = karpenter.play(karpenter_state="absent")
    assert played.returncode == 0, f"{played.stdout[-4000:]}\n{karpenter.told()}"
    mine = [{"Name": "tag-key", "Values": ["karpenter.sh/nodepool"]}]
    alive = [*mine, {"Name": "instance-state-name", "Values": ["pending", "running", "stopped"]}]
    assert karpenter.aws("ec2").describe_instances(Filters=alive)["Reservations"] == []
    tagged = [{"Name": "tag:eks:eks-cluster-name", "Values": [NAME]}]
    assert karpenter.aws("ec2").describe_launch_templates(Filters=tagged)["LaunchTemplates"] == []
    profiles = karpenter.aws("iam").list_instance_profiles(PathPrefix=f"/karpenter/{REGION}/{NAME}/")
    assert profiles["InstanceProfiles"] == []
    # The emulator carries out what a policy wouldn't allow: nothing of all that has happened here was that.
    called = karpenter.called(role)
    assert {"ec2:CreateFleet", "iam:DeleteInstanceProfile", "sqs:ReceiveMessage", "pricing:GetProducts"} <= called
    assert [name for name in sorted(called) if not actions.allowed(name, policies)] == []
