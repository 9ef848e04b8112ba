"""What is measured of predictions: scores from one confusion matrix, and metrics that are asked for."""

from paddleseg_lite.metrics.choice import METRICS, make_metrics
from paddleseg_lite.metrics.confusion import check_ids, confusion_matrix
from paddleseg_lite.metrics.metric import Metric, Observation
from paddleseg_lite.metrics.scores import Metrics, scores

__all__ = [
    "METRICS",
    "Metric",
    "Metrics",
    "Observation",
    "check_ids",
    "confusion_matrix",
    "make_metrics",
    "scores",
]
