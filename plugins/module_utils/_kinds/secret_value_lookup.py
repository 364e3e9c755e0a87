# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets whose values objects in a cluster are given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.errors import EngineError
from .._engine.kind import Kind, Observed, Property, Scope
from ._object_set import ObjectSet
from ._secret_values import LOOKUP, missing
from ._session import Session
from ._shapes import violations

_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}")


class SecretValueLookup(Kind):
    """A secret with a value (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html).

    The value is no attribute, since what the engine knows, it may show: the set has it. One that goes needs none.
    """

    name = LOOKUP
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property("str", required=True, doc="What references call it."),
        "secret_id": Property("str", required=True, doc="Name or ARN."),
        "region": Property("str", doc="Region that the secret is in; by default the session's."),
    }
    key = ("name",)
    lookup = True
    taggable = False

    def __init__(self, objects: ObjectSet) -> None:
        self._objects = objects

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Read the values. One that isn't there may still be made as long as the cluster isn't there either."""
        if self._objects.absent:
            return []
        values = self._objects.secrets
        found = values.read(session)
        lacking = [source for source in values.sources if source.name not in found]
        if lacking and self._objects.cluster.open(session):
            raise EngineError([missing(source, session.account_id) for source in lacking])
        return [
            Observed(f"{self.name}.{source.name}", {"name": source.name, "secret_id": source.secret_id})
            for source in values.sources
            if source.name in found
        ]

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model."""
        problems = violations("secretsmanager", "GetSecretValue", properties)
        region = properties.get("region")
        if isinstance(region, str) and not _REGION.fullmatch(region):
            problems.append(f"region {region!r} is no Region: write it as eu-central-1")
        return problems
