"""The check of a whole data set before training: every file, every id, and why it is as it is.

`check_datasets` reads, `report` tells, `pictures` shows.
"""

from paddleseg_lite.datasets.check.check import check_datasets
from paddleseg_lite.datasets.check.findings import Findings

__all__ = ["Findings", "check_datasets"]
