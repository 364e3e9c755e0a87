#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: argocd_wait
short_description: Wait until an application of Argo CD follows its repository
version_added: 0.1.0
description:
  - Has Argo CD compare an application with its repository as it is now, and waits until it is synchronized, or says in
    a sentence why it can't be (a refused credential, a repository, revision or directory that isn't there).
  - Or waits until no application is left, as before Argo CD itself goes.
  - The cluster is found by its name in the account. The module makes its token itself and needs no kubeconfig.
  - It changes nothing that lasts, and never reports a change.
author:
  - Innovate platform maintainers (@innovate-inc)
extends_documentation_fragment:
  - innovate.platform.account
  - amazon.aws.common.modules
  - amazon.aws.region.modules
options:
  cluster:
    description: Name of the EKS cluster that Argo CD is in.
    type: str
    required: true
  namespace:
    description: Namespace that Argo CD is in.
    type: str
    default: argocd
  name:
    description:
      - Name of the application.
      - Required unless O(state=absent), where it means all of them.
    type: str
  state:
    description:
      - V(synced) waits until everything that the repository says is applied, wave after wave.
      - V(healthy) waits until all of it is healthy, too.
      - V(absent) waits until there is no application any more.
    type: str
    choices: [synced, healthy, absent]
    default: synced
  source:
    description: What the application is to be from. Until it is, its state is not taken for an answer.
    type: dict
    suboptions:
      repo_url:
        description: URL of the repository.
        type: str
        required: true
      revision:
        description: Branch, tag or commit.
        type: str
        required: true
      path:
        description: Directory.
        type: str
        required: true
  timeout:
    description: Seconds after which it is given up.
    type: int
    default: 300
  tags:
    description: Accepted so that defaults of the action group reach this module, and not used.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: Returns how the applications stand, and waits for nothing.
"""

EXAMPLES = r"""
- name: Wait until the cluster is what its repository says
  innovate.platform.argocd_wait:
    cluster: dev
    name: root
    state: healthy
    region: eu-central-1
"""

RETURN = r"""
applications:
  description: How the applications stand, by name.
  returned: success
  type: dict
  sample:
    root: {sync: Synced, health: Healthy, revision: 5d9c1a4c0f0e4d1b8a7c6f5e4d3c2b1a09f8e7d6}
awaits:
  description: In check mode, the applications that a run would wait for, such as C(application.root).
  returned: success
  type: list
  elements: str
problems:
  description: Why an application can't follow its repository, or isn't gone, a sentence each.
  returned: on failure
  type: list
  elements: str
"""

from contextlib import closing
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ansible_collections.innovate.platform.plugins.module_utils._argocd.applications import REFRESH
from ansible_collections.innovate.platform.plugins.module_utils._argocd.waiting import (
    Argo,
    awaited,
    follow,
    progress,
    standings,
    vanish,
)
from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError, message
from ansible_collections.innovate.platform.plugins.module_utils._kinds._cluster import ApiType, Cluster
from ansible_collections.innovate.platform.plugins.module_utils._run.account import (
    ACCOUNT_ARGUMENTS,
    open_account,
    problems_of,
)
from ansible_collections.innovate.platform.plugins.module_utils._run.progress import Recorder

ARGUMENTS = {
    "cluster": {"type": "str", "required": True},
    "namespace": {"type": "str", "default": "argocd"},
    "name": {"type": "str"},
    "state": {"type": "str", "choices": ["synced", "healthy", "absent"], "default": "synced"},
    "source": {
        "type": "dict",
        "options": {
            "repo_url": {"type": "str", "required": True},
            "revision": {"type": "str", "required": True},
            "path": {"type": "str", "required": True},
        },
    },
    "timeout": {"type": "int", "default": 300},
    "tags": {"type": "dict", "default": {}},
    **ACCOUNT_ARGUMENTS,
}
APPLICATION = ApiType("argoproj.io", "v1alpha1", "Application", "applications", namespaced=True)


def outcome_of(module: AnsibleAWSModule) -> dict[str, Any]:
    """Wait, and return how the applications stand; in check mode, only what there is to wait for."""
    params = module.params
    problems = problems_of(params)
    if problems:
        raise EngineError(problems)
    account = open_account(module)
    result: dict[str, Any] = {
        "changed": False,
        "applied": not module.check_mode,
        "stack": f"{params['namespace']}-applications",
        "account": account.described(),
        "changes": [],
        "awaits": [],
        "applications": {},
    }
    cluster = Cluster(params["cluster"], module.warn)
    if account.session is None or not cluster.open(account.session):
        if module.check_mode or params["state"] == "absent":
            return result
        raise EngineError(f"cluster '{params['cluster']}' isn't there: run playbooks/cluster.yml first")
    recorder = Recorder(account.name, result["stack"])
    waited_for = "" if params["state"] == "absent" else params["name"]

    def look() -> list[dict[str, Any]]:
        found = cluster.items(APPLICATION.path(params["namespace"]))
        if not module.check_mode:
            recorder.step(*progress(found, waited_for))
        return found

    argo = Argo(
        look=look,
        ask=lambda name, hard: _ask(cluster, APPLICATION.path(params["namespace"], name), hard=hard),
        timeout=params["timeout"],
    )
    if module.check_mode:
        found = argo.look()
        return {**result, "applications": standings(found), "awaits": awaited(found, params["name"], params["state"])}
    with closing(recorder):
        result["applications"] = _awaited(argo, params)
        recorder.step(progress([], waited_for)[0], "done", 0, "")
    return result


def _awaited(argo: Argo, params: dict[str, Any]) -> dict[str, dict[str, str]]:
    if params["state"] == "absent":
        vanish(argo)
        return {}
    wanted = params["source"]
    source = wanted and {
        "repoURL": wanted["repo_url"],
        "targetRevision": wanted["revision"],
        "path": wanted["path"],
    }
    return follow(argo, params["name"], healthy=params["state"] == "healthy", source=source)


def _ask(cluster: Cluster, path: str, *, hard: bool) -> None:
    body = {"metadata": {"annotations": {REFRESH: "hard" if hard else "normal"}}}
    cluster.request("PATCH", path, body, {"fieldManager": "argocd-wait"}, "application/merge-patch+json")


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec=ARGUMENTS,
        required_if=[("state", state, ["name"]) for state in ("synced", "healthy")],
        supports_check_mode=True,
    )
    try:
        result = outcome_of(module)
    except EngineError as error:
        sentences = list(dict.fromkeys(error.problems))
        module.fail_json(msg=message(sentences), problems=sentences)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
