# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role argocd makes of good and bad variables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.innovate.platform.plugins.module_utils._argocd.outcome import outcome
from ansible_collections.innovate.platform.plugins.module_utils._argocd.settings import repository_host
from ansible_collections.innovate.platform.plugins.module_utils._manifests.checks import document_problems

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS = yaml.safe_load((ROOT / "roles/argocd/defaults/main.yml").read_text())
SSO = {"issuer": "https://id.example.com/realms/people", "client_id": "argocd", "secret_id": "argocd-sso"}
GROUPS = {"developers": ["dev-team"], "operators": ["ops team"], "auditors": ["audit"]}
BASIC = {
    "cluster": "dev",
    "environment": "dev",
    "domain": "dev.example.com",
    "repository_url": "https://github.com/example/platform-config.git",
    "repository_path": "environments/dev",
    "projects": DEFAULTS["argocd_projects"],
    "node_selector": DEFAULTS["argocd_node_selector"],
    "tolerations": DEFAULTS["argocd_tolerations"],
}


def declared(**changes: Any) -> dict[str, Any]:
    found = outcome({**BASIC, **changes})
    assert found["problems"] == []
    return found


def named(documents: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [item for item in documents if item["kind"] == kind and item["metadata"]["name"] == name]
    return found


def config(name: str, **changes: Any) -> dict[str, str]:
    return dict(named(declared(**changes)["patches"], "ConfigMap", name)["data"])


def policy(**changes: Any) -> set[str]:
    return set(config("argocd-rbac-cm", **changes)["policy.csv"].splitlines())


def projects(*items: dict[str, Any]) -> dict[str, Any]:
    return {"projects": list(items)}


def window(**changes: Any) -> dict[str, Any]:
    good = {"kind": "deny", "schedule": "0 22 * * 5", "duration": "60h"}
    return projects({"name": "backend", "sync_windows": [{**good, **changes}]})


BAD = {
    "no domain": ({"domain": ""}, "argocd_domain '' is no domain name"),
    "a URL as domain": ({"domain": "https://dev.example.com"}, "argocd_domain 'https://dev.example.com' is no domain"),
    "a single label": ({"domain": "localhost"}, "'localhost' is no domain name: set platform_domain"),
    "a file": ({"repository_url": "/srv/git/config"}, "argocd_repository_url '/srv/git/config' is no repository's URL"),
    "no path": ({"repository_url": "https://github.com"}, "'https://github.com' is no repository's URL"),
    "plain http": ({"repository_url": "http://git.example.com/config"}, "is not encrypted: use https://"),
    "ssh without a key": (
        {"repository_url": "git@github.com:example/config.git"},
        "is reached by SSH: set argocd_repository_credential to ssh",
    ),
    "a key without ssh": (
        {"repository_secret": "config", "repository_credential": "ssh"},
        "is not reached by SSH, but argocd_repository_credential is ssh",
    ),
    "no revision": ({"repository_revision": ""}, "argocd_repository_revision '' is no branch, tag or commit"),
    "a range": ({"repository_revision": "v1..v2"}, "'v1..v2' is no branch, tag or commit"),
    "an option": ({"repository_revision": "--upload-pack=x"}, "is no branch, tag or commit"),
    "an absolute path": ({"repository_path": "/environments/dev"}, "without a leading slash or .."),
    "a path out of the repository": ({"repository_path": "../dev"}, "is not a directory in the repository"),
    "no certificate": ({"repository_ca": "/etc/ca.pem"}, "argocd_repository_ca holds no certificate"),
    "half a sign-on": (
        {"sso": {"issuer": SSO["issuer"]}, "groups": GROUPS},
        "argocd_sso lacks client_id and secret_id: sign-on needs issuer, client_id and secret_id",
    ),
    "an unencrypted issuer": (
        {"sso": {**SSO, "issuer": "http://id.example.com"}, "groups": GROUPS},
        "argocd_sso.issuer 'http://id.example.com' is no issuer",
    ),
    "sign-on for nobody": ({"sso": SSO, "groups": {"operators": []}}, "argocd_groups names no group"),
    "groups without sign-on": ({"groups": GROUPS}, "groups are given, but argocd_sso is empty"),
    "an empty group": ({"sso": SSO, "groups": {"operators": [" "]}}, "' ' (operators) can't be the name of a group"),
    "a group that is a policy": (
        {"sso": SSO, "groups": {"developers": ["x, role:admin"]}},
        "'x, role:admin' (developers) can't be the name of a group",
    ),
    "a group in two": (
        {"sso": SSO, "groups": {"developers": ["all"], "operators": ["all"]}},
        "'all' is in developers and operators: put it in one",
    ),
    "a project twice": (projects({"name": "a"}, {"name": "a"}), "argocd_projects has 2 projects named 'a': keep one"),
    "a bad name": (projects({"name": "Back_end"}), "project 'Back_end' in argocd_projects has no good name"),
    "the root's name": (projects({"name": "platform-config"}), "that Argo CD or this role uses itself"),
    "a namespace of two": (
        projects({"name": "a", "namespaces": ["x"]}, {"name": "b", "namespaces": ["x"]}),
        "namespace 'x' is in a and b: it belongs to one project",
    ),
    "the cluster's namespace": (projects({"name": "kube-system"}), "'kube-system', which is the cluster's own"),
    "a namespace of the cluster's": (projects({"name": "a", "namespaces": ["default"]}), "which is the cluster's own"),
    "Argo CD's namespace": (projects({"name": "a", "namespaces": ["argocd"]}), "who writes there makes himself any"),
    "an unknown namespace": (
        projects({"name": "platform", "manages": ["fronted"]}, {"name": "frontend"}),
        "project 'platform' in argocd_projects manages an unknown namespace 'fronted': did you mean frontend?",
    ),
    "the cluster's kinds for a team": (
        projects({"name": "a", "cluster_resources": [{"group": "", "kind": "Namespace"}]}),
        "may manage Namespace, which is the whole cluster's, but is governed by others",
    ),
    "any repository": (projects({"name": "a", "source_repositories": ["*"]}), "'*' is no repository's URL"),
    "half a schedule": (window(schedule="22:00"), "has schedule '22:00': write cron's five fields"),
    "a bad duration": (window(duration="a while"), "has duration 'a while': write hours and minutes"),
    "a bad window": (window(kind="maybe"), "has kind 'maybe': it is allow or deny"),
    "a bad switch": ({"addons": {"external-dns!": True}}, "argocd_addons has 'external-dns!'"),
    "neither on nor off": ({"addons": {"keda": "maybe"}}, "argocd_addons has keda: maybe: it is true or false"),
    "a fact that templates can't read": ({"facts": {"vpc-id": "x"}}, "argocd_facts has 'vpc-id'"),
    "too often": ({"reconciliation_seconds": 1}, "argocd_reconciliation_seconds is 1: 10 is the least"),
    "a bad parameter": ({"parameters": {"SERVER_LOG": "x"}}, "argocd_parameters has 'SERVER_LOG'"),
    "no TLS": ({"parameters": {"server.insecure": "true"}}, "sends passwords unencrypted: leave it out"),
}


@pytest.mark.parametrize(("changes", "sentence"), BAD.values(), ids=BAD)
def test_a_mistake_gets_a_sentence_and_nothing_is_declared(changes: dict[str, Any], sentence: str) -> None:
    found = outcome({**BASIC, **changes})
    assert len(found["problems"]) == 1, found["problems"]
    assert sentence in found["problems"][0]
    assert not any(value for key, value in found.items() if key != "problems")


def test_all_mistakes_come_at_once() -> None:
    found = outcome(
        {**BASIC, "domain": "x", "repository_revision": "", **projects({"name": "B"}), "sso": {"name": "x"}}
    )
    assert len(found["problems"]) == 5


def test_a_password_in_a_url_is_not_repeated() -> None:
    found = outcome({**BASIC, "repository_url": "https://me:hunter2@github.com/example/config.git"})
    assert "has credentials in it" in found["problems"][0]
    assert "hunter2" not in str(found)


def test_a_private_key_among_certificates_is_not_repeated() -> None:
    pem = "-----BEGIN CERTIFICATE-----\nx\n-----BEGIN PRIVATE KEY-----\nabc\n"
    found = outcome({**BASIC, "repository_ca": pem})
    assert "holds a private key" in found["problems"][0]
    assert "abc" not in str(found)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://git.example.com:8443/a/b.git", "git.example.com"),
        ("git@git.example.com:a/b.git", "git.example.com"),
        ("ssh://git@git.example.com:22/a/b.git", "git.example.com"),
    ],
)
def test_the_host_of_a_repository_is_found(url: str, host: str) -> None:
    assert repository_host(url) == host


# What is declared


@pytest.mark.parametrize("high_availability", [False, True])
def test_every_object_is_a_sound_one(high_availability: bool) -> None:
    found = declared(
        sso=SSO, groups=GROUPS, high_availability=high_availability, certificate_secret="cert", repository_secret="repo"
    )
    documents = [*found["additions"], *found["projects"], *found["connections"], *found["root"]]
    assert [problem for item in documents for problem in document_problems(item)] == []
    names = [(item["kind"], item["metadata"]["name"]) for item in documents]
    assert len(names) == len(set(names))


def test_people_sign_on_and_admin_has_no_way_in() -> None:
    data = config("argocd-cm", sso=SSO, groups=GROUPS)
    oidc = json.loads(data["oidc.config"])
    assert data["url"] == "https://argocd.dev.example.com"
    assert data["admin.enabled"] == "false"
    assert oidc["clientSecret"] == "$argocd-sso:client_secret"
    assert oidc["requestedIDTokenClaims"] == {"groups": {"essential": True}}
    found = declared(sso=SSO, groups=GROUPS)
    secret = named(found["additions"], "Secret", "argocd-sso")
    assert secret["stringData"] == {"client_secret": "${secret.sso.client_secret}"}
    assert secret["metadata"]["labels"] == {"app.kubernetes.io/part-of": "argocd"}
    assert found["addition_secrets"] == [{"name": "sso", "secret_id": "argocd-sso"}]


def test_without_sign_on_there_is_admin_and_nobody_else() -> None:
    data = config("argocd-cm")
    assert data["admin.enabled"] == "true"
    assert "oidc.config" not in data
    assert data["users.anonymous.enabled"] == data["exec.enabled"] == "false"
    assert config("argocd-rbac-cm")["policy.default"] == ""


def test_another_claim_is_asked_for_and_read() -> None:
    sso = {**SSO, "groups_claim": "roles"}
    assert json.loads(config("argocd-cm", sso=sso, groups=GROUPS)["oidc.config"])["requestedIDTokenClaims"] == {
        "roles": {"essential": True}
    }
    assert json.loads(config("argocd-rbac-cm", sso=sso, groups=GROUPS)["scopes"]) == ["roles"]


def test_groups_have_their_roles_and_developers_only_their_projects() -> None:
    lines = policy(sso=SSO, groups=GROUPS)
    assert {"g, dev-team, role:developer", "g, ops team, role:operator", "g, audit, role:auditor"} <= lines
    assert "p, role:developer, applications, sync, backend/*, allow" in lines
    assert not [line for line in lines if "role:developer" in line and ("platform" in line or "observab" in line)]
    assert not [line for line in lines if "exec" in line or "override" in line]
    actions = {line.split(", ")[3] for line in lines if line.startswith("p, role:auditor")}
    assert actions == {"get"}


def test_the_server_speaks_tls_and_pods_are_replaced_with_their_parameters() -> None:
    data = config("argocd-cmd-params-cm", tls_minimum_version="1.3")
    assert data["server.insecure"] == "false"
    assert data["server.tls.minversion"] == "1.3"

    def digest(**changes: Any) -> str:
        server = named(declared(**changes)["patches"], "Deployment", "argocd-server")
        return str(server["spec"]["template"]["metadata"]["annotations"]["innovate.platform/parameters"])

    assert digest() == digest(groups=GROUPS, sso=SSO)
    assert len({digest(), digest(tls_minimum_version="1.3"), digest(reconciliation_seconds=90)}) == 3


def test_the_authority_of_a_private_host_is_trusted_for_that_host() -> None:
    pem = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
    assert config("argocd-tls-certs-cm", repository_ca=pem) == {"github.com": pem}


@pytest.mark.parametrize("high_availability", [False, True])
def test_workloads_keep_to_the_core_nodes_with_what_they_ask_for(high_availability: bool) -> None:
    found = declared(
        high_availability=high_availability, resources={"argocd-server": {"requests": {"cpu": "1"}, "limits": {}}}
    )
    for item in found["patches"]:
        if item["kind"] in ("Deployment", "StatefulSet") and item.get("$patch") != "delete":
            pod = item["spec"]["template"]["spec"]
            assert pod["nodeSelector"] == {"kubernetes.io/os": "linux", "innovate.io/pool": "core"}
            assert pod["tolerations"] == [{"key": "CriticalAddonsOnly", "operator": "Exists"}]
            assert pod["priorityClassName"] == "argocd"
            for container in pod["containers"]:
                assert container["resources"]["limits"].keys() == {"memory"}
                assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    server = named(found["patches"], "Deployment", "argocd-server")
    assert server["spec"]["template"]["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "1", "memory": "128Mi"},
        "limits": {"memory": "512Mi"},
    }


def test_what_runs_more_than_once_is_spread_and_goes_one_by_one() -> None:
    found = declared(high_availability=True)
    budgets = {item["metadata"]["name"] for item in found["additions"] if item["kind"] == "PodDisruptionBudget"}
    assert budgets == {
        "argocd-repo-server",
        "argocd-server",
        "argocd-redis-ha-server",
        "argocd-redis-ha-haproxy",
    }
    redis = named(found["patches"], "StatefulSet", "argocd-redis-ha-server")["spec"]["template"]["spec"]
    (spread,) = redis["topologySpreadConstraints"]
    assert spread["topologyKey"] == "topology.kubernetes.io/zone"
    assert spread["labelSelector"]["matchLabels"] == {"app.kubernetes.io/name": "argocd-redis-ha"}
    single = declared()
    assert not [item for item in single["additions"] if item["kind"] == "PodDisruptionBudget"]


def test_the_project_of_everybody_allows_nothing() -> None:
    spec = named(declared()["additions"], "AppProject", "default")["spec"]
    assert (spec["sourceRepos"], spec["destinations"], spec["clusterResourceWhitelist"]) == ([], [], [])


def test_a_project_is_its_namespaces_and_its_repositories_and_no_more() -> None:
    found = declared()["projects"]
    backend = named(found, "AppProject", "backend")["spec"]
    assert backend["sourceRepos"] == [BASIC["repository_url"]]
    assert backend["destinations"] == [{"server": "https://kubernetes.default.svc", "namespace": "backend"}]
    assert backend["clusterResourceWhitelist"] == []
    assert {item["kind"] for item in backend["namespaceResourceBlacklist"]} == {
        "ResourceQuota",
        "LimitRange",
        "NetworkPolicy",
        "Role",
        "RoleBinding",
        "*",
    }
    platform = named(found, "AppProject", "platform")["spec"]
    assert {item["namespace"] for item in platform["destinations"]} == {
        "platform",
        "frontend",
        "backend",
        "data",
        "observability",
    }
    assert {"group": "", "kind": "Namespace"} in platform["clusterResourceWhitelist"]
    assert "namespaceResourceBlacklist" not in platform


def test_the_root_application_can_make_applications_and_no_project() -> None:
    spec = named(declared()["projects"], "AppProject", "platform-config")["spec"]
    assert {item["kind"] for item in spec["namespaceResourceWhitelist"]} == {"Application", "ApplicationSet"}
    assert spec["clusterResourceWhitelist"] == []
    assert [item["namespace"] for item in spec["destinations"]] == ["argocd"]


def test_a_project_may_have_windows_and_people_of_its_own() -> None:
    item = {**window()["projects"][0], "groups": ["backend-team"]}
    spec = named(declared(sso=SSO, groups=GROUPS, projects=[item])["projects"], "AppProject", "backend")["spec"]
    assert spec["syncWindows"] == [
        {
            "kind": "deny",
            "schedule": "0 22 * * 5",
            "duration": "60h",
            "timeZone": "UTC",
            "applications": ["*"],
            "manualSync": False,
        }
    ]
    (role,) = spec["roles"]
    assert role["groups"] == ["backend-team"]
    assert all(line.startswith("p, proj:backend:developer, ") for line in role["policies"])


CREDENTIALS: dict[str, tuple[str, dict[str, str]]] = {
    "basic": (
        BASIC["repository_url"],
        {"username": "${secret.repository.username}", "password": "${secret.repository.password}"},
    ),
    "github_app": (
        BASIC["repository_url"],
        {
            "githubAppID": "${secret.repository.github_app_id}",
            "githubAppInstallationID": "${secret.repository.github_app_installation_id}",
            "githubAppPrivateKey": "${secret.repository.github_app_private_key}",
        },
    ),
    "ssh": ("git@github.com:example/config.git", {"sshPrivateKey": "${secret.repository.ssh_private_key}"}),
}


@pytest.mark.parametrize(("kind", "url", "content"), [(kind, *rest) for kind, rest in CREDENTIALS.items()])
def test_a_credential_comes_from_secrets_manager(kind: str, url: str, content: dict[str, str]) -> None:
    found = declared(repository_url=url, repository_secret="config", repository_credential=kind)
    secret = named(found["connections"], "Secret", "repository-platform-config")
    assert secret["metadata"]["labels"] == {"argocd.argoproj.io/secret-type": "repository"}
    assert secret["stringData"] == {"url": url, **content}
    assert found["connection_secrets"] == [{"name": "repository", "secret_id": "config"}]


def test_a_public_repository_needs_no_credential() -> None:
    found = declared()
    assert found["connection_secrets"] == []
    assert named(found["connections"], "Secret", "repository-platform-config")["stringData"].keys() == {"url"}


def test_the_clusters_facts_are_handed_over() -> None:
    found = declared(addons={"external_dns": True, "keda": "false"}, facts={"karpenter_node_role_name": "nodes"})
    metadata = named(found["connections"], "Secret", "cluster-dev")["metadata"]
    assert metadata["labels"] == {
        "argocd.argoproj.io/secret-type": "cluster",
        "environment": "dev",
        "enable_external_dns": "true",
        "enable_keda": "false",
    }
    assert metadata["annotations"] == {
        "environment": "dev",
        "aws_account_id": "${cluster.account_id}",
        "aws_partition": "${cluster.partition}",
        "aws_region": "${cluster.region}",
        "aws_cluster_name": "${cluster.name}",
        "aws_vpc_id": "${cluster.vpc_id}",
        "domain": "dev.example.com",
        "platform_config_repo_url": BASIC["repository_url"],
        "platform_config_repo_revision": "main",
        "platform_config_repo_path": "environments/dev",
        "karpenter_node_role_name": "nodes",
    }


def test_the_root_application_comes_of_the_clusters_facts_and_takes_along_what_it_made() -> None:
    found = declared()
    (document,) = found["root"]
    spec, template = document["spec"], document["spec"]["template"]
    (generator,) = spec["generators"]
    cluster = named(found["connections"], "Secret", "cluster-dev")["metadata"]
    selector = generator["clusters"]["selector"]["matchLabels"]
    assert selector.items() <= cluster["labels"].items()
    assert spec["goTemplateOptions"] == ["missingkey=error"]
    used = {text.split(".")[-1].removesuffix(" }}") for text in template["spec"]["source"].values()}
    assert used <= cluster["annotations"].keys()
    assert template["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
    assert template["spec"]["project"] == "platform-config"
    assert template["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    assert template["spec"]["syncPolicy"]["retry"]["refresh"] is True
