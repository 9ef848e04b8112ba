"""Probable causes of wrong labels: each function knows one, and says how to tell and what to do."""

from __future__ import annotations

import math

import numpy as np

from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.datasets.check.findings import Findings
from paddleseg_lite.datasets.check.pair import MAX_COLORS, Color
from paddleseg_lite.datasets.check.photographs import photograph_warnings, turned_labels
from paddleseg_lite.datasets.padding import padding_warning
from paddleseg_lite.datasets.problems import Problem
from paddleseg_lite.datasets.reading.labels import ranges
from paddleseg_lite.printable import counted, some

NOT_ALL_CLASSES = "classes that are not there"
MIXED_MASKS = "masks of 0 and 255 among labels of class ids"
_LISTED = 12  # colors or ids that a hint spells out


def diagnose(findings: Findings, data: SegmentationDataset) -> None:
    """Add the problems that only the sum of all labels shows, probable causes and warnings."""
    causes = [hint(findings, data) for hint in (turned_labels, _jpeg_labels, _color_labels, _wide_labels)]
    occurring = np.flatnonzero(findings.class_pixels).tolist()
    is_single = data.num_classes > 1 and len(occurring) < 2 and bool(findings.raw.any())
    if is_single and (data.mode == "train" or _is_mask(findings, data)):
        words = f"only {occurring[0]} ({data.classes[occurring[0]]}) occurs" if occurring else "none occurs"
        message = (
            f"of {data.num_classes} classes {words}, and {_share(findings.ignored, findings)} of the pixels "
            f"are ignored ({data.ignore_index}): nothing can be learned from these labels"
        )
        findings.problems.append(Problem(NOT_ALL_CLASSES, "", message))
    mixed = _mixed_masks(findings, data)
    if mixed:
        causes.append(mixed)
    elif (findings.bad.any() or is_single) and not findings.jpeg_labels:  # of those, any id may be a smear
        causes.append(next((hint for pattern in _PATTERNS if (hint := pattern(findings, data))), None))
    findings.causes += [cause for cause in causes if cause]
    _warn(findings, data, occurring)


def _warn(findings: Findings, data: SegmentationDataset, occurring: list[int]) -> None:
    absent = [index for index in range(data.num_classes) if index not in occurring]
    if absent == [0] and not findings.bad.any() and data.num_classes > 2:
        findings.warnings.append(
            "class 0 never occurs while all others do; if the ids in the files start at 1, set num_classes "
            f"to one less and label_map to {_shifted(data.num_classes - 1)}"
        )
    elif absent and occurring:
        names = ", ".join(f"{index} ({data.classes[index]})" for index in absent)
        findings.warnings.append(f"classes that never occur: {names}")
    _warn_of_palette(findings, data)
    findings.warnings += photograph_warnings(findings, data)
    if data.mode == "train" and (small := padding_warning(data.transforms, findings.sizes)):
        findings.warnings.append(small)
    if len(findings.bits) > 1:
        findings.warnings.append("some images have 8 bits for each channel, others 16; they are scaled alike")


def _jpeg_labels(findings: Findings, data: SegmentationDataset) -> str | None:
    if not findings.jpeg_labels:
        return None
    return (
        f"{findings.jpeg_labels} labels are JPEGs: the compression smears ids where classes meet, also into "
        "ids that are classes. Saving them as PNG now does not bring the ids back; make the labels anew"
    )


def _color_labels(findings: Findings, data: SegmentationDataset) -> str | None:
    """RGB masks: grey in three channels, the data set's own colors, other colors, or no labels at all."""
    colors = findings.colors
    if not colors:
        return None
    start = f"{findings.color_labels} labels have colors instead of ids"
    if all(red == green == blue for red, green, blue in colors):
        values = ranges(sorted({red for red, _, _ in colors}))
        return f"{start}, but all three channels are equal (values {values}): save one of them, as PNG"
    if len(colors) >= MAX_COLORS and not findings.jpeg_labels:
        return (
            f"{start}, hundreds of them: these are photographs rather than labels; are image and label "
            "swapped in the list, or was the mask blended over its image?"
        )
    palette = {tuple(color): index for index, color in enumerate(data.palette.tolist())}
    known = sum(count for color, count in colors.items() if color in palette)
    if known > 0.9 * sum(colors.values()):
        used = sorted((palette[color], color) for color in colors if color in palette)
        others = [color for color in colors if color not in palette]
        table = some([f"{color} is {index}" for index, color in used], _LISTED)
        rest = f"; ignored perhaps: {some(others, _LISTED)}" if others else ""
        return f"{start}, those of the data set's palette: {table}{rest}. {_CONVERT}"
    return f"{start}: {some([color for color, _ in colors.most_common()], _LISTED)} (R, G, B). {_CONVERT}"


def _wide_labels(findings: Findings, data: SegmentationDataset) -> str | None:
    """Ids outside 0 to 255: stretched, with a mark of their own for void, or no class ids at all."""
    if not findings.wide:
        return None
    ids = sorted(findings.wide)
    step = math.gcd(*ids)
    start = f"{findings.wide_labels} labels have ids from {ids[0]} to {ids[-1]}"
    outside = [value for value in ids if not 0 <= value <= 255]
    if outside in ([-1], [65535]):
        return (
            f"{start}: {outside[0]} commonly marks pixels that don't count; replace it by "
            f"{data.ignore_index}, which is ignored"
        )
    if step > 1 and ids[0] >= 0 and ids[-1] // step <= 255:
        return f"{start}, all multiples of {step}: divide them by {step} and save them with 8 bits"
    if all(0 <= value < 34 or 1000 <= value < 34_000 for value in ids):
        return (
            f"{start}: they look like Cityscapes' instanceIds, labelId x 1000 + number; use the files "
            "*_gtFine_labelIds.png"
        )
    return (
        f"{start}: they are numbers of objects, or depths, rather than classes; write class ids, 0 to "
        f"{data.num_classes - 1}, and {data.ignore_index} for what doesn't count"
    )


_CONVERT = "Replace every color by its id and save one channel as PNG; docs/data.md shows how"


def _is_mask(findings: Findings, data: SegmentationDataset) -> bool:
    is_mapped = (data.label_map or {}).get(255) not in (None, data.ignore_index)
    return np.flatnonzero(findings.raw).tolist() == [0, 255] and not is_mapped


def _mask(findings: Findings, data: SegmentationDataset) -> str | None:
    """0 and 255: a binary mask to look at."""
    if not _is_mask(findings, data):
        return None
    ignored = ", which is ignore_index and is not learned" if data.ignore_index == 255 else ""
    target = "1" if data.num_classes == 2 else "CLASS"
    return (
        f"the labels are masks of 0 and 255: 255 stands for the foreground{ignored}. Set label_map: "
        f"{{255: {target}}} on the data set"
    )


def _mixed_masks(findings: Findings, data: SegmentationDataset) -> str | None:
    """Masks of 0 and 255 among labels of 0 and 1, none of which has 255 for pixels that don't count.

    If 255 is ignored it is a problem, which is added, though every id is allowed.
    """
    is_told = findings.has_void or 255 in (data.label_map or {})
    if data.num_classes != 2 or not findings.masks or is_told or not findings.class_pixels[1]:
        return None
    if data.ignore_index == 255:
        path = data.pairs[findings.masks[0]][1] or ""
        message = (
            f"{counted(len(findings.masks), 'label')} without ids but 0 and 255, which is ignored, such as "
            f"{path}, while others have class ids: their foreground would not be learned"
        )
        findings.problems.append(Problem(MIXED_MASKS, path, message))
    return (
        "some labels are masks of 0 and 255: if 255 stands for the foreground in them, set label_map: "
        "{255: 1} on the data set; if it marks pixels that don't count, say so with label_map: "
        f"{{255: {data.ignore_index}}}"
    )


def _smeared(findings: Findings, data: SegmentationDataset) -> str | None:
    """Many ids that no one drew, scattered along the edges; they look like any other pattern, too."""
    bad = np.count_nonzero(findings.bad)
    if bad < 5 or findings.flat >= 0.6 * findings.bad.sum():
        return None
    return (
        f"{bad} ids that are no classes lie scattered, pixel by pixel: the labels were resized with "
        "interpolation, or saved as JPEG once. Make them anew: resize labels by the nearest pixel, and save "
        "them as PNG"
    )


def _label_ids(findings: Findings, data: SegmentationDataset) -> str | None:
    """Cityscapes' labelIds, 0 to 33, where train ids are expected."""
    if data.num_classes != 19 or not 20 < max(_ids(findings, data), default=0) < 34:
        return None
    return (
        "ids up to 33 with 19 classes look like Cityscapes' labelIds: use the data set type Cityscapes, "
        "which maps them to train ids, or write train ids with the command prepare_cityscapes"
    )


def _ids_from_one(findings: Findings, data: SegmentationDataset) -> str | None:
    """1 to K instead of 0 to K - 1; and 0 for void, as in ADE20K."""
    ids = _ids(findings, data)
    if not ids or max(ids) != data.num_classes:
        return None
    shifted = _shifted(data.num_classes)
    if min(ids) > 0:
        return f"the ids start at 1: set label_map: {shifted} on the data set"
    return (
        f"the ids go from 0 to {data.num_classes}, one more than there are classes: if 0 stands for pixels "
        f"that don't count, set label_map: {{0: {data.ignore_index}, {shifted[1:-1]}}}; if it is a class, "
        f"set num_classes to {data.num_classes + 1}"
    )


def _spread_ids(findings: Findings, data: SegmentationDataset) -> str | None:
    """Grey levels at equal distances, chosen so that people can see them."""
    ids = np.flatnonzero(findings.raw)
    if not 2 <= len(ids) <= data.num_classes + 1 or ids[0] != 0:
        return None
    gaps = np.diff(ids)
    if gaps.min() < 2 or gaps.max() - gaps.min() > 1:
        return None
    mapping = ", ".join(f"{value}: {index}" for index, value in enumerate(ids.tolist()))
    return (
        f"the ids are grey levels at equal distances, made to be seen: set label_map: {{{mapping}}} on the "
        "data set, after checking which level is which class"
    )


def _palette(findings: Findings, data: SegmentationDataset) -> str | None:
    """Palette PNGs whose indices are not the ids."""
    colors = _palette_colors(findings)
    if not any(findings.bad[value] for value in colors):
        return None
    start = "the labels are palette PNGs; what counts in them is the index, not the color"
    known = {tuple(color): index for index, color in enumerate(data.palette.tolist())}
    found = {value: known[color] for value, color in colors.items() if color in known}
    strange = [value for value in colors if value not in found and findings.bad[value]]
    if found and not strange:
        mapping = ", ".join(f"{value}: {index}" for value, index in found.items() if value != index)
        return f"{start}. By their colors, the data set's own, label_map: {{{mapping}}} would be right"
    table = some([f"{value} is {color}" for value, color in colors.items()], _LISTED)
    return f"{start}: {table} (R, G, B). Map the indices with label_map, or convert the files"


def _more_classes(findings: Findings, data: SegmentationDataset) -> str | None:
    bad = np.flatnonzero(findings.bad).tolist()
    if bad == [255]:
        return (
            f"255 commonly marks pixels that don't count, but ignore_index is {data.ignore_index}: set "
            f"ignore_index to 255, or label_map: {{255: {data.ignore_index}}}"
        )
    if bad == [254] and data.num_classes < 254:
        return (
            "254 is probably a mark for pixels that don't count: set label_map: "
            f"{{254: {data.ignore_index}}}, which is ignored"
        )
    if not bad:
        return None
    return (
        f"the ids go up to {bad[-1]}, but num_classes is {data.num_classes}: set num_classes to at least "
        f"{bad[-1] + 1}, or map what is too much to {data.ignore_index} (ignored) with label_map"
    )


def _warn_of_palette(findings: Findings, data: SegmentationDataset) -> None:
    """Colors of palette PNGs that are the data set's, but at other ids."""
    colors = _palette_colors(findings)
    if data.label_map or not colors:
        return
    known = {tuple(color): index for index, color in enumerate(data.palette.tolist())}
    colors = {value: color for value, color in colors.items() if value < data.num_classes}
    moved = [value for value, color in colors.items() if known.get(color, value) != value]
    if moved and all(color in known for color in colors.values()):
        table = some([f"{value} has the color of {known[colors[value]]}" for value in moved], _LISTED)
        findings.warnings.append(
            f"the labels are palette PNGs whose colors are the data set's, but at other ids: {table}; the "
            "index counts, not the color"
        )


def _palette_colors(findings: Findings) -> dict[int, Color]:
    """Return the colors that all palette PNGs agree upon."""
    agreed = {value: colors for value, colors in sorted(findings.palettes.items()) if len(colors) == 1}
    return {value: next(iter(colors)) for value, colors in agreed.items()}


def _ids(findings: Findings, data: SegmentationDataset) -> list[int]:
    """Return the ids that occur in the files and are not ignored."""
    ids = np.flatnonzero(findings.raw).tolist()
    return [value for value in ids if value != data.ignore_index]


def _shifted(count: int) -> str:
    return "{" + ", ".join(f"{index + 1}: {index}" for index in range(count)) + "}"


def _share(pixels: int, findings: Findings) -> str:
    return f"{pixels / max(int(findings.raw.sum()), 1):.1%}"


_PATTERNS = (_mask, _smeared, _label_ids, _ids_from_one, _spread_ids, _palette, _more_classes)
