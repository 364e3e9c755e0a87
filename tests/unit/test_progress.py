# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is awaited, from what modules write to the lines that people read."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._argocd.waiting import progress
from ansible_collections.innovate.platform.plugins.module_utils._run.progress import FOLDER, RUN_DIRECTORY, Recorder
from ansible_collections.innovate.platform.plugins.plugin_utils import run_directory
from ansible_collections.innovate.platform.plugins.plugin_utils.progress_text import WIDTH, Board, duration

NOW = 1_000_000.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RUN_DIRECTORY, str(tmp_path))
    monkeypatch.setattr("time.time", lambda: NOW)
    return tmp_path / FOLDER


def recorder(stack: str = "eks-dev", account: str = "dev") -> Recorder:
    return Recorder(account, stack)


def told(recorder: Recorder, *steps: tuple[str, str, str]) -> None:
    for address, state, status in steps:
        recorder.step(address, state, 0, status)


def test_one_thing_is_a_line_with_its_status_and_time(folder: Path) -> None:
    told(recorder(), ("eks_cluster.main", "begun", ""), ("eks_cluster.main", "ready", "CREATING"))
    assert Board(10).look(folder, NOW + 130) == ["  .. dev  eks_cluster.main  CREATING  2 min 10 s"]


def test_several_things_of_a_stack_are_one_line_and_each_stack_has_its_own(folder: Path) -> None:
    one = recorder("vpc-dev")
    told(one, ("nat_gateway.a", "ready", "pending"), ("vpc_endpoint.s3", "ready", ""), ("subnet.a", "begun", ""))
    told(recorder("vpc-prod", "prod"), ("nat_gateway.a", "gone", "deleting"))
    assert Board(10).look(folder, NOW + 11) == [
        "  .. dev  vpc-dev: nat_gateway.a pending 11 s, vpc_endpoint.s3 not ready yet 11 s, 1 more",
        "  .. prod  nat_gateway.a  deleting  11 s",
    ]


def test_a_long_line_is_cut(folder: Path) -> None:
    told(recorder(), ("manifest.ConfigMap/a/b", "ready", "waits for " + "x" * 200))
    one = Board(10).look(folder, NOW + 10)[0]
    told(recorder(), *((f"eks_addon.a-rather-long-name-{n}", "ready", "CREATING") for n in range(20)))
    many = Board(10).look(folder, NOW + 10)[0]
    assert len(one) == WIDTH
    assert one.endswith("…  10 s")
    assert len(many) <= WIDTH
    assert many.endswith("20 more")


def test_lines_come_once_in_an_interval_and_not_for_what_is_quick(folder: Path) -> None:
    board = Board(10)
    waiting = recorder()
    told(waiting, ("eks_cluster.main", "begun", ""))
    assert [bool(board.look(folder, NOW + second)) for second in (4, 5, 14, 15, 24, 25)] == [
        *(False, True),
        *(False, True),
        *(False, True),
    ]


def test_the_end_of_what_was_told_is_told(folder: Path) -> None:
    board, waiting = Board(10), recorder()
    told(waiting, ("eks_cluster.main", "ready", "CREATING"), ("iam_role.node", "begun", ""))
    told(waiting, ("iam_role.node", "done", ""))
    told(waiting, ("db_instance.main", "gone", "deleting"), ("eks_addon.dns", "begun", ""))
    assert len(board.look(folder, NOW + 20)) == 1
    told(waiting, *((name, "done", "") for name in ("eks_cluster.main", "db_instance.main")))
    told(waiting, ("eks_addon.dns", "failed", ""))
    assert board.look(folder, NOW + 21) == [
        "  -- dev  eks_cluster.main  ready after 0 s",
        "  -- dev  db_instance.main  gone after 0 s",
        "  -- dev  eks_addon.dns  failed after 0 s",
    ]
    assert board.look(folder, NOW + 60) == []


def test_what_has_ended_is_awaited_no_longer(folder: Path) -> None:
    board = Board(10)
    ended, killed = recorder(), subprocess.Popen(["true"])
    told(ended, ("eks_cluster.main", "begun", ""))
    killed.wait()
    (folder / f"{killed.pid}.jsonl").write_text((folder / f"{os.getpid()}.jsonl").read_text())
    assert board.look(folder, NOW + 10) == ["  .. dev  eks_cluster.main  in progress  10 s"]
    ended.close()
    assert board.look(folder, NOW + 30) == []


def test_a_half_written_line_is_read_when_it_is_whole(folder: Path) -> None:
    board = Board(10)
    told(recorder(), ("eks_cluster.main", "begun", ""))
    path = folder / f"{os.getpid()}.jsonl"
    whole = path.read_text()
    path.write_text(f"no line of ours\n{whole[:20]}")
    assert board.look(folder, NOW + 10) == []
    path.write_text(f"no line of ours\n{whole}")
    assert len(board.look(folder, NOW + 11)) == 1


def test_without_a_directory_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for value in (None, "", str(tmp_path / "gone")):
        monkeypatch.delenv(RUN_DIRECTORY, raising=False)
        if value is not None:
            monkeypatch.setenv(RUN_DIRECTORY, value)
        waiting = recorder()
        told(waiting, ("eks_cluster.main", "begun", ""))
        waiting.close()
    assert list(tmp_path.iterdir()) == []


def test_modules_and_callbacks_mean_the_same_directory() -> None:
    assert run_directory.VARIABLE == RUN_DIRECTORY


def test_a_full_disk_does_not_stop_a_change(folder: Path) -> None:
    waiting = recorder()
    told(waiting, ("eks_cluster.main", "begun", ""))
    waiting._descriptor = os.open("/dev/full", os.O_WRONLY)
    told(waiting, ("eks_cluster.main", "done", ""))
    waiting.close()


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (3660, "1 h 1 min")]
)
def test_time_is_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_argo_cd_is_told_of_in_its_own_words() -> None:
    root: dict[str, Any] = {
        "metadata": {"name": "root"},
        "status": {"sync": {"status": "OutOfSync"}, "health": {"status": "Progressing"}},
    }
    assert progress([root], "root") == ("application.root", "ready", 0, "OutOfSync, Progressing")
    assert progress([root], "other") == ("application.other", "ready", 0, "not made yet")
    assert progress([root], "") == ("applications", "gone", 0, "1 left")
