"""doctor.json, and the same for a terminal or a bug report; neither has names of users, hosts or folders."""

from __future__ import annotations

import getpass
import json
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from paddleseg_lite.files import atomic_write
from paddleseg_lite.printable import counted

FILE = "doctor.json"
RIGHT, WRONG, LEFT_OUT = "right", "wrong", "left out"
_PATH = re.compile(r"""(?<![\w./])[~.]*(?:/[^\s/:'"]+){3,}""")  # of more than two names


@dataclass(frozen=True)
class Line:
    """What came of a check.

    Attributes:
        check: its name.
        verdict: RIGHT, WRONG or LEFT_OUT.
        expected: what is right.
        seen: what was found, or why it was left out.
        remedy: what to do; "" unless it is wrong.
        seconds: how long it took, with the start of its process.
        facts: what it tells besides.
        output: the end of what its process said, if it is wrong.
    """

    check: str
    verdict: str
    expected: str
    seen: str
    remedy: str = ""
    seconds: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)
    output: str = ""

    def text(self) -> str:
        """Return it for a person, without its first line, which says the name and what is expected."""
        took = f" ({self.seconds:.0f} s)" if self.seconds else ""
        todo = f"\n    what to do: {self.remedy}" if self.remedy else ""
        return anonymous(
            f"    {self.verdict.upper() if self.verdict == WRONG else self.verdict}{took}: {self.seen}{todo}"
        )


@dataclass
class Report:
    """What is known so far.

    Attributes:
        machine: see `doctor.machine`.
        device: what Paddle says of the device; {} before it was asked or where it cannot tell.
        lines: what came of the checks.
    """

    machine: Mapping[str, Any]
    device: Mapping[str, Any] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)

    def named(self, verdict: str) -> list[str]:
        """Return the checks with a verdict."""
        return [line.check for line in self.lines if line.verdict == verdict]

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        content = {
            "format": 1,
            "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
            "machine": self.machine,
            "device": self.device,
            "checks": [asdict(line) for line in self.lines],
        }
        atomic_write(path, json.dumps(_anonymous_values(content), indent=1))

    def summary(self) -> str:
        """Return how many checks are right, and the names of the others."""
        parts = [f"{counted(len(self.named(RIGHT)), 'check')} right"]
        for verdict in (WRONG, LEFT_OUT):
            if names := self.named(verdict):
                parts.append(f"{len(names)} {verdict} ({', '.join(names)})")
        return ", ".join(parts)


def facts_text(facts: Mapping[str, Any]) -> str:
    """Return facts of a machine as lines "name: value"."""
    return anonymous("\n".join(f"  {name}: {_plain(value)}" for name, value in facts.items()))


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return "; ".join(map(_plain, value)) or "none"
    return str(value)


def _anonymous_values(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _anonymous_values(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_anonymous_values(part) for part in value]
    return anonymous(value) if isinstance(value, str) else value


def anonymous(text: str) -> str:
    """Return a text for others to read: of a path only its last two names, no user, no host.

    A bug report needs the file of a library that a trace names, not where somebody keeps it.
    """
    for name, stands_for in ((str(Path.home()), "~"), (socket.gethostname(), "HOST")):
        if len(name) > 2:
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", stands_for, text)
    try:
        user = re.escape(getpass.getuser())
    except (KeyError, OSError):  # one without a name, as in some containers
        user = "(?!)"
    text = re.sub(rf"(?<=/){user}(?=/|\b)", "USER", text)
    return _PATH.sub(lambda path: ".../" + "/".join(path[0].split("/")[-2:]), text)
