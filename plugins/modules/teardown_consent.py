#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: teardown_consent
short_description: Let a teardown begin only when it was meant
version_added: 0.2.0
description:
  - Fails unless what was typed names exactly the environments that would be taken down, and the inventory of each of
    them lets it go. It is all or nothing over all environments of a run.
  - An environment may go when its inventory says C(teardown_allowed=true). As an extra variable that is refused, so
    that nobody gets around it in passing. Whoever may change the inventory may lift it; a repository that asks for a
    review is what protects it.
  - C(rds_allow_destroy) has to name the database, since the network can't go while it stays. With
    C(eks_deletion_protection) the cluster stays, and with it everything else.
author:
  - Innovate platform maintainers (@innovate-inc)
options:
  confirm:
    description:
      - The name of the environment, as a person types it. Of several environments every name, as a list or with commas
        between them.
      - In check mode nothing has to be typed, since nothing is taken down. What is typed has to be right in any case.
    type: raw
  group:
    description: The group whose hosts are environments.
    type: str
    default: environments
attributes:
  check_mode:
    support: full
    description: It never changes anything.
  diff_mode:
    support: none
    description: It never changes anything.
notes:
  - Runs on the controller, once for all hosts (C(run_once)), and speaks to nobody.
"""

EXAMPLES = r"""
- name: Go on only with what was meant
  innovate.platform.teardown_consent:
    confirm: "{{ confirm | default(omit) }}"
  run_once: true
"""

RETURN = r"""
environments:
  description: The environments that may be taken down.
  returned: success
  type: list
  elements: str
  sample: [dev]
problems:
  description: Why nothing may be taken down, a sentence each.
  returned: on failure
  type: list
  elements: str
"""
