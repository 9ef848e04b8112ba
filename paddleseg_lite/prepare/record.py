"""How init was called, and what it wrote: so that it changes nothing twice, and keeps what people edited."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddleseg_lite.errors import UserError
from paddleseg_lite.files import atomic_write, sha256
from paddleseg_lite.json_files import ANYTHING, read_json
from paddleseg_lite.prepare.layout import CONFIG, IMAGES, LABELS, RECORD, TRAIN, VAL

_FORMAT = 1
CLASSES = "classes found"  # among the settings, though no flag
_SCHEMA = {"format": int, "settings": {str: ANYTHING}, "written": {str: [str]}}


@dataclass
class Record:
    """What is known of a folder.

    Attributes:
        settings: {flag without dashes: its value}, of the run that made it.
        written: {file relative to the folder: the last two SHA-256 that it had or was to have}.
        changed: {flag: (before, now)} of those that are others than the folder was made whole with.
    """

    settings: dict[str, Any]
    written: dict[str, list[str]] = field(default_factory=dict)
    changed: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write it, if it changed."""
        values = {"format": _FORMAT, "settings": self.settings, "written": dict(sorted(self.written.items()))}
        put(folder / RECORD, (json.dumps(values, indent=1) + "\n").encode())

    def write_all(self, folder: Path, texts: Mapping[str, str]) -> list[str]:
        """Write files that people may edit, but for those that somebody did; return the names of these.

        What is to be written is remembered first: interrupted in between, a file is known either way.
        """
        edited = [name for name in texts if self.is_edited(folder, name)]
        datas = {name: text.encode() for name, text in texts.items() if name not in edited}
        for name, data in datas.items():
            known, new = self.written.get(name, []), hashlib.sha256(data).hexdigest()
            self.written[name] = [*(one for one in known if one != new), new][-2:]
        self.save(folder)
        for name, data in datas.items():
            put(folder / name, data)
        return [name for name in edited if (folder / name).read_bytes() != texts[name].encode()]

    def is_edited(self, folder: Path, name: str) -> bool:
        """Return whether a file is there and was changed, or made, by somebody else."""
        path = folder / name
        if not os.path.lexists(path):
            return False
        return sha256(path) not in self.written.get(name, [])


def put(path: Path, data: bytes) -> bool:
    """Write a file, unless it has this content; return whether it was written."""
    if os.path.isfile(path) and path.stat().st_size == len(data) and path.read_bytes() == data:
        return False
    atomic_write(path, data, sync=False)
    return True


def open_record(folder: Path, settings: Mapping[str, Any]) -> Record:
    """Return the record of a folder to write to, or a new one.

    Raises:
        UserError: the record is damaged, or the folder has such files of somebody else.
    """
    path = folder / RECORD
    if not os.path.lexists(path):
        names = (IMAGES, LABELS, f"{TRAIN}.txt", f"{VAL}.txt", CONFIG)
        found = next((name for name in names if os.path.lexists(folder / name)), None)
        if found:
            raise UserError(f"{folder / found} is there already and is not by init; give another --save_dir")
        return Record(dict(settings))
    values = read_json(path, _SCHEMA, f"remove {folder}, or give another --save_dir")
    if values["format"] != _FORMAT:
        raise UserError(f"{path} is of another version (format {values['format']}); give another --save_dir")
    before, is_whole = values["settings"], os.path.lexists(folder / f"{TRAIN}.txt")
    pairs = {name: (before.get(name), value) for name, value in settings.items()}
    changed = {name: pair for name, pair in pairs.items() if pair[0] != pair[1] and is_whole}
    return Record(dict(settings), values["written"], changed)
