"""What people have (photos, and what somebody drew on them) -> images and labels: a file for each format."""

from paddleseg_lite.annotations.opening import FORMATS, open_source
from paddleseg_lite.annotations.source import IGNORED, UNLABELED, Choices, Finding, Item, Source

__all__ = ["FORMATS", "IGNORED", "UNLABELED", "Choices", "Finding", "Item", "Source", "open_source"]
