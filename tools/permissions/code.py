# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of the recorded playbooks may ask for beside what they asked for while it was recorded.

No run shows every update: a key whose deletion is taken back, a cluster that gets another version. The code names the
operations; of each kind whose things the playbooks make, those that no run has shown are added, on the types of
resources that the action knows, by the patterns and tags that the record has for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from rehearsal.emulator.actions import action
from tools import drift_policy
from tools.drift_policy import Place, load, reached
from tools.permissions.data import Use
from tools.permissions.reference import reference

#: The playbook's name of rows that come from the code.
LABEL = "code"
_CHANGING = ("create", "update", "delete", "tag", "untag")
#: What opens too much without the condition that a run shows, and what an administrator does: close accounts.
_ONLY_RECORDED = ("iam:AttachRolePolicy", "iam:CreateServiceLinkedRole", "iam:PassRole", "organizations:CloseAccount")
_TAG = "aws:ResourceTag/innovate:stack"


def unrehearsed(uses: Iterable[Use]) -> list[Use]:
    """Return what the code of the kinds in use names and no row shows."""
    rows = [use for use in uses if use.playbook not in ("plan", "drift")]
    found: set[Use] = set()
    for account in {use.account for use in rows}:
        here = [use for use in rows if use.account == account]
        recorded = {use.action for use in here}
        for makes, asks in kinds():
            if makes & recorded:
                found.update(use for name in asks - recorded - {*_ONLY_RECORDED} for use in _uses(name, account, here))
    return sorted(found | surveyed(rows))


def surveyed(uses: Iterable[Use]) -> set[Use]:
    """Return what a teardown asks for when it looks for what is left: every kind, whether it is in use or not."""
    accounts = {use.account for use in uses if use.playbook == "teardown" and use.action == "tag:GetResources"}
    reads = _reads_of_kinds() if accounts else ()
    return {Use(LABEL, account, name, "*", (), ()) for account in accounts for name in reads}


@cache
def _reads_of_kinds() -> tuple[str, ...]:
    return tuple(name for name in drift_policy.actions() if name in reference().actions)


@cache
def kinds() -> tuple[tuple[frozenset[str], frozenset[str]], ...]:
    """Return for each kind the actions that make something and all that a change of it may ask for."""
    result = []
    for path in sorted((drift_policy.UTILS / "_kinds").glob("[a-z]*.py")):
        for name in load(path).classes:
            making = list(drift_policy.of_class(load(path), name, "create"))
            places = reached(place for method in _CHANGING for place in drift_policy.of_class(load(path), name, method))
            makes = {found for place in making for found in named(place) if not _reads(found)}
            if makes:
                result.append((frozenset(makes), frozenset(found for place in places for found in named(place))))
    return tuple(result)


def _reads(name: str) -> bool:
    return reference().actions[name].access in ("List", "Read")


def named(place: Place) -> set[str]:
    """Return the actions of the operations that a function or constant names, reads and writes."""
    found = {action(service, operation) for service, operation in drift_policy.operations_named(place, _is_operation)}
    return found & reference().actions.keys()


def _is_operation(word: str) -> bool:
    return "_" in word and word.isidentifier()


def _uses(name: str, account: str, here: Iterable[Use]) -> Iterator[Use]:
    """Yield an action on each type of resource that it knows, by the patterns that the record has of the type."""
    service = name.partition(":")[0]
    regions = tuple(sorted({region for use in here for region in use.regions if use.action.startswith(f"{service}:")}))
    regions = regions or tuple(sorted({region for use in here for region in use.regions if "ec2:" in use.action}))
    kinds_of = reference().actions[name].types
    if not kinds_of:
        yield Use(LABEL, account, name, "*", (), regions)
    known = False
    for kind in kinds_of:
        rows = [use for use in here if _of(use, service, kind)]
        tagged = any(_TAG in use.conditions for use in rows) and "t" in kinds_of[kind]
        for pattern in {use.resource for use in rows}:
            known = True
            yield Use(LABEL, account, name, pattern, ((_TAG, ("*",)),) if tagged else (), regions)
    if kinds_of and not known:
        for kind in kinds_of:
            yield Use(LABEL, account, name, reference().types[service][kind], (), regions)


def _of(use: Use, service: str, kind: str) -> bool:
    if not use.action.startswith(f"{service}:") or ":role/aws-service-role/" in use.resource:
        return False
    return reference().kind(use.action, use.resource) == kind
