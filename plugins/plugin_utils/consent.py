# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a teardown was meant, and of what. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

DATABASE = "db_instance.main"
_TRUE = ("1", "on", "true", "yes", "y", "t")


@dataclass(frozen=True)
class Environment:
    """What an inventory says of an environment that is to go.

    :param allowed: its ``teardown_allowed``.
    :param destroyed: its ``rds_allow_destroy``.
    :param protected: its ``eks_deletion_protection``.
    """

    name: str
    allowed: Any = None
    destroyed: Any = ()
    protected: Any = False


def problems_of(
    environments: Sequence[Environment], confirm: Any, extra: Collection[str], *, planning: bool = False
) -> list[str]:
    """Return why nothing may be taken down, a sentence each; empty if everything may.

    :param confirm: what was typed: names with commas between them, or a list.
    :param extra: names of the extra variables of the run.
    :param planning: whether nothing would be taken down in any case, so that nothing has to be typed.
    """
    names = sorted({environment.name for environment in environments})
    if not names:
        return ["nothing to take down: none of these inventories has an environment (-i inventories/dev)"]
    found = _confirmed(names, confirm, planning=planning)
    if "teardown_allowed" in extra:
        found.append(
            "teardown_allowed is for the inventory to say, where a change is reviewed: leave -e teardown_allowed out"
        )
    for environment in sorted(environments, key=lambda item: item.name):
        found += _permitted(environment)
    return found


def _confirmed(names: Sequence[str], confirm: Any, *, planning: bool) -> list[str]:
    typed = _words(confirm)
    wanted = ",".join(names)
    if not typed:
        what = f"environment {names[0]}" if len(names) == 1 else f"environments {', '.join(names)}"
        return (
            []
            if planning
            else [f"{what} would be taken down, nothing was done: if that is meant, add -e confirm={wanted}"]
        )
    if sorted(set(typed)) != names:
        given, there = ", ".join(typed), ", ".join(names)
        return [f"confirm names {given}, the inventories have {there}, nothing was done: type -e confirm={wanted}"]
    return []


def _permitted(environment: Environment) -> list[str]:
    found = []
    name = environment.name
    if not _is_true(environment.allowed):
        found.append(
            f"environment {name} may not be taken down: that takes teardown_allowed: true in its inventory "
            f"(inventories/{name}/group_vars/environment_{name}.yml)"
        )
    if not any(fnmatchcase(DATABASE, pattern) for pattern in _words(environment.destroyed)):
        found.append(
            f"the network of {name} can't go while its database stays: to let the database go, leaving a final "
            f'snapshot, add -e \'{{"rds_allow_destroy": ["{DATABASE}"]}}\''
        )
    if _is_true(environment.protected):
        found.append(
            f"the cluster of {name} is protected from deletion: to let it go, add -e eks_deletion_protection=false"
        )
    return found


def _words(value: Any) -> list[str]:
    """Return what is in a list, or between the commas of a text."""
    if value is None or isinstance(value, Mapping):
        return []
    items = value if isinstance(value, (list, tuple)) else str(value).split(",")
    return [str(item).strip() for item in items if str(item).strip()]


def _is_true(value: Any) -> bool:
    """Tell whether a variable means true. On the command line ``-e name=value`` makes a text of it."""
    return value if isinstance(value, bool) else str(value).strip().lower() in _TRUE
