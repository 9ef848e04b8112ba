"""The check of whole data sets: every pair of each, then what the pairs of all have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.datasets.check.findings import Findings
from paddleseg_lite.datasets.check.hints import diagnose
from paddleseg_lite.datasets.check.pair import inspect_pair
from paddleseg_lite.datasets.loading.process_map import process_map
from paddleseg_lite.datasets.problems import Problem, collected
from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import counted


def check_datasets(
    builders: Mapping[str, Callable[[], SegmentationDataset]], num_workers: int = 0
) -> list[Findings]:
    """Read every pair of some data sets and find all that would make training wrong.

    Returns:
        Findings in the order of `builders`; also for a data set that could not be built.
    """
    results = [_check(section, build, num_workers) for section, build in builders.items()]
    _compare(results)
    return results


def _check(section: str, build: Callable[[], SegmentationDataset], num_workers: int) -> Findings:
    with collected() as problems:
        try:
            dataset = build()
        except UserError as error:
            findings = Findings(section, None)
            findings.problems = [*problems, Problem("data set that cannot be opened", "", str(error))]
            return findings
    findings = Findings(section, dataset)
    findings.problems += problems
    inspect: Any = partial(inspect_pair, dataset=dataset)
    for facts in process_map(inspect, range(len(dataset)), num_workers, section, "pair"):
        findings.add(facts)
    diagnose(findings, dataset)
    return findings


def _compare(results: Sequence[Findings]) -> None:
    """Warn of images that are named twice, in one data set or in two."""
    seen: dict[str, str] = {}
    for findings in results:
        images = [image for image, _ in findings.dataset.pairs] if findings.dataset is not None else []
        twice = [image for image, count in Counter(images).items() if count > 1]
        if twice:
            named = f"{counted(len(twice), 'image')} named more than once"
            findings.warnings.append(f"{named}, such as {twice[0]}")
        for other in dict.fromkeys(seen.values()):
            shared = [image for image in dict.fromkeys(images) if seen.get(image) == other]
            if shared:
                findings.warnings.append(
                    f"{counted(len(shared), 'image')} also in {other}, such as {shared[0]}: scores on images "
                    "that were trained on say little"
                )
        seen.update(dict.fromkeys(images, findings.section))
