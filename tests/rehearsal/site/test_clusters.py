# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes on in the clusters of the whole platform: who gets in, what is let in, what Karpenter and Argo CD do."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes.client
import pytest
from kubernetes.client.exceptions import ApiException

from rehearsal import clusters, estate, footprint, git
from rehearsal.clusters import Cluster
from rehearsal.rehearse import ROOT
from rehearsal.state import EmulatorState
from tests.rehearsal.conftest import Play, Run
from tests.rehearsal.site.conftest import SITE

ENVIRONMENTS = ("dev", "stage", "prod")
NAMESPACES = ("frontend", "backend", "data", "platform", "observability")
Cluster_ = dict[str, Cluster]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_the_repository_says_is_synced_and_healthy(standing: Cluster_, environment: str) -> None:
    found = {application.name: application.well for application in standing[environment].applications()}
    assert len(found) >= 3
    assert all(found.values()), found


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_namespace_is_fenced_in(standing: Cluster_, environment: str) -> None:
    api = standing[environment].api()
    core, network = kubernetes.client.CoreV1Api(api), kubernetes.client.NetworkingV1Api(api)
    for name in NAMESPACES:
        labels = core.read_namespace(name).metadata.labels
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
        assert core.list_namespaced_limit_range(name).items
        assert core.list_namespaced_resource_quota(name).items
        policies = [item.spec for item in network.list_namespaced_network_policy(name).items]
        default = [item for item in policies if not item.pod_selector.match_labels and not item.ingress]
        assert any(set(item.policy_types) == {"Ingress", "Egress"} for item in default), name


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_karpenter_makes_a_node_for_a_pod_and_takes_it_away(standing: Cluster_, environment: str) -> None:
    assert "which Karpenter made of NodePool" in clusters.try_node(standing[environment])


def test_a_privileged_pod_is_refused(standing: Cluster_) -> None:
    container = {"name": "main", "image": "example.org/app:1", "securityContext": {"privileged": True}}
    with pytest.raises(ApiException) as refused:
        standing["dev"].core().create_namespaced_pod(
            "backend", {"metadata": {"name": "privileged"}, "spec": {"containers": [container]}}
        )
    assert refused.value.status == 403
    told = json.loads(refused.value.body)["message"]
    assert 'violates PodSecurity "restricted' in told
    assert "must not set securityContext.privileged=true" in told


@pytest.fixture(scope="module")
def person(accounts: dict[str, estate.Account], standing: Cluster_) -> Callable[[str], dict[str, str]]:
    """Return credentials of a session of a role in dev, which is made when it isn't there."""
    iam = accounts["dev"].client("iam")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}

    def get(role: str) -> dict[str, str]:
        with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))
        arn = f"arn:aws:iam::{accounts['dev'].id}:role/{role}"
        made = accounts["dev"].client("sts").assume_role(RoleArn=arn, RoleSessionName="somebody")["Credentials"]
        return {
            "aws_access_key_id": made["AccessKeyId"],
            "aws_secret_access_key": made["SecretAccessKey"],
            "aws_session_token": made["SessionToken"],
        }

    return get


def test_a_role_without_an_access_entry_is_nobody(standing: Cluster_, person: Callable[[str], dict[str, str]]) -> None:
    with pytest.raises(ApiException) as refused:
        standing["dev"].core(person("passer-by")).list_namespaced_pod("backend")
    assert refused.value.status == 401


def test_an_auditor_reads_and_does_not_write(
    play: Play, standing: Cluster_, person: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    credentials = person("auditor")
    administrators, auditors = (
        {"role_name": role, "policies": [{"name": policy}]}
        for role, policy in (
            (estate.ACCESS_ROLE, "AmazonEKSClusterAdminPolicy"),
            ("auditor", "AmazonEKSAdminViewPolicy"),
        )
    )
    entries = tmp_path / "entries.json"
    entries.write_text(json.dumps({"eks_access_entries": [administrators, auditors]}))
    let_in = play("playbooks/cluster.yml", "-e", f"@{entries}", inventories=("dev",))
    assert let_in.status == 0, let_in.text[-3000:]
    core = clusters.wait(lambda: _entered(standing["dev"], credentials), lambda: "the auditor isn't let in", 30)
    assert core.list_namespaced_pod("backend").items is not None
    assert core.read_namespaced_config_map("argocd-cm", "argocd").data
    with pytest.raises(ApiException) as refused:
        core.create_namespaced_config_map("backend", {"metadata": {"name": "mine"}, "data": {}})
    assert refused.value.status == 403
    assert play("playbooks/cluster.yml", inventories=("dev",)).status == 0
    clusters.wait(
        lambda: None if _entered(standing["dev"], credentials) else True, lambda: "the auditor is still let in", 30
    )


def _entered(cluster: Cluster, credentials: dict[str, str]) -> kubernetes.client.CoreV1Api | None:
    core = cluster.core(credentials)
    try:
        core.list_namespace()
    except ApiException as error:
        if error.status in (401, 403):
            return None
        raise
    return core


def test_a_commit_changes_a_cluster_without_a_playbook(emulator: EmulatorState, standing: Cluster_) -> None:
    served = emulator.admin("git")
    ((repository),) = served["repositories"]
    quota = "namespaces/overlays/dev/quota.yaml"
    content = (ROOT / "gitops" / quota).read_text()
    assert 'pods: "40"' in content
    changed = content.replace('pods: "40"', 'pods: "41"')

    def pods() -> set[str]:
        return {
            item.spec.hard["pods"] for item in standing["dev"].core().list_namespaced_resource_quota("backend").items
        }

    def commit(text: str, message: str) -> None:
        git.commit_and_push(Path(served["configuration"]), repository["url"], {quota: text}, message)

    commit(changed, "One more pod in each namespace of dev")
    clusters.wait(lambda: True if pods() == {"41"} else None, lambda: f"the quota of pods is {pods()}")
    commit(content, "One pod less again")
    clusters.wait(lambda: True if pods() == {"40"} else None, lambda: f"the quota of pods is {pods()}")


def test_a_change_by_hand_is_reverted(standing: Cluster_) -> None:
    core = standing["dev"].core()
    quota = core.list_namespaced_resource_quota("backend").items[0]
    name, declared = quota.metadata.name, dict(quota.spec.hard)
    core.patch_namespaced_resource_quota(name, "backend", {"spec": {"hard": {"pods": "999"}}})

    def reverted() -> Any:
        now = core.read_namespaced_resource_quota(name, "backend").spec.hard
        return now if now == declared else None

    clusters.wait(reverted, lambda: f"quota {name} is still what was made of it by hand")


@pytest.mark.skipif(sys.platform != "linux", reason="listeners are read from /proc")
def test_nothing_listens_beyond_this_machine(emulator: EmulatorState, standing: Cluster_) -> None:
    found = footprint.processes(emulator.pid)
    names = set(found.values())
    # `controller` is what Karpenter's program is called in its image.
    assert {"kube-apiserver", "etcd", "kwok", "controller", "argocd-repo-server", "argocd-server"} <= names
    assert {"kube-apiserver", "etcd", "controller", "argocd-repo-server"} <= set(footprint.listeners(found))
    assert footprint.beyond_loopback(found) == {}


def test_what_happens_in_the_clusters_is_no_drift(play: Play, again: Run, standing: Cluster_) -> None:
    run = play(SITE)
    assert (run.status, run.changes()) == (0, {}), run.text[-3000:]
    assert set(run.changed.values()) == {0}
