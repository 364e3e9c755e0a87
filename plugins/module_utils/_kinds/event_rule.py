# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of EventBridge with their targets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from .._engine.errors import EngineError
from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from .._engine.plan import same
from ._once import owned
from ._policies import document, not_json, parsed, same_json
from ._session import Session
from ._shapes import from_api, request, to_api, violations
from ._tags import tag_dict, tag_list

_MISSING = ("ResourceNotFoundException",)
_BUSY = ("ConcurrentModificationException",)


def _same_targets(wanted: Sequence[Mapping[str, Any]], observed: Sequence[Mapping[str, Any]] | None) -> bool:
    """Compare targets by id; one that only one side has is a difference, members that AWS adds are none."""
    there = {target["id"]: target for target in observed or ()}
    return {target.get("id") for target in wanted} == there.keys() and all(
        same(Property("dict"), target, there[target["id"]]) for target in wanted
    )


class EventRule(Kind):
    """A rule and its targets (https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html).

    The targets are managed whole: one that somebody adds by hand is drift.
    """

    name = "event_rule"
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property("str", required=True, immutable=True, doc="Unique on its event bus."),
        "event_bus_name": Property("str", default="default", immutable=True, doc="The bus whose events it looks at."),
        "event_pattern": Property("json", same=same_json, doc="Which events it is about."),
        "schedule_expression": Property("str", doc="C(rate(5 minutes)) or C(cron(0 4 * * ? *)), on the default bus."),
        "state": Property("str", default="ENABLED", doc="C(ENABLED) or C(DISABLED)."),
        "description": Property("str", default="", doc="What it is for."),
        "role_arn": Property("str", doc="The role that it acts as, where its targets need one."),
        "targets": Property(
            "set", default=[], same=_same_targets, doc="Where events go: C(id), C(arn) and more, at most 5."
        ),
    }
    attributes = ("arn",)
    key = ("event_bus_name", "name")

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the rules of each bus concerned; targets take a call each."""
        prefix = session.arn("events", "rule/")
        tags = owned(session, scope, prefix)
        declared = {
            (str(rule.get("event_bus_name")), str(rule.get("name"))) for rule in scope.declared.get(self.name, ())
        }
        buses = {bus for bus, _name in declared}
        for arn in tags:
            # The ARN of a rule on the default bus leaves the bus out.
            bus, separator, _name = arn.removeprefix(prefix).rpartition("/")
            buses.add(bus if separator else "default")

        def rules(bus: str) -> list[Any]:
            return session.pages("events", "list_rules", "Rules", missing=_MISSING, EventBusName=bus)

        found = [rule for listed in session.each(rules, sorted(buses)) for rule in listed]

        def one(rule: Mapping[str, Any]) -> Observed:
            bus, arn = rule.get("EventBusName", "default"), rule["Arn"]
            targets = session.pages(
                "events", "list_targets_by_rule", "Targets", missing=_MISSING, Rule=rule["Name"], EventBusName=bus
            )
            return self._observed(rule, targets, tags[arn] if arn in tags else self._tags(session, arn))

        wanted = [
            rule
            for rule in found
            if rule["Arn"] in tags or (rule.get("EventBusName", "default"), rule["Name"]) in declared
        ]
        return session.each(one, wanted)

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Put the rule with its tags, then its targets."""
        arn = session.call(
            "events",
            "put_rule",
            retry_on=[*_BUSY, *_MISSING],
            attempts=6,
            **_rule(wanted.properties),
            Tags=tag_list(wanted.tags),
        )["RuleArn"]
        rule = {**_rule(wanted.properties), "Arn": arn}
        observed = self._observed(rule, [], wanted.tags)
        return self.update(session, observed, wanted, frozenset({"targets"} if wanted["targets"] else ()))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Put the rule whole (what is left out of PutRule is emptied), and exchange the targets."""
        if changed - {"targets"}:
            properties = {**observed.properties, **wanted.properties}
            session.call("events", "put_rule", retry_on=_BUSY, **_rule(properties))
        if "targets" in changed:
            there = {target["id"] for target in observed.properties["targets"]}
            self._remove(session, observed, sorted(there - {target["id"] for target in wanted["targets"]}))
            if wanted["targets"]:
                answer = session.call(
                    "events",
                    "put_targets",
                    retry_on=[*_BUSY, *_MISSING],
                    attempts=6,
                    **_of(observed),
                    Targets=to_api("events", "TargetList", wanted["targets"]),
                )
                _raise_failed(answer, observed.id)
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Remove the targets by what there is now, then delete the rule."""
        targets = session.pages("events", "list_targets_by_rule", "Targets", missing=_MISSING, **_of(observed))
        self._remove(session, observed, [target["Id"] for target in targets])
        session.call(
            "events",
            "delete_rule",
            retry_on=_BUSY,
            missing=_MISSING,
            Name=observed.properties["name"],
            EventBusName=observed.properties["event_bus_name"],
        )

    def tag(self, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
        """Write tags on the rule."""
        arn = observed.attribute("arn")
        session.call("events", "tag_resource", retry_on=_BUSY, ResourceARN=arn, Tags=tag_list(tags))

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, that something sets it off, and the quota of targets."""
        given = {name: value for name, value in properties.items() if name != "event_pattern"}
        problems = [
            *violations("events", "PutRule", given),
            *not_json("event_pattern", properties.get("event_pattern")),
        ]
        targets = properties["targets"]
        problems += violations("events", "PutTargets", {"targets": targets}) if targets else []
        ids = (
            [target.get("id") for target in targets if isinstance(target, Mapping)] if isinstance(targets, list) else []
        )
        problems += [
            f"targets: the id {name!r} is given twice" for name in sorted({str(i) for i in ids if ids.count(i) > 1})
        ]
        if len(ids) > 5:
            problems.append(f"targets: a rule has at most 5, not {len(ids)}")
        if not properties.get("event_pattern") and not properties.get("schedule_expression"):
            problems.append("an event_pattern or a schedule_expression is needed")
        if properties.get("schedule_expression") and properties["event_bus_name"] != "default":
            problems.append("schedule_expression: schedules are on the default event bus only")
        return problems

    @staticmethod
    def _remove(session: Session, observed: Observed, ids: Sequence[str]) -> None:
        if ids:
            answer = session.call(
                "events", "remove_targets", retry_on=_BUSY, missing=_MISSING, **_of(observed), Ids=list(ids)
            )
            _raise_failed(answer, observed.id)

    @staticmethod
    def _tags(session: Session, arn: str) -> dict[str, str]:
        return tag_dict(session.call("events", "list_tags_for_resource", missing=_MISSING, ResourceARN=arn).get("Tags"))

    @staticmethod
    def _observed(rule: Mapping[str, Any], targets: Sequence[Mapping[str, Any]], tags: Mapping[str, str]) -> Observed:
        return Observed(
            id=rule["Name"],
            properties={
                "name": rule["Name"],
                "event_bus_name": rule.get("EventBusName", "default"),
                "event_pattern": parsed(rule.get("EventPattern")),
                "schedule_expression": rule.get("ScheduleExpression") or None,
                "state": rule.get("State", "ENABLED"),
                "description": rule.get("Description") or "",
                "role_arn": rule.get("RoleArn") or None,
                "targets": from_api("events", "TargetList", list(targets)),
            },
            attributes={"arn": rule["Arn"]},
            tags=tags,
        )


def _rule(properties: Mapping[str, Any]) -> dict[str, Any]:
    pattern = properties.get("event_pattern")
    given = {**properties, "event_pattern": document(pattern) if pattern else None, "tags": None}
    return request("events", "PutRule", {name: value for name, value in given.items() if value != ""})


def _of(observed: Observed) -> dict[str, Any]:
    return {"Rule": observed.properties["name"], "EventBusName": observed.properties["event_bus_name"]}


def _raise_failed(answer: Mapping[str, Any], rule: str) -> None:
    if answer.get("FailedEntryCount"):
        raise EngineError(f"targets of rule {rule} failed: {json.dumps(answer['FailedEntries'])}")
