# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy of the role that drift reports read with."""

from __future__ import annotations

import json
import re

from rehearsal.emulator.faults import is_read
from tools import drift_policy


def actions() -> list[str]:
    (statement,) = json.loads(drift_policy.POLICY.read_text())["Statement"]
    return list(statement["Action"])


def test_the_policy_is_what_the_kinds_ask() -> None:
    assert drift_policy.POLICY.read_text() == drift_policy.policy(), "run `make docs`"


def test_it_reads_and_shows_no_secret() -> None:
    assert actions()
    # Reads, by the Service Authorization Reference, whose names begin otherwise.
    reads = {"budgets:ViewBudget"}
    assert [name for name in actions() if not is_read(name.partition(":")[2]) and name not in reads] == []
    assert [name for name in actions() if re.search(r"SecretValue|Decrypt|GetObject$|\*", name)] == []


def test_what_kinds_ask_in_different_ways_is_found() -> None:
    """By a helper that names the service, by a table of settings, in pages, by a look-up of another stack's things."""
    expected = {"eks:ListAddons", "s3:GetEncryptionConfiguration", "iam:ListRoles", "ec2:DescribeSubnets"}
    assert expected <= set(actions())


def test_what_only_an_apply_asks_is_left_out() -> None:
    # A policy's update looks at its versions, a role's deletion at its instance profiles.
    assert {"iam:ListPolicyVersions", "iam:ListInstanceProfilesForRole"} & set(actions()) == set()


def test_it_fits_into_a_role() -> None:
    """All inline policies of a role have 10,240 characters, without blanks.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    document = json.loads(drift_policy.POLICY.read_text())
    assert len(json.dumps(document, separators=(",", ":"))) < 10_240 - 500
