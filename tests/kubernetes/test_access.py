# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who comes into a cluster, and what they may do there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client as kubernetes
from kubernetes.client.exceptions import ApiException

from tests.kubernetes.conftest import REGION, Aws, Cluster, eventually, get_token, needs_binaries

pytestmark = needs_binaries

CONFIGMAP = kubernetes.V1ConfigMap(metadata=kubernetes.V1ObjectMeta(generate_name="thing-"))


def status(call: Callable[..., Any], *arguments: Any) -> int:
    """The HTTP status of a call."""
    try:
        call(*arguments)
    except ApiException as error:
        return int(error.status)
    return 200


def test_the_creator_gets_nothing_unless_asked(cluster: Cluster) -> None:
    assert status(cluster.core().list_namespace) == 401


def test_a_role_without_an_entry_is_refused(aws: Aws, cluster: Cluster) -> None:
    _, credentials = aws.person("stranger")
    assert status(cluster.core(credentials).list_namespace) == 401


def test_an_administrator_may_do_everything(aws: Aws, cluster: Cluster, namespace: str) -> None:
    arn, credentials = aws.person("admin")
    cluster.admit(arn, "AmazonEKSClusterAdminPolicy")
    core = cluster.core(credentials)
    assert {item.metadata.name for item in core.list_namespace().items} >= {"default", "kube-system", namespace}
    assert status(core.create_namespaced_config_map, namespace, CONFIGMAP) == 200
    rbac = kubernetes.RbacAuthorizationV1Api(cluster.api(credentials))
    rule = kubernetes.V1PolicyRule(api_groups=["*"], resources=["*"], verbs=["*"])
    metadata = kubernetes.V1ObjectMeta(name=f"everything-{namespace}")
    assert status(rbac.create_cluster_role, kubernetes.V1ClusterRole(metadata=metadata, rules=[rule])) == 200
    me = kubernetes.AuthenticationV1Api(cluster.api(credentials)).create_self_subject_review({})
    role = arn.rpartition("/")[2]
    assert me.status.user_info.username == f"arn:aws:sts::{arn.split(':')[4]}:assumed-role/{role}/admin-example.org"
    assert me.status.user_info.extra["sessionName"] == ["admin@example.org"]


def test_a_view_policy_of_one_namespace_reads_there_and_writes_nowhere(
    aws: Aws, cluster: Cluster, namespace: str
) -> None:
    arn, credentials = aws.person("auditor")
    cluster.admit(arn, "AmazonEKSViewPolicy", (namespace,))
    core = cluster.core(credentials)
    assert status(core.list_namespaced_pod, namespace) == 200
    assert status(core.list_namespaced_pod, "default") == 403
    assert status(core.list_pod_for_all_namespaces) == 403
    assert status(core.list_namespaced_secret, namespace) == 403
    assert status(core.create_namespaced_config_map, namespace, CONFIGMAP) == 403
    cluster.eks.disassociate_access_policy(
        clusterName=cluster.name,
        principalArn=arn,
        policyArn="arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy",
    )
    assert status(core.list_namespaced_pod, namespace) == 403


def test_an_entrys_groups_are_rbacs(aws: Aws, cluster: Cluster, namespace: str) -> None:
    arn, credentials = aws.person("developer")
    cluster.admit(arn, groups=("developers",))
    core = cluster.core(credentials)
    assert status(core.list_namespaced_pod, namespace) == 403
    binding = {
        "metadata": {"name": "developers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "developers"}],
    }
    cluster.plane.api.create(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings", binding)
    assert eventually(lambda: status(core.create_namespaced_config_map, namespace, CONFIGMAP) == 200, 10)
    assert status(core.create_namespaced_config_map, "default", CONFIGMAP) == 403


def test_the_aws_clis_token_opens_the_cluster(aws: Aws, cluster: Cluster, tmp_path: Path) -> None:
    arn, credentials = aws.person("typist")
    cluster.admit(arn, "AmazonEKSAdminViewPolicy")
    environment = {
        **aws.state.environment(REGION),
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
        "HOME": str(tmp_path),
    }
    command = [
        sys.executable,
        Path(sys.executable).with_name("aws"),
        "eks",
        "get-token",
        "--cluster-name",
        cluster.name,
    ]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    api = cluster.api(credentials)
    api.configuration.api_key = {"authorization": f"Bearer {json.loads(made.stdout)['status']['token']}"}
    assert status(kubernetes.CoreV1Api(api).list_node) == 200


def test_a_token_of_another_cluster_is_refused(aws: Aws, cluster: Cluster) -> None:
    arn, credentials = aws.person("confused")
    cluster.admit(arn, "AmazonEKSClusterAdminPolicy")
    api = cluster.api(credentials)
    assert status(kubernetes.CoreV1Api(api).list_namespace) == 200
    api.configuration.api_key = {"authorization": f"Bearer {get_token(aws.state, 'other', credentials)}"}
    assert status(kubernetes.CoreV1Api(api).list_namespace) == 401


def test_an_entry_that_is_deleted_lets_nobody_in(aws: Aws, cluster: Cluster) -> None:
    arn, credentials = aws.person("leaver")
    cluster.admit(arn, "AmazonEKSAdminViewPolicy")
    core = cluster.core(credentials)
    assert status(core.list_node) == 200
    cluster.eks.delete_access_entry(clusterName=cluster.name, principalArn=arn)
    # The API server remembers a token for some seconds; the policies are gone at once.
    assert status(core.list_node) in (401, 403)
    assert eventually(lambda: status(core.list_node) == 401, 15)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda token: token[:-8], "cut"),
        (lambda token: token.removeprefix("k8s-aws-v1."), "without prefix"),
        (lambda token: "k8s-aws-v1.", "empty"),
    ],
)
def test_a_damaged_token_is_refused(aws: Aws, cluster: Cluster, change: Callable[[str], str], why: str) -> None:
    arn, credentials = aws.person("clumsy")
    cluster.admit(arn, "AmazonEKSClusterAdminPolicy")
    api = cluster.api(credentials)
    token = change(get_token(aws.state, cluster.name, credentials))
    api.configuration.api_key = {"authorization": f"Bearer {token}"}
    assert status(kubernetes.CoreV1Api(api).list_namespace) == 401, why
