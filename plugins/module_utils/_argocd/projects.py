# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AppProjects: where each application may come from, where it may go, and of which kinds it may consist.

https://argo-cd.readthedocs.io/en/stable/operator-manual/project-specification/
"""

from __future__ import annotations

from typing import Any

from .access import project_policies
from .settings import IN_CLUSTER, NAMESPACE, ROOT_PROJECT, Project, Settings

_GOVERNING = (
    ("", "ResourceQuota"),
    ("", "LimitRange"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("networking.k8s.aws", "*"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
)
"""What limits a team is not its own: quotas, network policies (and what the VPC CNI makes of them), and rights in the
namespace, by which a pod could take all of that away again."""


def projects(settings: Settings) -> list[dict[str, Any]]:
    """Return the projects of ``argocd_projects`` and the root application's own."""
    return [_root_project(settings), *(_project(settings, project) for project in settings.projects)]


def _project(settings: Settings, project: Project) -> dict[str, Any]:
    namespaces = dict.fromkeys((*project.own, *project.manages))
    spec: dict[str, Any] = {
        "description": project.description or f"What runs in {', '.join(project.own)}.",
        "sourceRepos": [settings.repository_url, *project.source_repositories],
        "destinations": [{"server": IN_CLUSTER, "namespace": namespace} for namespace in namespaces],
        "clusterResourceWhitelist": [dict(item) for item in project.cluster_resources],
        "orphanedResources": {"warn": True},
    }
    if project.governed:
        spec["namespaceResourceBlacklist"] = [{"group": group, "kind": kind} for group, kind in _GOVERNING]
    if project.groups:
        spec["roles"] = [
            {
                "name": "developer",
                "description": f"Who works on {project.name}.",
                "policies": project_policies(project),
                "groups": list(project.groups),
            }
        ]
    if project.sync_windows:
        spec["syncWindows"] = [_window(dict(window)) for window in project.sync_windows]
    return _document(project.name, spec)


def closed_project() -> dict[str, Any]:
    """Return the project ``default``, which Argo CD makes of itself where it isn't, and which allows everything.

    Whoever may make applications may name it in them: it allows nothing.
    """
    return _document(
        "default",
        {
            "description": "Closed: each application belongs to a project of its namespace.",
            "sourceRepos": [],
            "destinations": [],
            "clusterResourceWhitelist": [],
        },
    )


def _root_project(settings: Settings) -> dict[str, Any]:
    """Return the root application's project: it may make applications, and nothing else.

    Not projects, above all: who writes to the repository would allow himself whatever he likes.
    """
    return _document(
        ROOT_PROJECT,
        {
            "description": "The root application, which makes the others.",
            "sourceRepos": [settings.repository_url],
            "destinations": [{"server": IN_CLUSTER, "namespace": NAMESPACE}],
            "clusterResourceWhitelist": [],
            "namespaceResourceWhitelist": [
                {"group": "argoproj.io", "kind": "Application"},
                {"group": "argoproj.io", "kind": "ApplicationSet"},
            ],
        },
    )


def _window(window: dict[str, Any]) -> dict[str, Any]:
    """Return a sync window; it is for all applications of the project unless it names some."""
    return {
        "kind": window["kind"],
        "schedule": window["schedule"],
        "duration": window["duration"],
        "timeZone": window.get("time_zone") or "UTC",
        "applications": list(window.get("applications") or ["*"]),
        "manualSync": bool(window.get("manual_sync")),
    }


def _document(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }
