"""What goes wrong with photographs: an orientation that the tool for labels ignored, and damaged JPEGs."""

from __future__ import annotations

from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.datasets.check.findings import Findings
from paddleseg_lite.printable import counted

_NAMED = 100  # files that have a warning of their own
_REMOVAL = "remove the orientation from the images, for example by exiftool -Orientation= FILES"


def turned_labels(findings: Findings, data: SegmentationDataset) -> str | None:
    """Width and height exchanged: sizes show it."""
    if not findings.turned:
        return None
    return (
        f"{counted(len(findings.turned), 'label')} with width and height of the image exchanged: reading "
        "turns an image as its EXIF orientation says, which the tool that made the labels probably did not; "
        f"turn them likewise, or {_REMOVAL}"
    )


def photograph_warnings(findings: Findings, data: SegmentationDataset) -> list[str]:
    """Orientations of which sizes say nothing (half turns, mirrors, squares), and damaged JPEGs."""
    warnings = []
    if findings.doubtful:
        warnings.append(
            f"{counted(len(findings.doubtful), 'image')} with another EXIF orientation than the label, such "
            f"as {data.pairs[findings.doubtful[0]][0]}: reading turns them, and sizes do not tell whether "
            "the labels were made for that; look at samples.png, and if a label does not fit its image "
            f"there, {_REMOVAL}"
        )
    half_decoded = list(findings.half_decoded.items())
    for index, words in half_decoded[:_NAMED]:
        warnings.append(
            f"{data.pairs[index][0]}: decoded with a warning ({words}): part of its pixels may be wrong; "
            "look at it, and replace it if they are"
        )
    if len(half_decoded) > _NAMED:
        warnings.append(f"{counted(len(half_decoded) - _NAMED, 'more image')} decoded with a warning")
    return warnings
