"""Findings as text for people and as plain values for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.datasets.check.findings import Findings
from paddleseg_lite.datasets.problems import Problem
from paddleseg_lite.printable import printable

_LISTED = 5  # problems of one kind that the text spells out
_COMMON_SIZES = 3


def as_text(results: Sequence[Findings]) -> str:
    """Return text: for each data set the classes, sizes, warnings, problems and their causes."""
    return "\n\n".join(_section(findings) for findings in results)


def as_dict(results: Sequence[Findings]) -> dict[str, Any]:
    """Return everything, with every single problem, as plain numbers, strings, lists and dicts."""
    return {
        "usable": all(findings.is_usable for findings in results),
        "datasets": {findings.section: _values(findings) for findings in results},
    }


def _section(findings: Findings) -> str:
    lines = [f"== {findings.section} =="]
    data = findings.dataset
    if data is not None:
        lines += [data.describe(sizes=False), *_size_lines(findings), "", *_class_table(findings, data), ""]
        if findings.class_pixels.any() and data.mode == "train":
            weights = ", ".join(f"{weight:g}" for weight in findings.class_weights())
            lines += [f"class weights by median frequency: --opts 'loss.types.0.weight=[{weights}]'", ""]
    lines += [f"warning: {text}" for text in findings.warnings]
    lines += _problem_lines(findings.problems)
    lines += [f"probable cause: {text}" for text in findings.causes]
    if findings.is_usable:
        lines.append("no problem found")
    return "\n".join(printable(line) for text in lines for line in text.split("\n"))


def _size_lines(findings: Findings) -> list[str]:
    if not findings.sizes:
        return []
    bits = ", ".join(f"{count} with {bits} bits" for bits, count in sorted(findings.bits.items()))
    common = findings.sizes.most_common(_COMMON_SIZES)
    sizes = ", ".join(f"{width}x{height} ({count})" for (height, width), count in common)
    more = len(findings.sizes) - len(common)
    return [f"sizes (width x height): {sizes}{f' and {more} others' if more else ''}; {bits}"]


def _class_table(findings: Findings, data: SegmentationDataset) -> list[str]:
    """Return a line for each class: pixels, their share of what is labelled, images that hold it."""
    valid, weights = max(int(findings.class_pixels.sum()), 1), findings.class_weights()
    has_weights = data.mode == "train"  # what is evaluated is not weighted
    width = max(len("class"), *(len(name) for name in data.classes))
    lines = [
        f" id  {'class':<{width}}          pixels     share    images{'  weight' if has_weights else ''}"
    ]
    for index, name in enumerate(data.classes):
        pixels, images = int(findings.class_pixels[index]), int(findings.class_images[index])
        weight = f"{weights[index]:>8.4g}" if pixels and has_weights else ""
        lines.append(
            f"{index:>3}  {name:<{width}}  {pixels:>14}  {pixels / valid:>8.3%}  {images:>8}{weight}"
        )
    total = max(int(findings.raw.sum()), 1)
    for name, pixels in (("ignored", findings.ignored), ("not allowed", int(findings.bad.sum()))):
        if pixels or name == "ignored":
            lines.append(f"     {name:<{width}}  {pixels:>14}  {pixels / total:>8.3%}  of all pixels")
    return lines


def _problem_lines(problems: Sequence[Problem]) -> list[str]:
    lines = []
    for kind in dict.fromkeys(problem.kind for problem in problems):
        group = [problem for problem in problems if problem.kind == kind]
        lines.append(f"problem: {kind} ({len(group)})")
        lines += [f"  {problem.message}" for problem in group[:_LISTED]]
        names = [problem.file for problem in group[_LISTED:]]
        if names:
            shown = ", ".join(names[:_LISTED])
            lines.append(f"  and {len(names)} more: {shown}{', ...' if len(names) > _LISTED else ''}")
    return lines


def _values(findings: Findings) -> dict[str, Any]:
    data = findings.dataset
    values: dict[str, Any] = {
        "usable": findings.is_usable,
        "problems": [vars(problem) for problem in findings.problems],
        "causes": findings.causes,
        "warnings": findings.warnings,
    }
    if data is None:
        return values
    weights = findings.class_weights()
    values.update(
        images=len(data),
        in_channels=data.in_channels,
        ignore_index=data.ignore_index,
        label_map={str(key): value for key, value in (data.label_map or {}).items()},
        ignored_pixels=findings.ignored,
        ids={str(value): int(findings.raw[value]) for value in np.flatnonzero(findings.raw)},
        classes=[
            {
                "id": index,
                "name": name,
                "pixels": int(findings.class_pixels[index]),
                "images": int(findings.class_images[index]),
                "weight": weights[index],
            }
            for index, name in enumerate(data.classes)
        ],
        sizes=[
            {"width": width, "height": height, "images": count}
            for (height, width), count in findings.sizes.most_common()
        ],
        bits={str(bits): count for bits, count in sorted(findings.bits.items())},
    )
    return values
