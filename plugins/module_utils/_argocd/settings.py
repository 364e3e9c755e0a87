# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the role ``argocd``, each under its name without the role's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

NAMESPACE = "argocd"
"""Where Argo CD is: its published manifests bind cluster roles to service accounts of this namespace."""
IN_CLUSTER = "https://kubernetes.default.svc"
"""The API server of the cluster that Argo CD is in, as its pods reach it."""
ROOT = "root"
ROOT_PROJECT = "platform-config"
CREDENTIALS: Mapping[str, Mapping[str, str]] = {
    "basic": {"username": "username", "password": "password"},
    "github_app": {
        "githubAppID": "github_app_id",
        "githubAppInstallationID": "github_app_installation_id",
        "githubAppPrivateKey": "github_app_private_key",
    },
    "ssh": {"sshPrivateKey": "ssh_private_key"},
}
"""For each kind of credential, which key of the JSON in Secrets Manager goes where in Argo CD's Secret.

https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#repositories
"""


@dataclass(frozen=True)
class Project:
    """An item of ``argocd_projects``.

    :param namespaces: its own; no other project has them.
    :param manages: namespaces of other projects that it may write to as well.
    :param cluster_resources: kinds without a namespace that it may manage, as ``{"group": ..., "kind": ...}``.
    :param governed: whether quotas, limits and network policies of its namespaces are another's to set.
    :param developers: whether ``argocd_groups.developers`` work in it.
    """

    name: str
    description: str = ""
    namespaces: Sequence[str] = ()
    manages: Sequence[str] = ()
    cluster_resources: Sequence[Mapping[str, str]] = ()
    governed: bool = True
    developers: bool = True
    source_repositories: Sequence[str] = ()
    groups: Sequence[str] = ()
    sync_windows: Sequence[Mapping[str, Any]] = ()

    @property
    def own(self) -> tuple[str, ...]:
        """Its namespaces; one of its own name unless it says."""
        return tuple(self.namespaces) or (self.name,)


@dataclass(frozen=True)
class Settings:
    """What the role is asked for; the role's argument specs describe each."""

    cluster: str
    environment: str
    domain: str
    repository_url: str
    repository_revision: str = "main"
    repository_path: str = ""
    repository_secret: str = ""
    repository_credential: str = "basic"
    repository_ca: str = ""
    high_availability: bool = False
    sso: Mapping[str, Any] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    projects: Sequence[Project] = ()
    addons: Mapping[str, bool] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    certificate_secret: str = ""
    tls_minimum_version: str = "1.2"
    reconciliation_seconds: int = 60
    parameters: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()

    @property
    def host(self) -> str:
        """The host that the repository is on."""
        return repository_host(self.repository_url)


def settings_of(variables: Mapping[str, Any]) -> Settings:
    """Return settings from the role's variables; what is not set has its default here."""
    names = {item.name for item in fields(Settings)}
    given = {name: value for name, value in variables.items() if name in names and value is not None}
    projects = [_project(item) for item in given.pop("projects", [])]
    return Settings(**given, projects=projects)


def _project(item: Mapping[str, Any]) -> Project:
    names = {entry.name for entry in fields(Project)}
    return Project(**{name: value for name, value in item.items() if name in names and value is not None})


def repository_host(url: str) -> str:
    """Return the host of a repository's URL, in either of the forms that Git knows."""
    rest = url.partition("://")[2] or url
    host = rest.split("/", 1)[0].rpartition("@")[2]
    return host.split(":", 1)[0]
