# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform-config repository before a real API server: what it refuses, what it fills in, what it admits."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from rehearsal import mirror
from rehearsal.kubernetes.api import Api, ApiError
from rehearsal.kubernetes.binaries import pinned
from tests.gitops import ENVIRONMENTS, NAMESPACES, Document, application, applications, needs_kustomize, of_kind
from tests.kubernetes.conftest import Cluster, eventually, needs_binaries

pytestmark = [needs_binaries, needs_kustomize]

PUBLISHED = f"raw.githubusercontent.com/argoproj/argo-cd/v{pinned('argocd')}/manifests/install.yaml"
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


def create(api: Api, item: Document) -> Document:
    """What would become of an object."""
    path = path_of(api, item, collection=True)
    made: Document = api.request("POST", path, item, query={"dryRun": "All", "fieldValidation": "Strict"})
    return made


def refusal(api: Api, item: Document) -> str:
    with pytest.raises(ApiError) as caught:
        create(api, item)
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
    (container,) = create(namespaces, pod())["spec"]["containers"]
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
        create(namespaces, item)
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
