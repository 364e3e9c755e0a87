# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: karpenter_problems
short_description: What is wrong with a declaration of Karpenter's nodes
version_added: 0.1.0
description:
  - Checks what the filter P(innovate.platform.karpenter_objects#filter) takes, and returns a sentence for each mistake.
  - Finds also what the API server accepts and Karpenter then can't use, such as a pool that no instance type satisfies.
author:
  - Innovate platform maintainers (@innovate-inc)
options:
  _input:
    description: The declaration; see the filter P(innovate.platform.karpenter_objects#filter).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Check the node pools
  ansible.builtin.assert:
    that: problems | length == 0
    fail_msg: "{{ problems | join('\n') }}"
  vars:
    problems: "{{ declaration | innovate.platform.karpenter_problems }}"
"""

RETURN = r"""
_value:
  description: A sentence for each mistake; empty where there is none.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.innovate.platform.plugins.module_utils._karpenter.checks import problems_of


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
        """Return the filter by its name."""
        return {"karpenter_problems": problems_of}
