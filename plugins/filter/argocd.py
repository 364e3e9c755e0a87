# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: argocd
short_description: What the role argocd declares
version_added: 0.1.0
description:
  - Turns the variables of the role P(innovate.platform.argocd#role) into the documents and patches that it gives to the
    module M(innovate.platform.manifests), or tells all that is wrong with them.
  - It reads nothing but its input.
positional: _input
options:
  _input:
    description: The role's variables, under their names without C(argocd_).
    type: dict
    required: true
author:
  - Innovate platform maintainers (@innovate-inc)
"""

EXAMPLES = r"""
- name: Show the policy that comes of some groups
  ansible.builtin.debug:
    msg: "{{ (settings | innovate.platform.argocd).patches }}"
  vars:
    settings:
      cluster: dev
      environment: dev
      domain: dev.example.com
      repository_url: https://github.com/example/platform-config.git
      repository_path: environments/dev
"""

RETURN = r"""
_value:
  description: The declaration.
  type: dict
  contains:
    problems:
      description: What is wrong, a sentence each. With any, the lists that follow are empty.
      type: list
      elements: str
    additions:
      description: Objects beside those that Argo CD publishes.
      type: list
      elements: dict
    addition_secrets:
      description: The secrets of Secrets Manager that they refer to.
      type: list
      elements: dict
    patches:
      description: What is changed in what Argo CD publishes.
      type: list
      elements: dict
    projects:
      description: AppProjects.
      type: list
      elements: dict
    connections:
      description: The Secrets of the repository and of the cluster.
      type: list
      elements: dict
    connection_secrets:
      description: The secrets of Secrets Manager that these refer to.
      type: list
      elements: dict
    root:
      description: The root ApplicationSet.
      type: list
      elements: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.innovate.platform.plugins.module_utils._argocd.outcome import outcome


def argocd(variables: Any) -> dict[str, Any]:
    """Return the declaration of the role."""
    if not isinstance(variables, Mapping):
        raise AnsibleFilterError("innovate.platform.argocd takes the role's variables as a dictionary")
    return outcome(variables)


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by its name."""
        return {"argocd": argocd}
