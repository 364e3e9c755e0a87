# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drift report for whatever reads JUnit's XML: a suite for each stack, a case for each of its resources."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 can't hold (https://www.w3.org/TR/xml/#charsets)."""


def junit(document: Mapping[str, Any]) -> str:
    """Return a document in which drift is a failure, what couldn't be compared an error, what follows is skipped."""
    root = ET.Element("testsuites", name="drift")
    sums = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for account in document["accounts"]:
        for stack in account["stacks"]:
            _count(sums, _suite(root, document, account, stack))
        if account["not_compared"]:
            _count(sums, _not_compared(root, document, account))
    for name, count in sums.items():
        root.set(name, str(count))
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(
    root: ET.Element, document: Mapping[str, Any], account: Mapping[str, Any], stack: Mapping[str, Any]
) -> ET.Element:
    name = f"{account['name']}.{stack['stack']}"
    suite = ET.SubElement(
        root, "testsuite", name=_text(name), timestamp=_stamp(document), hostname=_text(account["host"])
    )
    drifted = {item["address"] for item in stack["items"]}
    for known in stack["known"]:
        if known["address"] not in drifted:
            ET.SubElement(suite, "testcase", classname=_text(name), name=_text(known["address"]))
    for item in stack["items"]:
        label = item["address"] or item["id"]
        if item["action"] in ("tagged", "foreign"):
            label = f"{label} ({item['id']})" if item["address"] else label
        case = ET.SubElement(suite, "testcase", classname=_text(name), name=_text(label))
        if item["category"] == "follows":
            ET.SubElement(case, "skipped", message=_text(item["reason"]))
            continue
        failure = ET.SubElement(case, "failure", type=item["category"], message=_text(_brief(item)))
        failure.text = _text("\n".join(_details(item)))
    if not len(suite):
        ET.SubElement(suite, "testcase", classname=_text(name), name="the stack")
    return suite


def _not_compared(root: ET.Element, document: Mapping[str, Any], account: Mapping[str, Any]) -> ET.Element:
    name = f"{account['name']}.not-compared"
    suite = ET.SubElement(
        root, "testsuite", name=_text(name), timestamp=_stamp(document), hostname=_text(account["host"])
    )
    for failure in account["not_compared"]:
        case = ET.SubElement(suite, "testcase", classname=_text(name), name=_text(failure["task"]))
        error = ET.SubElement(case, "error", message=_text(failure["problems"][0] if failure["problems"] else "failed"))
        error.text = _text("\n".join(failure["problems"]))
    return suite


def _count(sums: dict[str, int], suite: ET.Element) -> None:
    found = {
        "tests": len(suite.findall("testcase")),
        "failures": len(suite.findall("testcase/failure")),
        "errors": len(suite.findall("testcase/error")),
        "skipped": len(suite.findall("testcase/skipped")),
    }
    for name, count in found.items():
        suite.set(name, str(count))
        sums[name] += count


def _brief(item: Mapping[str, Any]) -> str:
    names = ", ".join(value["name"] for value in item["values"]) if item["category"] == "changed" else ""
    return f"{item['category']}: {names}" if names else str(item["category"])


def _details(item: Mapping[str, Any]) -> list[str]:
    lines = [item["reason"]] if item["reason"] else []
    if item["category"] == "changed":
        for value in item["values"]:
            lines += [
                f"{value['name']} declared: {_flat(value['declared'])}",
                f"{value['name']} as it is: {_flat(value['actual'])}",
            ]
    lines += item["notes"]
    lines += [f"{event.get('who')}: {event.get('event')} at {event.get('time')}" for event in item["events"]]
    return [*lines, item["advice"]]


def _flat(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def _stamp(document: Mapping[str, Any]) -> str:
    return str(document["generated"]).removesuffix("Z")


def _text(value: Any) -> str:
    return _NO_XML.sub("�", str(value))
