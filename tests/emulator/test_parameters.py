# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What locks are made of: writes to Parameter Store that are atomic, and numbered, also when many come at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from ansible_collections.innovate.platform.plugins.module_utils._run.lock import Lock
from tests.emulator.conftest import REGION, Aws, refused

MANY = 20


def at_once(function: Callable[[int], Any]) -> list[Any]:
    """Return what a function makes of each of many numbers, in as many threads, which begin together."""
    barrier = threading.Barrier(MANY)

    def one(number: int) -> Any:
        barrier.wait()
        return function(number)

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(one, range(MANY)))


def test_of_many_that_make_a_parameter_one_does(aws: Aws) -> None:
    ssm = aws("ssm")

    def make(number: int) -> str:
        try:
            return str(ssm.put_parameter(Name="/race/made", Value=str(number), Type="String")["Version"])
        except ClientError as error:
            return str(error.response["Error"]["Code"])

    answers = at_once(make)
    assert sorted(answers) == ["1", *["ParameterAlreadyExists"] * (MANY - 1)]
    assert ssm.get_parameter(Name="/race/made")["Parameter"]["Value"] == str(answers.index("1"))


def test_many_that_write_get_a_version_each(aws: Aws) -> None:
    ssm = aws("ssm")

    def write(number: int) -> int:
        return int(ssm.put_parameter(Name="/race/n", Value=str(number), Type="String", Overwrite=True)["Version"])

    versions = at_once(write)
    assert sorted(versions) == list(range(1, MANY + 1))
    pages = ssm.get_paginator("get_parameter_history").paginate(Name="/race/n", PaginationConfig={"PageSize": 7})
    history = [item for page in pages for item in page["Parameters"]]
    assert {item["Version"]: int(item["Value"]) for item in history} == {
        version: number for number, version in enumerate(versions)
    }


def test_a_history_has_the_last_hundred_versions_and_begins_anew_after_a_deletion(aws: Aws) -> None:
    ssm = aws("ssm")
    for number in range(103):
        ssm.put_parameter(Name="/history", Value=str(number), Type="String", Overwrite=True)
    first = ssm.get_parameter_history(Name="/history")
    second = ssm.get_parameter_history(Name="/history", NextToken=first["NextToken"])
    items = [*first["Parameters"], *second["Parameters"]]
    assert [item["Version"] for item in items] == list(range(4, 104))
    assert "NextToken" not in second
    assert first["ResponseMetadata"]["HTTPHeaders"]["date"].endswith("GMT")
    ssm.delete_parameter(Name="/history")
    assert refused(ssm.get_parameter_history, Name="/history") == "ParameterNotFound"
    assert refused(ssm.delete_parameter, Name="/history") == "ParameterNotFound"
    assert ssm.put_parameter(Name="/history", Value="x", Type="String", Overwrite=True)["Version"] == 1


def test_of_many_runs_one_has_the_lock(aws: Aws) -> None:
    clients = [aws("ssm")] + [Aws(aws.state)("ssm") for _number in range(MANY - 1)]

    def take(number: int) -> Any:
        session = Session(lambda service, region: clients[number], aws.state.management_account_id, REGION, "aws")
        lock = Lock(session, "race", "arn:aws:iam::123456789012:user/somebody", pytest.fail)
        try:
            return lock.__enter__()
        except EngineError as error:
            return str(error)

    for _round in range(2):
        found = at_once(take)
        held = [lock for lock in found if isinstance(lock, Lock)]
        assert len(held) == 1
        assert all("is being changed by another run" in text for text in found if isinstance(text, str))
        held[0].__exit__(None, None, None)
