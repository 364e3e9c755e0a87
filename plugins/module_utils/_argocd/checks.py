# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the variables of the role ``argocd``, a sentence each, all of them at once."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from .access import ROLES
from .settings import NAMESPACE, ROOT_PROJECT, Project, Settings

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]([-a-z0-9]*[a-z0-9])?")
_HTTPS = re.compile(r"https://(?P<host>[A-Za-z0-9.-]+)(:\d+)?/[^\s?#@]+[^\s?#@/]")
_ISSUER = re.compile(r"https://[A-Za-z0-9.-]+(:\d+)?(/[^\s?#@]*)?")
_SSH = re.compile(r"(ssh://[\w.-]+@[A-Za-z0-9.-]+(:\d+)?/|[\w.-]+@[A-Za-z0-9.-]+:)[^\s?#@]+[^\s?#@/]")
_SWITCH = re.compile(r"[a-z0-9]([a-z0-9_]{0,54}[a-z0-9])?")
_FACT = re.compile(r"[a-z]([a-z0-9_]{0,61}[a-z0-9])?")
_DURATION = re.compile(r"([0-9]+[hm])+")
_PARAMETER = re.compile(r"[a-z0-9]+(\.[a-z0-9]+)+")
_SSO = ("issuer", "client_id", "secret_id")
_RESERVED = ("default", ROOT_PROJECT)


def problems_of(settings: Settings) -> list[str]:
    """Return everything that is wrong."""
    return [
        *_domain(settings),
        *_repository(settings),
        *_people(settings),
        *_projects(settings.projects),
        *_windows(settings.projects),
        *_facts(settings),
        *_running(settings),
    ]


def _domain(settings: Settings) -> Iterator[str]:
    if not _DOMAIN.fullmatch(settings.domain):
        yield (
            f"argocd_domain '{settings.domain}' is no domain name: set platform_domain to one such as dev.example.com, "
            "under which Argo CD is argocd.dev.example.com"
        )


def _repository(settings: Settings) -> Iterator[str]:
    url, credential = settings.repository_url, settings.repository_credential
    yield from _url("argocd_repository_url", url)
    if settings.repository_secret and credential == "ssh" and not _SSH.fullmatch(url):
        yield (
            f"argocd_repository_url '{url}' is not reached by SSH, but argocd_repository_credential is ssh: "
            "write git@host:path, or choose basic or github_app"
        )
    if _SSH.fullmatch(url) and not (settings.repository_secret and credential == "ssh"):
        yield (
            f"argocd_repository_url '{url}' is reached by SSH: set argocd_repository_credential to ssh and "
            "argocd_repository_secret to the secret with the key, or write https://"
        )
    revision = settings.repository_revision
    if not revision or re.search(r"[\s~^:?*\[\\]|\.\.|@\{|^-", revision):
        yield f"argocd_repository_revision '{revision}' is no branch, tag or commit of Git"
    path = settings.repository_path
    if not path or path.startswith("/") or ".." in path.split("/") or "\\" in path:
        yield (
            f"argocd_repository_path '{path}' is not a directory in the repository: write it from the repository's "
            "top without a leading slash or .., such as environments/dev"
        )
    authority = settings.repository_ca
    if authority and "-----BEGIN CERTIFICATE-----" not in authority:
        yield "argocd_repository_ca holds no certificate: give the authority's in PEM"
    if "PRIVATE KEY-----" in authority:
        yield "argocd_repository_ca holds a private key: give certificates only, and give the key up"


def _url(where: str, url: str) -> Iterator[str]:
    if _HTTPS.fullmatch(url) or _SSH.fullmatch(url):
        return
    if re.match(r"https?://[^/]*@", url):
        # What stands before the @ may be a password.
        yield (
            f"{where} has credentials in it: take them out, into a secret of Secrets Manager that "
            "argocd_repository_secret names"
        )
    elif url.startswith("http://"):
        yield f"{where} '{url}' is not encrypted: use https://"
    else:
        yield f"{where} '{url}' is no repository's URL: write https://host/path.git or git@host:path.git"


def _people(settings: Settings) -> Iterator[str]:
    sso = settings.sso
    missing = [name for name in _SSO if not sso.get(name)]
    if sso and missing:
        yield (
            f"argocd_sso lacks {' and '.join(missing)}: sign-on needs issuer, client_id and secret_id, "
            "or leave argocd_sso empty"
        )
    issuer = str(sso.get("issuer") or "")
    if issuer and not _ISSUER.fullmatch(issuer):
        yield f"argocd_sso.issuer '{issuer}' is no issuer: write the URL that its tokens name, https://..."
    people = [(kind, group) for kind, groups in settings.groups.items() for group in groups]
    if sso and not people:
        yield (
            "argocd_groups names no group, but argocd_sso is set: nobody who signs on could see anything. "
            f"Name groups for {', '.join(ROLES)}"
        )
    named = [*people, *((f"of project {item.name}", group) for item in settings.projects for group in item.groups)]
    if named and not sso:
        yield "groups are given, but argocd_sso is empty: only who signs on by it is in a group"
    for kind, group in named:
        if not str(group).strip() or re.search(r'[,"\n\r]|^\s|\s$', str(group)):
            yield (
                f"argocd_groups: '{group}' ({kind}) can't be the name of a group in Argo CD's policy: "
                "no comma, quote, or space at either end"
            )
    for group, kinds in _kinds_by_group(people).items():
        if len(kinds) > 1:
            yield f"argocd_groups: '{group}' is in {' and '.join(kinds)}: put it in one"


def _kinds_by_group(people: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind, group in people:
        found.setdefault(group, []).append(kind)
    return found


def _projects(projects: Iterable[Project]) -> Iterator[str]:
    projects = list(projects)
    for name, count in Counter(project.name for project in projects).items():
        if count > 1:
            yield f"argocd_projects has {count} projects named '{name}': keep one"
    owners: dict[str, set[str]] = {}
    for project in projects:
        where = f"project '{project.name}' in argocd_projects"
        if not _LABEL.fullmatch(project.name):
            yield f"{where} has no good name: use up to 63 lower-case letters, digits and hyphens"
        elif project.name in _RESERVED:
            yield f"{where} has a name that Argo CD or this role uses itself: choose another"
        for namespace in project.own:
            owners.setdefault(namespace, set()).add(project.name)
        for namespace in project.namespaces or [name for name in project.own if name in _SYSTEM]:
            yield from _namespace(where, namespace)
        for kind in project.cluster_resources:
            if project.governed:
                yield (
                    f"{where} may manage {kind.get('kind')}, which is the whole cluster's, but is governed by others: "
                    "leave cluster_resources to a project with governed: false"
                )
        for url in project.source_repositories:
            yield from _url(f"source_repositories of {where}:", url)
    for namespace, names in owners.items():
        if len(names) > 1:
            them = " and ".join(sorted(names))
            yield f"argocd_projects: namespace '{namespace}' is in {them}: it belongs to one project"
    for project in projects:
        for namespace in project.manages:
            if namespace not in owners:
                close = difflib.get_close_matches(namespace, owners, n=1)
                hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(owners))}"
                yield f"project '{project.name}' in argocd_projects manages an unknown namespace '{namespace}': {hint}"


_SYSTEM = (NAMESPACE, "default", "kube-node-lease", "kube-public", "kube-system")
"""Where a pod can take the identity of what the cluster itself needs, or where nobody looks."""


def _namespace(where: str, namespace: str) -> Iterator[str]:
    if not _LABEL.fullmatch(namespace):
        yield f"{where} has a namespace '{namespace}': use up to 63 lower-case letters, digits and hyphens"
    elif namespace == NAMESPACE:
        yield f"{where} has the namespace '{namespace}': who writes there makes himself any project"
    elif namespace in _SYSTEM:
        yield f"{where} has the namespace '{namespace}', which is the cluster's own: use another"


def _windows(projects: Iterable[Project]) -> Iterator[str]:
    for project in projects:
        for window in project.sync_windows:
            where = f"a sync window of project '{project.name}'"
            schedule, duration = str(window.get("schedule") or ""), str(window.get("duration") or "")
            if window.get("kind") not in ("allow", "deny"):
                yield f"{where} has kind '{window.get('kind')}': it is allow or deny"
            if len(schedule.split()) != 5:
                yield f"{where} has schedule '{schedule}': write cron's five fields, such as '0 22 * * *'"
            if not _DURATION.fullmatch(duration):
                yield f"{where} has duration '{duration}': write hours and minutes, such as 8h or 1h30m"


def _facts(settings: Settings) -> Iterator[str]:
    for name, wanted in settings.addons.items():
        if not _SWITCH.fullmatch(name):
            yield f"argocd_addons has '{name}', which becomes the label enable_{name}: use a-z, 0-9 and _"
        elif str(wanted).lower() not in ("true", "false"):
            yield f"argocd_addons has {name}: {wanted}: it is true or false"
    for name in settings.facts:
        if not _FACT.fullmatch(name):
            yield f"argocd_facts has '{name}': templates read it by that name, so use a-z, 0-9 and _, a letter first"


def _running(settings: Settings) -> Iterator[str]:
    if settings.reconciliation_seconds < 10:
        yield f"argocd_reconciliation_seconds is {settings.reconciliation_seconds}: 10 is the least"
    for name in settings.parameters:
        if not _PARAMETER.fullmatch(name):
            yield f"argocd_parameters has '{name}': write it as in argocd-cmd-params-cm, such as server.log.level"
    if str(settings.parameters.get("server.insecure", "")).lower() == "true":
        yield "argocd_parameters has server.insecure: true, which sends passwords unencrypted: leave it out"
