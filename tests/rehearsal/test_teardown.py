# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment is taken down: when it was meant, in the right order, and nothing of it is left but what is kept.

What is left is read off the emulated AWS's own memory, not asked of the kinds that took it down.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from ansible_collections.innovate.platform.plugins.module_utils._leftovers.judgement import Left
from ansible_collections.innovate.platform.plugins.module_utils._leftovers.survey import survey
from rehearsal import estate
from rehearsal.rehearse import WITHOUT_KUBERNETES
from rehearsal.state import REGION, EmulatorState
from tests.emulator.conftest import eventually
from tests.rehearsal.conftest import Play, Run

SITE, TEARDOWN, NETWORK = "playbooks/site.yml", "playbooks/teardown.yml", "playbooks/network.yml"
DATABASE = ("-e", '{"rds_allow_destroy": ["db_instance.main"]}')
CHANGING = re.compile(r"(?:Create|Delete|Modify|Put|Run|Terminate|Detach|Disassociate|Revoke|Release|Schedule)\w")

Rows = Counter[tuple[str, str, str]]


def memory(emulator: EmulatorState, account: str) -> Rows:
    """Return what the emulated AWS holds of an account, by service, type and text."""
    rows = emulator.admin("inventory")
    return Counter(
        {(row["service"], row["type"], row["text"]): row["count"] for row in rows if row["account"] == account}
    )


def account_of(emulator: EmulatorState, name: str) -> estate.Account:
    return next(account for account in estate.survey(emulator) if account.name == name)


def changes_since(emulator: EmulatorState, mark: int) -> list[str]:
    """Return the calls that changed something, but for the run's own lock."""
    calls = emulator.admin(f"calls?since={mark}")["calls"]
    return [call["operation"] for call in calls if CHANGING.match(call["operation"]) and call["service"] != "ssm"]


def lines_of(run: Run) -> list[str]:
    (found,) = [result["msg"] for _host, task, result in run.results if task.startswith("Say what is kept")]
    return [str(line) for line in found]


@pytest.fixture(scope="module")
def before(play: Play, emulator: EmulatorState) -> Rows:
    """What dev's account holds before the first apply in it: what AWS puts into every account, and nothing else.

    The emulator makes that when it is first asked for it, so everything is asked for.
    """
    run = play("playbooks/organization.yml", inventories=("organization",))
    assert run.status == 0, run.text[-4000:]
    dev = account_of(emulator, "dev")
    assert survey(session_in(dev), [], estate.ACCESS_ROLE) == Left()
    assert dev.client("ec2").describe_images(Owners=["amazon"])["Images"]
    return memory(emulator, "dev")


def session_in(account: estate.Account) -> Session:
    return Session(lambda service, _region: account.client(service), account.id, REGION, "aws")


@pytest.fixture(scope="module")
def applied(play: Play, before: Rows) -> Run:
    run = play(SITE, *WITHOUT_KUBERNETES, inventories=("dev",))
    assert run.status == 0, run.text[-4000:]
    return run


# All of what is refused is in tests/unit/test_teardown.py.
REFUSED: dict[str, tuple[tuple[str, ...], tuple[str, ...], list[str]]] = {
    "nothing typed": (("dev",), DATABASE, ["environment dev would be taken down, nothing was done: if that is meant"]),
    "another name, and prod": (
        ("dev", "prod"),
        ("-e", "confirm=dev", *DATABASE),
        [
            "confirm names dev, the inventories have dev, prod, nothing was done",
            "environment prod may not be taken down: that takes teardown_allowed: true",
            "the cluster of prod is protected",
        ],
    ),
    "prod, by the way": (
        ("prod",),
        ("-e", "confirm=prod", "-e", "teardown_allowed=true", "-e", "eks_deletion_protection=false", *DATABASE),
        ["teardown_allowed is for the inventory to say"],
    ),
    "no environment": (("organization",), ("-e", "confirm=dev"), ["none of these inventories has an environment"]),
}


@pytest.mark.parametrize(("inventories", "arguments", "sentences"), REFUSED.values(), ids=REFUSED)
def test_without_consent_nothing_happens(
    play: Play, emulator: EmulatorState, inventories: tuple[str, ...], arguments: tuple[str, ...], sentences: list[str]
) -> None:
    mark = emulator.admin("calls?since=0")["mark"]
    run = play(TEARDOWN, *arguments, *WITHOUT_KUBERNETES, inventories=inventories)
    assert run.status != 0
    (message,) = run.messages()
    for sentence in sentences:
        assert sentence in message
    assert message.count("\n- ") == (len(sentences) if len(sentences) > 1 else 0)
    assert emulator.admin(f"calls?since={mark}")["calls"] == []


def test_a_network_that_is_in_use_is_refused_before_the_first_change(
    play: Play, emulator: EmulatorState, applied: Run
) -> None:
    mark = emulator.admin("calls?since=0")["mark"]
    run = play(NETWORK, "-e", "platform_state=absent", inventories=("dev",))
    assert run.status != 0
    text = "\n".join(run.messages())
    assert "is in use by database dev: run playbooks/database.yml with platform_state=absent first" in text
    assert "is in use by EKS cluster dev: run playbooks/cluster.yml with platform_state=absent first" in text
    assert changes_since(emulator, mark) == []


def test_a_cluster_whose_instances_nobody_would_end_is_refused_before_the_first_change(
    play: Play, emulator: EmulatorState, applied: Run
) -> None:
    """Its API server is out of reach, as without the tasks that speak to it."""
    dev = account_of(emulator, "dev")
    ec2 = dev.client("ec2")
    subnet = ec2.describe_subnets(Filters=[{"Name": "tag:innovate:tier", "Values": ["private"]}])["Subnets"][0]
    tags = {
        "eks:eks-cluster-name": "dev",
        "karpenter.sh/nodeclaim": "general-abcde",
        "kubernetes.io/cluster/dev": "owned",
    }
    made = ec2.run_instances(
        ImageId=ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"],
        InstanceType="t3.medium",
        MinCount=1,
        MaxCount=1,
        SubnetId=subnet["SubnetId"],
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        ],
    )
    instance = made["Instances"][0]["InstanceId"]
    mark = emulator.admin("calls?since=0")["mark"]
    run = play(TEARDOWN, "-e", "confirm=dev", *DATABASE, *WITHOUT_KUBERNETES, inventories=("dev",))
    assert run.status != 0
    text = "\n".join(run.messages())
    assert f"EKS cluster dev has instances that Karpenter started and nobody would end without it ({instance})" in text
    assert "list instances.karpenter in `allow_destroy`" in text
    assert changes_since(emulator, mark) == []


def test_an_environment_is_taken_down_and_leaves_what_is_kept(
    play: Play, emulator: EmulatorState, before: Rows, applied: Run
) -> None:
    emulator.admin("linger?seconds=1")
    leave_behind(account_of(emulator, "dev"))
    consent = {"rds_allow_destroy": ["db_instance.main"], "eks_allow_destroy": ["instances.karpenter", "load_bal*"]}
    arguments = ("-e", "confirm=dev", "-e", json.dumps(consent), *WITHOUT_KUBERNETES)
    run = play(TEARDOWN, *arguments, inventories=("dev",))
    assert run.status == 0, run.text[-6000:]
    lines = lines_of(run)
    assert re.fullmatch(r"Kept: 6, together [1-9]\d*\.\d\d USD a month", lines[0]), lines
    kept = [line.removeprefix("- ").split()[0] for line in lines[1:7]]
    assert Counter(kept) == Counter({"kms_key": 2, "db_snapshot": 1, "ebs_volume": 1, "ssm_parameter": 2})
    assert all(re.search(r": \w.*; \d+\.\d\d USD a month$", line) for line in lines[1:7])
    assert lines[7:] == ["Leaked: nothing"]
    assert eventually(lambda: not shown(account_of(emulator, "dev")), 60)
    after = memory(emulator, "dev")
    assert {kind for _service, kind, _text in before - after} <= {"TaggingService"}
    rows = after - before
    left = Counter((service, kind) for service, kind, _text in rows.elements())
    locks = {text.partition(":")[0] for service, kind, text in rows if (service, kind) == ("ssm", "_parameters")}
    assert locks == {"/innovate/locks/eks-dev", "/innovate/locks/postgres-dev"}
    assert Counter({key: count for key, count in left.items() if key[0] != "ssm"}) == KEPT, sorted(rows)


#: What is left of an environment in the emulated AWS's memory, by service and type; beside it the locks of the stacks
#: that the keys are of.
KEPT = Counter(
    {
        # The keys of the final snapshot and of the cluster's secrets, and their tags.
        ("kms", "Key"): 2,
        ("kms", "RSAPrivateKey"): 2,
        ("kms", "TaggingService"): 1,
        ("rds", "Snapshot"): 1,
        # The volume of a claim.
        ("ec2", "Volume"): 1,
        ("ec2", "tags"): 1,
        # Made by AWS for all that use Spot; it belongs to nobody.
        ("iam", "Role"): 1,
    }
)


def shown(account: estate.Account) -> list[dict[str, Any]]:
    """Return what has ended and EC2 still shows for a while."""
    ec2 = account.client("ec2")
    return [*ec2.describe_nat_gateways()["NatGateways"], *ec2.describe_instances()["Reservations"]]


def leave_behind(dev: estate.Account) -> None:
    """Leave what controllers in a cluster and AWS itself leave: nothing of it is declared anywhere."""
    ec2, elb = dev.client("ec2"), dev.client("elbv2")
    subnets = ec2.describe_subnets(Filters=[{"Name": "tag:innovate:tier", "Values": ["public"]}])["Subnets"]
    vpc = subnets[0]["VpcId"]
    cluster = [{"Key": "elbv2.k8s.aws/cluster", "Value": "dev"}]
    group = ec2.create_security_group(
        GroupName="k8s-traffic-dev",
        Description="[k8s] Shared Backend SecurityGroup for LoadBalancer",
        VpcId=vpc,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": cluster}],
    )["GroupId"]
    elb.create_load_balancer(
        Name="k8s-web", Subnets=[item["SubnetId"] for item in subnets[:2]], SecurityGroups=[group], Tags=cluster
    )
    elb.create_target_group(Name="k8s-web", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip", Tags=cluster)
    owned: list[dict[str, Any]] = [
        {"Key": "cluster.k8s.amazonaws.com/name", "Value": "dev"},
        {"Key": "node.k8s.amazonaws.com/instance_id", "Value": "i-0123456789abcdef0"},
    ]
    ec2.create_network_interface(
        SubnetId=subnets[0]["SubnetId"],
        Description="aws-K8S-i-0123456789abcdef0",
        TagSpecifications=[{"ResourceType": "network-interface", "Tags": owned}],
    )
    claim = [
        {"Key": "kubernetes.io/created-for/pvc/name", "Value": "data-0"},
        {"Key": "kubernetes.io/cluster/dev", "Value": "owned"},
    ]
    ec2.create_volume(
        AvailabilityZone=subnets[0]["AvailabilityZone"],
        Size=20,
        VolumeType="gp3",
        TagSpecifications=[{"ResourceType": "volume", "Tags": claim}],
    )
