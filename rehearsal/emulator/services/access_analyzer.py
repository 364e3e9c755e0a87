# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM Access Analyzer: analyzers. They find nothing, since nothing here is shared with anybody.

https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation, page
from rehearsal.emulator.services import tagging

SERVICE = "accessanalyzer"


def _analyzers(call: Call) -> dict[str, dict[str, Any]]:
    return call.world.store(SERVICE, call.account, call.region, dict)


def _analyzer(call: Call) -> dict[str, Any]:
    found = _analyzers(call).get(call["analyzerName"])
    if found is None:
        name = call["analyzerName"]
        message = f"The specified analyzer {name} does not exist."
        raise AwsError("ResourceNotFoundException", message, resourceId=name, resourceType="Analyzer")
    return found


def _fitting(call: Call, analyzer_type: str) -> None:
    for part, ending in (("unusedAccess", "UNUSED_ACCESS"), ("internalAccess", "INTERNAL_ACCESS")):
        if part in call.get("configuration", {}) and not analyzer_type.endswith(ending):
            message = f"{part} can not be configured of an analyzer of type {analyzer_type}."
            raise AwsError("ValidationException", message, reason="other")


@operation(SERVICE, "CreateAnalyzer")
def create_analyzer(call: Call) -> dict[str, Any]:
    """An analyzer; of each type an account has one in a Region."""
    name, analyzer_type, token = call["analyzerName"], call["type"], call.get("clientToken")
    analyzers = _analyzers(call)
    key = (SERVICE, call.account, call.region, token or "")
    if token and name in analyzers and call.world.tokens.get(key) == (name, None):
        return {"arn": analyzers[name]["arn"]}
    if name in analyzers:
        message = f"An analyzer with the name {name} exists already."
        raise AwsError("ConflictException", message, resourceId=name, resourceType="Analyzer")
    if any(item["type"] == analyzer_type for item in analyzers.values()):
        message = f"The quota of analyzers of type {analyzer_type} has been reached."
        raise AwsError("ServiceQuotaExceededException", message, resourceId=name, resourceType="Analyzer")
    _fitting(call, analyzer_type)
    arn = call.arn(f"analyzer/{name}", "access-analyzer")
    analyzers[name] = {
        "arn": arn,
        "name": name,
        "type": analyzer_type,
        "createdAt": datetime.datetime.now(datetime.UTC),
        "tags": dict(call.get("tags", {})),
        "status": "ACTIVE",
        # A union: there is none of it, or one member.
        **({"configuration": call["configuration"]} if call.get("configuration") else {}),
    }
    if token:
        call.world.tokens[key] = (name, None)
    return {"arn": arn}


@operation(SERVICE, "GetAnalyzer")
def get_analyzer(call: Call) -> dict[str, Any]:
    """An analyzer."""
    return {"analyzer": _analyzer(call)}


@operation(SERVICE, "ListAnalyzers")
def list_analyzers(call: Call) -> dict[str, Any]:
    """The account's analyzers, of one type where one is asked for."""
    wanted = call.get("type")
    listed = [item for item in _analyzers(call).values() if wanted in (None, item["type"])]
    refusal = AwsError("ValidationException", "The token is not valid.", reason="other")
    some, following = page(listed, call.get("nextToken"), call.get("maxResults"), refusal)
    return {"analyzers": some, **({"nextToken": following} if following else {})}


@operation(SERVICE, "UpdateAnalyzer")
def update_analyzer(call: Call) -> dict[str, Any]:
    """What it is to look at."""
    found = _analyzer(call)
    _fitting(call, found["type"])
    if call.get("configuration"):
        found["configuration"] = call["configuration"]
    return {name: found[name] for name in ("configuration",) if name in found}


@operation(SERVICE, "DeleteAnalyzer")
def delete_analyzer(call: Call) -> dict[str, Any]:
    """It goes, with what it found."""
    del _analyzers(call)[_analyzer(call)["name"]]
    return {}


def _tagged(call: Call) -> dict[str, Any]:
    found = next((item for item in _analyzers(call).values() if item["arn"] == call["resourceArn"]), None)
    if found is None:
        message = f"{call['resourceArn']} does not exist."
        raise AwsError("ResourceNotFoundException", message, resourceId=call["resourceArn"], resourceType="Analyzer")
    return found


@operation(SERVICE, "TagResource")
def tag_resource(call: Call) -> dict[str, Any]:
    """More tags."""
    _tagged(call)["tags"].update(call["tags"])
    return {}


@operation(SERVICE, "UntagResource")
def untag_resource(call: Call) -> dict[str, Any]:
    """Fewer tags."""
    for key in call["tagKeys"]:
        _tagged(call)["tags"].pop(key, None)
    return {}


@operation(SERVICE, "ListTagsForResource")
def list_tags(call: Call) -> dict[str, Any]:
    """The tags."""
    return {"tags": _tagged(call)["tags"]}


@tagging.source
def tagged_analyzers(call: Call) -> Iterator[tuple[str, dict[str, str]]]:
    """What the tagging API lists."""
    for item in _analyzers(call).values():
        yield item["arn"], item["tags"]
