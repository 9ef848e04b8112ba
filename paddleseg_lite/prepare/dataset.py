"""A whole data set from a source: labels, images, lists, fingerprint, config and page."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddleseg_lite.annotations.source import Source
from paddleseg_lite.datasets.loading.process_map import process_map
from paddleseg_lite.datasets.reading.lists import read_pairs
from paddleseg_lite.errors import UserError
from paddleseg_lite.prepare.config_text import DataFacts, config_text
from paddleseg_lite.prepare.groups import Groups, find_groups
from paddleseg_lite.prepare.layout import (
    CONFIG,
    FINGERPRINT,
    PAGE,
    SEPARATOR,
    TEST,
    TRAIN,
    VAL,
    Target,
    list_text,
    plan_targets,
)
from paddleseg_lite.prepare.memory import total_memory
from paddleseg_lite.prepare.networks import network_facts
from paddleseg_lite.prepare.notes import notes_of, outcome
from paddleseg_lite.prepare.page import choose, page_text
from paddleseg_lite.prepare.recipe import make_recipe
from paddleseg_lite.prepare.record import CLASSES, open_record
from paddleseg_lite.prepare.remake import clear_outdated
from paddleseg_lite.prepare.split import Split, split_images
from paddleseg_lite.prepare.tally import Tally
from paddleseg_lite.prepare.unlabeled import decide
from paddleseg_lite.prepare.write import Writer

_LISTS = (f"{TRAIN}.txt", f"{VAL}.txt")
# Findings of a source that are files or images which do not get into the data set.
_LOST = ("damaged file", "damaged entry", "no image", "same name")


@dataclass(frozen=True)
class InitOptions:
    """How to make a data set.

    Attributes:
        save_dir: its folder.
        val_share: share of the images to evaluate on, where the source has no split.
        seed: of the split.
        group: see `find_groups`.
        unlabeled: see `decide`.
        network: a name in NETWORKS.
        num_workers: processes.
        settings: all that the result depends on, {flag: value}, to be recorded.
        head: lines for the beginning of the config.
    """

    save_dir: Path
    val_share: float = 0.2
    seed: int = 0
    group: str | None = None
    unlabeled: str | None = None
    network: str = "lpsnet_s"
    num_workers: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    head: Sequence[str] = ()


@dataclass
class Prepared:
    """What was made.

    Attributes:
        lines: to be told.
        left_out: {item's name: what is wrong with it}.
        lost: how many files, or entries of files, were left out before they were items.
        images: {"train": how many, "val": ..., "test": ...}.
    """

    lines: list[str]
    left_out: dict[str, str]
    lost: int
    images: dict[str, int]


def prepare_dataset(source: Source, options: InitOptions) -> Prepared:
    """Write a data set.

    Items that cannot be used are left out, and told; the others go on.

    Raises:
        UserError: the options do not fit the source, there is nothing to use, or nothing can be written.
    """
    if not 0 < options.val_share < 1:
        raise UserError(f"--val_share is {options.val_share}; give a share above 0 and below 1, as 0.2")
    network_facts(options.network)
    treatment = decide(source, options.unlabeled, options.num_workers)
    folder = options.save_dir
    items = [item for item in source.items if item.name not in treatment.left_out]
    targets = plan_targets(source, items, folder)
    record = open_record(folder, {**options.settings, CLASSES: list(treatment.classes)})
    _check_space(targets, folder)
    changes = clear_outdated(folder, record)
    record.save(folder)
    work = Tally(treatment)
    for written in process_map(
        Writer(source, treatment, folder), targets, options.num_workers, "labels", "image"
    ):
        work.add(written)
    if not work.holds:
        first = next(iter(work.problems.values()), "all images are without annotation")
        raise UserError(f"no image can be used: {first}")
    kept = {target.item.name: target for target in targets if target.item.name in work.holds}
    groups = find_groups(list(kept), options.group, options.val_share)
    # By somebody, who may have taken images off: none is added then.
    has_edited_lists = any(record.is_edited(folder, name) for name in _LISTS)
    split = _split(source, options, work, kept, groups, has_edited_lists)
    notes = notes_of(source, work, groups, split)
    texts = _texts(source, options, work, kept, split, notes)
    kept_lists = _LISTS if has_edited_lists else ()
    texts = {name: text for name, text in texts.items() if name not in kept_lists}
    edited = [*kept_lists, *record.write_all(folder, texts)]
    lines = [*changes, *notes, *outcome(work, edited, folder)]
    images = {side: len(split.names(side)) for side in (TRAIN, VAL, TEST)}
    lost = sum(len(finding.names) for finding in source.findings if finding.kind in _LOST)
    return Prepared(lines, work.problems, lost, images)


def _split(
    source: Source,
    options: InitOptions,
    work: Tally,
    kept: Mapping[str, Target],
    groups: Groups,
    has_edited_lists: bool,
) -> Split:
    """Return the sides of the items that are kept.

    Raises:
        UserError: one has no image.
    """
    fixed = _known_sides(source, options.save_dir, kept)
    if not source.splits and not has_edited_lists and len(set(fixed.values())) < 2:
        fixed = {}  # the images of a side are all gone
    holds = {name: held for name, held in work.holds.items() if name in fixed or not has_edited_lists}
    split = split_images(holds, groups.keys, options.val_share, options.seed, fixed)
    for side, purpose in ((TRAIN, "train"), (VAL, "evaluate")):
        if not split.names(side):
            raise UserError(
                f"there is no image to {purpose} on: the split of the source, or the lists in "
                f"{options.save_dir}, have none in '{side}'; change that, or remove the lists"
            )
    return split


def _check_space(targets: Sequence[Target], folder: Path) -> None:
    """Check that there is room for the images that are not there yet; labels take little beside them."""
    needed = 0
    for target in targets:
        if target.origin is not None and not os.path.exists(folder / target.image):
            needed += os.path.getsize(target.origin) if os.path.isfile(target.origin) else 0
    above = next(path for path in (folder, *folder.absolute().parents) if os.path.exists(path))
    free = shutil.disk_usage(above).free
    if needed > free:
        raise UserError(
            f"the images take {needed / 1e9:.1f} GB, but {above} has {free / 1e9:.1f} GB left; free some "
            "space, or give a --save_dir that the images lie in, and they are not copied"
        )


def _known_sides(source: Source, folder: Path, kept: Mapping[str, Target]) -> dict[str, str]:
    """Return the sides of images that are known: by the source, else by lists that were written before."""
    if source.splits:
        known = {name: side for name, side in source.splits.items() if name in kept}
        if VAL not in known.values():  # of those to train on, some are to be evaluated on
            known = {name: side for name, side in known.items() if side == TEST}
        return known
    names = {os.path.normpath(folder / target.label): name for name, target in kept.items()}
    sides: dict[str, str] = {}
    for side in (TRAIN, VAL):
        path = folder / f"{side}.txt"
        if path.is_file():
            try:
                pairs = read_pairs(path, folder, SEPARATOR)
            except UserError:  # edited, or of images that are gone: those that are there are shared out anew
                continue
            labels = (os.path.normpath(label) for _, label in pairs if label is not None)
            sides.update((names[label], side) for label in labels if label in names)
    return sides


def _texts(
    source: Source,
    options: InitOptions,
    work: Tally,
    kept: Mapping[str, Target],
    split: Split,
    notes: Sequence[str],
) -> dict[str, str]:
    """Return the files that are written at the end, by name."""
    folder, found, palette = options.save_dir, work.found, work.treatment.palette
    sides = [side for side in (TRAIN, VAL, TEST) if split.names(side)]
    texts = {f"{side}.txt": list_text(kept[n] for n in split.names(side)) for side in sides}
    recipe = make_recipe(found, options.network, len(split.names(TRAIN)), total_memory())
    channels = len(found.mean)
    facts = (work.treatment.classes, palette, channels, TEST in sides)
    texts[CONFIG] = config_text(recipe, DataFacts(options.head, folder.as_posix(), *facts))
    values = {
        "source": source.format,
        "settings": dict(options.settings),
        "split": {side: len(split.names(side)) for side in sides},
        **found.as_dict(),
        "notes": list(notes),
        "findings": [
            {"kind": finding.kind, "message": finding.message, "names": finding.names}
            for finding in source.findings
        ],
        "left_out": work.problems,
    }
    texts[FINGERPRINT] = json.dumps(values, indent=1) + "\n"
    samples = [kept[name] for name in choose({name: work.holds[name] for name in split.sides})]
    texts[PAGE] = page_text(folder, samples, channels, palette, found, split.sides, notes)
    return texts
