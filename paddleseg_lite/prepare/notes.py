"""What is told of a data set: what was found, decided, and written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from paddleseg_lite.annotations.source import Source
from paddleseg_lite.prepare.duplicates import has_hash, near_duplicates
from paddleseg_lite.prepare.groups import Groups
from paddleseg_lite.prepare.layout import TEST, TRAIN, VAL
from paddleseg_lite.prepare.split import Split
from paddleseg_lite.prepare.tally import Tally
from paddleseg_lite.printable import counted, some

# Findings of a source, and what to do by a flag.
_REMEDIES = {
    "binary masks": "--classes 0=NAME 255=NAME names them",
    "palette": "--colors FILE names them",
    "rare colors": "--colors FILE names those that are classes",
    "other colors": "--colors FILE names more",
    "ids renumbered": "nothing to do; --classes ID=NAME names them",
    "unused class": "--classes NAME=NAME keeps one",
}
_DECIDED = ("no annotation", "names alike")  # by flags, before anything is written


def notes_of(source: Source, work: Tally, groups: Groups, split: Split) -> list[str]:
    """Return what was found and decided: the same however often it is asked."""
    found = work.found
    total = int(found.class_pixels.sum()) + found.ignored
    sizes = [split.names(side) for side in (TRAIN, VAL, TEST)]
    how = (
        "as the source has it"
        if source.splits and VAL in source.splits.values()
        else "by share, classes balanced"
    )
    shared = f"{counted(len(sizes[0]), 'image')} to train on, {len(sizes[1])} to evaluate on ({how})"
    notes = [
        f"{source.format}: {counted(len(source.items), 'image')}, classes {', '.join(found.classes)}",
        f"{work.treatment.note} ({work.unlabeled / max(total, 1):.1%} of all pixels)",
        *([groups.note] if not source.splits else []),
        shared + (f", {len(sizes[2])} to test on" if sizes[2] else ""),
        *split.notes,
    ]
    for finding in source.findings:
        if finding.kind not in _DECIDED:
            told = replace(finding, remedy=_REMEDIES.get(finding.kind, finding.remedy))
            notes.append(f"found: {told.message}")
    for side, names in ((TRAIN, sizes[0]), (VAL, sizes[1])):
        shown = np.any([work.holds[name] for name in names], axis=0)
        lacking = [found.classes[i] for i in np.flatnonzero(~shown & (found.class_pixels > 0))]
        if lacking:
            notes.append(f"found: no image of {side} shows {', '.join(lacking)}; annotate more that do")
    if len(found.classes) == 1:
        notes.append(
            f"found: {found.classes[0]} is the one class, and there is nothing to tell it from; --unlabeled "
            "background makes a class of what nothing covers"
        )
    never = [name for name, pixels in zip(found.classes, found.class_pixels) if not pixels]
    if never:
        notes.append(f"found: no pixel is of {', '.join(never)}")
    if not has_hash():
        notes.append(
            "near duplicates were not looked for, without imagehash; pip install 'paddleseg_lite[init]'"
        )
    others = [] if split.is_single else [*sizes[1], *sizes[2]]
    alike = near_duplicates(work.hashes, sizes[0], others)
    if alike:
        pairs = some([f"{one} and {other}" for one, other, _ in alike])
        notes.append(
            f"found: {counted(len(alike), 'image')} to {'evaluate or test' if sizes[2] else 'evaluate'} on "
            f"with a look-alike to train on, as {pairs}: mIoU will be too high; --group keeps such together"
        )
    return notes


def outcome(work: Tally, edited: Sequence[str], folder: Path) -> list[str]:
    """Return what was written, and what was kept since somebody edited it: labels, and the files `edited`."""
    lines = [f"{counted(work.new, 'label')} written, {len(work.holds) - work.new} were there already"]
    if work.edited:
        lines.append(
            f"{counted(len(work.edited), 'label')} in {folder} changed since, and kept: {some(work.edited)}; "
            "remove what is to be made anew"
        )
    lines += [
        f"{folder / name} was changed since, and is kept; remove it to have it made anew" for name in edited
    ]
    return lines
