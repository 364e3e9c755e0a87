# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a teardown was meant, and of what. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

DATABASE = "db_instance.main"
CONSENTS = "consents.jsonl"
"""The file of the run's directory in which the environments stand whose names were typed in."""
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

    @classmethod
    def of(cls, host: str, variables: Mapping[str, Any]) -> Environment:
        """Return what the variables of a host say."""
        return cls(
            name=str(variables.get("platform_environment", host)),
            allowed=variables.get("teardown_allowed"),
            destroyed=variables.get("rds_allow_destroy", ()),
            protected=variables.get("eks_deletion_protection", False),
        )


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
    found = _confirmed(names, confirm, planning=planning) + _not_from_the_command_line(extra)
    if "platform_state" in extra:
        found.append("teardown.yml takes down, whatever platform_state says: leave -e platform_state out")
    for environment in sorted(environments, key=lambda item: item.name):
        found += _permitted(environment)
    return found


def not_consented(
    consent: str, environments: Sequence[Environment], extra: Collection[str], confirmed: Collection[str]
) -> list[str]:
    """Return why environments with something to take down stay as they are, right before the first deletion.

    :param consent: ``confirmed``: the names were typed in; ``allowed``: the inventories allow it; ``none`` is needed.
    :param confirmed: the environments whose names were typed in.
    """
    if consent == "none" or not environments:
        return []
    found = _not_from_the_command_line(extra)
    for environment in sorted(environments, key=lambda item: item.name):
        found += _allowed(environment)
        if consent == "confirmed" and environment.name not in confirmed:
            found.append(
                f"nobody was asked whether environment {environment.name} is to go: run playbooks/teardown.yml from "
                "its beginning"
            )
    return found


def _not_from_the_command_line(extra: Collection[str]) -> list[str]:
    if "teardown_allowed" not in extra:
        return []
    return ["teardown_allowed is for the inventory to say, where a change is reviewed: leave -e teardown_allowed out"]


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


def _allowed(environment: Environment) -> list[str]:
    if _is_true(environment.allowed):
        return []
    name = environment.name
    return [
        (
            f"environment {name} may not be taken down: that takes teardown_allowed: true in its inventory "
            f"(inventories/{name}/group_vars/environment_{name}.yml)"
        )
    ]


def _permitted(environment: Environment) -> list[str]:
    found = _allowed(environment)
    name = environment.name
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
