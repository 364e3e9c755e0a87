# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags and ownership, in the forms that AWS's services have for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansible_collections.amazon.aws.plugins.module_utils.tagging import (
    ansible_dict_to_boto3_tag_list,
    boto3_tag_list_to_ansible_dict,
)


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as a list of ``Key`` and ``Value``."""
    return list(ansible_dict_to_boto3_tag_list(dict(tags)))


def tag_dict(tags: Iterable[Mapping[str, str]] | None, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Return a list of ``Key`` and ``Value`` (or whatever the service calls them) as a dictionary."""
    return dict(boto3_tag_list_to_ansible_dict(list(tags or []), key, value))
