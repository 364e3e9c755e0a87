# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any kind in several Regions of one stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError
from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from ansible_collections.innovate.platform.plugins.module_utils._kinds._regional import regional
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from ansible_collections.innovate.platform.plugins.module_utils._kinds.kms_alias import KmsAlias
from ansible_collections.innovate.platform.plugins.module_utils._kinds.kms_key import KmsKey
from ansible_collections.innovate.platform.plugins.module_utils._kinds.log_group import LogGroup
from tests.contract.contract import World, actions

HERE, THERE, ELSEWHERE = "eu-central-1", "eu-west-1", "us-east-1"
NAME = "/contract/regional"
KINDS = {
    kind.name: kind
    for kind in (regional(item, also=(HERE, THERE, ELSEWHERE))() for item in (KmsKey, KmsAlias, LogGroup))
}


def in_region(region: str, days: int = 30) -> list[Resource]:
    """Things of the same names in each Region: with tags, and without."""
    return [
        Resource("kms_key", region, {"region": region, "description": "regional"}),
        Resource(
            "kms_alias",
            region,
            {"region": region, "alias_name": "alias/contract-regional", "target_key_id": Ref(f"kms_key.{region}")},
        ),
        Resource("log_group", region, {"region": region, "log_group_name": NAME, "retention_in_days": days}),
    ]


def retention(session: Session, region: str) -> list[int]:
    groups = session.pages("logs", "describe_log_groups", "logGroups", region=region, logGroupNamePrefix=NAME)
    return [group["retentionInDays"] for group in groups]


def planned(world: World, resources: Sequence[Resource], **options: object) -> dict[str, str]:
    return actions(world.plan(resources, **options))


def test_one_stack_has_the_same_in_several_regions(session: Session) -> None:
    world = World(session, KINDS, "contract-regional")
    both = [*in_region(HERE), *in_region(THERE)]
    world.apply(both)
    assert (retention(session, HERE), retention(session, THERE)) == ([30], [30])
    assert planned(world, both) == {}

    session.call("logs", "put_retention_policy", region=THERE, logGroupName=NAME, retentionInDays=7)
    assert planned(world, both) == {f"log_group.{THERE}": "update"}
    world.apply(both)
    assert (retention(session, HERE), retention(session, THERE)) == ([30], [30])

    # Where nothing is declared any more, what is there is found, and goes.
    fewer = [*in_region(HERE), *in_region(ELSEWHERE)]
    # An alias has no tags: what nobody declares is called by its name.
    gone = dict.fromkeys([f"kms_key.{THERE}", f"log_group.{THERE}", f"kms_alias.contract-regional@{THERE}"], "delete")
    made = {f"{kind}.{ELSEWHERE}": "create" for kind in ("kms_key", "kms_alias", "log_group")}
    assert planned(world, fewer, allow_destroy=("*",)) == {**gone, **made}
    world.apply(fewer, allow_destroy=("*",))
    assert (retention(session, THERE), retention(session, ELSEWHERE)) == ([], [30])
    world.apply(fewer, absent=True, allow_destroy=("*",))
    assert not any(retention(session, region) for region in (HERE, THERE, ELSEWHERE))


def test_another_region_is_another_thing(session: Session) -> None:
    world = World(session, KINDS, "contract-regional-moves")
    group = in_region(HERE)[-1]
    world.apply([group])
    moved = replace(group, properties={**group.properties, "region": THERE})
    change = next(item for item in world.plan([moved], allow_replace=("*",), allow_destroy=("*",)).changes)
    assert (change.action, [*change.forced_by]) == ("replace", ["region"])
    world.apply([moved], allow_replace=("*",), allow_destroy=("*",))
    assert (retention(session, HERE), retention(session, THERE)) == ([], [30])
    world.apply([moved], absent=True, allow_destroy=("*",))


def test_every_resource_says_its_region(session: Session) -> None:
    world = World(session, KINDS, "contract-regional-mistakes")
    with pytest.raises(EngineError) as caught:
        world.plan([Resource("log_group", "one", {"log_group_name": NAME})])
    assert "region" in str(caught.value)


def test_what_a_kind_finds_wrong_is_still_found(session: Session) -> None:
    world = World(session, KINDS, "contract-regional-mistakes")
    wrong = Resource("log_group", "one", {"region": HERE, "log_group_name": "a b"})
    with pytest.raises(EngineError) as caught:
        world.plan([wrong])
    assert "log_group_name" in str(caught.value)
