# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Budgets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import STACK_TAG, Kind, Observed, Property, Scope, Wanted
from ._session import Session
from ._shapes import from_api, to_api, violations
from ._tags import tag_dict, tag_list

SERVICE = "budgets"
# Budgets are an account's, and their endpoint is here (https://docs.aws.amazon.com/general/latest/gr/billing.html).
_HOME = "us-east-1"
_MISSING = ("NotFoundException",)


def _plain(notification: Mapping[str, Any]) -> str:
    subscribers = sorted(
        json.dumps(item, sort_keys=True, default=str) for item in notification.get("subscribers") or ()
    )
    threshold = notification.get("threshold")
    rest = {name: value for name, value in notification.items() if name not in ("subscribers", "threshold")}
    number = float(threshold) if isinstance(threshold, (int, float)) else threshold
    return json.dumps({"threshold_type": "PERCENTAGE", **rest, "threshold": number, "to": subscribers}, sort_keys=True)


def _same_notifications(wanted: Any, observed: Any) -> bool:
    return {_plain(item) for item in wanted or ()} == {_plain(item) for item in observed or ()}


class Budget(Kind):
    """A budget of costs, and who is told when it is used up, or will be.

    https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_CreateBudget.html
    """

    name = "budget"
    properties: ClassVar[Mapping[str, Property]] = {
        "budget_name": Property("str", required=True, immutable=True, doc="Unique in the account."),
        "amount": Property("float", required=True, doc="The limit, in its unit, for each time unit."),
        "unit": Property("str", default="USD", doc="The currency that the account is billed in."),
        "time_unit": Property("str", default="MONTHLY", immutable=True, doc="DAILY, MONTHLY, QUARTERLY or ANNUALLY."),
        "notifications": Property(
            "set",
            default=[],
            same=_same_notifications,
            doc="C(notification_type) ACTUAL or FORECASTED, C(comparison_operator), C(threshold), C(threshold_type), "
            "and C(subscribers) with C(subscription_type) EMAIL or SNS and C(address).",
        ),
    }
    attributes = ("arn",)
    key = ("budget_name",)

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the account's budgets, of which it has a few, with their tags and notifications."""
        account = {"AccountId": session.account_id}
        names = scope.names(self.name, "budget_name")

        def one(item: Mapping[str, Any]) -> Observed | None:
            arn = self._arn(session, item["BudgetName"])
            listed = session.call(SERVICE, "list_tags_for_resource", missing=_MISSING, region=_HOME, ResourceARN=arn)
            tags = tag_dict(listed.get("ResourceTags"))
            if item["BudgetName"] not in names and tags.get(STACK_TAG) != scope.stack:
                return None
            return self._observed(session, item, tags)

        budgets = session.pages(SERVICE, "describe_budgets", "Budgets", missing=_MISSING, region=_HOME, **account)
        found = session.each(one, budgets)
        return [item for item in found if item is not None]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create it with its tags and notifications, in one call."""
        session.call(
            SERVICE,
            "create_budget",
            region=_HOME,
            AccountId=session.account_id,
            Budget=self._budget(wanted),
            NotificationsWithSubscribers=[_given(item) for item in wanted["notifications"]],
            ResourceTags=tag_list(wanted.tags),
        )
        attributes = {"arn": self._arn(session, wanted["budget_name"])}
        return Observed(wanted["budget_name"], wanted.properties, attributes, dict(wanted.tags))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Write the limit, and replace the notifications that differ."""
        named: dict[str, Any] = {"AccountId": session.account_id, "region": _HOME}
        if changed & {"amount", "unit"}:
            session.call(SERVICE, "update_budget", NewBudget=self._budget(wanted), **named)
        if "notifications" in changed:
            named["BudgetName"] = observed.id
            there = {_plain(item): item for item in observed.properties["notifications"]}
            declared = {_plain(item): item for item in wanted["notifications"]}
            for form, item in there.items():
                if form not in declared:
                    notification = _given(item)["Notification"]
                    session.call(SERVICE, "delete_notification", missing=_MISSING, Notification=notification, **named)
            for form, item in declared.items():
                if form not in there:
                    session.call(SERVICE, "create_notification", **_given(item), **named)
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete it."""
        account = session.account_id
        session.call(
            SERVICE, "delete_budget", missing=_MISSING, region=_HOME, AccountId=account, BudgetName=observed.id
        )

    def tag(self, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
        """Write tags."""
        arn = observed.attributes["arn"]
        session.call(SERVICE, "tag_resource", region=_HOME, ResourceARN=arn, ResourceTags=tag_list(tags))

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, and what AWS asks for beyond it."""
        given = {name: properties.get(name) for name in ("budget_name", "time_unit")}
        notifications = properties["notifications"]
        problems = violations(SERVICE, "CreateBudget", {"budget": {**given, "budget_type": "COST"}})
        amount = properties["amount"]
        if isinstance(amount, (int, float)) and amount <= 0:
            problems.append(f"amount: {amount} is not more than 0")
        for index, item in enumerate(notifications if isinstance(notifications, (list, tuple)) else ()):
            if not isinstance(item, Mapping):
                problems.append(f"notifications[{index}]: {item!r} is not a dictionary")
                continue
            subscribers = item.get("subscribers")
            notification = {name: value for name, value in item.items() if name != "subscribers"}
            form = {"notification": notification, "subscribers": subscribers}
            found = violations(SERVICE, "CreateNotification", form)
            problems += [f"notifications[{index}]: {problem}" for problem in found]
            if not subscribers:
                problems.append(f"notifications[{index}]: nobody is told: give it subscribers")
        return problems

    @staticmethod
    def _budget(wanted: Wanted) -> dict[str, Any]:
        return {
            "BudgetName": wanted["budget_name"],
            "BudgetLimit": {"Amount": f"{wanted['amount']:g}", "Unit": wanted["unit"]},
            "TimeUnit": wanted["time_unit"],
            "BudgetType": "COST",
        }

    @staticmethod
    def _arn(session: Session, name: str) -> str:
        return session.arn("budgets", f"budget/{name}", region="")

    def _observed(self, session: Session, item: Mapping[str, Any], tags: Mapping[str, str]) -> Observed:
        named: dict[str, Any] = {"AccountId": session.account_id, "BudgetName": item["BudgetName"], "region": _HOME}

        def told(notification: Mapping[str, Any]) -> dict[str, Any]:
            plain = {name: value for name, value in notification.items() if name != "NotificationState"}
            subscribers = session.pages(
                SERVICE, "describe_subscribers_for_notification", "Subscribers", Notification=plain, **named
            )
            return {
                **from_api(SERVICE, "Notification", plain),
                "subscribers": [from_api(SERVICE, "Subscriber", subscriber) for subscriber in subscribers],
            }

        listed = session.pages(SERVICE, "describe_notifications_for_budget", "Notifications", missing=_MISSING, **named)
        return Observed(
            id=item["BudgetName"],
            properties={
                "budget_name": item["BudgetName"],
                "amount": float(item.get("BudgetLimit", {}).get("Amount", 0)),
                "unit": item.get("BudgetLimit", {}).get("Unit"),
                "time_unit": item["TimeUnit"],
                "notifications": session.each(told, listed),
            },
            attributes={"arn": self._arn(session, item["BudgetName"])},
            tags=tags,
        )


def _given(notification: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in notification.items() if name != "subscribers"}
    return {
        "Notification": to_api(SERVICE, "Notification", {"threshold_type": "PERCENTAGE", **rest}),
        "Subscribers": to_api(SERVICE, "Subscribers", notification["subscribers"]),
    }
