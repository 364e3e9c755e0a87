# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch templates of EC2: moto puts a template's own tags into its data, knows no client token, and lists fifteen.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html
"""

from __future__ import annotations

import base64
from typing import Any

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation, page
from rehearsal.emulator.services.common import ec2, no_dry_run, remember, repeated
from rehearsal.emulator.services.ec2 import matches

_MISMATCH = AwsError(
    "IdempotentParameterMismatch",
    "The request uses the same client token as a previous, but non-identical request.",
)


#: Of what the base64 says. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html
_USER_DATA = 16384


def _check_user_data(text: str | None) -> None:
    try:
        size = len(base64.b64decode(text or "", validate=True))
    except ValueError:
        raise AwsError("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.") from None
    if size > _USER_DATA:
        raise AwsError("InvalidUserData.Malformed", f"User data is limited to {_USER_DATA} bytes")


@operation("ec2", "CreateLaunchTemplate")
def create_launch_template(call: Call) -> dict[str, Any]:
    """Create a template once for a client token; its tags are its own, not those of what it launches."""
    templates = ec2(call).launch_templates
    again = repeated(call, "ClientToken", _MISMATCH)
    if again and again["LaunchTemplate"]["LaunchTemplateId"] in templates:
        return dict(again)
    _check_user_data(call["LaunchTemplateData"].get("UserData"))
    answer = call.forward()
    data = templates[answer["LaunchTemplate"]["LaunchTemplateId"]].versions[0].data
    kept = [item for item in data.get("TagSpecifications", []) if item["ResourceType"] != "launch-template"]
    data["TagSpecifications"] = kept
    if not kept:
        del data["TagSpecifications"]
    remember(call, "ClientToken", answer)
    return answer


@operation("ec2", "DescribeLaunchTemplates")
def describe_launch_templates(call: Call) -> dict[str, Any]:
    """Show templates with the tags that they have now, in pages."""
    no_dry_run(call)
    network = ec2(call)
    names, identifiers = call.get("LaunchTemplateNames", []), call.get("LaunchTemplateIds", [])
    chosen = network.describe_launch_templates(template_names=names, template_ids=identifiers)
    missing = sorted(set(identifiers) - set(network.launch_templates))
    if missing:
        message = f"The specified launch template, with template ID {missing[0]}, does not exist."
        raise AwsError("InvalidLaunchTemplateId.NotFound", message)
    found = []
    for template in chosen:
        tags = [{"Key": key, "Value": value} for key, value in network.tags.get(template.id, {}).items()]

        def values(name: str, template: Any = template) -> list[str]:
            known = {"launch-template-name": template.name, "create-time": template.create_time.isoformat()}
            if name not in known:
                raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
            return [known[name]]

        if matches(call.get("Filters", []), values, tags):
            found.append(
                {
                    "CreateTime": template.create_time,
                    "CreatedBy": f"arn:{call.partition}:iam::{call.account}:root",
                    "DefaultVersionNumber": template.default_version_number,
                    "LatestVersionNumber": template.latest_version_number,
                    "LaunchTemplateId": template.id,
                    "LaunchTemplateName": template.name,
                    "Tags": tags,
                }
            )
    invalid = AwsError("InvalidNextToken", "The token is invalid.")
    items, token = page(found, call.get("NextToken"), call.get("MaxResults", 200), invalid)
    return {"LaunchTemplates": items, **({"NextToken": token} if token else {})}


@operation("ec2", "DeleteLaunchTemplate")
def delete_launch_template(call: Call) -> dict[str, Any]:
    """Moto takes a name that is nobody's for a missing parameter, and leaves the tags."""
    network, name = ec2(call), call.get("LaunchTemplateName")
    if name:
        identifier = str(network.get_launch_template_by_name(name).id)
    else:
        identifier = str(network.get_launch_template(call.get("LaunchTemplateId", "")).id)
    answer = call.forward()
    network.tags.pop(identifier, None)
    return answer
