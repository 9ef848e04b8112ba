"""Checks that end well, badly or not at all; none of them takes the others along."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from paddleseg_lite.doctor import examine as examining
from paddleseg_lite.doctor.examine import examine
from paddleseg_lite.doctor.report import LEFT_OUT, RIGHT, WRONG, Report
from paddleseg_lite.doctor.table import INSTALL, SHOW_GPU, Check
from paddleseg_lite.errors import UserError
from tests.doctor.written import written

# What stands for a check's process: `found(is_right, seen, facts)` writes as a real one does.
START = """
import json, os, signal, subprocess, sys, time
def found(is_right, seen, **facts):
    with open(sys.argv[1] + "/finding.json", "w") as file:
        json.dump({"is_right": is_right, "seen": seen, "facts": facts}, file)
"""
SOUND = "found(True, 'well')"


def examined(folder: Path, on: str = "auto", machine: dict | None = None, /, **programs: str) -> Report:
    """Examine by checks that run these programs; leave the report in `folder` as well."""
    report, told = Report(machine or {}), []

    def command(name: str, device: str, work: Path) -> list[str]:
        return [sys.executable, "-S", "-c", START + programs[name], str(work)]

    def save() -> None:
        report.save(folder / "doctor.json")

    checks = [Check(name, "none", f"{name} is well", f"mend {name}") for name in programs]
    try:
        examine(report, on, save, told.append, checks, command)
    finally:
        (folder / "told.txt").write_text("\n".join(told))
    return report


def test_a_check_that_is_wrong_is_told_with_what_to_do(tmp_path: Path) -> None:
    """That is the whole report: expected, seen, verdict, remedy; a right one has nothing to be done."""
    report = examined(tmp_path, first=SOUND, second="print('a trace'); found(False, '7'); sys.exit(1)")
    right, wrong = report.lines
    assert (right.verdict, right.seen, right.remedy) == (RIGHT, "well", "")
    assert (wrong.verdict, wrong.expected, wrong.seen) == (WRONG, "second is well", "7")
    assert (wrong.remedy, wrong.output) == ("mend second", "a trace")
    told = (tmp_path / "told.txt").read_text()
    assert "[2/2] second: second is well\n    WRONG" in told
    assert told.endswith(": 7\n    what to do: mend second")
    assert report.summary() == "1 check right, 1 wrong (second)"


@pytest.mark.parametrize(
    ("program", "seen"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "its process was ended by SIGSEGV"),
        ("print('at the end', flush=True); os.abort()", "ended by SIGABRT; it said last: at the end"),
        ("found(True, 'too early'); os.abort()", "ended by SIGABRT"),
        ("raise RuntimeError('no kernel')", "ended with 1; it said last: RuntimeError: no kernel"),
        ("print('error: a sentence', file=sys.stderr); sys.exit(2)", "it said last: error: a sentence"),
        ("pass", "its process ended with 0"),
        (f"print('W1114 capability 90, which is {examining._UNSUPPORTED}'); {SOUND}", "capability 90, which"),
    ],
)
def test_a_process_that_ends_badly_is_told_like_the_rest(tmp_path: Path, program: str, seen: str) -> None:
    """A kernel that crashes takes its process along, and Paddle says of some GPUs that it knows none."""
    report = examined(tmp_path, bad=program, good=SOUND)
    assert [line.verdict for line in report.lines] == [WRONG, RIGHT]
    assert seen in report.lines[0].seen
    assert report.lines[0].remedy == "mend bad"


def test_a_check_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers and ranks would go on computing under the checks that follow."""
    monkeypatch.setattr(examining, "_EACH", 1.0)
    pid = tmp_path / "pid"
    child = f"child = subprocess.Popen(['sleep', '60']); open({str(pid)!r}, 'w').write(str(child.pid))"
    report = examined(tmp_path, slow=f"{child}; time.sleep(60)", good=SOUND)
    assert report.lines[0].seen == "no answer within 1 s"
    assert report.lines[1].verdict == RIGHT
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid.read_text()}") and time.monotonic() < deadline:
        state = Path(f"/proc/{pid.read_text()}/stat").read_text().split()[2]
        if state == "Z":  # ended, and nobody asks for it
            return
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{pid.read_text()}")


def test_after_ctrl_c_there_is_what_was_found_until_then(tmp_path: Path) -> None:
    """The check under way and those after it are told as left out."""
    # A shell that starts the tests in the background has them ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    stop = "os.kill(os.getppid(), signal.SIGINT); time.sleep(60)"
    try:
        with pytest.raises(KeyboardInterrupt):
            examined(tmp_path, first=SOUND, second=stop, third=SOUND)
    finally:
        signal.signal(signal.SIGINT, before)
    saved = written(tmp_path)
    assert [line["verdict"] for line in saved["checks"]] == [RIGHT, LEFT_OUT, LEFT_OUT]
    assert {line["seen"] for line in saved["checks"][1:]} == {"interrupted"}


def test_no_check_begins_after_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes is what is promised."""
    monkeypatch.setattr(examining, "_ALL", 0.0)
    (line,) = examined(tmp_path, first="raise SystemExit('began')").lines
    assert (line.verdict, line.seen) == (LEFT_OUT, "the ten minutes are over")


@pytest.mark.parametrize(
    ("machine", "remedy"),
    [
        ({"nvidia_smi": ["NVIDIA H100, 550.54"], "packages": {"paddlepaddle": "3.3.1"}}, INSTALL),
        ({"nvidia_smi": [], "packages": {"paddlepaddle-gpu": "2.6.2"}}, SHOW_GPU),
        ({"nvidia_smi": [], "packages": {"paddlepaddle": "3.3.1"}}, ""),
    ],
)
def test_a_gpu_that_paddle_does_not_find_is_wrong(tmp_path: Path, machine: dict, remedy: str) -> None:
    """A Paddle for CPUs beside a GPU, a container without its GPUs; not where the CPU is asked for."""
    program = "found(True, 'cpu', device='cpu')"
    report = examined(tmp_path, "auto", machine, device=program)
    assert report.device == {"device": "cpu"}
    assert report.lines[0].verdict == (WRONG if remedy else RIGHT)
    assert report.lines[0].remedy == remedy
    assert examined(tmp_path, "cpu", machine, device=program).lines[0].verdict == RIGHT


def test_a_device_that_there_is_not_is_a_mistake_of_the_command_line(tmp_path: Path) -> None:
    """And not as many wrong checks as there are; what the machine is was saved."""
    program = "print('error: --device gpu: Paddle finds no GPU', file=sys.stderr); sys.exit(2)"
    with pytest.raises(UserError, match=r"^--device gpu: Paddle finds no GPU$"):
        examined(tmp_path, "gpu", {"cores": 2}, device=program, other=SOUND)
    assert written(tmp_path)["machine"] == {"cores": 2}


def test_a_report_names_no_user_no_host_and_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is posted in public; of a trace the last two names of a path are enough."""
    monkeypatch.setattr("socket.gethostname", lambda: "build-box-7")
    monkeypatch.setattr("getpass.getuser", lambda: "jdoe")
    monkeypatch.setattr("pathlib.Path.home", lambda: Path("/home/jdoe"))
    secret = "at /home/jdoe/mine/x.py, /srv/jdoe/y.py, /opt/acme/lib/paddle/nn.py:3 on build-box-7 (img/s)"
    examined(tmp_path, bad=f"print({secret!r}); found(False, {secret!r}, where={secret!r}); sys.exit(1)")
    for text in ((tmp_path / "doctor.json").read_text(), (tmp_path / "told.txt").read_text()):
        assert not any(name in text for name in ("jdoe", "acme", "build-box"))
        assert ".../paddle/nn.py:3 on HOST (img/s)" in text


def test_the_report_is_data_of_a_known_form(tmp_path: Path) -> None:
    """Somebody may read a hundred of them by a program."""
    examined(tmp_path, one="found(True, 'well', speed=2.5)")
    saved = written(tmp_path)
    (line,) = saved["checks"]
    assert line["facts"] == {"speed": 2.5}
    assert saved["format"] == 1
