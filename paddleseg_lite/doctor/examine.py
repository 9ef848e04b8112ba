"""Runs the checks, each in a process of its own: what ends one, or hangs in it, is reported like the rest."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from paddleseg_lite.doctor.finding import Finding
from paddleseg_lite.doctor.report import LEFT_OUT, RIGHT, WRONG, Line, Report, facts_text
from paddleseg_lite.doctor.table import CHECKS, INSTALL, SHOW_GPU, Check
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import atomic_write

_PACKAGE = Path(__file__).resolve().parents[2]
_EACH, _ALL, _LEAST = 180.0, 600.0, 20.0  # seconds: of a check at most, of all, and left to begin one
_TAIL = 60  # lines of a process's output that are kept
_SHOWN = 3  # and told
_ERROR = re.compile(r"(\w*Error|error)\b")  # how the line begins that says what was wrong
_USER_ERROR = 2  # the exit code of a command for it
_UNSUPPORTED = "not supported by Paddle"  # which it says of a GPU's capability, and then computes nonsense

Command = Callable[[str, str, Path], "list[str]"]


def command_of(check: str, device: str, folder: Path) -> list[str]:
    """Return the command that does one check and writes what it found into a folder."""
    start = "from paddleseg_lite.cli.main import main; main('doctor')"
    return [sys.executable, "-c", start, "--check", check, "--device", device, "--save_dir", str(folder)]


def examine(
    report: Report,
    device: str,
    save: Callable[[], None],
    tell: Callable[[str], None],
    checks: Sequence[Check] = CHECKS,
    command: Command = command_of,
) -> None:
    """Run checks, one after the other, and put what came of each into the report.

    Args:
        report: is added to.
        device: as in --device.
        save: called at the start and after each check.
        tell: gets texts of a line or several about what is under way and what came of it.
        checks: which; the first one says what the device is.
        command: what does one check: see `command_of`.

    Raises:
        UserError: there is no such device.
        KeyboardInterrupt: as it came, after the report has all that was found.
    """
    started = time.monotonic()
    save()
    for number, check in enumerate(checks, start=1):
        tell(f"[{number}/{len(checks)}] {check.name}: {check.expected}")
        left = _ALL - (time.monotonic() - started)
        reason = check.needs(report.device) or ("" if left > _LEAST else "the ten minutes are over")
        line = Line(check.name, LEFT_OUT, check.expected, reason)
        try:
            if not reason:
                line = _line(check, device, min(_EACH, left), command)
        except KeyboardInterrupt:
            report.lines += [Line(c.name, LEFT_OUT, c.expected, "interrupted") for c in checks[number - 1 :]]
            save()
            raise
        if check.name == "device":
            report.device = line.facts
            line = replace(_with_gpus_looked_for(line, device, report.machine), facts={})
            tell(facts_text(report.device))
        report.lines.append(line)
        save()
        tell(line.text())


def _with_gpus_looked_for(line: Line, device: str, machine: Mapping[str, Any]) -> Line:
    """Call it wrong if Paddle took the CPU though the driver, or the installed Paddle, is there for GPUs."""
    known, gpu_package = machine.get("nvidia_smi"), "paddlepaddle-gpu" in machine.get("packages", ())
    if device != "auto" or line.facts.get("device") != "cpu" or not (known or gpu_package):
        return line
    said = f"nvidia-smi says {'; '.join(known)}" if known else "paddlepaddle-gpu is installed"
    return replace(
        line,
        verdict=WRONG,
        seen=f"{line.seen}; but {said}, and Paddle finds no GPU",
        remedy=SHOW_GPU if gpu_package else INSTALL,
    )


def _line(check: Check, device: str, seconds: float, command: Command) -> Line:
    """Do one check in a process of its own, of so many seconds at most."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="doctor-") as work:
        folder, printed = Path(work), Path(work, "printed")
        code = _run(
            command(check.name, device, folder), {**os.environ, **check.environment}, printed, seconds
        )
        output = printed.read_text(encoding="utf-8", errors="replace").replace(work, "WORK")
        finding = _read(folder)
    if code == _USER_ERROR and check.name == "device":
        raise UserError(output.splitlines()[-1].partition("error: ")[2])
    if finding is None or code not in (0, 1):
        finding = Finding(False, _how_it_ended(code, seconds, output))
    elif _UNSUPPORTED in output:
        said = next(line for line in output.splitlines() if _UNSUPPORTED in line)
        finding = Finding(False, f"{finding.seen}; and Paddle says: {said.strip()[:300]}", finding.facts)
    return Line(
        check.name,
        RIGHT if finding.is_right else WRONG,
        check.expected,
        finding.seen,
        "" if finding.is_right else check.remedy,
        round(time.monotonic() - started, 1),
        finding.facts,
        "" if finding.is_right else "\n".join(output.splitlines()[-_TAIL:]),
    )


def _run(command: list[str], environment: dict[str, str], printed: Path, seconds: float) -> int | None:
    """Run a command to its end; return its exit code, or None if it was ended after so many seconds."""
    path = os.pathsep.join(filter(None, [str(_PACKAGE), environment.get("PYTHONPATH")]))
    with printed.open("w") as out:
        process = subprocess.Popen(
            command,
            env={**environment, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,  # so that it ends with all that it started, and Ctrl-C is ours alone
        )
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, if it runs, and those that it started."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except OSError:  # none of them is left
        pass
    process.wait()


def _how_it_ended(code: int | None, seconds: float, output: str) -> str:
    if code is None:
        ended = f"no answer within {seconds:.0f} s"
    elif code < 0:
        ended = f"its process was ended by {signal.Signals(-code).name}"
    else:
        ended = f"its process ended with {code}"
    said = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [index for index, line in enumerate(said) if _ERROR.match(line)]
    last = said[errors[-1] :][:_SHOWN] if errors else said[-_SHOWN:]
    return f"{ended}; it said last: {' | '.join(last)[:400]}" if last else ended


def run_here(check: Check) -> Finding:
    """Do a check in this process, on Paddle's current device."""
    function = getattr(import_module(f"paddleseg_lite.doctor.checks.{check.module}"), check.name)
    with tempfile.TemporaryDirectory(prefix="doctor-") as work:
        return function(Path(work))


def write_finding(finding: Finding, folder: Path) -> None:
    """Write what a check found, for the process that asked for it."""
    atomic_write(folder / _FILE, json.dumps(asdict(finding)))


_FILE = "finding.json"


def _read(folder: Path) -> Finding | None:
    path = folder / _FILE
    return Finding(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None
