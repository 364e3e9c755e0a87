# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what in Argo CD (https://argo-cd.readthedocs.io/en/stable/operator-manual/rbac/)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .settings import Project, Settings

ROLES = {"developers": "developer", "operators": "operator", "auditors": "auditor"}
"""Argo CD's role for each kind of people in ``argocd_groups``."""

_READ = ("applications", "applicationsets")
_READ_WHOLE = ("projects", "repositories", "clusters", "certificates")
# What Argo CD's applications do by themselves can be asked for by hand. Not `override`, which applies what is in no
# repository, and not `exec`, which is switched off altogether.
_OPERATE = {
    "applications": ("create", "update", "update/*", "delete", "delete/*", "sync", "action/*"),
    "applicationsets": ("create", "update", "delete"),
}
# A developer may have a Deployment restarted; other actions change what the repository says.
_RESTARTS = ("Deployment", "StatefulSet", "DaemonSet")


def policy(settings: Settings) -> str:
    """Return the policy: three roles, and the groups that have them."""
    lines = [*_developer(settings.projects), *_operator(), *_auditor()]
    for people, role in ROLES.items():
        lines += [f"g, {group}, role:{role}" for group in settings.groups.get(people, ())]
    return "\n".join(lines) + "\n"


def project_policies(project: Project) -> list[str]:
    """Return what the groups of one project may do in it."""
    return list(_work(f"proj:{project.name}:developer", project.name))


def _developer(projects: Iterable[Project]) -> Iterator[str]:
    for project in projects:
        if project.developers:
            yield from _work("role:developer", project.name)
            yield f"p, role:developer, projects, get, {project.name}, allow"


def _work(role: str, project: str) -> Iterator[str]:
    yield f"p, {role}, applications, get, {project}/*, allow"
    yield f"p, {role}, applications, sync, {project}/*, allow"
    for kind in _RESTARTS:
        yield f"p, {role}, applications, action/apps/{kind}/restart, {project}/*, allow"
    yield f"p, {role}, logs, get, {project}/*, allow"


def _operator() -> Iterator[str]:
    yield from _reader("operator")
    yield "p, role:operator, logs, get, */*, allow"
    for resource, actions in _OPERATE.items():
        yield from (f"p, role:operator, {resource}, {action}, */*, allow" for action in actions)


def _auditor() -> Iterator[str]:
    yield from _reader("auditor")
    # Who has an account here and whose signatures count is an auditor's business; what applications log isn't.
    yield from (f"p, role:auditor, {resource}, get, *, allow" for resource in ("accounts", "gpgkeys"))


def _reader(role: str) -> Iterator[str]:
    yield from (f"p, role:{role}, {resource}, get, */*, allow" for resource in _READ)
    yield from (f"p, role:{role}, {resource}, get, *, allow" for resource in _READ_WHOLE)
