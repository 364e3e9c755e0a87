# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a stack matters to other stacks: ranges of addresses, names that are unique in the world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .._engine.plan import Change


def _service_range(change: Change) -> Any:
    """Return a cluster's range for Services; EKS chooses one where none is declared, so it is known afterwards."""
    declared = (change.properties.get("kubernetes_network_config") or {}).get("service_ipv4_cidr")
    there = change.observed.attribute("service_ipv4_cidr") if change.observed is not None else None
    return declared or there


_FACTS: Mapping[str, Mapping[str, Callable[[Change], Any]]] = {
    "vpc": {"cidr_block": lambda change: change.properties.get("cidr_block")},
    "eks_cluster": {"service_ipv4_cidr": _service_range},
    "organization_account": {
        "account_name": lambda change: change.properties.get("account_name"),
        "email": lambda change: change.properties.get("email"),
    },
    "s3_bucket": {"bucket": lambda change: change.properties.get("bucket")},
}
"""By kind, what is told of each resource. Nothing here is secret."""


def facts(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Return what is declared and stays, changed or not.

    :return: rows with ``kind``, ``address``, ``new`` (whether it is still to be made) and what ``_FACTS`` names, as far
        as it is known.
    """
    found = []
    for change in changes:
        wanted = _FACTS.get(change.kind)
        if wanted is None or change.resource is None or change.action in ("delete", "keep"):
            continue
        if change.action == "none" and not change.properties:
            continue
        known = {name: value for name, tell in wanted.items() if isinstance(value := tell(change), str)}
        if known:
            new = change.action in ("create", "replace")
            found.append({"kind": change.kind, "address": change.address, "new": new, **known})
    return found
