# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM: the audiences of OpenID Connect providers, trust policies that can be read, roles of services.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddClientIDToOpenIDConnectProvider.html
"""

from __future__ import annotations

import json
from typing import Any

from moto.iam.models import SERVICE_NAME_CONVERSION, iam_backends

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation

# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/service-linked-roles-spot-instance-requests.html
SERVICE_NAME_CONVERSION.update({"spot": "EC2Spot", "spotfleet": "EC2SpotFleet"})


def _provider(call: Call) -> Any:
    arn = call["OpenIDConnectProviderArn"]
    found = iam_backends[call.account][call.partition].open_id_providers.get(arn)
    if found is None:
        raise AwsError("NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}", status=404)
    return found


@operation("iam", "AddClientIDToOpenIDConnectProvider")
def add_client_id(call: Call) -> None:
    """An audience more; one that is there already is no error."""
    provider = _provider(call)
    if call["ClientID"] not in provider.client_id_list:
        provider.client_id_list.append(call["ClientID"])


@operation("iam", "RemoveClientIDFromOpenIDConnectProvider")
def remove_client_id(call: Call) -> None:
    """An audience less; one that isn't there is no error."""
    provider = _provider(call)
    if call["ClientID"] in provider.client_id_list:
        provider.client_id_list.remove(call["ClientID"])


@operation("iam", "CreateRole", "UpdateAssumeRolePolicy")
def check_trust_policy(call: Call) -> dict[str, Any]:
    """Moto takes any text for a trust policy."""
    try:
        document = json.loads(call.get("AssumeRolePolicyDocument") or call.get("PolicyDocument") or "")
    except ValueError:
        raise AwsError("MalformedPolicyDocument", "This policy contains invalid Json") from None
    statements = document.get("Statement") if isinstance(document, dict) else None
    for statement in [statements] if isinstance(statements, dict) else statements or []:
        if "Principal" not in statement and "NotPrincipal" not in statement:
            raise AwsError("MalformedPolicyDocument", "Missing required field Principal")
        if "Resource" in statement:
            raise AwsError("MalformedPolicyDocument", "Has prohibited field Resource")
    if not isinstance(statements, dict | list):
        raise AwsError("MalformedPolicyDocument", "Missing required field Statement")
    return call.forward()


@operation("iam", "CreateServiceLinkedRole")
def create_service_linked_role(call: Call) -> dict[str, Any]:
    """A service's role, of which there is one in an account: AWS has an error of its own for a second one."""
    path = f"/aws-service-role/{call['AWSServiceName']}/"
    backend = iam_backends[call.account][call.partition]
    if not call.get("CustomSuffix") and (there := [role for role in backend.roles.values() if role.path == path]):
        raise AwsError(
            "InvalidInput",
            f"Service role name {there[0].name} has been taken in this account, please try a different suffix.",
        )
    return call.forward()
