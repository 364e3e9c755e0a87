#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: drift_report
short_description: Report what stands otherwise than it is declared
version_added: 0.1.0
description:
  - Puts the plans of all stacks of a run, which were made in check mode, and what M(innovate.platform.drift_info)
    found into one report for people (HTML) and for programs (JSON, JUnit).
  - Fails when there is as much drift as O(fail_at) says, after the report is written. C(ansible-playbook) ends with
    exit status 2 then.
  - It changes nothing but the files that it is told to write.
author:
  - Innovate platform maintainers (@innovate-inc)
options:
  step:
    description:
      - V(begin) belongs before the work. It looks at the options and the files' places only, so that nobody waits for a
        report that can't be written.
      - V(report) belongs after the plans.
    type: str
    choices: [begin, report]
    default: report
  html:
    description: The file for people. One file that needs nothing else, for a browser, a phone or paper.
    type: path
  json:
    description: The file for programs (docs/drift.md describes it).
    type: path
  junit:
    description: A JUnit file with a case for each resource, for whatever shows test results.
    type: path
  fail_at:
    description:
      - The drift that makes the task fail, as categories with commas between them.
      - V(changed), V(missing) and V(unowned) stand for one finding or more, V(any) for all three, V(none) for no amount
        of drift. V(unowned=5) counts from five on. V(missing,unowned=5) is one or the other.
      - What couldn't be compared makes it fail in any case.
    type: str
    default: any
  surveys:
    description: What M(innovate.platform.drift_info) returned, for each account.
    type: list
    elements: dict
    default: []
  playbooks:
    description: By pattern of a stack's name, the playbook that applies it, for what the report says of what to do.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: Writes its files in check mode too.
  diff_mode:
    support: none
    description: The report itself shows what differs.
notes:
  - Runs on the controller, once for all hosts (C(run_once)).
"""

EXAMPLES = r"""
- name: Report
  innovate.platform.drift_report:
    html: drift.html
    json: drift.json
    junit: drift.xml
    fail_at: missing,unowned=5
    surveys: "{{ ansible_play_hosts_all | map('extract', hostvars, 'found') }}"
    playbooks: {vpc-*: playbooks/network.yml}
  run_once: true
"""

RETURN = r"""
totals:
  description: How many findings there are, by category, and how much was compared.
  returned: O(step=report)
  type: dict
  sample: {changed: 2, missing: 1, unowned: 0, follows: 3, not_compared: 0, resources: 131, stacks: 8}
reasons:
  description: Why the task failed, a sentence each.
  returned: O(step=report)
  type: list
  elements: str
findings:
  description: What drifted, a line each.
  returned: O(step=report)
  type: list
  elements: str
  sample: ["dev vpc-dev changed security_group.endpoints: ingress"]
problems:
  description: What is wrong with the options, a sentence each.
  returned: failure of O(step=begin)
  type: list
  elements: str
"""
