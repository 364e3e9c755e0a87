# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform-config repository before a real API server: what it refuses, what it fills in, what it admits."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal import mirror
from rehearsal.git import commit_and_push
from rehearsal.kubernetes import binaries
from rehearsal.kubernetes.api import Api, ApiError
from tests.gitops import ENVIRONMENTS, NAMESPACES, TREE, Document, application, applications, needs_kustomize, of_kind
from tests.kubernetes.conftest import REGION, Aws, Cluster, create, eventually, needs_binaries

pytestmark = [needs_binaries, needs_kustomize]

PUBLISHED = f"raw.githubusercontent.com/argoproj/argo-cd/v{binaries.pinned('argocd')}/manifests/install.yaml"
ROOT = TREE.parent
ALL = pytest.mark.parametrize("environment", ENVIRONMENTS)


def path_of(api: Api, item: Document, *, collection: bool = False) -> str:
    """Where an object is, by the API server's own list of what it has."""
    version = item["apiVersion"]
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    found = [each for each in api.get(base)["resources"] if each["kind"] == item["kind"] and "/" not in each["name"]]
    assert found, f"the API server has no {version} {item['kind']}"
    metadata = item["metadata"]
    space = f"/namespaces/{metadata['namespace']}" if found[0]["namespaced"] else ""
    return f"{base}{space}/{found[0]['name']}" + ("" if collection else f"/{metadata['name']}")


def apply(api: Api, item: Document, **query: str) -> Document:
    """Server-side apply as Argo CD does it, but strict: a field that nobody knows is an error."""
    query = {"fieldManager": "tests", "fieldValidation": "Strict", "force": "true", **query}
    made: Document = api.patch(path_of(api, item), item, "apply", **query)
    return made


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> Api:
    found: Api = cluster.plane.api
    return found


@pytest.fixture(scope="module")
def namespaces(api: Api) -> Iterator[Api]:
    """The namespaces of dev as they are in the repository, and Argo CD's kinds."""
    root = mirror.ready()
    published = yaml.load_all((root / PUBLISHED).read_text(), yaml.CSafeLoader)
    kinds = [item for item in published if item and item["kind"] == "CustomResourceDefinition"]
    for item in kinds:
        apply(api, item)

    def established(item: Document) -> bool:
        conditions = api.get(path_of(api, item)).get("status", {}).get("conditions") or []
        return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)

    assert eventually(lambda: all(established(item) for item in kinds))
    # The API server lists new kinds a moment later.
    assert eventually(lambda: any(item["name"] == "applications" for item in listed(api)))
    argocd = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}}
    objects = application("dev", "namespaces")
    spaces = of_kind(objects, "Namespace")
    for item in (argocd, *spaces, *(item for item in objects if item["kind"] != "Namespace")):
        apply(api, item)
    # The API server looks kinds up anew every few seconds, and a quota counts when its controller has seen it.
    quotas = of_kind(objects, "ResourceQuota")
    assert eventually(lambda: all("used" in api.get(path_of(api, item)).get("status", {}) for item in quotas))
    assert eventually(lambda: [account(api, item["metadata"]["name"]) for item in spaces])
    yield api
    for item in (*spaces, argocd, *kinds):
        api.delete(path_of(api, item))


def listed(api: Api) -> list[Document]:
    try:
        return list(api.get("/apis/argoproj.io/v1alpha1")["resources"])
    except ApiError:
        return []


def account(api: Api, namespace: str) -> list[Document]:
    return api.items(f"/api/v1/namespaces/{namespace}/serviceaccounts", fieldSelector="metadata.name=default")


def pod(namespace: str = "backend", **container: Any) -> Document:
    """A pod that `restricted` admits."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one", "namespace": namespace},
        "spec": {
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "main",
                    "image": "public.ecr.aws/docker/library/busybox:1.37.0",
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    **container,
                }
            ],
        },
    }


def tried(api: Api, item: Document) -> Document:
    """What would become of an object."""
    path = path_of(api, item, collection=True)
    made: Document = api.request("POST", path, item, query={"dryRun": "All", "fieldValidation": "Strict"})
    return made


def refusal(api: Api, item: Document) -> str:
    with pytest.raises(ApiError) as caught:
        tried(api, item)
    assert caught.value.status == 403
    return caught.value.message


@ALL
def test_the_api_server_takes_every_object_as_it_is_written(namespaces: Api, environment: str) -> None:
    applied = list(applications(environment).values())
    for name in applications(environment):
        applied += application(environment, name)
    assert {item["kind"] for item in applied} >= {"Application", "Namespace", "ResourceQuota", "Deployment"}
    for item in applied:
        made = apply(namespaces, item, dryRun="All")
        assert contains(made, item), item["metadata"]["name"]


def contains(made: Any, written: Any) -> bool:
    """Whether the server kept what was written: else Argo CD would see a difference for ever."""
    if isinstance(written, dict):
        return isinstance(made, dict) and all(key in made and contains(made[key], written[key]) for key in written)
    if isinstance(written, list):
        return len(made) == len(written) and all(map(contains, made, written))
    return bool(made == written)


def test_an_unknown_field_would_have_been_found(namespaces: Api) -> None:
    item = copy.deepcopy(applications("dev")["sample"])
    item["spec"]["syncPolicy"]["retry"]["refrech"] = True
    with pytest.raises(ApiError, match="refrech"):
        apply(namespaces, item, dryRun="All")


@pytest.mark.parametrize("namespace", sorted(NAMESPACES))
def test_a_privileged_pod_is_refused_and_every_violation_is_named(namespaces: Api, namespace: str) -> None:
    bad = pod(namespace, securityContext={"privileged": True})
    bad["spec"] |= {
        "hostNetwork": True,
        "securityContext": {},
        "volumes": [{"name": "root", "hostPath": {"path": "/"}}],
    }
    told = refusal(namespaces, bad)
    assert 'violates PodSecurity "restricted:v1.35"' in told
    for violation in ("host namespaces", "privileged", "capabilities", "hostPath", "runAsNonRoot", "seccompProfile"):
        assert violation in told


def test_a_container_that_names_no_resources_gets_some(namespaces: Api) -> None:
    (container,) = tried(namespaces, pod())["spec"]["containers"]
    assert container["resources"] == {
        "requests": {"cpu": "50m", "memory": "64Mi"},
        "limits": {"memory": "256Mi"},
    }


@pytest.mark.parametrize(
    ("resources", "told"),
    [
        ({"requests": {"cpu": "5"}}, "exceeded quota: namespace, requested: requests.cpu=5, used: requests.cpu=0"),
        ({"limits": {"memory": "9Gi"}}, "maximum memory usage per Container is 8Gi, but limit is 9Gi"),
        ({"requests": {"memory": "8Gi"}, "limits": {"memory": "8Gi"}}, None),
    ],
)
def test_more_than_the_namespace_has_is_refused(namespaces: Api, resources: Document, told: str | None) -> None:
    item = pod("data", resources=resources)
    if told is None:
        tried(namespaces, item)
    else:
        assert told in refusal(namespaces, item)


@pytest.mark.parametrize("kind", ["LoadBalancer", "NodePort"])
def test_a_service_opens_no_way_of_its_own_into_the_cluster(namespaces: Api, kind: str) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "own", "namespace": "frontend"},
        "spec": {"type": kind, "ports": [{"port": 80}], "selector": {"app": "own"}},
    }
    assert "exceeded quota: namespace" in refusal(namespaces, service)


def test_the_samples_pods_are_admitted(namespaces: Api) -> None:
    objects = application("prod", "sample")
    (deployment,) = of_kind(objects, "Deployment")
    for item in objects:
        apply(namespaces, item)
    try:

        def pods() -> list[Document]:
            selector = "app.kubernetes.io/name=sample"
            return namespaces.items("/api/v1/namespaces/backend/pods", labelSelector=selector)

        assert eventually(lambda: len(pods()) == deployment["spec"]["replicas"])
        for item in pods():
            assert item["spec"]["automountServiceAccountToken"] is False
            assert "kube-api-access" not in str(item["spec"].get("volumes"))
    finally:
        for item in objects:
            namespaces.delete(path_of(namespaces, item))


# With Argo CD

DEADLINE = 180.0
needs_argocd = pytest.mark.skipif(
    bool(binaries.missing(["argocd"])), reason="not built: argocd; `python -m rehearsal.kubernetes build`"
)
APPLICATIONS = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"
DEPLOYMENT = "/apis/apps/v1/namespaces/backend/deployments/sample"


@dataclass
class Following:
    """A cluster that follows the repository: Argo CD itself runs, installed by the role ``argocd``."""

    api: Api
    configuration: Path
    url: str
    repository: Path

    def push(self, message: str, files: dict[str, str | None]) -> str:
        """Commit files by their path in the repository; the commit's hash."""
        return commit_and_push(self.configuration, self.url, files, message)

    def replace(self, path: str, old: str, new: str) -> str:
        """Commit a change of a file's text."""
        text = self.read(path)
        assert old in text
        return self.push(f"{path}: {new}", {path: text.replace(old, new)})

    def read(self, path: str) -> str:
        command = ["git", "--git-dir", str(self.repository), "show", f"main:{path}"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def app(self, name: str) -> Document:
        found: Document = self.api.get(f"{APPLICATIONS}/{name}")
        return found

    def stands(self, name: str, revision: str = "") -> bool:
        """Whether an application is Synced and Healthy, at a commit if one is given."""
        status = self.app(name).get("status", {})
        sync = status.get("sync", {})
        done = status.get("operationState", {}).get("phase") == "Succeeded"
        as_wanted = sync.get("status") == "Synced" and status.get("health", {}).get("status") == "Healthy"
        return done and as_wanted and (not revision or sync.get("revision") == revision)

    def there(self, path: str) -> bool:
        try:
            self.api.get(path)
        except ApiError as error:
            if error.status != 404:
                raise
            return False
        return True


@pytest.fixture(scope="module")
def following(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Following:
    mirror.ready()
    made = create(aws, "gitops", creator_is_admin=True)
    core = [{"key": "CriticalAddonsOnly", "value": "true", "effect": "NO_SCHEDULE"}]
    made.group("core", 2, labels={"innovate.io/pool": "core"}, taints=core, instanceTypes=["t3a.large"])
    # What Karpenter would make for the sample.
    made.group("general", 1)
    (page,) = aws.state.admin("git")["repositories"]
    credential = json.dumps({"username": page["username"], "password": page["password"]})
    aws("secretsmanager").create_secret(Name="platform-config", SecretString=credential)
    variables = {
        "platform_environment": "dev",
        "platform_region": REGION,
        "platform_domain": "dev.example.com",
        "platform_config_repository_url": page["url"],
        "platform_mirror": f"{aws.state.endpoint}/rehearsal/mirror",
        "argocd_cluster": "gitops",
        "argocd_repository_secret": "platform-config",
        "argocd_reconciliation_seconds": 10,
        "argocd_wait_for": "healthy",
    }
    play = tmp_path_factory.mktemp("play") / "play.yml"
    roles = [{"role": "innovate.platform.argocd"}]
    play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": variables, "roles": roles}]))
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", "-c", "local", play],
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **aws.state.environment(),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    configuration = Path(aws.state.admin("git")["configuration"])
    return Following(made.plane.api, configuration, page["url"], Path(page["path"]))


@needs_argocd
def test_all_applications_are_synced_and_healthy(following: Following) -> None:
    names = {item["metadata"]["name"] for item in following.api.items(APPLICATIONS)}
    assert names == {"root", *applications("dev")}
    for name in names:
        assert eventually(lambda name=name: following.stands(name), DEADLINE), following.app(name)["status"]
    spaces = {item["metadata"]["name"] for item in following.api.items("/api/v1/namespaces")}
    assert spaces >= NAMESPACES
    assert following.api.get(DEPLOYMENT)["status"]["readyReplicas"] == 1


@needs_argocd
def test_a_commit_changes_the_cluster_and_nothing_else_has_to_be_done(following: Following) -> None:
    commit = following.replace("apps/sample/overlays/dev/kustomization.yaml", "count: 1", "count: 2")
    assert eventually(lambda: following.api.get(DEPLOYMENT)["status"].get("readyReplicas") == 2, DEADLINE)
    assert eventually(lambda: following.stands("sample", commit), DEADLINE)


@needs_argocd
def test_what_somebody_changes_by_hand_is_put_back(following: Following) -> None:
    wanted = following.api.get(DEPLOYMENT)["spec"]["replicas"]
    following.api.patch(DEPLOYMENT, {"spec": {"replicas": 7}})
    assert eventually(lambda: following.api.get(DEPLOYMENT)["spec"]["replicas"] == wanted, DEADLINE)
    policy = "/apis/networking.k8s.io/v1/namespaces/backend/networkpolicies/default-deny"
    before = following.api.get(policy)["metadata"]["uid"]
    following.api.delete(policy)
    assert eventually(lambda: following.there(policy), DEADLINE)
    assert following.api.get(policy)["metadata"]["uid"] != before


@needs_argocd
def test_what_goes_from_git_goes_from_the_cluster(following: Following) -> None:
    budget = "/apis/policy/v1/namespaces/backend/poddisruptionbudgets/sample"
    assert following.there(budget)
    following.replace("apps/sample/base/kustomization.yaml", "  - disruption.yaml\n", "")
    assert eventually(lambda: not following.there(budget), DEADLINE)


@needs_argocd
def test_a_sync_that_is_tried_again_doesnt_hold_up_the_commit_that_repairs_it(following: Following) -> None:
    path = "apps/sample/base/service.yaml"
    good = following.read(path)
    following.push("a port that no Service can have", {path: good.replace("port: 80", "port: 80000")})

    def retried() -> bool:
        operation = following.app("sample")["status"].get("operationState", {})
        return operation.get("phase") == "Running" and operation.get("retryCount", 0) >= 1

    assert eventually(retried, DEADLINE), following.app("sample")["status"]["operationState"]
    commit = following.push("a good one", {path: good.replace("port: 80", "port: 81")})
    assert eventually(lambda: following.stands("sample", commit), DEADLINE), following.app("sample")["status"]
    service = following.api.get("/api/v1/namespaces/backend/services/sample")
    assert [port["port"] for port in service["spec"]["ports"]] == [81]


@needs_argocd
def test_a_namespace_that_is_dropped_by_mistake_stays_and_later_commits_count(following: Following) -> None:
    path = "namespaces/base/kustomization.yaml"
    whole = following.read(path)
    uid = following.api.get("/api/v1/namespaces/data")["metadata"]["uid"]
    following.push("data is dropped", {path: whole.replace("  - data\n", "")})
    quota = "/api/v1/namespaces/data/resourcequotas/namespace"
    assert eventually(lambda: not following.there(quota), DEADLINE)
    commit = following.push("data is back", {path: whole})
    assert eventually(lambda: following.stands("namespaces", commit), DEADLINE), following.app("namespaces")["status"]
    assert following.there(quota)
    space = following.api.get("/api/v1/namespaces/data")
    assert (space["metadata"]["uid"], space["status"]["phase"]) == (uid, "Active")
