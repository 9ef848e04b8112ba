"""What becomes of a data set when init is called again with other flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paddleseg_lite.errors import UserError
from paddleseg_lite.prepare.layout import CONFIG, LABELS, TRAIN, VAL
from paddleseg_lite.prepare.record import CLASSES, Record
from paddleseg_lite.prepare.write import is_as_written
from paddleseg_lite.printable import counted, some

# What labels depend on, and no list: these are made anew, as long as nobody edited them.
_OF_LABELS = ("unlabeled", "classes", "colors", "line_width", CLASSES)


def clear_outdated(folder: Path, record: Record) -> list[str]:
    """Remove labels and config that were made with other flags, to be made anew; return what to tell.

    Who corrects --classes need not remove anything by hand. A flag that was given before and is not now may
    be forgotten, and another split would train on what was evaluated on: then nothing is touched.

    Raises:
        UserError: nothing is to be made anew by itself, or somebody's changes would be lost.
    """
    if not record.changed:
        return []
    # The flag that was changed, rather than the classes that come of it.
    name = min(record.changed, key=lambda name: name == CLASSES)
    before, now = record.changed[name]
    made = f"{folder} was made with {_flag(name, before)}, not with {_flag(name, now)}"
    if any(_is_refused(name, record) for name in record.changed):
        raise UserError(
            f"{made}; give that as before, or another --save_dir, or remove {folder / TRAIN}.txt and "
            f"{VAL}.txt to make all anew"
        )
    labels = sorted(folder.joinpath(LABELS).rglob("*.png"))
    edited = [CONFIG] * record.is_edited(folder, CONFIG)
    edited += [path.relative_to(folder).as_posix() for path in labels if not is_as_written(path)]
    if edited:
        raise UserError(
            f"{made}, so labels and config are to be made anew, but {counted(len(edited), 'file')} in it "
            f"changed since ({some(edited)}) would be lost; remove what may be made anew, or give another "
            "--save_dir"
        )
    # Interrupted from here on, no config trains on labels of two kinds.
    for path in (folder / CONFIG, *labels):
        path.unlink(missing_ok=True)
    return [f"{made}: all labels and {CONFIG} are made anew; weights trained before are for the old ones"]


def _is_refused(name: str, record: Record) -> bool:
    """Whether a flag is none of the labels', or was forgotten; what changes no class was not needed."""
    is_needless = name == "classes" and CLASSES not in record.changed
    return name not in _OF_LABELS or (record.changed[name][1] in (None, []) and not is_needless)


def _flag(name: str, value: Any) -> str:
    shown = " ".join(map(str, value)) if isinstance(value, list) else value
    if name == "source":
        return f"SOURCE {shown}"
    if name == CLASSES:
        return f"the classes {', '.join(value)}"
    return f"no --{name}" if shown in (None, "") else f"--{name} {shown}"
