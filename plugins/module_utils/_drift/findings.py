# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts together what drifted: from the plans of all stacks of a run, and from what carries tags of ownership.

The document (schema 1) is described for people in docs/drift.md. Secrets are hidden before they come here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from .consequences import explained, has_unknown, only_follows
from .threshold import CATEGORIES, exceeded

SCHEMA = 1
COUNTED = (*CATEGORIES, "follows")
"""The categories of items. ``follows`` isn't drift: it is what can't be as declared while something else is missing."""

_CATEGORY = {
    "create": "missing",
    "update": "changed",
    "replace": "changed",
    "adopt": "changed",
    "delete": "unowned",
    "keep": "unowned",
    "foreign": "unowned",
}

Document = dict[str, Any]
Items = Mapping[str, Any]


def compose(
    plans: Iterable[Items],
    failures: Iterable[Items],
    surveys: Iterable[Items],
    *,
    generated: str,
    fail_at: str = "any",
    limits: Mapping[str, int] | None = None,
    playbooks: Mapping[str, str] | None = None,
    compares_members: Callable[[str, str], bool] = lambda kind, name: False,
) -> Document:
    """Return what drifted.

    :param plans: results of stacks' modules in check mode, with ``host``: ``stack``, ``account``, ``changes``,
        ``problems``, ``known`` (what was found, by address) and ``foreign`` (what stands among it and is nobody's).
    :param failures: ``host``, ``task`` and ``problems`` of stacks that couldn't be compared.
    :param surveys: one for each account, of the module ``drift_info``: ``host``, ``account``, ``tagged``, ``events``.
    :param generated: when, as ISO 8601 in UTC.
    :param fail_at: what was asked for, and ``limits``, what :func:`threshold.parse` made of it.
    :param playbooks: by pattern of a stack's name, the playbook that applies it.
    :param compares_members: tells by kind and property whether only declared members of its dictionaries count.
    """
    playbooks = playbooks or {}
    limits = {} if limits is None else limits
    latest = [_trimmed(plan, compares_members) for plan in _latest(plans)]
    hosts = _hosts(latest, failures, surveys)
    accounts = [_account(host, parts, playbooks) for host, parts in sorted(hosts.items())]
    totals = {name: sum(account["totals"][name] for account in accounts) for name in (*COUNTED, "resources", "stacks")}
    totals["not_compared"] = sum(len(account["not_compared"]) for account in accounts)
    reasons = exceeded(limits, totals)
    if totals["not_compared"]:
        reasons.append(f"{totals['not_compared']} could not be compared")
    return {
        "schema": SCHEMA,
        "generated": generated,
        "organization": next((o for plan in latest if (o := plan["account"].get("organization"))), ""),
        "fail_at": fail_at,
        "failed": bool(reasons),
        "reasons": reasons,
        "totals": totals,
        "accounts": accounts,
    }


def unknown_to(plans: Sequence[Items], tagged: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what carries tags of ownership, or a stack's path in IAM, and is in none of the plans."""
    there = [item for plan in plans for item in (*(plan.get("known") or ()), *(plan.get("foreign") or ()))]
    arns = {item["arn"] for item in there if item.get("arn")}
    # What has no ARN to AWS has an identifier of its own; names alone may be those of other kinds as well.
    ids = {item["id"] for item in there if not item.get("arn")}
    # What lost its tags is told as missing already, under the name that it is declared with.
    missing = {
        (plan["stack"], name)
        for plan in plans
        for change in plan["changes"]
        if change["action"] == "create"
        for name in _names(change)
    }
    return [
        item
        for item in tagged
        if item["arn"].removesuffix(":*") not in arns
        and item["arn"].split(":", 5)[-1].partition("/")[2] not in ids
        and not (item.get("by") == "path" and (item["stack"], item["arn"].rpartition("/")[2]) in missing)
    ]


def wanted_events(plans: Iterable[Items], tagged: Iterable[Items]) -> dict[str, list[str]]:
    """Return by what the audit trail is to be asked about each finding: identifiers and names, by ``stack/address``."""
    wanted = {}
    for plan in plans:
        for change in [*plan["changes"], *(plan.get("foreign") or ())]:
            if change["action"] not in _CATEGORY or only_follows(change):
                continue
            # An attachment is a policy and its target.
            names = [*str(change.get("id") or "").split("@"), change.get("arn"), *_names(change)]
            wanted[_key(plan["stack"], change)] = list(dict.fromkeys(str(name) for name in names if name))
    for item in tagged:
        wanted[f"{item['stack']}/{item['arn']}"] = [item["arn"], item["arn"].rpartition("/")[2].rpartition(":")[2]]
    return wanted


def _key(stack: str, change: Items) -> str:
    return f"{stack}/{change['address'] or change['id']}"


def _names(change: Items) -> Iterator[Any]:
    """Yield the names that a missing thing was declared with, by which the audit trail knows it."""
    for values in (change.get("before") or {}, change.get("after") or {}):
        yield from (value for name, value in values.items() if name.endswith(("name", "identifier")))


def _latest(plans: Iterable[Items]) -> list[Items]:
    """Return each stack's last plan: a stack that is planned twice is taken as it came last."""
    last: dict[tuple[str, str, str], Items] = {}
    for plan in plans:
        last[plan["host"], plan["account"]["region"], plan["stack"]] = plan
    return [last[key] for key in sorted(last)]


def _trimmed(plan: Items, compares_members: Callable[[str, str], bool]) -> Items:
    """Return a plan without the members that AWS added to dictionaries of which only the declared ones count."""

    def one(change: Items) -> Items:
        before, after = change.get("before"), change.get("after")
        if not before or not after:
            return change
        trimmed = {
            name: _members(value, after.get(name)) if compares_members(change["kind"], name) else value
            for name, value in before.items()
        }
        return {**change, "before": trimmed}

    return {**plan, "changes": [one(change) for change in plan["changes"]]}


def _members(actual: Any, declared: Any) -> Any:
    if isinstance(actual, Mapping) and isinstance(declared, Mapping):
        return {name: _members(actual[name], item) for name, item in declared.items() if name in actual}
    return actual


def _hosts(plans: Iterable[Items], failures: Iterable[Items], surveys: Iterable[Items]) -> dict[str, dict[str, Any]]:
    hosts: dict[str, dict[str, Any]] = {}

    def of(host: str) -> dict[str, Any]:
        return hosts.setdefault(host, {"plans": [], "failures": [], "survey": None})

    for plan in plans:
        of(plan["host"])["plans"].append(plan)
    for failure in failures:
        of(failure["host"])["failures"].append(failure)
    for survey in surveys:
        of(survey["host"])["survey"] = survey
    return hosts


def _account(host: str, parts: Items, playbooks: Mapping[str, str]) -> dict[str, Any]:
    plans, failures, survey = parts["plans"], parts["failures"], parts["survey"] or {}
    account = next((plan["account"] for plan in plans), survey.get("account") or {"name": host, "id": None})
    events: Mapping[str, Any] = survey.get("events") or {}
    stacks = [_stack(plan, host, playbooks, events) for plan in plans]
    compared = {plan["stack"] for plan in plans}
    unjudged = 0
    by_stack: dict[str, list[Items]] = {}
    for item in unknown_to(plans, survey.get("tagged") or ()):
        if failures and item["stack"] not in compared:
            # It may well be declared, in what couldn't be compared.
            unjudged += 1
        else:
            by_stack.setdefault(item["stack"], []).append(item)
    for name, found in sorted(by_stack.items()):
        items = [_tagged(item, name in compared, events) for item in sorted(found, key=lambda item: str(item["arn"]))]
        stack = next((stack for stack in stacks if stack["stack"] == name), None)
        if stack is None:
            stack = {
                "stack": name,
                "region": account.get("region", ""),
                "playbook": "",
                "declared": False,
                "resources": 0,
                "known": [],
                "notes": [],
                "items": [],
            }
            stacks.append(stack)
        stack["items"] += items
    notes = list(survey.get("notes") or ())
    if unjudged:
        notes.append(
            f"{unjudged} with tags of stacks that could not be compared: whether they are declared is not known"
        )
    for stack in stacks:
        stack["totals"] = {name: sum(item["category"] == name for item in stack["items"]) for name in COUNTED}
    return {
        "host": host,
        # Without a name to look for in the organization, the account is that of the credentials.
        "name": host if account.get("name") in (None, "", account.get("id")) else account["name"],
        "id": account.get("id"),
        "region": account.get("region", ""),
        "stacks": sorted(stacks, key=lambda stack: (not stack["declared"], stack["stack"])),
        "not_compared": [{"task": item.get("task", ""), "problems": list(item["problems"])} for item in failures],
        "notes": notes,
        "totals": {
            **{name: sum(stack["totals"][name] for stack in stacks) for name in COUNTED},
            "resources": sum(stack["resources"] for stack in stacks),
            "stacks": sum(stack["declared"] for stack in stacks),
        },
    }


def _stack(plan: Items, host: str, playbooks: Mapping[str, str], events: Mapping[str, Any]) -> dict[str, Any]:
    name = plan["stack"]
    playbook = next((book for pattern, book in playbooks.items() if fnmatchcase(name, pattern)), "")
    problems = list(plan.get("problems") or ())
    items = []
    for change in [*plan["changes"], *(plan.get("foreign") or ())]:
        mine = [problem for problem in problems if problem.startswith(f"{change['address']}:")]
        problems = [problem for problem in problems if problem not in mine]
        notes = [problem.removeprefix(f"{change['address']}: ") for problem in mine]
        items.append(_item(change, notes, events.get(_key(name, change)) or [], host, playbook))
    items.sort(key=lambda item: (COUNTED.index(item["category"]), item["address"], item["id"] or ""))
    known = [{"address": item["address"], "id": item["id"]} for item in plan.get("known") or ()]
    return {
        "stack": name,
        "region": plan["account"]["region"],
        "playbook": playbook,
        "declared": True,
        "resources": len(known),
        "known": known,
        "notes": [*problems, *(f"{address}: AWS is not done with it yet" for address in plan.get("awaits") or ())],
        "items": items,
    }


def _item(change: Items, notes: Sequence[str], events: Sequence[Items], host: str, playbook: str) -> dict[str, Any]:
    action = change["action"]
    category = "follows" if only_follows(change) else _CATEGORY[action]
    return {
        "category": category,
        "address": change["address"],
        "kind": change["kind"],
        "id": change.get("id"),
        "arn": change.get("arn"),
        "action": action,
        "values": _values(change, category),
        "reason": _reason(change, category),
        "notes": list(notes),
        "events": list(events),
        "advice": _advice(change, category, host, playbook),
    }


def _values(change: Items, category: str) -> list[dict[str, Any]]:
    """Return what is declared and what is there, by property: of what differs, or of all where one side has nothing."""
    before, after = change.get("before") or {}, change.get("after") or {}
    names = list(change["changed"]) if category in ("changed", "follows") else sorted({*before, *after})
    return [
        {
            "name": name,
            "declared": after.get(name),
            "actual": before.get(name),
            "follows": category == "follows"
            or (
                change["action"] in ("update", "replace")
                and has_unknown(after.get(name))
                and explained(after[name], before.get(name))
            ),
        }
        for name in names
    ]


def _reason(change: Items, category: str) -> str:
    if category == "follows":
        return "It is as declared, but it refers to something that is missing."
    if change["action"] == "foreign":
        return str(change.get("reason") or "Nothing declares it, and it carries nobody's tags.")
    if change["action"] in ("delete", "keep"):
        return "It carries the tags of this stack, or leads to what is its own, and the stack doesn't declare it."
    return str(change.get("reason") or "")


def _advice(change: Items, category: str, host: str, playbook: str) -> str:
    run = f"{playbook} for {host}" if playbook else f"the playbook that owns it for {host}"
    action = change["action"]
    if category == "follows":
        return "Nothing: it is right again when what it refers to is there."
    if action == "create":
        return f"{run} makes it again. If it is to be gone, take it out of the declaration."
    if action == "replace":
        forced = ", ".join(change.get("forced_by") or ())
        which = f", since {forced} can't be changed in place" if forced else ""
        return f"{run} would replace it{which}, with consent (`allow_replace`). If it is right as it is, declare it."
    if action == "delete":
        return (
            f"{run} deletes it. If it is to stay, declare it, or take the tags innovate:stack and innovate:address off."
        )
    if action == "keep":
        return "It holds data, so no playbook deletes it unless `allow_destroy` lists it. Declare it, or list it there."
    if action == "foreign":
        return "No playbook touches it. If it is to stay, declare it; else delete it by hand, and ask who made it."
    return f"{run} puts it back. If it is right as it is, declare it."


def _tagged(item: Items, declared: bool, events: Mapping[str, Any]) -> dict[str, Any]:
    where = f" (address {item['address']})" if item.get("address") else ""
    reason = (
        f"It carries the tags of this stack{where}, and the stack doesn't know it."
        if declared
        else f"It carries the tags of a stack that no playbook of this run declares{where}."
    )
    if item.get("by") == "path":
        reason = "It is in IAM under this stack's path" + (
            ", and the stack doesn't know it." if declared else ", and no playbook of this run declares such a stack."
        )
    return {
        "category": "unowned",
        "address": item.get("address") or "",
        "kind": item.get("type") or "",
        "id": item["arn"],
        "arn": item["arn"],
        "action": "tagged",
        "values": [],
        "reason": reason,
        "notes": [],
        "events": list(events.get(f"{item['stack']}/{item['arn']}") or []),
        "advice": "No playbook touches it. If it belongs to somebody else, take the tags innovate:stack and "
        "innovate:address off it; if nobody needs it, delete it.",
    }
