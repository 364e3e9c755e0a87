# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it means for who waits that Argo CD says this or that of an application."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._argocd.applications import (
    REFRESH,
    explained,
    shortened,
    standing,
)
from ansible_collections.innovate.platform.plugins.module_utils._argocd.waiting import Argo, follow, vanish
from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError

SOURCE = {
    "repoURL": "https://github.com/example/platform-config.git",
    "targetRevision": "main",
    "path": "environments/dev",
}
REFUSED = (
    "Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: code = Unknown desc = "
    "failed to list refs: authentication required: Unauthorized"
)


def application(
    name: str = "root", *, source: dict[str, str] | None = None, error: str = "", asked: bool = False, **status: Any
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "metadata": {"name": name, "annotations": {REFRESH: "normal"} if asked else {}},
        "spec": {"source": source or SOURCE},
        "status": {
            "sync": {"status": "Synced", "revision": "5d9c1a4", "comparedTo": {"source": source or SOURCE}},
            "health": {"status": "Healthy"},
            **status,
        },
    }
    if error:
        found["status"]["conditions"] = [{"type": "ComparisonError", "message": error}]
        found["status"]["sync"]["status"] = "Unknown"
    return found


class Controller:
    """Answers with one list of applications after the other, the last one for ever; knows what it was asked."""

    def __init__(self, *answers: list[dict[str, Any]]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, bool]] = []
        self.now = 0.0

    def look(self) -> list[dict[str, Any]]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def argo(self, timeout: float = 60) -> Argo:
        return Argo(self.look, lambda *asked: self.asked.append(asked), timeout, 2, lambda: self.now, self.pass_time)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("found", "lacks"),
    [
        (application(), ""),
        (application(health={"status": "Degraded"}), ""),
        (application(sync={"status": "OutOfSync", "comparedTo": {"source": SOURCE}}), "it is OutOfSync"),
        (application(operationState={"phase": "Running", "message": "waiting for wave 1"}), "waiting for wave 1"),
        (
            application(
                sync={"status": "OutOfSync", "comparedTo": {"source": SOURCE}},
                operationState={"phase": "Failed", "message": "quota exceeded"},
            ),
            "its synchronization failed: quota exceeded",
        ),
        (application(sync={"status": "Synced", "comparedTo": {"source": {}}}), "hasn't been compared"),
        ({"metadata": {"name": "root"}, "spec": {"source": SOURCE}}, "hasn't been compared"),
        (application(error="nobody home"), "nobody home"),
    ],
)
def test_an_application_is_synchronized_or_lacks_something(found: dict[str, Any], lacks: str) -> None:
    told = standing(found, healthy=False).lacks
    assert (lacks in told) if lacks else told == ""


def test_one_that_has_to_be_healthy_tells_what_is_not() -> None:
    resources = [
        {"kind": "Application", "name": "sample", "health": {"status": "Degraded", "message": "no room"}},
        {"kind": "Application", "name": "namespaces", "health": {"status": "Healthy"}},
    ]
    found = application(health={"status": "Degraded"}, resources=resources)
    assert standing(found, healthy=True).lacks == "it is Degraded: Application sample is Degraded (no room)"


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (REFUSED, "the repository refuses the credential"),
        ("failed to list refs: repository not found: Repository not found.", "there is no such repository"),
        ("x: environments/dve: app path does not exist", "the directory isn't in this revision"),
        ("unable to resolve 'mian' to a commit SHA", "the revision isn't in the repository"),
        ("dial tcp: lookup git.example.com: no such host", "the host can't be reached from the cluster"),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "argocd_repository_ca"),
        ("something nobody has seen before", "can't follow https://github.com/example/platform-config.git (revision"),
    ],
)
def test_an_error_becomes_one_sentence_that_says_what_to_do(error: str, meaning: str) -> None:
    sentence = explained(application(), error)
    assert sentence.startswith("application 'root' can't follow ")
    assert meaning in sentence
    assert "rpc error" not in sentence
    assert "\n" not in sentence


def test_what_only_programmers_read_is_left_out() -> None:
    assert shortened(REFUSED) == "authentication required: Unauthorized"


def test_it_is_compared_anew_before_it_is_believed() -> None:
    controller = Controller([application()], [application(asked=True)], [application()])
    found = follow(controller.argo(), "root", healthy=False)
    assert controller.asked == [("root", False)]
    assert found == {"root": {"sync": "Synced", "health": "Healthy", "revision": "5d9c1a4"}}


def test_it_is_waited_for_until_it_is_made_and_done() -> None:
    running = application(operationState={"phase": "Running"})
    controller = Controller([], [application(asked=True)], [running], [running], [application()])
    follow(controller.argo(), "root", healthy=False)
    assert controller.asked == [("root", False)]


def test_one_that_is_still_from_elsewhere_is_not_believed() -> None:
    old = {**SOURCE, "path": "environments/old"}
    controller = Controller([application(source=old)], [application(source=old)], [application()], [application()])
    follow(controller.argo(), "root", healthy=False, source=SOURCE)
    assert controller.now == 6


def test_a_repository_that_is_refused_is_told_after_some_attempts_not_after_the_timeout() -> None:
    controller = Controller([application(error=REFUSED)])
    with pytest.raises(EngineError, match="the repository refuses the credential") as caught:
        follow(controller.argo(), "root", healthy=False)
    assert len(caught.value.problems) == 1
    assert controller.now < 20
    assert set(controller.asked) == {("root", True)}


def test_programs_that_are_starting_are_waited_for() -> None:
    starting = "rpc error: code = Unavailable desc = connection error: dial tcp 10.0.0.1:8081: connection refused"
    controller = Controller(*[[application(error=starting)]] * 10, [application()])
    follow(controller.argo(), "root", healthy=False)


def test_a_timeout_names_each_application_that_holds_it_up() -> None:
    root = application(operationState={"phase": "Running", "message": "waiting for healthy state of namespaces"})
    child = application("namespaces", error="x: namespaces/dve: app path does not exist")
    controller = Controller([root, child, application("sample")])
    with pytest.raises(EngineError) as caught:
        follow(controller.argo(), "root", healthy=False)
    first, second = caught.value.problems
    assert first.startswith("application 'root' isn't what its repository says after 60 seconds: it is being synchron")
    assert second.startswith("application 'namespaces' isn't what its repository says: x: namespaces/dve: app path")


def test_an_application_that_is_never_made_is_told() -> None:
    with pytest.raises(EngineError, match="there is no application 'root' after 60 seconds"):
        follow(Controller([]).argo(), "root", healthy=False)


def deleted(name: str, **changes: Any) -> dict[str, Any]:
    found = application(name, **changes)
    found["metadata"]["deletionTimestamp"] = "2026-11-22T18:00:00Z"
    return found


def test_applications_that_go_are_waited_for() -> None:
    controller = Controller([application()], [deleted("root"), deleted("sample")], [deleted("root")], [])
    vanish(controller.argo())
    assert controller.now == 6


def test_an_application_that_nobody_deletes_is_told_at_once() -> None:
    controller = Controller([application("by-hand")])
    with pytest.raises(EngineError, match="application 'by-hand' isn't made by the root application: delete it first"):
        vanish(controller.argo(timeout=600))
    assert controller.now < 60


def test_an_application_that_can_not_go_says_why() -> None:
    stuck = deleted("sample")
    stuck["status"]["conditions"] = [{"type": "DeletionError", "message": "namespace is held"}]
    with pytest.raises(EngineError) as caught:
        vanish(Controller([stuck, deleted("root")]).argo())
    first, second = caught.value.problems
    assert first == "application 'sample' isn't gone after 60 seconds: namespace is held"
    assert second.startswith("application 'root' isn't gone after 60 seconds: what it has made goes first")
