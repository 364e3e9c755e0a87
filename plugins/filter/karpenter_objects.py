# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: karpenter_objects
short_description: Karpenter's EC2NodeClass and NodePools from a declaration of nodes
version_added: 0.1.0
description:
  - Returns the documents of the EC2NodeClass V(default) and of a NodePool for each pool.
  - Fails with every mistake that P(innovate.platform.karpenter_problems#filter) finds.
author:
  - Innovate platform maintainers (@innovate-inc)
options:
  _input:
    description:
      - The declaration, a dictionary of C(cluster), the cluster's name; C(role), the name of the nodes' IAM role;
        C(ami), a pinned alias of Karpenter's; C(volume_size) in GiB; C(volume_kms_key_arn); C(metadata_hop_limit);
        C(tags); and C(pools).
      - A pool is what the role C(karpenter) takes as an item of C(karpenter_node_pools).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Node class and pools
  innovate.platform.manifests:
    cluster: dev
    name: karpenter-nodes
    definitions: "{{ declaration | innovate.platform.karpenter_objects }}"
  vars:
    declaration:
      cluster: dev
      role: karpenter-dev-node
      ami: al2023@v20260930
      pools:
        - name: general
          capacity_types: [spot, on-demand]
          instance_families: [t3a, m6i, m6a]
          limits: {cpu: 32, memory: 128Gi}
          maintenance_windows:
            - {days: [sun], start: "02:00", duration: 4h}
"""

RETURN = r"""
_value:
  description: The documents.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.innovate.platform.plugins.module_utils._karpenter.checks import problems_of
from ansible_collections.innovate.platform.plugins.module_utils._karpenter.nodes import objects, read


def karpenter_objects(declaration: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the documents; raise with all mistakes where there are some."""
    problems = problems_of(declaration)
    if problems:
        raise AnsibleFilterError("\n".join(problems))
    return objects(read(declaration))


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
        """Return the filter by its name."""
        return {"karpenter_objects": karpenter_objects}
