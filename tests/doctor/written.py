"""doctor.json, whose form is promised."""

from __future__ import annotations

from pathlib import Path

from paddleseg_lite.json_files import ANYTHING, NUMBER, read_json

_SCHEMA = {
    "format": int,
    "date": str,
    "machine": {str: ANYTHING},
    "device": {str: ANYTHING},
    "checks": [
        {
            **dict.fromkeys(("check", "verdict", "expected", "seen", "remedy", "output"), str),
            "seconds": NUMBER,
            "facts": {str: ANYTHING},
        }
    ],
}


def written(folder: Path) -> dict:
    """Return the report in a folder, if it has the known form."""
    return read_json(folder / "doctor.json", _SCHEMA, "")
