# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls that several kinds, or many resources, need the answer of: made once per observation."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from .._engine.kind import STACK_TAG, Scope
from ._session import Session
from ._tags import tag_dict

_Result = TypeVar("_Result")

OWNED_TYPES = (
    "ecr:repository",
    "eks:cluster",
    "events:rule",
    "kms:key",
    "logs:log-group",
    "rds:pg",
    "rds:subgrp",
    "s3",
    "secretsmanager:secret",
    "sqs",
)
"""The types of the tagging API (service and type in an ARN) whose own services can't list by tag."""


class _Answers:
    """The answers of one observation; each question has a lock, so that different ones are asked side by side."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.lock = threading.Lock()
        self.locks: dict[str, threading.Lock] = {}
        self.found: dict[str, Any] = {}


_answers: weakref.WeakKeyDictionary[Session, _Answers] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def once(session: Session, scope: Scope, question: str, ask: Callable[[], _Result]) -> _Result:
    """Return the answer to a question, asked at most once for a scope. A new observation has a new scope."""
    with _lock:
        answers = _answers.get(session)
        if answers is None or answers.scope is not scope:
            answers = _answers[session] = _Answers(scope)
    with answers.lock:
        lock = answers.locks.setdefault(question, threading.Lock())
    with lock:
        if question not in answers.found:
            answers.found[question] = ask()
        found: _Result = answers.found[question]
        return found


def owned(session: Session, scope: Scope, prefix: str) -> dict[str, dict[str, str]]:
    """Return the tags of what the stack owns, by ARN, of the ARNs that begin with ``prefix``.

    One call for all kinds whose services can't list by tag. The tagging API lags behind by seconds
    (https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html): kinds look by their
    natural key as well, and see for themselves whether what is listed is still there.
    """
    found = once(session, scope, "owned", lambda: tagged(session, scope.stack, OWNED_TYPES))
    return {arn: tags for arn, tags in found.items() if arn.startswith(prefix)}


def tagged(session: Session, stack: str, types: Iterable[str] = ()) -> dict[str, dict[str, str]]:
    """Return the tags of everything that carries a stack's name, by ARN, as the tagging API knows it."""
    filters: Mapping[str, Any] = {"ResourceTypeFilters": list(types)} if types else {}
    found = session.pages(
        "resourcegroupstaggingapi",
        "get_resources",
        "ResourceTagMappingList",
        TagFilters=[{"Key": STACK_TAG, "Values": [stack]}],
        ResourcesPerPage=100,
        **filters,
    )
    return {item["ResourceARN"]: tag_dict(item.get("Tags")) for item in found}
