# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of RDS share: tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._engine.kind import Kind, Observed
from ._session import Session
from ._tags import tag_dict, tag_list

Listed = Mapping[str, Any]


def ours(
    session: Session, groups: Iterable[Listed], declared: Iterable[str], owned: Iterable[str], name: str, arn: str
) -> list[tuple[Listed, dict[str, str]]]:
    """Return, with their tags, those of the listed groups that the stack owns or declares.

    RDS lists groups without tags and can't filter by them: the tagging API finds the owned ones, and since that lags
    behind, the tags themselves are read from RDS.

    :param declared: names.
    :param owned: ARNs, by the tagging API.
    :param name: the response's member with the name.
    :param arn: the response's member with the ARN.
    """
    names, arns = set(declared), set(owned)
    candidates = [group for group in groups if group[name] in names or group[arn] in arns]
    return list(zip(candidates, session.each(lambda group: tags_of(session, group[arn]), candidates), strict=True))


def tags_of(session: Session, arn: str) -> dict[str, str]:
    """Return the tags of anything of RDS."""
    return tag_dict(session.call("rds", "list_tags_for_resource", ResourceName=arn).get("TagList"))


def tag(_kind: Kind, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
    """Write tags on anything of RDS: the ``tag`` method of its kinds."""
    session.call("rds", "add_tags_to_resource", ResourceName=observed.attributes["arn"], Tags=tag_list(tags))
