"""Data sets: where images and labels come from, what the classes are, and how batches are made."""

from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.datasets.camvid import CamVid
from paddleseg_lite.datasets.cityscapes import Cityscapes
from paddleseg_lite.datasets.imagenet import ImageNetDataset
from paddleseg_lite.datasets.info import DatasetInfo, checked_info
from paddleseg_lite.datasets.list_dataset import Dataset
from paddleseg_lite.datasets.loading.loader import Batch, eval_samples, train_batches
from paddleseg_lite.datasets.reading.images import read_image, read_label

__all__ = [
    "Batch",
    "CamVid",
    "Cityscapes",
    "Dataset",
    "DatasetInfo",
    "ImageNetDataset",
    "SegmentationDataset",
    "checked_info",
    "eval_samples",
    "read_image",
    "read_label",
    "train_batches",
]
