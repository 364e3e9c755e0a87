# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module gets into an account, as far as no service is needed for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._run import account, stack


class Sts:
    """Hands out credentials with a number in them, the first of which expire in no time."""

    def __init__(self) -> None:
        self.calls = 0

    def assume_role(self, RoleArn: str, RoleSessionName: str) -> dict[str, Any]:  # noqa: N803
        self.calls += 1
        lasting = timedelta(seconds=5) if self.calls == 1 else timedelta(hours=1)
        return {
            "AssumedRoleUser": {"Arn": RoleArn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/x"},
            "Credentials": {
                "AccessKeyId": f"AKIA{self.calls:016}",
                "SecretAccessKey": "s",
                "SessionToken": "t",
                "Expiration": datetime.now(UTC) + lasting,
            },
        }


def test_a_role_is_assumed_anew_before_its_credentials_expire() -> None:
    sts = Sts()
    session = account._assumed_session(lambda: account._assume(sts, "123456789012", "R", "aws", "dev"))
    given = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "own", "endpoint_url": "http://127.0.0.1:9"}
    client = account._client("sqs", "eu-central-1", given, session)
    used = client._request_signer._credentials.get_frozen_credentials()
    assert (used.access_key, sts.calls) == ("AKIA0000000000000002", 2)
    assert client._request_signer._credentials.get_frozen_credentials().access_key == used.access_key
    assert client.meta.endpoint_url == "http://127.0.0.1:9"


@pytest.mark.parametrize("given", ["12345678901", "1234-5678-9012", "dev"])
def test_an_account_id_that_is_none_is_a_mistake_before_any_call(given: str) -> None:
    (problem,) = account.problems_of({"account_id": given})
    assert problem.startswith(f"account_id '{given}' is not 12 digits: write it in quotes")
    assert account.problems_of({"account_id": "012345678901"}) == account.problems_of({"account_id": None}) == []


TAGS: dict[str, tuple[dict[Any, Any], str]] = {
    "AWS's own": ({"aws:owner": "x"}, "begins with aws:"),
    "ours": ({"innovate:stack": "x"}, "begins with innovate:"),
    "no value": ({"owner": None}, "has no value"),
    "nested": ({"owner": {"name": "x"}}, "is not a single value"),
    "too long a name": ({"x" * 129: "x"}, "has 129 characters"),
    "too long a value": ({"x": "y" * 257}, "has 257 characters"),
    "strange characters": ({"owner": "me & you"}, "letters, digits, spaces and"),
    "too many": ({str(number): "x" for number in range(50)}, "50 tags"),
    "an empty name": ({"": "x"}, "an empty name"),
}


@pytest.mark.parametrize(("tags", "part"), TAGS.values(), ids=TAGS.keys())
def test_tags_that_aws_would_refuse_are_mistakes(tags: dict[Any, Any], part: str) -> None:
    (problem,) = stack.tag_problems(tags)
    assert part in problem


def test_tags_that_aws_takes_are_none() -> None:
    assert stack.tag_problems({"cost-center": 42, "Größe": "a/b=c+d@e.f:g h", "on": True, "empty": ""}) == []
