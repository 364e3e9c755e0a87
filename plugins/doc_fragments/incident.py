# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules of incident response have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Options and notes of ``innovate.platform.incident``."""

    DOCUMENTATION = r"""
options:
  incident:
    description:
      - The case that this belongs to, up to 40 letters, digits, dots, hyphens and underscores, such as V(INC-2026-014).
      - The same act on the same target for the same case is done once. For another case it is looked at anew.
    type: str
    default: ""
  state:
    description:
      - V(present) does it, or goes on with what an earlier run began.
      - V(absent) undoes it, by what the record says of how it was before. Without a record nothing is done.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
    description: Says in RV(ignore:steps) what would be done, and does nothing.
  diff_mode:
    support: full
    description: The diff has the same steps.
notes:
  - AWS is spoken to from where the module runs; with an C(ansible_connection) of V(local) that is the controller.
  - Before its first change the module writes into the SSM parameter
    C(/innovate/incidents/<incident>/<act>/<target>) of the account and Region who acts, when, which steps, and how it
    was before; after the last one that it is done. The parameter's history is the protocol of the case.
"""
