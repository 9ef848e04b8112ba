"""Binary masks of 0 and 255, where labels with class ids are expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from paddleseg_lite.datasets.problems import Problem

if TYPE_CHECKING:
    from paddleseg_lite.datasets.base import SegmentationDataset
    from paddleseg_lite.datasets.check.findings import Findings

MIXED_MASKS = "masks of 0 and 255 among labels of class ids"


def mask(findings: Findings, data: SegmentationDataset) -> str | None:
    """0 and 255: a binary mask to look at."""
    if not is_mask(findings, data):
        return None
    is_clean = np.flatnonzero(findings.raw).tolist() == [0, 255]
    between = "" if is_clean else ", with values between them where they were compressed or resized"
    ignored = ", which is ignore_index and is not learned" if data.ignore_index == 255 else ""
    target = "1" if data.num_classes == 2 else "CLASS"
    anew = "" if is_clean else ", after making them anew as PNG without the values between"
    return (
        f"the labels are masks of 0 and 255{between}: 255 stands for the foreground{ignored}. Set label_map: "
        f"{{255: {target}}} on the data set{anew}"
    )


def is_mask(findings: Findings, data: SegmentationDataset) -> bool:
    """Whether the labels are black and white (nearly, if smeared), and white is not mapped to a class."""
    raw = findings.raw
    if (data.label_map or {}).get(255) not in (None, data.ignore_index):
        return False
    if np.flatnonzero(raw).tolist() == [0, 255]:
        return True
    # JPEGs of quality 50 to 95 with edges every few pixels keep to these limits; real classes 1 to 8 don't.
    total, black, white = raw.sum(), raw[:9].sum(), raw[247:].sum()
    is_two_toned = min(black, white) > 0.01 * total and black + white > 0.65 * total
    is_smeared = findings.jpeg_labels > 0 or is_noise(findings)
    return bool(is_smeared and is_two_toned and raw[1:9].max() < 0.35 * raw[0])


def look_for_mixed_masks(findings: Findings, data: SegmentationDataset) -> str | None:
    """Find masks of 0 and 255 among labels whose foreground has the id of a class.

    Two classes: a problem if no label shows, by having 255 beside 1, that it marks pixels that don't count;
    else, and with more classes, a warning. A label_map that names 255 says what it is.

    Returns:
        The probable cause, if it is a problem or 255 is not allowed.
    """
    if not findings.masks or 255 in (data.label_map or {}) or not findings.class_pixels[1:].any():
        return None
    if data.num_classes > 2 and findings.has_void:
        return None
    path = data.pairs[findings.masks[0]][1] or ""
    fate = "which is ignored" if data.ignore_index == 255 else "which is no class"
    message = (
        f"{len(findings.masks)} labels have no ids but 0 and 255, {fate}, such as {path}, while others have "
        "class ids"
    )
    target = "1" if data.num_classes == 2 else "CLASS"
    remedy = (
        f"if 255 stands for the foreground in them, set label_map: {{255: {target}}} on the data set; if it "
        f"marks pixels that don't count, say so with label_map: {{255: {data.ignore_index}}}"
    )
    if data.ignore_index == 255:
        if data.num_classes > 2 or findings.has_void:
            findings.warnings.append(f"{message}; {remedy}")
            return None
        findings.problems.append(
            Problem(MIXED_MASKS, path, f"{message}: their foreground would not be learned")
        )
    return f"some labels are masks of 0 and 255: {remedy}"


def is_noise(findings: Findings) -> bool:
    """Whether many ids that are not allowed lie scattered, as smears do."""
    several = np.count_nonzero(findings.bad) >= 5
    return bool(several and findings.flat < 0.6 * findings.bad.sum())
