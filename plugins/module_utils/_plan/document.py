# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the plans of all stacks of a run together, tells two such plans apart, and knows one that was edited.

The document (schema 1; docs/plan.md describes it for people)::

    {"schema": 1, "organization": "o-abc1234567", "digest": "sha256:...",
     "totals": {"create": 212, "update": 3, "replace": 1, "delete": 0, "adopt": 0, "keep": 0},
     "accounts": [{"host": "dev", "name": "dev", "id": "111111111111", "region": "eu-central-1",
                   "stacks": [{"stack": "vpc-dev", "changes": [...]}]}]}

A change is what a stack's module returns in ``changes``. Secrets are hidden before they come here, and the digest is
made of what is shown, so nothing can be guessed from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SCHEMA = 1
AGAIN = "plan again and have that approved"
COUNTED = ("create", "update", "replace", "delete", "adopt", "keep")
"""The actions that totals count. ``keep`` changes nothing: it is what a teardown leaves."""

Document = dict[str, Any]
Key = tuple[str, str, str, str]
"""What a change is about: host, Region, stack, address."""


def latest(results: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return each stack's result once: a stack that comes twice as it came last."""
    last = {(result["host"], result["account"]["region"], result["stack"]): result for result in results}
    return list(last.values())


def collect(results: Iterable[Mapping[str, Any]], cost: Mapping[str, Any] | None = None) -> Document:
    """Return the plan that the results of stacks' modules in check mode come to.

    :param results: each with ``host``, ``stack``, ``account`` ({name, id, region, organization}) and ``changes``. A
        stack that comes twice is taken as it came last. Stacks and accounts without a change are left out.
    :param cost: what it costs a month, to stand beside it.
    """
    results = latest(results)
    accounts: dict[tuple[str, str], dict[str, Any]] = {}
    for result in results:
        if result["changes"]:
            account = result["account"]
            place = accounts.setdefault(
                (result["host"], account["region"]),
                {"host": result["host"], "name": account["name"], "id": account["id"], "region": account["region"]},
            )
            place.setdefault("stacks", []).append({"stack": result["stack"], "changes": list(result["changes"])})
    document: Document = {
        "schema": SCHEMA,
        "organization": next((item for result in results if (item := result["account"].get("organization"))), ""),
        "totals": {},
        "accounts": [accounts[key] for key in sorted(accounts)],
    }
    counts = dict.fromkeys(COUNTED, 0)
    for _key, change in changes_of(document):
        counts[change["action"]] += 1
    document = {**document, "totals": counts}
    priced = {"cost": dict(cost), "cost_digest": _sha256(dict(cost))} if cost else {}
    return {**document, **priced, "digest": digest_of(document)}


def changes_of(document: Mapping[str, Any]) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    """Yield every change of a plan with what it is about."""
    for account in document["accounts"]:
        for stack in account["stacks"]:
            for change in stack["changes"]:
                yield (account["host"], account["region"], stack["stack"], change["address"]), change


def digest_of(document: Mapping[str, Any]) -> str:
    """Return ``sha256:`` and 64 hexadecimal digits over everything in a plan but its own digest, and the cost.

    A price list that was read anew doesn't make another plan.
    """
    return _sha256({name: value for name, value in document.items() if name not in ("digest", "cost", "cost_digest")})


def _sha256(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def dump(document: Mapping[str, Any]) -> str:
    """Return a plan as the text of a file: the same plan is the same text."""
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def load(text: str, name: str) -> tuple[Document, list[str]]:
    """Return the plan in a file's text and what is wrong with it, a sentence each.

    :param name: what to call it in the sentences.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        return {}, [f"{name} is not a plan: it is no JSON ({error})"]
    if not isinstance(document, dict) or "schema" not in document:
        return {}, [f"{name} is not a plan: `schema` is missing; plan_out=FILE writes one"]
    schema = document["schema"]
    if schema != SCHEMA:
        age = "older" if isinstance(schema, int) and schema < SCHEMA else "another"
        return {}, [f"{name} has schema {schema}, {age} than {SCHEMA}, which this version reads: {AGAIN}"]
    if not _has_shape(document):
        return {}, [f"{name} is not a whole plan: write it anew with plan_out=FILE"]
    if document.get("digest") != digest_of(document):
        return {}, [f"{name} was changed after it was written, its content isn't that of its digest: {AGAIN}"]
    if "cost" in document and document.get("cost_digest") != _sha256(document["cost"]):
        return {}, [f"{name} was changed after it was written, the cost isn't the one that was written: {AGAIN}"]
    return document, []


def read(option: str, path: str | None) -> tuple[Document | None, list[str]]:
    """Return the plan in a file, None where none is named or something is wrong with it, and what that is.

    :param option: what the user named the file by.
    """
    if not path:
        return None, []
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return None, [f"{option} can't be read: {error}"]
    document, problems = load(text, path)
    return (None, problems) if problems else (document, [])


def differences(approved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return how what would happen now differs from what was approved, a sentence each; empty if it doesn't."""
    if approved["organization"] != now["organization"]:
        theirs, ours = approved["organization"] or "(none)", now["organization"] or "(none)"
        return [f"the plan was made for organization {theirs}, these credentials belong to {ours}: {AGAIN}"]
    before = dict(changes_of(approved))
    after = dict(changes_of(now))
    found = []
    for key in sorted({*before, *after}):
        host, region, stack, address = key
        what = f"{host} ({region}) {stack} {address}"
        if key not in after:
            found.append(f"{what}: {before[key]['action']} was approved, now there is nothing to do")
        elif key not in before:
            found.append(f"{what}: {after[key]['action']} was not approved")
        elif before[key]["action"] != after[key]["action"]:
            found.append(f"{what}: {before[key]['action']} was approved, now it is {after[key]['action']}")
        elif before[key] != after[key]:
            found.append(
                f"{what}: {after[key]['action']} was approved with other values: {_values(before[key], after[key])}"
            )
    if not found and approved["digest"] != now["digest"]:
        # An account that came into being, or a stack that moved: no change differs, but the plan isn't the same.
        found.append("the same changes would be made, but in other accounts: " + AGAIN)
    return found


def unplanned(
    approved: Mapping[str, Any], account_id: str, region: str, stack: str, changes: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Return which changes of a stack aren't in an approved plan, a sentence each.

    What was approved and isn't necessary any more is no obstacle; values that were unknown when the plan was made are
    known now, so only the action on an address is compared. A run that was cut short, or didn't wait, leaves things
    half-done: what was to be created, replaced or adopted may be completed by an update, and of what was to be replaced
    only the creation may be left.
    """
    planned = {
        (change["address"], change["action"])
        for account in approved["accounts"]
        if account["region"] == region and account["id"] in (account_id, None)
        for item in account["stacks"]
        if item["stack"] == stack
        for change in item["changes"]
    }
    planned |= {(address, "update") for address, action in planned if action in ("create", "replace", "adopt")}
    planned |= {(address, "create") for address, action in planned if action == "replace"}
    return [
        f"{change['address']}: {change['action']} is not in the approved plan: {AGAIN}"
        for change in changes
        if change["action"] != "keep" and (change["address"], change["action"]) not in planned
    ]


def _has_shape(document: Mapping[str, Any]) -> bool:
    accounts = document.get("accounts")
    return (
        isinstance(accounts, list)
        and isinstance(document.get("organization"), str)
        and isinstance(document.get("cost", {}), dict)
        and all(
            isinstance(account, dict)
            and _are_texts(account, "host", "name", "region")
            and isinstance(account.get("id", ""), (str, type(None)))
            and isinstance(account.get("stacks"), list)
            and all(
                isinstance(stack, dict)
                and _are_texts(stack, "stack")
                and isinstance(stack.get("changes"), list)
                and all(isinstance(item, dict) and _are_texts(item, "address", "action") for item in stack["changes"])
                for stack in account["stacks"]
            )
            for account in accounts
        )
    )


def _are_texts(item: Mapping[str, Any], *names: str) -> bool:
    return all(isinstance(item.get(name), str) for name in names)


def _values(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    words = []
    for side in ("before", "after"):
        old, new = before.get(side) or {}, after.get(side) or {}
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                words.append(f"{name} {side} it was {brief(old.get(name))}, is {brief(new.get(name))}")
    if not words:
        words = [
            f"{name} was {brief(before.get(name))}, is {brief(after.get(name))}"
            for name in sorted({*before, *after} - {"before", "after"})
            if before.get(name) != after.get(name)
        ]
    return "; ".join(words)


def brief(value: Any, width: int = 60) -> str:
    """Return a value in at most ``width`` characters, on one line."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"
