# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes one way only in EKS, and so has no place in the contract's cases."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError
from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from tests.contract.cases.eks import ARCHITECTURE, DATA, IN_MAIN, KEY, ONE_AND_TWO, cluster, network, role
from tests.contract.contract import World, actions

STACK = "contract-oneway"


def declared(version: str, data: dict[str, Any] | None = None, **changes: Any) -> list[Resource]:
    """Return a cluster with an add-on and a node group, all of one Kubernetes version."""
    control_plane = cluster("oneway")
    return [
        *network("oneway"),
        role("oneway", "node", "ec2.amazonaws.com"),
        KEY,
        Resource("eks_cluster", "main", {**control_plane.properties, "version": version, **changes}),
        Resource("eks_addon", "kube-proxy", {**IN_MAIN, "addon_name": "kube-proxy", "kubernetes_version": version}),
        Resource("launch_template", "a", {"launch_template_name": "oneway-a", "launch_template_data": data or DATA}),
        Resource("launch_template", "b", {"launch_template_name": "oneway-b", "launch_template_data": DATA}),
        Resource(
            "eks_nodegroup",
            "core",
            {
                **IN_MAIN,
                **ARCHITECTURE,
                "nodegroup_name": "core",
                "node_role": Ref("iam_role.node", "arn"),
                "subnets": ONE_AND_TWO,
                "version": version,
                "scaling_config": {"min_size": 1, "max_size": 3, "desired_size": 1},
                "launch_template": {
                    "id": Ref("launch_template.a"),
                    "version": Ref("launch_template.a", "default_version"),
                },
            },
        ),
    ]


@pytest.fixture(scope="module")
def world(session: Session) -> World:
    return World(session, KINDS, STACK)


def properties_of(world: World, resources: list[Resource], address: str) -> Any:
    found = next(change.observed for change in world.plan(resources).changes if change.address == address)
    assert found is not None
    return found.properties


def test_a_cluster_goes_up_and_takes_add_ons_and_nodes_along(world: World) -> None:
    old, new = declared("1.34"), declared("1.35")
    world.apply(old)
    before = properties_of(world, old, "eks_addon.kube-proxy")
    plan = world.plan(new)
    assert actions(plan) == {
        "eks_cluster.main": "update",
        "eks_addon.kube-proxy": "update",
        "eks_nodegroup.core": "update",
    }
    world.apply(new)
    assert actions(world.plan(new)) == {}
    after = properties_of(world, new, "eks_addon.kube-proxy")
    assert before["addon_version"] != after["addon_version"]
    assert properties_of(world, new, "eks_nodegroup.core")["version"] == "1.35"
    with pytest.raises(EngineError, match=r"Kubernetes 1\.35 can't be taken back to 1\.34"):
        world.apply(old)


def test_what_another_stack_puts_into_a_cluster_that_it_looks_up_is_found_again(session: Session, world: World) -> None:
    world.apply(declared("1.35"))
    beside = World(session, KINDS, "contract-beside")
    resources = [
        Resource("eks_cluster_lookup", "cluster", {"cluster_name": "oneway-main"}),
        role("oneway", "guest", "ec2.amazonaws.com", "contract-beside"),
        Resource(
            "eks_access_entry",
            "guest",
            {
                "cluster_name": Ref("eks_cluster_lookup.cluster"),
                "principal_arn": Ref("iam_role.guest", "arn"),
                "type": "EC2_LINUX",
            },
        ),
    ]
    beside.apply(resources)
    assert actions(beside.plan(resources)) == {}


def test_a_new_version_of_the_launch_template_is_rolled_out_by_the_same_run(world: World) -> None:
    data = {**DATA, "metadata_options": {"http_tokens": "required", "http_put_response_hop_limit": 2}}
    changed = declared("1.35", data)
    world.apply(declared("1.35"))
    assert actions(world.plan(changed)) == {"launch_template.a": "update", "eks_nodegroup.core": "update"}
    world.apply(changed)
    assert actions(world.plan(changed)) == {}
    assert properties_of(world, changed, "eks_nodegroup.core")["launch_template"]["version"] == "2"
    world.apply(declared("1.35"))


def test_encryption_can_be_added_and_never_taken_away(world: World) -> None:
    encryption = [{"resources": ["secrets"], "provider": {"key_arn": Ref("kms_key.secrets", "arn")}}]
    encrypted = declared("1.35", encryption_config=encryption)
    world.apply(declared("1.35"))
    world.apply(encrypted)
    assert actions(world.plan(encrypted)) == {}
    with pytest.raises(EngineError, match="EKS can neither change nor take away that key"):
        world.apply(declared("1.35", encryption_config=[]))


def test_several_settings_are_changed_one_after_the_other(world: World) -> None:
    changes: dict[str, Any] = {
        "logging": {"cluster_logging": [{"types": ["api", "audit"], "enabled": True}]},
        "upgrade_policy": {"support_type": "STANDARD"},
        "resources_vpc_config": {
            "subnet_ids": ONE_AND_TWO,
            "endpoint_private_access": True,
            "endpoint_public_access": True,
            "public_access_cidrs": ["198.51.100.0/24"],
        },
    }
    changed = declared("1.35", **changes)
    world.apply(changed)
    assert actions(world.plan(changed)) == {}


def test_the_size_belongs_to_what_scales_the_group(world: World, session: Session) -> None:
    here = {"clusterName": "oneway-main", "nodegroupName": "core"}
    session.call("eks", "update_nodegroup_config", scalingConfig={"desiredSize": 3}, **here)  # type: ignore[arg-type]
    assert actions(world.plan(declared("1.35")), "eks_nodegroup.core") == {}


def test_a_version_that_eks_does_not_offer_is_refused_before_anything_is_made(world: World) -> None:
    unknown = Resource("eks_cluster", "other", {**cluster("oneway", "other").properties, "version": "1.99"})
    addon = {**IN_MAIN, "addon_name": "coredns", "kubernetes_version": "1.99"}
    with pytest.raises(EngineError, match=r"offers no Kubernetes 1\.99: use 1\.") as caught:
        world.apply([*declared("1.35"), unknown, Resource("eks_addon", "coredns", addon)])
    assert len(caught.value.problems) == 1


def test_a_version_of_an_add_on_that_does_not_fit_is_refused(world: World) -> None:
    pinned = {**IN_MAIN, "addon_name": "coredns", "kubernetes_version": "1.35", "addon_version": "v1.0.0-eksbuild.1"}
    other = {**IN_MAIN, "addon_name": "acme_database", "kubernetes_version": "1.35"}
    with pytest.raises(EngineError, match=r"EKS offers no add-on acme_database for Kubernetes 1\.35"):
        world.apply([*declared("1.35"), Resource("eks_addon", "other", other)])
    with pytest.raises(EngineError, match=r"EKS offers no coredns v1\.0\.0-eksbuild\.1 for Kubernetes 1\.35"):
        world.apply([*declared("1.35"), Resource("eks_addon", "coredns", pinned)])


def test_instance_types_are_checked_against_the_region_and_the_image(world: World) -> None:
    nodes = declared("1.35")[-1]
    other = {**nodes.properties, "nodegroup_name": "other", "instance_types": ["m6i.large", "t4g.gigantic"]}
    with pytest.raises(EngineError) as caught:
        world.apply([*declared("1.35"), Resource("eks_nodegroup", "other", other)])
    assert "eu-central-1 has no instance type t4g.gigantic" in str(caught.value)
    assert "node group other: m6i.large is" in str(caught.value)


def test_what_is_no_longer_declared_is_found_and_taken_away_with_the_cluster(world: World) -> None:
    world.apply(declared("1.35"), absent=True, allow_destroy=("*",))
    assert actions(world.plan(declared("1.35"), absent=True, allow_destroy=("*",))) == {}


@pytest.mark.usefixtures("slowly")
def test_a_protected_cluster_goes_once_its_protection_is_lifted(session: Session) -> None:
    protected = cluster("protected")
    resources = [
        *network("protected"),
        Resource("eks_cluster", "main", {**protected.properties, "deletion_protection": True}),
    ]
    world = World(session, KINDS, "contract-protected")
    world.apply(resources)
    world.apply(resources, absent=True)
    assert actions(world.plan(resources, absent=True)) == {}
