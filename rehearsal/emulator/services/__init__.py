# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that the emulator answers itself, a module per service; importing this package registers them."""

from __future__ import annotations

from collections.abc import Callable

from rehearsal import postgres
from rehearsal.emulator.services import (
    access_analyzer,
    account_settings,
    budgets,
    capacity,
    cloudtrail,
    config_recorders,
    ec2,
    eks,
    events,
    fleets,
    guardduty,
    iam,
    identity_center,
    identity_store,
    images,
    instance_profiles,
    instance_types,
    instances,
    interruptions,
    kms,
    launch_templates,
    load_balancers,
    logs,
    organizations,
    pricing,
    quotas,
    rds,
    s3,
    snapshots,
    sqs,
    sts,
    tagging,
    trails,
)
from rehearsal.emulator.world import World

__all__ = [
    "STARTUP",
    "access_analyzer",
    "account_settings",
    "budgets",
    "capacity",
    "cloudtrail",
    "config_recorders",
    "ec2",
    "eks",
    "events",
    "fleets",
    "guardduty",
    "iam",
    "identity_center",
    "identity_store",
    "images",
    "instance_profiles",
    "instance_types",
    "instances",
    "interruptions",
    "kms",
    "launch_templates",
    "load_balancers",
    "logs",
    "organizations",
    "pricing",
    "quotas",
    "rds",
    "reset",
    "s3",
    "snapshots",
    "sqs",
    "sts",
    "tagging",
    "trails",
]

STARTUP: list[Callable[[World], None]] = [
    lambda world: world.on_reset.append(lambda: eks.reset(world)),
    lambda world: postgres.remove_all(world.state_dir),  # of an emulator that was killed
    lambda world: postgres.remove_orphans(),
    lambda world: world.on_reset.append(lambda: rds.reset(world)),
]


def reset() -> None:
    """Put back what a reset of moto's backends doesn't reach."""
