# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod of a Deployment is isolated and given back, by a role that may do no more than the runbook page says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from rehearsal.rehearse import ROOT
from tests.kubernetes.conftest import Aws, Cluster, eventually, needs_binaries
from tests.rehearsal.conftest import Run, player

pytestmark = needs_binaries

CASE = "INC_2026-014"
LABEL = "innovate.platform/incident"
PAGE = (ROOT / "docs/runbooks/isolate-pod.md").read_text()


def block(language: str) -> str:
    """A fenced block of the page."""
    return PAGE.partition(f"```{language}\n")[2].partition("```")[0]


def application(cluster: Cluster, namespace: str) -> None:
    """A Deployment of two pods behind a Service, in a namespace whose pods may all ask the DNS."""
    labels = {"app": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "example.org/web:1"}]}}
    api = cluster.plane.api
    api.create(
        f"/apis/apps/v1/namespaces/{namespace}/deployments",
        {
            "metadata": {"name": "web"},
            "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": pod},
        },
    )
    api.create(
        f"/api/v1/namespaces/{namespace}/services",
        {"metadata": {"name": "web"}, "spec": {"selector": labels, "ports": [{"port": 80}]}},
    )
    api.create(
        f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies",
        {
            "metadata": {"name": "allow-dns"},
            "spec": {
                "podSelector": {},
                "policyTypes": ["Egress"],
                "egress": [{"ports": [{"port": 53, "protocol": "UDP"}]}],
            },
        },
    )


@dataclass
class Responder:
    """Somebody with the rights that the page gives, and with nothing else."""

    aws: Aws
    cluster: Cluster
    credentials: dict[str, str]

    def act(self, namespace: str, pod: str, *arguments: str, **variables: str) -> Run:
        given = {
            "incident_id": CASE,
            "incident_cluster": self.cluster.name,
            "incident_namespace": namespace,
            "incident_pod": pod,
            "incident_cordon": "true",
            "platform_account_name": "",
            **variables,
        }
        words = [word for key, value in given.items() for word in ("-e", f"{key}={value}")]
        self.aws.state.admin("enforcement", "POST")
        try:
            return player(self.aws.state)(
                "playbooks/incident_isolate_pod.yml",
                *words,
                *arguments,
                inventories=("dev",),
                variables={
                    "AWS_ACCESS_KEY_ID": self.credentials["AccessKeyId"],
                    "AWS_SECRET_ACCESS_KEY": self.credentials["SecretAccessKey"],
                    "AWS_SESSION_TOKEN": self.credentials["SessionToken"],
                },
            )
        finally:
            self.aws.state.admin("enforcement", "DELETE")


@pytest.fixture(scope="module")
def responder(aws: Aws, cluster: Cluster) -> Responder:
    for document in yaml.safe_load_all(block("yaml")):
        plural = f"{document['kind'].lower()}s"
        cluster.plane.api.create(f"/apis/rbac.authorization.k8s.io/v1/{plural}", document)
    arn, credentials = aws.person("responder")
    aws("iam").put_role_policy(RoleName=arn.rpartition("/")[2], PolicyName="runbook", PolicyDocument=block("json"))
    cluster.admit(arn, groups=("innovate-incident",))
    return Responder(aws, cluster, credentials)


def outcome(run: Run) -> dict[str, Any]:
    assert run.status == 0, run.text[-4000:]
    return next(result for _host, _task, result in run.results if "steps" in result)


def test_a_pod_is_isolated_and_given_back(aws: Aws, cluster: Cluster, namespace: str, responder: Responder) -> None:
    api = cluster.plane.api
    cluster.group("incident", 1)
    application(cluster, namespace)
    pods = f"/api/v1/namespaces/{namespace}/pods"
    policies = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"

    def running() -> list[dict[str, Any]]:
        return [item for item in api.items(pods) if item.get("status", {}).get("podIP")]

    def addresses() -> set[str]:
        slices = api.items(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices")
        return {address for item in slices for point in item["endpoints"] or [] for address in point["addresses"]}

    assert eventually(lambda: len(running()) == 2)
    bad = running()[0]
    name, node, address = bad["metadata"]["name"], bad["spec"]["nodeName"], bad["status"]["podIP"]
    assert eventually(lambda: address in addresses())

    plan = outcome(responder.act(namespace, name, "--check"))
    assert len(plan["steps"]) == 4
    assert api.get(f"{pods}/{name}")["metadata"]["labels"] == bad["metadata"]["labels"]

    done = outcome(responder.act(namespace, name))
    assert done["steps"] == plan["steps"]
    assert "allow-dns of namespace" in "".join(done["notes"])
    isolated = api.get(f"{pods}/{name}")["metadata"]
    assert (isolated["labels"], isolated["uid"]) == ({LABEL: CASE}, bad["metadata"]["uid"])
    assert isolated["annotations"]["karpenter.sh/do-not-disrupt"] == "true"
    spec = api.get(f"{policies}/incident-inc-2026-014")["spec"]
    assert spec == {"podSelector": {"matchLabels": {LABEL: CASE}}, "policyTypes": ["Ingress", "Egress"]}
    assert api.get(f"/api/v1/nodes/{node}")["spec"]["unschedulable"]
    # Its Service sends nobody there, and its ReplicaSet has made another one.
    assert eventually(lambda: address not in addresses())
    assert eventually(lambda: len(api.items(pods)) == 3)
    assert eventually(lambda: not api.get(f"{pods}/{name}")["metadata"].get("ownerReferences"))

    again = responder.act(namespace, name)
    assert (outcome(again)["steps"], again.changed) == ([], {"dev": 0})

    assert len(outcome(responder.act(namespace, name, incident_state="absent"))["steps"]) == 4
    assert eventually(lambda: len(api.items(pods)) == 2)
    assert (api.items(pods, labelSelector=LABEL), api.items(policies, labelSelector=LABEL)) == ([], [])
    assert not api.get(f"/api/v1/nodes/{node}")["spec"].get("unschedulable")
    assert responder.act(namespace, name, incident_state="absent").changed == {"dev": 0}

    history = aws("ssm").get_parameter_history(Name=done["record"])["Parameters"]
    assert [json.loads(item["Value"])["status"] for item in history] == ["begun", "done", "begun", "undone"]


def test_a_pod_that_is_not_there_is_told_with_those_that_are(namespace: str, responder: Responder) -> None:
    run = responder.act(namespace, "nothing")
    assert run.status == 2
    assert f"namespace {namespace} of cluster 'dev' has no pod 'nothing': there are no pods" in "".join(run.messages())
