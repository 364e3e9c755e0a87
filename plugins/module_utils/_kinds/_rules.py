# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of security groups: one flat form for what is declared and what is observed.

A rule has the names of https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SecurityGroupRule.html:
``ip_protocol``, ``from_port``, ``to_port``, one of ``cidr_ipv4``, ``cidr_ipv6``, ``prefix_list_id`` and
``referenced_group_id`` (``self`` is the group itself), and ``description``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from .._engine.resource import is_known
from ._session import Session

_PEERS = ("cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_group_id")
_MEMBERS = {*_PEERS, "ip_protocol", "from_port", "to_port", "description"}
_ANY = "-1"
_KEYS = {
    "cidr_ipv4": ("IpRanges", "CidrIp"),
    "cidr_ipv6": ("Ipv6Ranges", "CidrIpv6"),
    "prefix_list_id": ("PrefixListIds", "PrefixListId"),
    "referenced_group_id": ("UserIdGroupPairs", "GroupId"),
}
_DIRECTIONS = {
    "ingress": ("authorize_security_group_ingress", "revoke_security_group_ingress"),
    "egress": ("authorize_security_group_egress", "revoke_security_group_egress"),
}
_DESCRIBE = {
    "ingress": "update_security_group_rule_descriptions_ingress",
    "egress": "update_security_group_rule_descriptions_egress",
}

Rule = Mapping[str, Any]


def same_rules(wanted: Any, observed: Any) -> bool:
    """Tell whether two lists hold the same rules."""
    return {_whole(rule) for rule in wanted} == {_whole(rule) for rule in observed or ()}


def problems_of(rules: Iterable[Rule], direction: str) -> list[str]:
    """Return what is wrong with declared rules."""
    problems = []
    for rule in rules:
        shown = f"{direction} rule {dict(rule)}"
        unknown = sorted(set(rule) - _MEMBERS)
        peers = [name for name in _PEERS if rule.get(name)]
        if unknown:
            problems.append(f"{shown}: unknown member '{unknown[0]}': use {', '.join(sorted(_MEMBERS))}")
        if len(peers) != 1:
            problems.append(f"{shown} needs exactly one of {', '.join(_PEERS)}")
        if not rule.get("ip_protocol"):
            problems.append(f"{shown}: 'ip_protocol' is missing: tcp, udp, icmp or -1 for all")
        elif str(rule["ip_protocol"]) != _ANY and (rule.get("from_port") is None or rule.get("to_port") is None):
            problems.append(f"{shown} needs from_port and to_port")
        for name in ("cidr_ipv4", "cidr_ipv6"):
            if rule.get(name) and is_known(rule[name]):
                try:
                    ipaddress.ip_network(rule[name])
                except ValueError:
                    problems.append(f"{shown}: {rule[name]!r} is not a network: write it as 10.0.0.0/16")
    return problems


def observed_rules(permissions: Iterable[Mapping[str, Any]], group_id: str) -> list[dict[str, Any]]:
    """Return a described group's permissions as flat rules."""
    rules = []
    for permission in permissions:
        base: dict[str, Any] = {"ip_protocol": permission["IpProtocol"]}
        if permission["IpProtocol"] != _ANY:
            base |= {"from_port": permission.get("FromPort"), "to_port": permission.get("ToPort")}
        for name, (member, key) in _KEYS.items():
            for peer in permission.get(member, []):
                rule = {**base, name: "self" if peer[key] == group_id else peer[key]}
                rules.append({**rule, "description": peer["Description"]} if peer.get("Description") else rule)
    return rules


def write_rules(session: Session, group_id: str, direction: str, there: Iterable[Rule], wanted: Iterable[Rule]) -> None:
    """Bring a group's rules of one direction to what is wanted: add first, then take away: no traffic breaks."""
    old = {_identity(rule): rule for rule in there}
    new = {_identity(rule): rule for rule in wanted}
    authorize, revoke = _DIRECTIONS[direction]
    added = [rule for identity, rule in new.items() if identity not in old]
    described = [rule for identity, rule in new.items() if identity in old and _whole(rule) != _whole(old[identity])]
    removed = [rule for identity, rule in old.items() if identity not in new]
    for operation, rules in ((authorize, added), (_DESCRIBE[direction], described), (revoke, removed)):
        if rules and not _write(session, operation, group_id, rules) and len(rules) > 1:
            # One rule that is there (or gone) already makes EC2 refuse them all.
            for rule in rules:
                _write(session, operation, group_id, [rule])


def _write(session: Session, operation: str, group_id: str, rules: Iterable[Rule]) -> bool:
    """Write rules, and tell whether EC2 took them."""
    answer = session.call(
        "ec2",
        operation,
        retry_on=["InvalidGroup.NotFound"],
        missing=["InvalidPermission.NotFound", "InvalidPermission.Duplicate"],
        GroupId=group_id,
        IpPermissions=[_permission(rule, group_id) for rule in rules],
    )
    return bool(answer)


def _permission(rule: Rule, group_id: str) -> dict[str, Any]:
    name = next(name for name in _PEERS if rule.get(name))
    member, key = _KEYS[name]
    peer = {key: group_id if rule[name] == "self" else rule[name]}
    if rule.get("description"):
        peer["Description"] = rule["description"]
    ports = {} if str(rule["ip_protocol"]) == _ANY else {"FromPort": rule["from_port"], "ToPort": rule["to_port"]}
    return {"IpProtocol": str(rule["ip_protocol"]), **ports, member: [peer]}


def _identity(rule: Rule) -> tuple[str, ...]:
    ports = () if str(rule["ip_protocol"]) == _ANY else (str(rule.get("from_port")), str(rule.get("to_port")))
    return (str(rule["ip_protocol"]), *ports, *(f"{name}={rule[name]}" for name in _PEERS if rule.get(name)))


def _whole(rule: Rule) -> tuple[str, ...]:
    return (*_identity(rule), str(rule.get("description") or ""))
