# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Budgets: budgets with their notifications, subscribers and tags. Nothing costs anything here, so none is told.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_Operations_AWS_Budgets.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation, page

SERVICE = "budgets"
_MOST_NOTIFICATIONS = 10
_PARTS = ("NotificationType", "ComparisonOperator", "Threshold", "ThresholdType")


@dataclass
class _Budget:
    budget: dict[str, Any]
    tags: dict[str, str]
    notifications: list[tuple[dict[str, Any], list[dict[str, str]]]] = field(default_factory=list)


def _budgets(call: Call) -> dict[str, _Budget]:
    if call.get("AccountId", call.account) != call.account:
        raise AwsError("AccessDeniedException", f"Account {call['AccountId']} is not the caller's.")
    return call.world.store(SERVICE, call.account, "", dict)


def _budget(call: Call, name: str) -> _Budget:
    found = _budgets(call).get(name)
    if found is None:
        raise AwsError("NotFoundException", f"Unable to get budget: {name} - the budget doesn't exist.")
    return found


def _plain(notification: dict[str, Any]) -> tuple[Any, ...]:
    values = {"ThresholdType": "PERCENTAGE", **notification}
    return tuple(float(values[part]) if part == "Threshold" else values[part] for part in _PARTS)


def _position(found: _Budget, notification: dict[str, Any]) -> int:
    for index, (there, _subscribers) in enumerate(found.notifications):
        if _plain(there) == _plain(notification):
            return index
    raise AwsError("NotFoundException", "Unable to get notification: the notification doesn't exist.")


def _add(found: _Budget, notification: dict[str, Any], subscribers: list[dict[str, str]]) -> None:
    if any(_plain(there) == _plain(notification) for there, _subscribers in found.notifications):
        raise AwsError("DuplicateRecordException", "Duplicate notification.")
    if len(found.notifications) >= _MOST_NOTIFICATIONS:
        raise AwsError("CreationLimitExceededException", "A budget has at most 10 notifications.")
    if sum(item["SubscriptionType"] == "SNS" for item in subscribers) > 1:
        raise AwsError("InvalidParameterException", "A notification has at most one SNS subscriber.")
    found.notifications.append(
        ({"ThresholdType": "PERCENTAGE", "NotificationState": "OK", **notification}, subscribers)
    )


def _paged(call: Call, key: str, items: list[Any]) -> dict[str, Any]:
    refusal = AwsError("InvalidNextTokenException", "The token is not valid.")
    some, following = page(items, call.get("NextToken"), call.get("MaxResults", 100), refusal)
    return {key: some, **({"NextToken": following} if following else {})}


@operation(SERVICE, "CreateBudget")
def create_budget(call: Call) -> dict[str, Any]:
    """A budget, with all that belongs to it."""
    budget = call["Budget"]
    if budget["BudgetName"] in _budgets(call):
        raise AwsError("DuplicateRecordException", f"Error creating budget: {budget['BudgetName']} - already exists.")
    made = _Budget(budget, {item["Key"]: item["Value"] for item in call.get("ResourceTags", [])})
    for item in call.get("NotificationsWithSubscribers", []):
        _add(made, item["Notification"], item["Subscribers"])
    _budgets(call)[budget["BudgetName"]] = made
    return {}


@operation(SERVICE, "DescribeBudgets")
def describe_budgets(call: Call) -> dict[str, Any]:
    """The account's budgets."""
    return _paged(call, "Budgets", [item.budget for item in _budgets(call).values()])


@operation(SERVICE, "DescribeBudget")
def describe_budget(call: Call) -> dict[str, Any]:
    """A budget."""
    return {"Budget": _budget(call, call["BudgetName"]).budget}


@operation(SERVICE, "UpdateBudget")
def update_budget(call: Call) -> dict[str, Any]:
    """A budget's limit."""
    found = _budget(call, call["NewBudget"]["BudgetName"])
    found.budget = {**found.budget, **call["NewBudget"]}
    return {}


@operation(SERVICE, "DeleteBudget")
def delete_budget(call: Call) -> dict[str, Any]:
    """It goes, with its notifications."""
    _budget(call, call["BudgetName"])
    del _budgets(call)[call["BudgetName"]]
    return {}


@operation(SERVICE, "DescribeNotificationsForBudget")
def describe_notifications(call: Call) -> dict[str, Any]:
    """When somebody is told."""
    return _paged(call, "Notifications", [item for item, _to in _budget(call, call["BudgetName"]).notifications])


@operation(SERVICE, "DescribeSubscribersForNotification")
def describe_subscribers(call: Call) -> dict[str, Any]:
    """Who is told."""
    found = _budget(call, call["BudgetName"])
    return _paged(call, "Subscribers", found.notifications[_position(found, call["Notification"])][1])


@operation(SERVICE, "CreateNotification")
def create_notification(call: Call) -> dict[str, Any]:
    """Somebody more is told."""
    _add(_budget(call, call["BudgetName"]), call["Notification"], call["Subscribers"])
    return {}


@operation(SERVICE, "DeleteNotification")
def delete_notification(call: Call) -> dict[str, Any]:
    """Nobody is told of that any more."""
    found = _budget(call, call["BudgetName"])
    del found.notifications[_position(found, call["Notification"])]
    return {}


def _by_arn(call: Call) -> _Budget:
    return _budget(call, call["ResourceARN"].partition(":budget/")[2])


@operation(SERVICE, "ListTagsForResource")
def list_tags(call: Call) -> dict[str, Any]:
    """The tags."""
    return {"ResourceTags": [{"Key": key, "Value": value} for key, value in _by_arn(call).tags.items()]}


@operation(SERVICE, "TagResource")
def tag_resource(call: Call) -> dict[str, Any]:
    """More tags."""
    _by_arn(call).tags.update({item["Key"]: item["Value"] for item in call["ResourceTags"]})
    return {}


@operation(SERVICE, "UntagResource")
def untag_resource(call: Call) -> dict[str, Any]:
    """Fewer tags."""
    for key in call["ResourceTagKeys"]:
        _by_arn(call).tags.pop(key, None)
    return {}
