# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The committed record: which playbook needed which action on what, in which account, under which conditions.

The emulator tells every demand with ids and names as they were. Here they are generalised: account ids, Regions, ids
that AWS gives and names of environments become wildcards, so that the same run gives the same rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.permissions.reference import reference

PATH = Path(__file__).with_name("recorded.json")
#: Kinds of accounts, by the name in the organization; any other is ``shared``.
CLASSES = {
    "management": "management",
    "security": "security",
    "dev": "environment",
    "stage": "environment",
    "prod": "environment",
}
#: The role by which modules get into accounts, as what calls for it: each role assumes its own name.
ACCESS_ROLE = "OrganizationAccountAccessRole"
#: What AWS or an environment gives, and a policy can't know.
_GIVEN = re.compile(
    r"\d{12}"  # accounts
    r"|(?<![a-z0-9])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # keys, requests
    r"|(?<=-)[0-9a-f]{8,17}(?![0-9a-z])"  # vpc-0123456789abcdef0
    r"|(?<=/)(?:ou|o|r|p)-[a-z0-9]+(?:-[a-z0-9]+)?"  # Organizations
    r"|(?<=/id/)[0-9A-Fa-f]{16,}"  # an identity provider of EKS
    r"|(?<=-)\d{8,}(?:-\d+|t\d+z?)*"  # times
)
#: What variables give names to, or AWS ids: only its type is kept.
_NAMED_FREELY = re.compile(r"ec2:|eks:|rds:|kms:alias/|organizations:")


@dataclass(frozen=True, order=True)
class Use:
    """One action on one pattern of resources.

    :param playbook: or ``plan`` for a whole site with --check.
    :param account: the kind of account.
    :param keys: the condition keys that every such request had, with all values that there were; of the stack's tags
        only that they are there.
    """

    playbook: str
    account: str
    action: str
    resource: str
    keys: tuple[tuple[str, tuple[str, ...]], ...]
    regions: tuple[str, ...]

    @property
    def conditions(self) -> dict[str, tuple[str, ...]]:
        """The keys as a mapping."""
        return dict(self.keys)


def generalised(action: str, arn: str, environments: Iterable[str], role: str = ACCESS_ROLE) -> str:
    """Return the pattern of an ARN: ``arn:*:eks:*:*:cluster/*``; ``*`` where the action knows no resources."""
    known = reference().actions.get(action)
    if known is None or not known.types or arn.count(":") < 5:
        return "*"
    if not reference().kind(action, arn):
        return "*"
    _arn, _partition, service, region, account, name = arn.split(":", 5)
    account = "*" if account.isdigit() else account
    name = f"role/{OWN}" if name == f"role/{role}" else name
    name = re.sub(r"by-hand[\w-]*", "*", name)  # what the rehearsal's hands have made
    # The emulator's names of service-linked roles, images and the like are AWS's own, and stay.
    name = _GIVEN.sub("*", name)
    words = "|".join(map(re.escape, sorted(environments, key=len, reverse=True)))
    name = re.sub(rf"(?<![a-zA-Z0-9])(?:{words})(?![a-zA-Z0-9])", "*", name)
    if _NAMED_FREELY.match(f"{service}:{name}"):
        # By tag, not by name: names are the environment's.
        name = re.sub(r"[/:].*", lambda found: f"{found[0][0]}*", name)
    return f"arn:*:{service}:{'*' if region else ''}:{account}:{_shortened(name)}"


#: Stands for the name of the role that a policy belongs to.
OWN = "{own}"


def _shortened(name: str) -> str:
    """Cut a name after its first wildcard, where something that tells it from others comes before."""
    name = re.sub(r"\*(?:[-/:]\*)+", "*", name)
    name = re.sub(r"oidc\.eks\..*", "oidc.eks.*", name)
    for path in ("role/innovate/", "policy/innovate/", "instance-profile/innovate/", "parameter/innovate/"):
        if name.startswith(path):
            return path + "*"
    head, wildcard, _tail = name.partition("*")
    begins = re.split("[/:]", head, maxsplit=1)[-1]
    return head + wildcard if wildcard and len(begins) >= 3 else name


def uses(rows: Iterable[Mapping[str, Any]], accounts: Mapping[str, str], role: str = ACCESS_ROLE) -> list[Use]:
    """Turn what the emulator recorded into rows of the record.

    :param accounts: ids by name.
    :param role: by which the playbooks got into the accounts.
    """
    named = {number: name for name, number in accounts.items()}
    environments = [name for name in named.values() if CLASSES.get(name) == "environment"]
    callers = {f"arn:aws:iam::{number}:role/{role}" for number in named} | {_person(rows)}
    found: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        if row["caller"] not in callers:
            continue
        keys = {name: tuple(values) for name, values in row["keys"].items() if name != "aws:TagKeys"}
        account = CLASSES.get(named[row["account"]], "shared")
        pattern = generalised(row["action"], row["resource"], environments, role)
        place = (row["label"], account, row["action"], pattern, frozenset(keys))
        values, regions = found.setdefault(place, [{}, set()])
        regions.add(row["region"])
        for name, given in keys.items():
            values.setdefault(name, set()).update(_told(name, value, environments) for value in given)
    return sorted(
        Use(
            label,
            account,
            action,
            pattern,
            tuple((name, tuple(sorted(values[name]))) for name in sorted(values)),
            tuple(sorted(regions)),
        )
        for (label, account, action, pattern, _names), (values, regions) in found.items()
    )


def _person(rows: Iterable[Mapping[str, Any]]) -> str:
    return next((row["caller"] for row in rows if ":user/" in row["caller"]), "")


def _told(name: str, value: str, environments: Iterable[str]) -> str:
    if name.endswith("/innovate:stack"):
        return "*"
    if value.startswith("arn:"):
        _arn, _partition, service, region, account, rest = value.split(":", 5)
        words = "|".join(map(re.escape, environments))
        rest = _shortened(re.sub(rf"(?<![a-zA-Z0-9])(?:{words})(?![a-zA-Z0-9])", "*", rest))
        return f"arn:*:{service}:{region}:{'*' if account.isdigit() else account}:{rest}"
    return value


def written(found: Iterable[Use]) -> str:
    """Return the record's text: a row a line."""
    rows = [
        json.dumps(
            {
                "playbook": use.playbook,
                "account": use.account,
                "action": use.action,
                "resource": use.resource,
                **({"keys": {name: list(values) for name, values in use.keys}} if use.keys else {}),
                "regions": list(use.regions),
            }
        )
        for use in found
    ]
    return "[\n" + ",\n".join(f" {row}" for row in rows) + "\n]\n"


def load(path: Path = PATH) -> list[Use]:
    """Read the record."""
    return [
        Use(
            row["playbook"],
            row["account"],
            row["action"],
            row["resource"],
            tuple((name, tuple(values)) for name, values in row.get("keys", {}).items()),
            tuple(row["regions"]),
        )
        for row in json.loads(path.read_text(encoding="utf-8"))
    ]
