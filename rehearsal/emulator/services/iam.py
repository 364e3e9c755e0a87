# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM: the audiences of OpenID Connect providers.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddClientIDToOpenIDConnectProvider.html
"""

from __future__ import annotations

from typing import Any

from moto.iam.models import iam_backends

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation


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
