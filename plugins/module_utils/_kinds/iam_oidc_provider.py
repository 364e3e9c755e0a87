# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenID Connect providers of IAM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._iam import MISSING
from ._session import Session
from ._shapes import violations
from ._tags import tag_dict, tag_list


class IamOidcProvider(Kind):
    """An OpenID Connect provider (https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html)."""

    name = "iam_oidc_provider"
    properties: ClassVar[Mapping[str, Property]] = {
        "url": Property("str", required=True, immutable=True, doc="The issuer, beginning with C(https://)."),
        "client_id_list": Property("set", default=["sts.amazonaws.com"], doc="Audiences that tokens may be for."),
        "thumbprint_list": Property("set", doc="Its certificates; AWS finds them by itself where undeclared."),
    }
    attributes = ("arn",)
    key = ("url",)

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Get each of the account's providers (at most a few): the listing has only ARNs."""
        listed = session.call("iam", "list_open_id_connect_providers").get("OpenIDConnectProviderList", [])

        def one(item: Mapping[str, Any]) -> Observed | None:
            found = session.call(
                "iam", "get_open_id_connect_provider", missing=MISSING, OpenIDConnectProviderArn=item["Arn"]
            )
            return self._observed(item["Arn"], found) if found else None

        return [provider for provider in session.each(one, listed) if provider]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the provider with its tags."""
        thumbprints = {"ThumbprintList": wanted["thumbprint_list"]} if wanted.get("thumbprint_list") else {}
        arn = session.call(
            "iam",
            "create_open_id_connect_provider",
            Url=wanted["url"],
            ClientIDList=list(wanted["client_id_list"]),
            Tags=tag_list(wanted.tags),
            **thumbprints,
        )["OpenIDConnectProviderArn"]
        return Observed(arn, wanted.properties, {"arn": arn}, wanted.tags)

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Add and remove audiences, and exchange the thumbprints."""
        provider: dict[str, Any] = {"OpenIDConnectProviderArn": observed.id}
        if "client_id_list" in changed:
            there, audiences = set(observed.properties["client_id_list"]), set(wanted["client_id_list"])
            for audience in sorted(audiences - there):
                session.call("iam", "add_client_id_to_open_id_connect_provider", ClientID=audience, **provider)
            for audience in sorted(there - audiences):
                session.call("iam", "remove_client_id_from_open_id_connect_provider", ClientID=audience, **provider)
        if "thumbprint_list" in changed:
            thumbprints = list(wanted["thumbprint_list"])
            session.call("iam", "update_open_id_connect_provider_thumbprint", ThumbprintList=thumbprints, **provider)
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete the provider."""
        session.call("iam", "delete_open_id_connect_provider", missing=MISSING, OpenIDConnectProviderArn=observed.id)

    def tag(self, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
        """Write tags on the provider."""
        session.call("iam", "tag_open_id_connect_provider", OpenIDConnectProviderArn=observed.id, Tags=tag_list(tags))

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, and that the issuer is a URL."""
        problems = violations("iam", "CreateOpenIDConnectProvider", {**properties})
        url = properties["url"]
        if isinstance(url, str) and not url.startswith("https://"):
            problems.append(f"url: {url!r} does not begin with https://")
        return problems

    @staticmethod
    def _observed(arn: str, provider: Mapping[str, Any]) -> Observed:
        url = provider["Url"]
        return Observed(
            id=arn,
            properties={
                "url": url if url.startswith("https://") else f"https://{url}",
                "client_id_list": provider.get("ClientIDList", []),
                "thumbprint_list": provider.get("ThumbprintList", []),
            },
            attributes={"arn": arn},
            tags=tag_dict(provider.get("Tags")),
        )
