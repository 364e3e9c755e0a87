# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module that owns a stack of AWS resources has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Options and notes of ``innovate.platform.stack``."""

    DOCUMENTATION = r"""
options:
  state:
    description:
      - V(present) brings the account to what is declared; what the stack owns and the declaration no longer has is
        deleted.
      - V(absent) deletes everything the stack owns, in reverse order. What holds data stays unless it is listed in
        O(allow_destroy), and with it all that it needs.
    type: str
    choices: [present, absent]
    default: present
  tags:
    description:
      - Tags for every resource of the stack. Tags that somebody else added are left alone, and so are tags that were in
        this list once and aren't any more.
      - C(innovate:stack) and C(innovate:address) are added to mark the owner.
    type: dict
    default: {}
  adopt:
    description:
      - Addresses, or patterns of addresses such as V(iam_role.*), that may be taken over when they exist already
        without belonging to a stack. Without effect with O(state=absent).
    type: list
    elements: str
    default: []
  allow_replace:
    description:
      - Addresses, or patterns of addresses, that may be deleted and created anew when a property changes that AWS
        can't change in place. Without this such a change is refused.
    type: list
    elements: str
    default: []
  allow_destroy:
    description:
      - Addresses, or patterns of addresses, that may be deleted although they hold data (databases, keys, buckets,
        repositories, accounts).
    type: list
    elements: str
    default: []
  planning:
    description:
      - What a plan (check mode) is made for. Without effect outside check mode.
      - V(final) fails with what would be refused.
      - V(gathered) returns that as C(problems) and doesn't fail, so that M(innovate.platform.plan_gate) can say the
        refusals of all stacks at once.
      - V(preview) does the same before the same run carries the plan out. It reports no change, there is none yet.
    type: str
    choices: [final, gathered, preview]
    default: final
  approved_plan:
    description:
      - A file that M(innovate.platform.plan_gate) wrote. A change that isn't in it is refused before the first change
        of the stack. Without effect in check mode.
    type: path
  account_id:
    description:
      - The AWS account to act in. The module refuses to act in another one.
    type: str
  account_name:
    description:
      - The name, in the organization, of the AWS account to act in. An account that doesn't exist yet is an empty world
        to a plan (check mode), and an error otherwise.
      - Without O(account_id) and O(account_name) the module acts in the account of the credentials.
    type: str
  access_role_name:
    description:
      - The role to assume in the account when the credentials belong to another one.
    type: str
    default: OrganizationAccountAccessRole
attributes:
  check_mode:
    support: full
    description: Returns the whole plan and changes nothing, also when the account or what is referred to is missing.
  diff_mode:
    support: full
    description: Shows the resources that change, before and after, by address.
notes:
  - AWS is spoken to from where the module runs; with an C(ansible_connection) of V(local) that is the controller.
  - One run at a time changes a stack. Its lock is the SSM parameter C(/innovate/locks/STACK) in the stack's account and
    Region. Only what has something to do takes it, for which the role needs C(ssm:GetParameterHistory),
    C(ssm:PutParameter) and C(ssm:DeleteParameter). Between runs it says who changed the stack last; it goes with the
    stack.
requirements:
  - python >= 3.12
  - boto3
  - botocore
"""

    WAIT = r"""
options:
  wait:
    description:
      - V(false) begins what AWS takes minutes for and doesn't wait until it is ready. What needs it, and what needs
        something of another stack that isn't there yet, is left for another run; RV(awaits) names both. The run
        with V(true) that has to follow goes on from there.
      - So a database and a control plane come into being at the same time. Deletions and replacements are waited for
        in any case.
    type: bool
    default: true
"""
