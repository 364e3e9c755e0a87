#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: plan_gate
short_description: Let a run go on only when its whole plan can be carried out and was approved
version_added: 0.1.0
description:
  - Stands in a playbook between the planning pass, in which the stacks of all hosts are planned in check mode, and the
    pass that applies. What was planned is gathered by the callback P(innovate.platform.plan#callback).
  - Fails with everything that speaks against going on, all at once, and says which hosts have something to do.
  - Writes the plan to a file, compares it with one that was approved, and tells its digest.
author:
  - Innovate platform maintainers (@innovate-inc)
options:
  step:
    description:
      - V(begin) belongs before the planning pass. It looks at the files only, so that nobody works in vain.
      - V(decide) belongs after it.
    type: str
    choices: [begin, decide]
    default: decide
  plan_out:
    description: The file to write the plan to, as JSON (docs/plan.md). The same plan makes the same file.
    type: path
  plan_in:
    description:
      - A file that O(plan_out) wrote and somebody approved. The run goes on only if what would happen now is the same.
    type: path
  plan_digest:
    description: The digest of an approved plan, C(sha256:...), where the file itself isn't at hand.
    type: str
  consent:
    description:
      - What a deletion in an environment needs, a last time before the first one. Without effect in check mode.
      - V(allowed) is C(teardown_allowed=true) in its inventory. V(confirmed) is that, and that its name was typed in
        where M(innovate.platform.teardown_consent) asked for it.
    type: str
    choices: [none, allowed, confirmed]
    default: none
attributes:
  check_mode:
    support: full
    description: Writes O(plan_out) in check mode too, since that is when plans are made.
  diff_mode:
    support: none
    description: The plan itself is shown by the callback.
notes:
  - Runs on the controller, once for all hosts (C(run_once)).
"""

EXAMPLES = r"""
- name: Go on only with what can be done and was approved
  innovate.platform.plan_gate:
    plan_out: "{{ plan_out | default(omit) }}"
    plan_in: "{{ plan_in | default(omit) }}"
  run_once: true
  register: gate
"""

RETURN = r"""
changing:
  description: The hosts that have something to change or to wait for.
  returned: success and O(step=decide)
  type: list
  elements: str
  sample: [dev, stage]
digest:
  description: The digest of the plan.
  returned: O(step=decide)
  type: str
  sample: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
totals:
  description: How many resources are to be created, updated, replaced, deleted, adopted and kept.
  returned: O(step=decide)
  type: dict
  sample: {create: 212, update: 3, replace: 1, delete: 0, adopt: 0, keep: 0}
cost:
  description: What the resources of the plan cost a month before and after it, and what isn't in these sums.
  returned: O(step=decide)
  type: dict
  sample: {before: 0.0, after: 199.41, currency: USD, as_of: "2026-11-22", unknown: []}
approved:
  description: The plan, where O(plan_in) or O(plan_digest) approved it, as a file of the run for C(approved_plan).
  returned: O(step=decide), when it was approved
  type: str
  sample: /tmp/innovate-platform-k3v0xz1q/approved.json
problems:
  description: What speaks against going on, a sentence each.
  returned: on failure
  type: list
  elements: str
"""
