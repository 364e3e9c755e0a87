# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance that nothing reaches any more, and that stays as it is: its disks, its memory, its place in the VPC."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._kinds._act import PREFIX, TAG, Case, Found
from .._kinds._session import Session

QUARANTINE = "innovate-quarantine"
"""Name of the security group without rules, one in each VPC where something is isolated."""
_ID = re.compile(r"i-([0-9a-f]{8}|[0-9a-f]{17})")
_GONE = ("terminated", "shutting-down")
_NO_GROUP = ("InvalidGroup.NotFound",)
_NO_INSTANCE = ("InvalidInstanceID.NotFound",)
_NO_POLICY = ("NoSuchEntity",)
_NO_INTERFACE = ("InvalidNetworkInterfaceID.NotFound",)
_EVERYTHING = [
    {
        "IpProtocol": "-1",
        "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
        "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
    }
]


@dataclass(frozen=True)
class _Place:
    """The security groups that isolate, as they are in a VPC: quarantine's, and the one that goes before it."""

    vpc: str
    quarantine: Mapping[str, Any] | None
    passage: Mapping[str, Any] | None


@dataclass(frozen=True)
class _State:
    """What is known of an instance."""

    instance: Mapping[str, Any]
    protected: bool
    shutdown: str
    group: str
    targets: Mapping[str, list[Mapping[str, Any]]]
    role: str
    denied: bool
    place: _Place

    @property
    def is_spot(self) -> bool:
        return bool(self.instance.get("InstanceLifecycle") == "spot")

    def volumes(self) -> dict[str, bool]:
        """Return by device whether the volume goes when the instance does."""
        mappings = self.instance.get("BlockDeviceMappings", [])
        return {item["DeviceName"]: bool(item["Ebs"].get("DeleteOnTermination")) for item in mappings if "Ebs" in item}

    def groups(self) -> dict[str, list[str]]:
        """Return by network interface the ids of its security groups."""
        interfaces = self.instance.get("NetworkInterfaces", [])
        return {item["NetworkInterfaceId"]: [group["GroupId"] for group in item["Groups"]] for item in interfaces}


@dataclass(frozen=True)
class IsolateInstance:
    """Isolates an instance as AWS advises.

    The steps are those of the Security Incident Response guide
    (https://docs.aws.amazon.com/security-ir/latest/userguide/containment.html) and of the runbook
    AWSSupport-ContainEC2Instance
    (https://docs.aws.amazon.com/systems-manager-automation-runbooks/latest/userguide/automation-awssupport-containec2instance.html).

    A change of security groups doesn't end connections that are tracked; those of a group that lets everything in and
    out aren't tracked (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html). So
    the interfaces go through such a group before they get the one without rules: for the second or two between, every
    port is open.

    :param cut: whether to go that way; without it connections go on until they end by themselves.
    """

    instance_id: str
    cut: bool = True
    name: str = "isolate-instance"

    @property
    def target(self) -> str:
        """Return the instance's id."""
        return self.instance_id

    def problems(self) -> list[str]:
        """Check the id's form."""
        if not self.instance_id:
            return ["no instance is named: give its id with `-e incident_instance_id=`"]
        if not _ID.fullmatch(self.instance_id):
            return [f"'{self.instance_id}' is no instance's id: it is i- and 17 hexadecimal digits (8 of old ones)"]
        return []

    def contain(self, session: Session, case: Case) -> Found:
        """Protect, take out of its Auto Scaling group, cut off, deny its credentials, take from target groups, tag."""
        instance = _instance(session, self.instance_id)
        state_name = instance["State"]["Name"] if instance else "gone"
        if instance is None:
            return Found(problems=[_missing(session, self.instance_id)])
        if state_name in _GONE:
            return Found(problems=[f"{self.instance_id} is {state_name}: there is nothing left to isolate"])
        state = _look(session, instance, case)
        found = Found(keep_going=True, before=_before(state), notes=_notes(state))
        self._protect(session, state, found)
        self._cut_off(session, state, found, case)
        self._disown(session, state, found, case)
        if _tags(instance).get(TAG) != case.incident:
            tag = {"Key": TAG, "Value": case.incident}
            found.add(
                f"tag {self.instance_id} {TAG}={case.incident}",
                lambda: session.call("ec2", "create_tags", Resources=[self.instance_id], Tags=[tag]),
            )
        return found

    def release(self, session: Session, case: Case) -> Found:
        """Give back what was taken, but for the Auto Scaling group, which has made another instance long since."""
        found = Found(keep_going=True)
        before = case.before
        instance = _instance(session, self.instance_id)
        if instance is not None and instance["State"]["Name"] not in _GONE:
            state = _look(session, instance, case)
            self._reconnect(session, state, found, before)
            self._unprotect(session, state, found, before)
            if _tags(instance).get(TAG) == case.incident:
                found.add(
                    f"take the tag {TAG} from {self.instance_id}",
                    lambda: session.call("ec2", "delete_tags", Resources=[self.instance_id], Tags=[{"Key": TAG}]),
                )
        else:
            found.notes.append(f"{self.instance_id} is gone: only what was made for it is taken away")
        if before.get("auto_scaling_group"):
            found.notes.append(
                f"{self.instance_id} is not put back into the Auto Scaling group {before['auto_scaling_group']}, which "
                "has another instance in its place: terminate it, or attach it by hand"
            )
        role, policy = before.get("role", ""), _policy_name(case, self.instance_id)
        if role and _has_policy(session, role, policy):
            found.add(
                f"delete the inline policy {policy} of the role {role}",
                lambda: session.call("iam", "delete_role_policy", missing=_NO_POLICY, RoleName=role, PolicyName=policy),
            )
        place = _place(session, before.get("vpc", ""))
        others = _users(session, place.quarantine) - set(before.get("groups", {}))
        if place.quarantine is not None and not others:
            found.add(
                f"delete the security group {QUARANTINE} ({place.quarantine['GroupId']}), which nothing else is in",
                lambda: _drop(session, place.quarantine),
            )
        return found

    def _protect(self, session: Session, state: _State, found: Found) -> None:
        """Nothing ends the instance or takes its volumes along, neither by the API nor from inside."""
        modify = _modifier(session, self.instance_id)
        if not state.protected and not state.is_spot:
            found.add(
                f"protect {self.instance_id} from termination", lambda: modify(DisableApiTermination={"Value": True})
            )
        if state.shutdown == "terminate" and not state.is_spot:
            found.add(
                f"have {self.instance_id} stop, not end, when it is shut down from inside",
                lambda: modify(InstanceInitiatedShutdownBehavior={"Value": "stop"}),
            )
        going = sorted(device for device, goes in state.volumes().items() if goes)
        if going:
            found.add(
                f"keep its volumes {', '.join(going)} when it ends",
                lambda: modify(BlockDeviceMappings=_mappings(dict.fromkeys(going, False))),
            )
        if state.group:
            # Before its network goes: the group would end what its health checks don't reach.
            found.add(
                f"detach {self.instance_id} from the Auto Scaling group {state.group}, which then starts another one",
                lambda: session.call(
                    "autoscaling",
                    "detach_instances",
                    InstanceIds=[self.instance_id],
                    AutoScalingGroupName=state.group,
                    ShouldDecrementDesiredCapacity=False,
                ),
            )

    def _cut_off(self, session: Session, state: _State, found: Found, case: Case) -> None:
        place = state.place
        there = place.quarantine["GroupId"] if place.quarantine else ""
        moved = sorted(name for name, groups in state.groups().items() if groups != [there])
        dirty = place.quarantine is not None and (
            place.quarantine.get("IpPermissions") or place.quarantine.get("IpPermissionsEgress")
        )
        if place.quarantine is None:
            found.notes.append(f"the security group {QUARANTINE}, without rules, is made in {place.vpc}")
        if moved:
            way = ", by way of one that lets all through: that ends tracked connections" if self.cut else ""
            found.add(
                f"put {', '.join(moved)} into the security group {QUARANTINE} of {place.vpc}, out of all others{way}",
                lambda: self._move(session, place, moved, case),
            )
        elif dirty:
            found.add(
                f"take away the rules that the security group {there} has got",
                lambda: _empty(session, place.quarantine),
            )
        elif place.passage is not None:
            found.add(
                f"delete the security group {place.passage['GroupId']} that a run left which was cut off",
                lambda: _drop(session, place.passage),
            )

    def _move(self, session: Session, place: _Place, interfaces: list[str], case: Case) -> None:
        quarantine = _quarantine(session, place, case)

        def put(group: str) -> None:
            session.each(
                lambda name: session.call(
                    "ec2",
                    "modify_network_interface_attribute",
                    retry_on=_NO_GROUP,
                    missing=_NO_INTERFACE,
                    NetworkInterfaceId=name,
                    Groups=[group],
                ),
                interfaces,
            )

        passage = _passage(session, place, case) if self.cut else None
        if passage:
            try:
                put(passage["GroupId"])
            finally:
                # Whatever happened: nothing is left in a group that is open.
                put(quarantine)
            _drop(session, passage)
        else:
            put(quarantine)

    def _disown(self, session: Session, state: _State, found: Found, case: Case) -> None:
        """Nobody uses the credentials that it had, and no load balancer sends anybody there."""
        if state.role and not state.denied:
            policy = _policy_name(case, self.instance_id)
            arn = session.arn("ec2", f"instance/{self.instance_id}")
            found.add(
                f"deny everything to the credentials that {self.instance_id} has from the role {state.role}, wherever "
                f"they are used (inline policy {policy}); other instances with this role keep theirs",
                lambda: session.call(
                    "iam",
                    "put_role_policy",
                    RoleName=state.role,
                    PolicyName=policy,
                    PolicyDocument=json.dumps(denial(arn, self.instance_id)),
                ),
            )
        for group, targets in sorted(state.targets.items()):
            found.add(
                f"deregister {_told(targets)} from the target group {_short(group)}",
                _with_targets(session, "deregister_targets", group, targets),
            )

    def _reconnect(self, session: Session, state: _State, found: Found, before: Mapping[str, Any]) -> None:
        there = state.place.quarantine["GroupId"] if state.place.quarantine else ""
        now = state.groups()
        for name, groups in sorted(before.get("groups", {}).items()):
            if now.get(name) == [there] and groups != [there]:
                found.add(
                    f"put {name} back into {', '.join(groups)}",
                    _into(session, name, groups),
                )
        for group, targets in sorted(before.get("targets", {}).items()):
            have = {(item["Id"], item.get("Port")) for item in state.targets.get(group, [])}
            gone = [item for item in targets if (item["Id"], item.get("Port")) not in have]
            if gone:
                found.add(
                    f"register {_told(gone)} with the target group {_short(group)}",
                    _with_targets(session, "register_targets", group, gone),
                )

    def _unprotect(self, session: Session, state: _State, found: Found, before: Mapping[str, Any]) -> None:
        modify = _modifier(session, self.instance_id)
        volumes = state.volumes()
        going = {
            device: True
            for device, goes in before.get("delete_on_termination", {}).items()
            if goes and volumes.get(device) is False
        }
        if going:
            found.add(
                f"let its volumes {', '.join(sorted(going))} go when it ends, as before",
                lambda: modify(BlockDeviceMappings=_mappings(going)),
            )
        if before.get("shutdown_behavior") == "terminate" and state.shutdown == "stop":
            found.add(
                f"let {self.instance_id} end when it is shut down from inside, as before",
                lambda: modify(InstanceInitiatedShutdownBehavior={"Value": "terminate"}),
            )
        if before.get("termination_protection") is False and state.protected:
            found.add(
                f"take the protection from termination from {self.instance_id}",
                lambda: modify(DisableApiTermination={"Value": False}),
            )


def denial(arn: str, instance_id: str) -> dict[str, Any]:
    """Return the policy that denies all to the credentials of one instance.

    AWS puts the instance's ARN into every request that is signed with them, wherever it comes from, and the instance's
    id is the name of their session
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html).
    """
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {**deny, "Condition": {"ArnEquals": {"ec2:SourceInstanceARN": arn}}},
            {**deny, "Condition": {"StringLike": {"aws:userid": f"*:{instance_id}"}}},
        ],
    }


def _missing(session: Session, instance_id: str) -> str:
    return (
        f"{instance_id} is not in account {session.account_id}, Region {session.region}: choose the account with "
        "`--limit` and the Region with `-e platform_region=`"
    )


def _instance(session: Session, instance_id: str) -> dict[str, Any] | None:
    found = session.pages("ec2", "describe_instances", "Reservations", missing=_NO_INSTANCE, InstanceIds=[instance_id])
    return next((item for reservation in found for item in reservation["Instances"]), None)


def _look(session: Session, instance: Mapping[str, Any], case: Case) -> _State:
    """Ask for all that DescribeInstances doesn't say, side by side."""
    identifier = instance["InstanceId"]

    def attribute(name: str, key: str) -> Callable[[], Any]:
        return lambda: session.call("ec2", "describe_instance_attribute", InstanceId=identifier, Attribute=name)[
            key
        ].get("Value")

    questions: list[Callable[[], Any]] = [
        attribute("disableApiTermination", "DisableApiTermination"),
        attribute("instanceInitiatedShutdownBehavior", "InstanceInitiatedShutdownBehavior"),
        lambda: session.call("autoscaling", "describe_auto_scaling_instances", InstanceIds=[identifier]),
        lambda: _targets(session, instance),
        lambda: _role(session, instance),
        lambda: _place(session, instance.get("VpcId", ""), case),
    ]
    protected, shutdown, scaling, targets, role, place = session.each(_answer, questions)
    groups = [
        item["AutoScalingGroupName"]
        for item in scaling["AutoScalingInstances"]
        if not item["LifecycleState"].startswith(("Detach", "Terminat"))
    ]
    return _State(
        instance=instance,
        protected=bool(protected),
        shutdown=str(shutdown or ""),
        group=groups[0] if groups else "",
        targets=targets,
        role=role,
        denied=bool(role) and _has_policy(session, role, _policy_name(case, identifier)),
        place=place,
    )


def _answer(question: Callable[[], Any]) -> Any:
    return question()


def _targets(session: Session, instance: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """Return by target group what of the instance is registered with it, by its id or one of its addresses."""
    mine = {instance["InstanceId"]}
    for interface in instance.get("NetworkInterfaces", []):
        mine |= {item["PrivateIpAddress"] for item in interface.get("PrivateIpAddresses", [])}
        mine |= {item["Ipv6Address"] for item in interface.get("Ipv6Addresses", [])}
    groups = [
        item["TargetGroupArn"]
        for item in session.pages("elbv2", "describe_target_groups", "TargetGroups")
        if item.get("VpcId") == instance.get("VpcId")
    ]

    def registered(group: str) -> list[Mapping[str, Any]]:
        health = session.call(
            "elbv2", "describe_target_health", missing=["TargetGroupNotFound"], TargetGroupArn=group
        ).get("TargetHealthDescriptions", [])
        return [
            item["Target"]
            for item in health
            if item["Target"]["Id"] in mine and item.get("TargetHealth", {}).get("State") != "draining"
        ]

    return {group: found for group, found in zip(groups, session.each(registered, groups), strict=True) if found}


def _role(session: Session, instance: Mapping[str, Any]) -> str:
    profile = instance.get("IamInstanceProfile", {}).get("Arn", "").rpartition("/")[2]
    if not profile:
        return ""
    answer = session.call("iam", "get_instance_profile", missing=_NO_POLICY, InstanceProfileName=profile)
    roles = answer.get("InstanceProfile", {}).get("Roles", [])
    return str(roles[0]["RoleName"]) if roles else ""


def _has_policy(session: Session, role: str, policy: str) -> bool:
    return bool(session.call("iam", "get_role_policy", missing=_NO_POLICY, RoleName=role, PolicyName=policy))


def _policy_name(case: Case, instance_id: str) -> str:
    return f"{PREFIX}{case.incident}-{instance_id}"


def _passage_name(case: Case) -> str:
    return f"{QUARANTINE}-passage-{case.incident}"


def _place(session: Session, vpc: str, case: Case | None = None) -> _Place:
    names = [QUARANTINE, *([_passage_name(case)] if case else [])]
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": names}]
    found = session.pages("ec2", "describe_security_groups", "SecurityGroups", Filters=filters) if vpc else []
    by_name = {item["GroupName"]: item for item in found}
    return _Place(vpc, by_name.get(QUARANTINE), by_name.get(_passage_name(case)) if case else None)


def _make(session: Session, name: str, vpc: str, description: str, case: Case) -> dict[str, Any]:
    tags = [{"Key": "Name", "Value": name}, {"Key": TAG, "Value": case.incident}]
    made = session.call(
        "ec2",
        "create_security_group",
        GroupName=name,
        Description=description,
        VpcId=vpc,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
    )
    # As AWS makes it: nothing in, everything out.
    return {"GroupId": made["GroupId"], "IpPermissions": [], "IpPermissionsEgress": _EVERYTHING[:1]}


def _quarantine(session: Session, place: _Place, case: Case) -> str:
    """Return the id of the group without rules, which is made or emptied where it has to be."""
    group = place.quarantine
    if group is None:
        made = _make(session, QUARANTINE, place.vpc, "Isolates what is in it: no rules", case)
        found = session.awaited(
            f"the security group {made['GroupId']}",
            lambda: session.call("ec2", "describe_security_groups", missing=_NO_GROUP, GroupIds=[made["GroupId"]]).get(
                "SecurityGroups"
            ),
        )
        group = found[0]
    _empty(session, group)
    return str(group["GroupId"])


def _empty(session: Session, group: Mapping[str, Any] | None) -> None:
    if group is None:
        return
    for key, operation in (
        ("IpPermissions", "revoke_security_group_ingress"),
        ("IpPermissionsEgress", "revoke_security_group_egress"),
    ):
        if group.get(key):
            session.call(
                "ec2",
                operation,
                missing=["InvalidPermission.NotFound"],
                GroupId=group["GroupId"],
                IpPermissions=group[key],
            )


def _passage(session: Session, place: _Place, case: Case) -> Mapping[str, Any]:
    """Return the group that lets everything in and out, so that nothing of its members is tracked."""
    group = place.passage or _make(
        session, _passage_name(case), place.vpc, "Ends the tracking of connections before an isolation", case
    )
    for direction in ("ingress", "egress"):
        session.call(
            "ec2",
            f"authorize_security_group_{direction}",
            missing=["InvalidPermission.Duplicate"],
            retry_on=_NO_GROUP,
            GroupId=group["GroupId"],
            # A rule that is there refuses the whole call: each range by itself.
            IpPermissions=[{"IpProtocol": "-1", "IpRanges": _EVERYTHING[0]["IpRanges"]}],
        )
        session.call(
            "ec2",
            f"authorize_security_group_{direction}",
            missing=["InvalidPermission.Duplicate"],
            retry_on=_NO_GROUP,
            GroupId=group["GroupId"],
            IpPermissions=[{"IpProtocol": "-1", "Ipv6Ranges": _EVERYTHING[0]["Ipv6Ranges"]}],
        )
    return group


def _drop(session: Session, group: Mapping[str, Any] | None) -> None:
    if group is not None:
        session.call(
            "ec2",
            "delete_security_group",
            retry_on=["DependencyViolation"],
            attempts=6,
            missing=_NO_GROUP,
            GroupId=group["GroupId"],
        )


def _users(session: Session, group: Mapping[str, Any] | None) -> set[str]:
    if group is None:
        return set()
    filters = [{"Name": "group-id", "Values": [group["GroupId"]]}]
    found = session.pages("ec2", "describe_network_interfaces", "NetworkInterfaces", Filters=filters)
    return {item["NetworkInterfaceId"] for item in found}


def _into(session: Session, interface: str, groups: list[str]) -> Callable[[], object]:
    return lambda: session.call(
        "ec2", "modify_network_interface_attribute", NetworkInterfaceId=interface, Groups=groups
    )


def _modifier(session: Session, instance_id: str) -> Callable[..., object]:
    # One attribute a call: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html
    return lambda **attribute: session.call("ec2", "modify_instance_attribute", InstanceId=instance_id, **attribute)


def _mappings(devices: Mapping[str, bool]) -> list[dict[str, Any]]:
    return [{"DeviceName": name, "Ebs": {"DeleteOnTermination": goes}} for name, goes in sorted(devices.items())]


def _with_targets(
    session: Session, operation: str, group: str, targets: list[Mapping[str, Any]]
) -> Callable[[], object]:
    return lambda: session.call(
        "elbv2", operation, missing=["TargetGroupNotFound"], TargetGroupArn=group, Targets=targets
    )


def _told(targets: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(f"{item['Id']}:{item['Port']}" if item.get("Port") else item["Id"] for item in targets)


def _short(arn: str) -> str:
    return arn.rpartition(":targetgroup/")[2].partition("/")[0]


def _tags(instance: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}


def _before(state: _State) -> dict[str, Any]:
    return {
        "vpc": state.place.vpc,
        "groups": state.groups(),
        "termination_protection": state.protected,
        "shutdown_behavior": state.shutdown,
        "delete_on_termination": state.volumes(),
        "auto_scaling_group": state.group,
        "targets": dict(state.targets),
        "role": state.role,
    }


def _notes(state: _State) -> list[str]:
    notes = []
    tags = _tags(state.instance)
    if state.is_spot:
        notes.append(
            "it is a Spot instance, which can't be protected from termination: AWS may take it back with two minutes' "
            "notice, so snapshot its volumes at once (incident_snapshot_volumes.yml)"
        )
    if any(name.startswith("karpenter.sh/") for name in tags):
        notes.append(
            "it is Karpenter's, which will want to end a node that is not Ready: only the protection from termination "
            "keeps it, so snapshot its volumes at once (incident_snapshot_volumes.yml)"
        )
    if any(item.get("InterfaceType") == "trunk" for item in state.instance.get("NetworkInterfaces", [])):
        notes.append(
            "pods with security groups of their own have interfaces of their own, which stay as they are: isolate them "
            "with incident_isolate_pod.yml"
        )
    return notes
