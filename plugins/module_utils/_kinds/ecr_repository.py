# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories of ECR."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._once import owned
from ._policies import document, not_json, parsed, same_json, same_policy
from ._session import Session
from ._shapes import from_api, request, violations
from ._tags import tag_dict, tag_list

_MISSING = ("RepositoryNotFoundException",)
_TAG_RULES = ("image_tag_mutability", "image_tag_mutability_exclusion_filters")


class EcrRepository(Kind):
    """A private repository (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html).

    Once its destruction is allowed, it goes with the images in it.
    """

    name = "ecr_repository"
    properties: ClassVar[Mapping[str, Property]] = {
        "repository_name": Property("str", required=True, immutable=True, doc="Unique in the registry, with slashes."),
        "image_tag_mutability": Property(
            "str", default="IMMUTABLE", doc="Whether a tag can be moved to another image."
        ),
        "image_tag_mutability_exclusion_filters": Property("set", doc="Tags that are excepted from this."),
        "image_scanning_configuration": Property(
            "dict", default={"scan_on_push": True}, doc="C(scan_on_push), where the registry scans basically."
        ),
        "encryption_configuration": Property("dict", immutable=True, doc="C(encryption_type) and C(kms_key)."),
        "lifecycle_policy_text": Property("json", same=same_json, doc="Which images expire."),
        "policy_text": Property("json", same=same_policy, doc="Who may pull and push."),
    }
    attributes = ("arn", "repository_uri", "registry_id")
    priced = ()
    key = ("repository_name",)
    holds_data = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Find the owned and the declared ones in the listing, and read the policies that are declared at all."""
        prefix = session.arn("ecr", "repository/")
        tags = owned(session, scope, prefix)
        declared = scope.declared.get(self.name, ())
        names = {*(arn.removeprefix(prefix) for arn in tags), *scope.names(self.name, "repository_name")}
        if not names:
            return []
        found = session.pages("ecr", "describe_repositories", "repositories")
        read = [name for name in ("lifecycle_policy_text", "policy_text") if any(name in item for item in declared)]

        def one(repository: Mapping[str, Any]) -> Observed:
            arn, name = repository["repositoryArn"], repository["repositoryName"]
            documents = {text: self._read(session, name, text) for text in read}
            return self._observed(repository, documents, tags[arn] if arn in tags else self._tags(session, arn))

        return session.each(one, [repository for repository in found if repository["repositoryName"] in names])

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the repository with its tags, then write its policies."""
        repository = session.call(
            "ecr",
            "create_repository",
            **request("ecr", "CreateRepository", {**wanted.properties, "tags": None}),
            tags=tag_list(wanted.tags),
        )["repository"]
        observed = self._observed(repository, {}, wanted.tags)
        changed = {name for name in ("lifecycle_policy_text", "policy_text") if wanted.get(name)}
        return self.update(session, observed, wanted, frozenset(changed))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Write tag rules, scanning and policies."""
        repository: dict[str, Any] = {"repositoryName": observed.id}
        if changed & {*_TAG_RULES}:
            rules = {name: wanted.get(name) for name in _TAG_RULES}
            session.call(
                "ecr",
                "put_image_tag_mutability",
                **repository,
                **request("ecr", "PutImageTagMutability", rules),
            )
        if "image_scanning_configuration" in changed:
            scanning = {"image_scanning_configuration": wanted["image_scanning_configuration"]}
            session.call(
                "ecr",
                "put_image_scanning_configuration",
                **repository,
                **request("ecr", "PutImageScanningConfiguration", scanning),
            )
        if "lifecycle_policy_text" in changed:
            text = document(wanted["lifecycle_policy_text"])
            session.call("ecr", "put_lifecycle_policy", **repository, lifecyclePolicyText=text)
        if "policy_text" in changed:
            # A role made a moment ago is no valid principal yet.
            text = document(wanted["policy_text"])
            retry_on = ["InvalidParameterException"]
            session.call("ecr", "set_repository_policy", retry_on=retry_on, attempts=5, **repository, policyText=text)
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete the repository with its images."""
        session.call("ecr", "delete_repository", missing=_MISSING, repositoryName=observed.id, force=True)

    def tag(self, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
        """Write tags on the repository."""
        session.call("ecr", "tag_resource", resourceArn=observed.attribute("arn"), tags=tag_list(tags))

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, and the documents."""
        problems = violations("ecr", "CreateRepository", {**properties, "tags": None})
        problems += not_json("lifecycle_policy_text", properties.get("lifecycle_policy_text"))
        problems += not_json("policy_text", properties.get("policy_text"))
        excepted = properties.get("image_tag_mutability_exclusion_filters")
        if bool(excepted) != str(properties["image_tag_mutability"]).endswith("_WITH_EXCLUSION"):
            problems.append(
                "image_tag_mutability_exclusion_filters and an image_tag_mutability ..._WITH_EXCLUSION go together"
            )
        return problems

    @staticmethod
    def _read(session: Session, name: str, text: str) -> Any:
        if text == "lifecycle_policy_text":
            missing = [*_MISSING, "LifecyclePolicyNotFoundException"]
            found = session.call("ecr", "get_lifecycle_policy", missing=missing, repositoryName=name)
            return parsed(found.get("lifecyclePolicyText"))
        missing = [*_MISSING, "RepositoryPolicyNotFoundException"]
        found = session.call("ecr", "get_repository_policy", missing=missing, repositoryName=name)
        return parsed(found.get("policyText"))

    @staticmethod
    def _tags(session: Session, arn: str) -> dict[str, str]:
        return tag_dict(session.call("ecr", "list_tags_for_resource", missing=_MISSING, resourceArn=arn).get("tags"))

    @staticmethod
    def _observed(repository: Mapping[str, Any], documents: Mapping[str, Any], tags: Mapping[str, str]) -> Observed:
        found = from_api("ecr", "Repository", repository)
        properties = {name: found[name] for name in EcrRepository.properties if name in found}
        return Observed(
            id=repository["repositoryName"],
            properties={**properties, **documents},
            attributes={
                "arn": repository["repositoryArn"],
                "repository_uri": repository["repositoryUri"],
                "registry_id": repository["registryId"],
            },
            tags=tags,
        )
