# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameter groups of RDS."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from . import _rds
from ._once import owned
from ._session import Session
from ._shapes import request, violations
from ._tags import tag_list

_NAME = re.compile(r"[a-z](-?[a-z0-9]){0,254}")
_AT_ONCE = 20
"""How many parameters one ModifyDBParameterGroup or ResetDBParameterGroup takes."""


def _apply_method(parameter: Mapping[str, Any]) -> str:
    return "pending-reboot" if parameter.get("ApplyType") == "static" else "immediate"


class DbParameterGroup(Kind):
    """Settings of a database engine, managed whole: a parameter that somebody sets by hand is drift, and is reset.

    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBParameterGroup.html
    """

    name = "db_parameter_group"
    properties: ClassVar[Mapping[str, Property]] = {
        "db_parameter_group_name": Property(
            "str", required=True, immutable=True, doc="Unique in the Region; lower case."
        ),
        "db_parameter_group_family": Property("str", required=True, immutable=True, doc="Such as C(postgres17)."),
        "description": Property("str", required=True, immutable=True, doc="What it is for; can't be changed later."),
        "parameters": Property(
            "map",
            default={},
            doc="Values by name, as strings. Dynamic ones take effect at once, static ones with the next restart.",
        ),
    }
    attributes = ("arn",)
    key = ("db_parameter_group_name",)
    tag = _rds.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the Region's groups; of those that concern the stack read tags and what differs from the defaults."""
        groups = session.pages("rds", "describe_db_parameter_groups", "DBParameterGroups")
        names = scope.names(self.name, "db_parameter_group_name")
        arns = owned(session, scope, session.arn("rds", "pg:"))
        found = _rds.ours(session, groups, names, arns, "DBParameterGroupName", "DBParameterGroupArn")

        def one(item: tuple[Mapping[str, Any], dict[str, str]]) -> Observed:
            group, tags = item
            values = _parameters(session, group["DBParameterGroupName"], Source="user")
            return self._observed(group, {name: value["ParameterValue"] for name, value in values.items()}, tags)

        return session.each(one, found)

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the group with its tags, then set the parameters, before any database uses it."""
        group = session.call(
            "rds",
            "create_db_parameter_group",
            Tags=tag_list(wanted.tags),
            **request("rds", "CreateDBParameterGroup", {**wanted.properties, "tags": None}),
        )["DBParameterGroup"]
        return self.update(session, self._observed(group, {}, wanted.tags), wanted, frozenset({"parameters"}))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Set the parameters that differ, each in the way that its apply type allows."""
        there = observed.properties["parameters"]
        declared = dict(wanted["parameters"])
        differing = {name: {"ParameterValue": value} for name, value in declared.items() if there.get(name) != value}
        surplus: dict[str, dict[str, str]] = {name: {} for name in there if name not in declared}
        if not differing and not surplus:
            return observed
        known = _parameters(session, observed.id)
        for operation, parameters in (("modify_db_parameter_group", differing), ("reset_db_parameter_group", surplus)):
            settings = [
                {"ParameterName": name, "ApplyMethod": _apply_method(known.get(name, {})), **value}
                for name, value in parameters.items()
            ]
            for start in range(0, len(settings), _AT_ONCE):
                session.call(
                    "rds",
                    operation,
                    retry_on=["DBParameterGroupNotFound", "InvalidDBParameterGroupState"],
                    attempts=8,
                    DBParameterGroupName=observed.id,
                    Parameters=settings[start : start + _AT_ONCE],
                )
        properties = {**observed.properties, "parameters": declared}
        return Observed(observed.id, properties, observed.attributes, wanted.tags)

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete the group; RDS holds it for a while after its last database."""
        session.call(
            "rds",
            "delete_db_parameter_group",
            retry_on=["InvalidDBParameterGroupState"],
            attempts=25,
            missing=["DBParameterGroupNotFound"],
            DBParameterGroupName=observed.id,
        )

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model and the rules that stand only in its page."""
        problems = violations("rds", "CreateDBParameterGroup", {**properties, "tags": None})
        name = properties["db_parameter_group_name"]
        if isinstance(name, str) and not _NAME.fullmatch(name):
            problems.append(
                f"db_parameter_group_name {name!r}: use at most 255 lower-case letters, digits and single hyphens, "
                "beginning with a letter and not ending with a hyphen"
            )
        problems += [
            f"parameters.{key}: {value!r} is not a string: RDS takes every value as one"
            for key, value in properties["parameters"].items()
            if isinstance(value, (bool, int, float, list, dict))
        ]
        return problems

    def preflight(self, session: Session, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
        """Refuse parameters that the family doesn't have, or that RDS keeps to itself."""
        families = sorted({item["db_parameter_group_family"] for item in wanted})
        known = dict(zip(families, session.each(lambda family: _family(session, family), families), strict=True))
        return [
            f"{item['db_parameter_group_name']}: {problem}"
            for item in wanted
            for name in item["parameters"]
            if (
                problem := _objection(name, known[item["db_parameter_group_family"]], item["db_parameter_group_family"])
            )
        ]

    @staticmethod
    def _observed(group: Mapping[str, Any], parameters: Mapping[str, str], tags: Mapping[str, str]) -> Observed:
        return Observed(
            id=group["DBParameterGroupName"],
            properties={
                "db_parameter_group_name": group["DBParameterGroupName"],
                "db_parameter_group_family": group["DBParameterGroupFamily"],
                "description": group.get("Description"),
                "parameters": dict(parameters),
            },
            attributes={"arn": group.get("DBParameterGroupArn")},
            tags=tags,
        )


def _parameters(session: Session, group: str, **source: str) -> dict[str, Mapping[str, Any]]:
    found = session.pages("rds", "describe_db_parameters", "Parameters", DBParameterGroupName=group, **source)
    return {item["ParameterName"]: {"ParameterValue": "", **item} for item in found}


def _family(session: Session, family: str) -> dict[str, Mapping[str, Any]]:
    """Return the parameters that a family has."""
    found: dict[str, Mapping[str, Any]] = {}
    marker: dict[str, Any] = {}
    while True:
        answer = session.call(
            "rds", "describe_engine_default_parameters", DBParameterGroupFamily=family, MaxRecords=100, **marker
        )["EngineDefaults"]
        found |= {item["ParameterName"]: item for item in answer.get("Parameters", [])}
        if not answer.get("Marker"):
            return found
        marker = {"Marker": answer["Marker"]}


def _objection(name: str, known: Mapping[str, Mapping[str, Any]], family: str) -> str:
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        return f"{family} has no parameter '{name}'" + (f": did you mean '{close[0]}'?" if close else ": leave it out")
    if known[name].get("IsModifiable") is False:
        return f"RDS does not let anyone change the parameter '{name}' of {family}: leave it out"
    return ""
