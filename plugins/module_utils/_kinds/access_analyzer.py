# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM Access Analyzer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.errors import EngineError
from .._engine.kind import STACK_TAG, Kind, Observed, Pending, Property, Scope, State, Wanted
from ._session import Session
from ._shapes import from_api, request, violations

SERVICE = "accessanalyzer"
_MISSING = ("ResourceNotFoundException",)
_STATES: Mapping[str, State] = {"ACTIVE": "ready", "CREATING": "pending", "DISABLED": "failed", "FAILED": "failed"}


class AccessAnalyzer(Kind):
    """An analyzer: of an account or of the organization, of external, unused or internal access.

    https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_CreateAnalyzer.html
    """

    name = "access_analyzer"
    properties: ClassVar[Mapping[str, Property]] = {
        "analyzer_name": Property("str", required=True, immutable=True, doc="Unique in the account and Region."),
        "type": Property("str", default="ACCOUNT", immutable=True, doc="What it looks at."),
        "configuration": Property("dict", doc="C(unused_access) or C(internal_access), for the types of these names."),
    }
    attributes = ("arn",)
    key = ("analyzer_name",)

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the account's analyzers; their tags come along."""
        names = scope.names(self.name, "analyzer_name")
        return [
            _observed(item)
            for item in session.pages(SERVICE, "list_analyzers", "analyzers")
            if item["name"] in names or item.get("tags", {}).get(STACK_TAG) == scope.stack
        ]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create it with its tags."""
        given = {**wanted.properties, "tags": dict(wanted.tags), "client_token": token}
        session.call(SERVICE, "create_analyzer", **request(SERVICE, "CreateAnalyzer", given))
        return _observed(session.call(SERVICE, "get_analyzer", analyzerName=wanted["analyzer_name"])["analyzer"])

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Write the configuration."""
        session.call(SERVICE, "update_analyzer", **request(SERVICE, "UpdateAnalyzer", wanted.properties))
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete it with its findings, which another one finds again."""
        session.call(SERVICE, "delete_analyzer", missing=_MISSING, analyzerName=observed.id)

    def tag(self, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
        """Write tags."""
        session.call(SERVICE, "tag_resource", resourceArn=observed.attributes["arn"], tags=dict(tags))

    def ready(self, session: Session, observed: Observed) -> Observed | Pending | None:
        """Wait until it is ACTIVE."""
        found = session.call(SERVICE, "get_analyzer", analyzerName=observed.id)["analyzer"]
        if _STATES.get(found["status"]) == "failed":
            reason = found.get("statusReason", {}).get("code", found["status"])
            raise EngineError(f"access analyzer {observed.id} will not become ACTIVE: {reason}")
        return _observed(found) if found["status"] == "ACTIVE" else Pending(found["status"])

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, and the configuration against the type."""
        problems = violations(SERVICE, "CreateAnalyzer", properties)
        configuration, analyzer_type = properties.get("configuration"), properties.get("type")
        if isinstance(configuration, Mapping) and isinstance(analyzer_type, str):
            for part, types in (("unused_access", "UNUSED_ACCESS"), ("internal_access", "INTERNAL_ACCESS")):
                if part in configuration and not analyzer_type.endswith(types):
                    problems.append(f"configuration: {part} means nothing to an analyzer of type {analyzer_type}")
        return problems


def _observed(item: Mapping[str, Any]) -> Observed:
    configuration = from_api(SERVICE, "AnalyzerConfiguration", item.get("configuration", {}))
    return Observed(
        id=item["name"],
        properties={"analyzer_name": item["name"], "type": item["type"], "configuration": configuration},
        attributes={"arn": item["arn"]},
        tags=item.get("tags", {}),
        state=_STATES.get(item["status"], "ready"),
    )
