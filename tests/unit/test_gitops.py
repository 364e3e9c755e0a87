# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform-config repository: every environment renders, and keeps the rules that its README tells."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.innovate.platform.plugins.module_utils._vpc.addresses import Tier, lay_out
from rehearsal.git import DEFAULT
from tests.gitops import ENVIRONMENTS, NAMESPACES, TREE, application, applications, needs_kustomize, of_kind

ROOT = TREE.parent
ALL = pytest.mark.parametrize("environment", ENVIRONMENTS)
EACH = pytest.mark.parametrize(("environment", "name"), list(itertools.product(ENVIRONMENTS, ("namespaces", "sample"))))
#: A digest, or a tag with at least two numbers in it; `latest`, `stable` and `1` move.
PINNED = re.compile(r"(@sha256:[0-9a-f]{64}|:v?\d+\.\d+[\w.-]*)$")


def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text()))


# The files


def test_every_file_is_yaml_that_something_names() -> None:
    left = set()
    for path in TREE.rglob("*.yaml"):
        assert all(isinstance(document, (dict, list)) for document in documents(path)), path
        folder = path.parent / "kustomization.yaml"
        if path.name != "kustomization.yaml" and path.name not in folder.read_text():
            left.add(str(path.relative_to(TREE)))
    assert left == set()


def test_no_secret_is_in_the_tree() -> None:
    kinds = {item.get("kind") for path in TREE.rglob("*.yaml") for item in documents(path) if isinstance(item, dict)}
    assert "Secret" not in kinds
    assert not [path for path in TREE.rglob("*.yaml") if "secretGenerator" in path.read_text()]


def parts(item: Any, key: str) -> Iterator[Any]:
    """Every value of a key, however deep in a document."""
    for name, value in item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ():
        if name == key:
            yield value
        yield from parts(value, key)


def test_nothing_is_put_into_the_default_namespace() -> None:
    spaces = [name for path in TREE.rglob("*.yaml") for item in documents(path) for name in parts(item, "namespace")]
    assert {"backend", "platform"} <= set(spaces)
    assert "default" not in spaces


def test_nobody_gets_rights_in_a_cluster_by_a_file() -> None:
    kinds = {kind for path in TREE.rglob("*.yaml") for item in documents(path) for kind in parts(item, "kind")}
    assert "Deployment" in kinds
    assert kinds & {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"} == set()


def test_no_container_has_a_secret_in_its_environment() -> None:
    files = [path.read_text() for path in TREE.rglob("*.yaml")]
    assert [text for text in files if "containers:" in text]
    assert [text for text in files if "secretKeyRef" in text or "secretRef" in text] == []


@ALL
def test_an_environments_facts_are_the_inventorys(environment: str) -> None:
    (facts,) = documents(TREE / f"environments/{environment}/environment.yaml")
    assert facts["data"]["name"] == environment
    inventory = yaml.safe_load(
        (ROOT / f"inventories/{environment}/group_vars/environment_{environment}.yml").read_text()
    )
    assert inventory["platform_environment"] == environment


def inventories(name: str) -> dict[str, Any]:
    """A variable's values, by the file of the inventories that sets it."""
    found = {}
    for path in ROOT.glob("inventories/**/*.yml"):
        content = yaml.safe_load(path.read_text())
        if isinstance(content, dict) and name in content:
            found[str(path.relative_to(ROOT))] = content[name]
    return found


def test_the_repository_is_the_same_in_git_in_the_inventories_and_in_the_rehearsal() -> None:
    facts = [documents(TREE / f"environments/{environment}/environment.yaml")[0] for environment in ENVIRONMENTS]
    here = {item["data"]["repoURL"] for item in facts}
    assert here == set(DEFAULT)
    assert {url for url in inventories("platform_config_repository_url").values() if url not in here} == set()


@ALL
def test_applications_follow_the_revision_that_the_root_application_follows(environment: str) -> None:
    (facts,) = documents(TREE / f"environments/{environment}/environment.yaml")
    default = yaml.safe_load((ROOT / "roles/argocd/defaults/main.yml").read_text())["argocd_repository_revision"]
    own = inventories("argocd_repository_revision").get(
        f"inventories/{environment}/group_vars/environment_{environment}.yml"
    )
    assert facts["data"]["targetRevision"] == (own or default)


@ALL
def test_the_range_of_the_databases_is_the_isolated_tier_and_no_other(environment: str) -> None:
    inventory = yaml.safe_load(
        (ROOT / f"inventories/{environment}/group_vars/environment_{environment}.yml").read_text()
    )
    tiers = yaml.safe_load((ROOT / "roles/vpc/defaults/main.yml").read_text())["vpc_tiers"]
    layout = lay_out(inventory["vpc_cidr"], [Tier(**tier) for tier in tiers], ["a", "b", "c"])
    ((patch,),) = documents(TREE / f"namespaces/overlays/{environment}/databases.yaml")
    (rule,) = patch["value"]
    (block,) = (ipaddress.IPv4Network(item["ipBlock"]["cidr"]) for item in rule["to"])
    assert rule["ports"] == [{"protocol": "TCP", "port": 5432}]
    for tier, subnets in layout.subnets.items():
        for subnet in subnets:
            assert block.supernet_of(subnet) if tier == "isolated" else not block.overlaps(subnet), (tier, subnet)


def test_pod_security_is_of_the_clusters_version() -> None:
    versions = yaml.safe_load((ROOT / "versions.yml").read_text())["versions"]
    (kubernetes,) = (item["version"] for item in versions if item["name"] == "kubernetes")
    (namespace,) = documents(TREE / "namespaces/tenant/namespace.yaml")
    labels = namespace["metadata"]["labels"]
    for mode in ("enforce", "audit", "warn"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
        assert labels[f"pod-security.kubernetes.io/{mode}-version"] == f"v{kubernetes}"


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        ("public.ecr.aws/a/b:1.30.5-alpine", True),
        ("public.ecr.aws/a/b@sha256:" + 64 * "0", True),
        ("public.ecr.aws/a/b:latest", False),
        ("public.ecr.aws/a/b:stable-alpine3", False),
        ("public.ecr.aws/a/b:1", False),
        ("localhost:5000/a/b", False),
    ],
)
def test_an_image_is_pinned_by_a_digest_or_a_full_version(image: str, *, pinned: bool) -> None:
    assert bool(PINNED.search(image)) is pinned


# What kustomize makes of them


@needs_kustomize
@ALL
def test_an_environment_is_its_applications(environment: str) -> None:
    items = applications(environment)
    assert {item["kind"] for item in items.values()} == {"Application"}
    assert {item["metadata"]["namespace"] for item in items.values()} == {"argocd"}
    facts = documents(TREE / f"environments/{environment}/environment.yaml")[0]["data"]
    for item in items.values():
        source = item["spec"]["source"]
        assert (source["repoURL"], source["targetRevision"]) == (facts["repoURL"], facts["targetRevision"])
        assert source["path"].endswith(f"/overlays/{environment}")
        assert (TREE / source["path"] / "kustomization.yaml").exists()


@needs_kustomize
@EACH
def test_an_application_follows_git_and_heals_itself(environment: str, name: str) -> None:
    item = applications(environment)[name]
    policy = item["spec"]["syncPolicy"]
    assert policy["automated"] == {"prune": True, "selfHeal": True}
    assert policy["retry"]["refresh"] is True
    assert "ServerSideApply=true" in policy["syncOptions"]
    # Without it the objects of an application that is taken out of Git would stay.
    assert item["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]


@needs_kustomize
@ALL
def test_namespaces_come_before_what_lives_in_them(environment: str) -> None:
    items = applications(environment)
    waves = {name: int(item["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]) for name, item in items.items()}
    first = waves.pop("namespaces")
    assert all(wave > first for wave in waves.values())
    objects = application(environment, "namespaces")
    for item in objects:
        wave = int(item["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", "0"))
        assert (wave < 0) is (item["kind"] == "Namespace")


@needs_kustomize
@ALL
def test_every_project_of_an_application_is_one_of_the_namespaces(environment: str) -> None:
    assert {item["spec"]["project"] for item in applications(environment).values()} <= NAMESPACES


@needs_kustomize
@ALL
def test_every_namespace_is_closed_limited_and_guarded(environment: str) -> None:
    objects = application(environment, "namespaces")
    spaces = {item["metadata"]["name"]: item["metadata"] for item in of_kind(objects, "Namespace")}
    assert set(spaces) == NAMESPACES
    for name, metadata in spaces.items():
        assert metadata["annotations"]["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
        mine = [item for item in objects if item["metadata"].get("namespace") == name]
        denied = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        policies = {item["metadata"]["name"]: item["spec"] for item in of_kind(mine, "NetworkPolicy")}
        assert policies["default-deny"] == denied
        assert len(of_kind(mine, "LimitRange")) == 1
        (quota,) = of_kind(mine, "ResourceQuota")
        assert {"requests.cpu", "requests.memory", "limits.memory", "pods"} <= set(quota["spec"]["hard"])
    # All that isn't a namespace is in one of ours.
    assert {item["metadata"].get("namespace") for item in objects} == {None, *NAMESPACES}


@needs_kustomize
@ALL
def test_the_paths_are_those_of_the_readme(environment: str) -> None:
    found: dict[str, set[tuple[str, int]]] = {}
    for item in of_kind(application(environment, "namespaces"), "NetworkPolicy"):
        for way, peers in (("egress", "to"), ("ingress", "from")):
            for rule in item["spec"].get(way) or []:
                assert rule[peers], "a rule without peers is open to the world"
                ports = {(peers, port["port"]) for port in rule["ports"]}
                found.setdefault(item["metadata"]["namespace"], set()).update(ports)
    dns = ("to", 53)
    assert found == {
        "frontend": {dns, ("to", 8080)},
        "backend": {dns, ("to", 5432), ("from", 8080)},
        "data": {dns, ("to", 5432)},
        "platform": {dns},
        "observability": {dns},
    }


@needs_kustomize
@EACH
def test_what_limits_a_team_is_not_in_its_own_application(environment: str, name: str) -> None:
    """The projects of the role argocd refuse it."""
    governing = {"ResourceQuota", "LimitRange", "NetworkPolicy", "Namespace"}
    kinds = {item["kind"] for item in application(environment, name)}
    assert governing <= kinds if name == "namespaces" else not governing & kinds


@needs_kustomize
def test_quotas_grow_with_the_environment() -> None:
    def cpu(environment: str) -> int:
        quotas = of_kind(application(environment, "namespaces"), "ResourceQuota")
        (found,) = {item["spec"]["hard"]["requests.cpu"] for item in quotas}
        return int(found)

    sizes = [cpu(environment) for environment in ENVIRONMENTS]
    assert sizes == sorted(set(sizes))


@needs_kustomize
@EACH
def test_every_image_is_pinned(environment: str, name: str) -> None:
    for item in application(environment, name):
        pod = item.get("spec", {}).get("template", {}).get("spec", {})
        for container in [*pod.get("containers", []), *pod.get("initContainers", [])]:
            assert PINNED.search(container["image"]), container["image"]


@needs_kustomize
@ALL
def test_the_sample_survives_a_node_and_can_be_moved(environment: str) -> None:
    objects = application(environment, "sample")
    (deployment,) = of_kind(objects, "Deployment")
    spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert {item["topologyKey"] for item in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    (budget,) = of_kind(objects, "PodDisruptionBudget")
    # A minimum would hold up the emptying of a node where there is one pod.
    assert budget["spec"]["maxUnavailable"] == 1
    selectors = [budget["spec"]["selector"], deployment["spec"]["selector"]]
    assert selectors[0] == selectors[1]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert selectors[0]["matchLabels"].items() <= labels.items()
    (service,) = of_kind(objects, "Service")
    assert service["spec"]["selector"].items() <= labels.items()
    (account,) = of_kind(objects, "ServiceAccount")
    assert account["automountServiceAccountToken"] is False
