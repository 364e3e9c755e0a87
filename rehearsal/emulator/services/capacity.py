# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What EC2 has none of, as the page ``capacity`` says: InsufficientInstanceCapacity on demand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from rehearsal.emulator.world import World


@dataclass(frozen=True)
class Shortage:
    """What EC2 has none of: patterns of types and zones, and ``on-demand``, ``spot`` or any."""

    type: str
    zone: str = "*"
    lifecycle: str = "*"

    def fits(self, kind: str, zone: str, lifecycle: str) -> bool:
        """Whether a launch is hit by it."""
        given = ((kind, self.type), (zone, self.zone), (lifecycle, self.lifecycle))
        return all(fnmatchcase(value, pattern) for value, pattern in given)


def shortages(world: World) -> list[Shortage]:
    """Every shortage there is: those of the page ``capacity``."""
    return world.store("ec2-capacity", "", "", list)


def capacity(world: World, method: str, query: Mapping[str, list[str]]) -> list[dict[str, str]]:
    """The page ``capacity``: POST makes a type scarce (``type``, ``zone``, ``lifecycle``), DELETE ends it (or all).

    Raises:
        ValueError: POST without a type.
    """
    found = shortages(world)
    names = {name: query[name][0] for name in ("type", "zone", "lifecycle") if name in query}
    if method == "POST":
        if "type" not in names:
            raise ValueError("POST with type=m7g.large (or t4g.*), and zone=, lifecycle=on-demand or spot if not all")
        found.append(Shortage(**names))
    elif method == "DELETE":
        found[:] = [item for item in found if any(getattr(item, name) != value for name, value in names.items())]
    return [{"type": item.type, "zone": item.zone, "lifecycle": item.lifecycle} for item in found]
