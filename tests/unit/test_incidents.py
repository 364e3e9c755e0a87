# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Acts of incident response: what is refused before the first call, and what decides without one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError
from ansible_collections.innovate.platform.plugins.module_utils._incident.instance import IsolateInstance, denial
from ansible_collections.innovate.platform.plugins.module_utils._incident.keys import DisableKey
from ansible_collections.innovate.platform.plugins.module_utils._incident.pod import IsolatePod, lets_through, policy_of
from ansible_collections.innovate.platform.plugins.module_utils._incident.sessions import RevokeSessions, revocation
from ansible_collections.innovate.platform.plugins.module_utils._incident.volumes import SnapshotVolumes
from ansible_collections.innovate.platform.plugins.module_utils._kinds._act import Act, Case, case_problems, merged
from ansible_collections.innovate.platform.plugins.module_utils._kinds._cluster import Cluster
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from ansible_collections.innovate.platform.plugins.module_utils._run.incident import Record

NAMES = ["snap-1", "snap-2"]
CASE = Case("INC-1", "arn:aws:sts::111111111111:assumed-role/responder/anna", "2026-11-23T04:00:00Z")


def nowhere(*_arguments: Any) -> Session:
    raise AssertionError("what is only looked at calls nothing")


def pod(cluster: str = "dev", namespace: str = "shop", name: str = "web-1") -> IsolatePod:
    return IsolatePod(Cluster(cluster), namespace, name)


def volumes(instance: str = "i-0123456789abcdef0", **more: Any) -> SnapshotVolumes:
    return SnapshotVolumes(instance, nowhere, **{"evidence_key": "alias/evidence", **more})


BAD: list[tuple[Act, str]] = [
    (IsolateInstance(""), "no instance is named"),
    (IsolateInstance("web-1"), "'web-1' is no instance's id"),
    (IsolateInstance("i-0123456789ABCDEF0"), "is no instance's id"),
    (IsolateInstance("i-0123"), "is no instance's id"),
    (RevokeSessions(""), "no role is named"),
    (RevokeSessions("arn:aws:iam::111111111111:role/innovate/payments"), "give the role's name alone, payments"),
    (RevokeSessions("pay ments"), "'pay ments' can't be a role's name"),
    (RevokeSessions("x" * 65), "can't be a role's name"),
    (DisableKey(), "nothing is named that shall be disabled"),
    (DisableKey(kms_key="alias/a", secret="b"), "2 things are named (alias/a, b)"),
    (DisableKey(access_key_id="ASIAIOSFODNN7EXAMPLE"), "is a session's, which can't be disabled"),
    (DisableKey(access_key_id="AKIA1"), "'AKIA1' is no access key's id"),
    (DisableKey(kms_key="alias/aws/ebs"), "is a key of AWS's own"),
    (volumes(""), "no instance is named"),
    (volumes("vol-0123456789abcdef0"), "is no instance's id"),
    (volumes(evidence_key=""), "no key is named that the copies are encrypted with"),
    (volumes(evidence_key="alias/aws/ebs"), "incident_evidence_key 'alias/aws/ebs' is a key of AWS's own"),
    (volumes(transfer_key="alias/aws/ebs"), "incident_transfer_key 'alias/aws/ebs' is a key of AWS's own"),
    (volumes(timeout=0), "the timeout of 0 seconds is none"),
    (pod(cluster=""), "no cluster is named"),
    (pod(namespace=""), "no namespace is named"),
    (pod(name=""), "no pod is named"),
    (pod(name="Web"), "'Web' can't be the name of a pod"),
    (pod(namespace="-shop"), "'-shop' can't be the name of a namespace"),
]


@pytest.mark.parametrize(("act", "says"), BAD, ids=[says for _act, says in BAD])
def test_what_is_wrong_is_said_in_a_sentence(act: Act, says: str) -> None:
    (problem,) = act.problems()
    assert says in problem


def test_all_mistakes_are_said_at_once() -> None:
    assert len(pod("", "", "").problems()) == 3
    assert len(volumes("", evidence_key="", timeout=0).problems()) == 3


@pytest.mark.parametrize(
    "act",
    [
        IsolateInstance("i-0123456789abcdef0"),
        IsolateInstance("i-01234567"),
        RevokeSessions("payments"),
        DisableKey(access_key_id="AKIAIOSFODNN7EXAMPLE"),
        volumes(),
        pod(),
    ],
)
def test_what_is_right_is_not_refused(act: Act) -> None:
    assert act.problems() == []


@pytest.mark.parametrize(
    ("incident", "says"),
    [("", "no incident is named"), ("a b", "can't be part of names"), ("-1", "can't be part"), ("x" * 41, "up to 40")],
)
def test_a_case_has_an_id_that_can_be_part_of_names(incident: str, says: str) -> None:
    (problem,) = case_problems(incident)
    assert says in problem


def test_a_case_may_be_named_as_people_do() -> None:
    assert [name for name in ("INC-2026-014", "SEC_1", "7", "x" * 40) if case_problems(name)] == []


def test_what_a_run_that_was_cut_off_had_changed_is_not_how_it_was_before() -> None:
    recorded = {"protected": False, "groups": {"eni-1": ["sg-web"]}}
    found = {"protected": True, "groups": {"eni-1": ["sg-quarantine"], "eni-2": ["sg-web"]}, "role": "web"}
    assert merged(recorded, found) == {
        "protected": False,
        "groups": {"eni-1": ["sg-web"], "eni-2": ["sg-web"]},
        "role": "web",
    }


@pytest.mark.parametrize(
    ("selector", "rules", "through"),
    [
        ({}, {"egress": [{}]}, True),
        ({}, {"ingress": [{}]}, True),
        ({}, {}, False),
        ({"matchLabels": {"app": "web"}}, {"egress": [{}]}, False),
        ({"matchLabels": {"case": "INC-1"}}, {"egress": [{}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, {"egress": [{}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, {"egress": [{}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, {"egress": [{}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, {"egress": [{}]}, True),
        ({"matchExpressions": [{"key": "case", "operator": "In", "values": ["INC-1"]}]}, {"egress": [{}]}, True),
        ({"matchExpressions": [{"key": "case", "operator": "NotIn", "values": ["INC-1"]}]}, {"egress": [{}]}, False),
    ],
)
def test_policies_that_still_let_something_through_are_found(
    selector: dict[str, Any], rules: dict[str, Any], through: bool
) -> None:
    assert lets_through({"podSelector": selector, **rules}, {"case": "INC-1"}) is through


def test_documents_deny_and_allow_nothing() -> None:
    statements = [
        *denial("arn:aws:ec2:eu-central-1:111111111111:instance/i-1", "i-1")["Statement"],
        *revocation("2026-11-23T04:00:00Z")["Statement"],
    ]
    assert {item["Effect"] for item in statements} == {"Deny"}
    assert all(item["Condition"] for item in statements)
    spec = policy_of(CASE, "shop")["spec"]
    assert (spec["policyTypes"], spec.get("ingress"), spec.get("egress")) == (["Ingress", "Egress"], None, None)


class Parameters:
    """Parameter Store, of which only what is written counts."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def call(self, _service: str, _operation: str, **given: Any) -> dict[str, Any]:
        self.written.append(given["Value"])
        return {}


def test_a_record_is_what_a_parameter_can_hold() -> None:
    store = Parameters()
    record = Record(store, "INC-1", "isolate-pod", "dev/shop/web-1")  # type: ignore[arg-type]
    assert record.name == "/innovate/incidents/INC-1/isolate-pod/dev.shop.web-1"
    before = {"policy": {"Statement": [{"Resource": "${{a}}"}]}, "empty": {"one": {"two": {}}}}
    record.write(CASE, "begun", before, ["x" * 9000])
    (value,) = store.written
    # Two braces in a row would be a reference to another parameter.
    assert "{{" not in value
    assert "}}" not in value
    assert len(value.encode()) <= 8192
    assert json.loads(value)["before"] == before


class Listing:
    """EC2, whose listing of two snapshots comes to show them one by one."""

    def __init__(self, *answers: dict[str, str]) -> None:
        self.answers = list(answers)

    def pages(self, *_words: str, **_given: Any) -> list[dict[str, str]]:
        states = self.answers.pop(0)
        return [{"SnapshotId": name, "State": state} for name, state in states.items()]


def test_snapshots_are_waited_for_also_while_they_are_not_listed() -> None:
    listing = Listing(
        {}, {"snap-1": "completed"}, {"snap-1": "completed", "snap-2": "pending"}, dict.fromkeys(NAMES, "completed")
    )
    volumes()._completed(listing, NAMES)  # type: ignore[arg-type]
    assert listing.answers == []


def test_a_snapshot_that_failed_is_not_waited_for() -> None:
    with pytest.raises(EngineError, match="snap-2 failed"):
        volumes()._completed(Listing({"snap-1": "pending", "snap-2": "error"}), NAMES)  # type: ignore[arg-type]
