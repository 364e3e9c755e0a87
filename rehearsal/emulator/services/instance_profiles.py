# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instance profiles by path, and those that still hold a role: moto lists all and deletes any.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListInstanceProfiles.html
"""

from __future__ import annotations

from typing import Any

from moto.iam.models import iam_backends

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation, page


@operation("iam", "ListInstanceProfiles")
def list_instance_profiles(call: Call) -> dict[str, Any]:
    """The profiles whose path begins as asked, in pages."""
    prefix = call.get("PathPrefix", "/")
    found = [item for item in call.forward().get("InstanceProfiles", []) if item["Path"].startswith(prefix)]
    invalid = AwsError("InvalidInput", "The marker is invalid.")
    items, marker = page(found, call.get("Marker"), call.get("MaxItems", 100), invalid)
    return {"InstanceProfiles": items, "IsTruncated": marker is not None, **({"Marker": marker} if marker else {})}


@operation("iam", "DeleteInstanceProfile")
def delete_instance_profile(call: Call) -> dict[str, Any]:
    """A profile with a role in it stays."""
    name = call["InstanceProfileName"]
    for profile in iam_backends[call.account][call.partition].instance_profiles.values():
        if profile.name == name and profile.roles:
            message = "Cannot delete entity, must remove roles from instance profile first."
            raise AwsError("DeleteConflict", message, status=409)
    return call.forward()
