# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network ACLs for each kind of tier: a second, coarse line behind the security groups.

SSH and RDP never come in from the internet (AWS FSBP control EC2.21), also not by the ephemeral ports of answers.
"""

from __future__ import annotations

from typing import Any

_ALL, _TCP, _UDP = "-1", "6", "17"
_WORLD = "0.0.0.0/0"
_RDP = 3389
_EPHEMERAL = (1024, 65535)


def entries_for(access: str, cidr: str) -> list[dict[str, Any]]:
    """Return the entries of the ACL before a ``public``, ``private`` or ``isolated`` tier in a VPC of this range."""
    inside = [_entry(100, False, _ALL, cidr), _entry(100, True, _ALL, cidr)]
    if access == "isolated":
        return inside
    answers = [
        _entry(200, False, _TCP, _WORLD, (_RDP, _RDP), "deny"),
        _entry(210, False, _UDP, _WORLD, (_RDP, _RDP), "deny"),
        _entry(300, False, _TCP, _WORLD, _EPHEMERAL),
        _entry(310, False, _UDP, _WORLD, _EPHEMERAL),
        _entry(300, True, _ALL, _WORLD),
    ]
    if access == "private":
        return inside + answers
    web = [_entry(400, False, _TCP, _WORLD, (80, 80)), _entry(410, False, _TCP, _WORLD, (443, 443))]
    return inside + answers + web


def _entry(
    number: int, egress: bool, protocol: str, cidr: str, ports: tuple[int, int] | None = None, action: str = "allow"
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "rule_number": number,
        "egress": egress,
        "protocol": protocol,
        "rule_action": action,
        "cidr_block": cidr,
    }
    return {**entry, "port_range": {"from": ports[0], "to": ports[1]}} if ports else entry
