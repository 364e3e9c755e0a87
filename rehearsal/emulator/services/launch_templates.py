# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch templates of EC2: moto puts a template's own tags into its data, shows old tags and knows no client token.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html
"""

from __future__ import annotations

from typing import Any

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation
from rehearsal.emulator.services.common import ec2, remember, repeated

_MISMATCH = AwsError(
    "IdempotentParameterMismatch",
    "The request uses the same client token as a previous, but non-identical request.",
)


@operation("ec2", "CreateLaunchTemplate")
def create_launch_template(call: Call) -> dict[str, Any]:
    """Create a template once for a client token; its tags are its own, not those of what it launches."""
    templates = ec2(call).launch_templates
    again = repeated(call, "ClientToken", _MISMATCH)
    if again and again["LaunchTemplate"]["LaunchTemplateId"] in templates:
        return dict(again)
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
    """Show templates with the tags that they have now."""
    answer = call.forward()
    for template in answer.get("LaunchTemplates", []):
        tags = ec2(call).tags.get(template["LaunchTemplateId"], {})
        template["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
    return answer
