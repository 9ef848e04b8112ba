"""A report that several tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddleseg_lite.report.compare import compare
from paddleseg_lite.report.write import write_report
from tests.report.made import evaluation, observations


@pytest.fixture(scope="session")
def report_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report over 20 images, compared with another evaluation."""
    other, _ = evaluation(observations(20, noise=0.35), ("intervals",))
    record, source = evaluation(observations(20))
    folder = tmp_path_factory.mktemp("report")
    write_report(folder, record, source, compare(record, other))
    return folder
