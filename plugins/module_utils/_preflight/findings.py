# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges the plans of a run together: what one stack alone can't see. Pure functions over modules' results."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from . import quotas

Plan = Mapping[str, Any]

_EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@.]+(\.[^\s@.]+)+")
_MOST_ADDRESSES = 4
_RANGES = {"vpc": "the range", "eks_cluster": "the range for Services"}


def findings(plans: Iterable[Plan], *, applying: bool = True) -> list[str]:
    """Return all that speaks against carrying out the plans of a run, a sentence each, in a stable order.

    :param plans: results of stacks' modules in check mode, in the order in which they came; of a stack that comes twice
        the last one counts. Each has ``stack``, ``changes``, ``account`` ({name, id, region, organization}; the id is
        None while the account doesn't exist), ``preflight`` ({needs, ceilings, quotas, facts, notes}, see
        ``usage.survey``), and ``host`` where a playbook gathered them. Results without ``preflight`` are left out.
    :param applying: whether an apply follows. A plan alone may be about accounts that nobody makes in this run.
    """
    stacks = _stacks(plans)
    return [
        *(_homeless(stacks) if applying else []),
        *_twice(stacks),
        *(sentence for sentence, is_new in _overlaps(stacks) if is_new),
        *_emails(stacks),
        *_buckets(stacks),
        *_exceeded(stacks),
    ]


def notes(plans: Iterable[Plan]) -> list[str]:
    """Return what should be said but speaks against nothing: quotas that nobody could ask for, old overlaps.

    :param plans: as :func:`findings` takes them.
    """
    stacks = _stacks(plans)
    return [
        *(f"{_where(plan)}: {note}" for plan in stacks for note in plan["preflight"].get("notes") or ()),
        *(sentence for sentence, is_new in _overlaps(stacks) if not is_new),
        *_unasked(stacks),
        *_ceilings(stacks),
    ]


def _stacks(plans: Iterable[Plan]) -> list[Plan]:
    last: dict[tuple[str, ...], Plan] = {}
    for plan in plans:
        if plan.get("preflight"):
            account = plan["account"]
            last[plan.get("host") or "", account["id"] or account["name"], account["region"], plan["stack"]] = plan
    # Hosts are planned side by side: who is first is chance.
    return [last[key] for key in sorted(last)]


def _where(plan: Plan) -> str:
    """Return what a stack is called among those of other accounts."""
    return f"{plan['account']['name']} {plan['stack']}"


def _account(plan: Plan) -> str:
    account = plan["account"]
    return f"account {account['name']}" + (
        f" ({account['id']})" if account["id"] not in (None, account["name"]) else ""
    )


def _facts(stacks: Iterable[Plan], *kinds: str) -> Iterator[tuple[Plan, Mapping[str, Any]]]:
    for plan in stacks:
        for fact in plan["preflight"]["facts"]:
            if fact["kind"] in kinds:
                yield plan, fact


# --- accounts -----------------------------------------------------------------------------------------------------


def _homeless(stacks: Sequence[Plan]) -> Iterator[str]:
    """Yield accounts that aren't there, that no plan makes and that something is to be made in."""
    made = {fact["account_name"] for _plan, fact in _facts(stacks, "organization_account") if "account_name" in fact}
    missing: dict[str, list[str]] = {}
    for plan in stacks:
        account = plan["account"]
        if account["id"] is None and account["name"] not in made and plan.get("changes"):
            missing.setdefault(account["name"], []).append(plan.get("host") or plan["stack"])
    for name, hosts in missing.items():
        yield (
            f"account '{name}' of {_list(hosts)} doesn't exist, and nothing in this run makes it: list it in "
            "organization_accounts and run playbooks/organization.yml first (-i inventories/organization), or correct "
            "platform_account_name"
        )


def _twice(stacks: Sequence[Plan]) -> Iterator[str]:
    """Yield stacks of one account and Region that two hosts want as they like."""
    owners: dict[tuple[str, str, str], list[str]] = {}
    for plan in stacks:
        account = plan["account"]
        if account["id"] and plan.get("host"):
            owners.setdefault((account["id"], account["region"], plan["stack"]), []).append(plan["host"])
    for (identifier, region, stack), hosts in owners.items():
        if len(hosts) > 1:
            yield (
                f"stack '{stack}' in account {identifier} ({region}) is declared by the hosts {_list(hosts)}: each "
                "would undo what the other does: give them accounts of their own (platform_account_name), or names of "
                "their own (platform_environment)"
            )


# --- ranges of addresses ------------------------------------------------------------------------------------------


def _overlaps(stacks: Sequence[Plan]) -> Iterator[tuple[str, bool]]:
    """Yield ranges that can't be told apart once networks are connected, and whether one of them is still to be made.

    A VPC that overlaps another can't be peered with it nor share a transit gateway's route table with it
    (https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-basics.html#vpc-peering-limitations). What is in a
    cluster's range for Services its pods never reach, wherever it is. Two clusters may have the same one.
    """
    ranges = []
    for plan, fact in _facts(stacks, "vpc", "eks_cluster"):
        text = fact.get("cidr_block") or fact.get("service_ipv4_cidr")
        try:
            ranges.append((plan, fact, ipaddress.ip_network(str(text), strict=False)))
        except ValueError:
            continue  # the kind's own check says so
    for (plan, fact, one), (other_plan, other_fact, other) in combinations(ranges, 2):
        if one.version != other.version or not one.overlaps(other):
            continue
        if fact["kind"] == other_fact["kind"] == "eks_cluster":
            continue
        names = [
            f"{_where(where)} {what['address']} has {_RANGES[what['kind']]} {cidr}"
            for where, what, cidr in ((plan, fact, one), (other_plan, other_fact, other))
        ]
        option = "service_ipv4_cidr" if "eks_cluster" in (fact["kind"], other_fact["kind"]) else "vpc_cidr"
        is_new = fact["new"] or other_fact["new"]
        todo = f"give one of them another ({option})" if is_new else "they can never be connected as they are"
        yield f"{names[0]}, {names[1]}, and these overlap: {todo}", is_new


# --- names --------------------------------------------------------------------------------------------------------


def _emails(stacks: Sequence[Plan]) -> Iterator[str]:
    """Yield addresses that AWS won't take, and those given twice; ``aws+dev@`` and ``aws+prod@`` are two addresses."""
    owners: dict[str, list[str]] = {}
    for plan, fact in _facts(stacks, "organization_account"):
        if not fact.get("email"):
            continue
        email, who = fact["email"], f"{fact.get('account_name') or fact['address']} ({plan['stack']})"
        # https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateAccount.html
        if fact["new"] and not (6 <= len(email) <= 64 and _EMAIL.fullmatch(email)):
            yield f"account {who}: '{email}' is not an e-mail address of 6 to 64 characters: correct it"
        owners.setdefault(email.lower(), []).append(who)
    for email, names in owners.items():
        if len(set(names)) > 1:
            yield (
                f"the e-mail address {email} is given to the accounts {_list(names)}: each needs one of its own, such "
                f"as {'+name@'.join(email.split('@', 1))}"
            )


def _buckets(stacks: Sequence[Plan]) -> Iterator[str]:
    """Yield bucket names that two stacks want; S3 has one list of names for all accounts of a partition."""
    owners: dict[str, list[str]] = {}
    for plan, fact in _facts(stacks, "s3_bucket"):
        owners.setdefault(fact["bucket"], []).append(f"{_where(plan)} {fact['address']}")
    for bucket, names in owners.items():
        if len(names) > 1:
            yield f"the bucket name '{bucket}' is wanted by {_list(names)}: it is unique in the world, rename one"


# --- quotas -------------------------------------------------------------------------------------------------------


def _exceeded(stacks: Sequence[Plan]) -> Iterator[str]:
    """Yield quotas that all stacks of an account together need more of than there is."""
    known = {key: row for key, row in _known(stacks) if not row.get("unknown")}
    for key, (first, amount, addresses) in _sums(stacks).items():
        row = known.get(key)
        if row is None or row["used"] + amount <= row["limit"]:
            continue
        code, within = key[2], key[3]
        quota = quotas.quota(code)
        region = quotas.home(str(first["account"]["region"])) if quota.everywhere else first["account"]["region"]
        total = row["used"] + amount
        place = f" in {within}" if within else ""
        yield (
            f"{_account(first)}, {region}: {quota.unit}{place}: {amount} more needed ({_list(addresses)}), "
            f"{row['used']} of {_number(row['limit'])} in use: free some, or ask for an increase with "
            "credentials of that account: aws service-quotas request-service-quota-increase "
            f"--service-code {quota.service} --quota-code {code} --desired-value {total} --region {region} (console: "
            f"https://{region}.console.aws.amazon.com/servicequotas/home/services/{quota.service}/quotas/{code})"
        )


def _unasked(stacks: Sequence[Plan]) -> Iterator[str]:
    known = dict(_known(stacks))
    reasons: dict[tuple[str, str, str], list[str]] = {}
    for key, (first, amount, _addresses) in _sums(stacks).items():
        unit = f"{quotas.quota(key[2]).unit} ({amount})"
        row = known.get(key)
        if first["account"]["id"] is None:
            why = "it doesn't exist yet, new accounts may have less than AWS's defaults"
        elif row is None or row.get("unknown"):
            why = row["unknown"] if row else "nobody asked"
        else:
            continue
        reasons.setdefault((_account(first), first["account"]["region"], why), []).append(unit)
    for (account, region, why), units in reasons.items():
        yield f"{account}, {region}: quotas of {_list(units, len(units))} are not known: {why}"


def _ceilings(stacks: Sequence[Plan]) -> Iterator[str]:
    """Yield what Karpenter may make that the quotas don't let it: its pods stay pending then."""
    found: dict[tuple[str, str, str], tuple[Plan, int, float]] = {}
    for plan in stacks:
        for row in plan["preflight"].get("ceilings") or ():
            if row["limit"] is not None:
                key = (plan["account"]["id"] or "", plan["account"]["region"], row["quota"])
                _first, amount, _limit = found.get(key, (plan, 0, 0.0))
                found[key] = (plan, amount + row["amount"], row["limit"])
    for (_account_id, region, code), (plan, amount, limit) in found.items():
        if amount > limit:
            yield (
                f"{_account(plan)}, {region}: Karpenter's NodePools may take {amount} {quotas.quota(code).unit}, the "
                f"quota ({code}) allows {_number(limit)} to all together: beyond that pods stay pending"
            )


_Key = tuple[str, str, str, str]
"""What is counted together: account, Region (empty for all), quota, and in what it counts."""


def _key(plan: Plan, row: Mapping[str, Any]) -> _Key:
    account = plan["account"]
    within = row["within"]
    # What is still to be made is another thing in each stack, though it has the same address.
    if "." in within:
        within = f"{within} of {plan['stack']}"
    region = "" if quotas.quota(row["quota"]).everywhere else account["region"]
    return account["id"] or account["name"], region, row["quota"], within


def _known(stacks: Iterable[Plan]) -> Iterator[tuple[_Key, Mapping[str, Any]]]:
    for plan in stacks:
        for row in plan["preflight"]["quotas"]:
            yield _key(plan, row), row


def _sums(stacks: Iterable[Plan]) -> dict[_Key, tuple[Plan, int, list[str]]]:
    found: dict[_Key, tuple[Plan, int, list[str]]] = {}
    for plan in stacks:
        for row in plan["preflight"]["needs"]:
            key = _key(plan, row)
            first, amount, addresses = found.get(key, (plan, 0, []))
            more = [f"{plan['stack']} {address}" for address in row["addresses"]]
            found[key] = (first, amount + row["amount"], [*addresses, *more])
    return found


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _list(items: Sequence[str], most: int = _MOST_ADDRESSES) -> str:
    """Return the first few of a list in words."""
    items = list(dict.fromkeys(items))
    shown = items[:most]
    if len(items) > most:
        return f"{', '.join(shown)} and {len(items) - most} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)
