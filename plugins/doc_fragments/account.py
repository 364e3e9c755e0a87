# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module that only looks into an account has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Options and requirements of ``innovate.platform.account``."""

    DOCUMENTATION = r"""
options:
  account_id:
    description: The AWS account to look in. The module refuses to look into another one.
    type: str
  account_name:
    description:
      - The name, in the organization, of the AWS account to look in.
      - Without O(account_id) and O(account_name) the module looks in the account of the credentials.
    type: str
  access_role_name:
    description: The role to assume in the account when the credentials belong to another one.
    type: str
    default: OrganizationAccountAccessRole
requirements:
  - python >= 3.12
  - boto3
  - botocore
"""
