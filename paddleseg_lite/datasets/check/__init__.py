"""The check of a whole data set before training: every file, every id, and why it is as it is.

`check_datasets` reads, `report` tells, `pictures` shows.
"""

from paddleseg_lite.datasets.check.findings import Findings, check_datasets

__all__ = ["Findings", "check_datasets"]
