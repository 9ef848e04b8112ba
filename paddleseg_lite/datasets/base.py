"""What every data set has: pairs of files, classes, transforms, and samples that depend on nothing else."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from paddleseg_lite.datasets.info import DatasetInfo, checked_info
from paddleseg_lite.datasets.packed.manifest import code_of
from paddleseg_lite.datasets.packed.reader import Pack
from paddleseg_lite.datasets.problems import Problem, refuse
from paddleseg_lite.datasets.reading.images import open_image, read_label, turned_apart
from paddleseg_lite.datasets.reading.labels import LabelRule, as_ids
from paddleseg_lite.datasets.samples import transformed
from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import counted, printable
from paddleseg_lite.registry import did_you_mean
from paddleseg_lite.transforms import Compose, Sample
from paddleseg_lite.transforms.base import TransformLike
from paddleseg_lite.transforms.mixup import BatchTransform

MODES = ("train", "val", "test")
Pair = tuple[str, "str | None"]


class SegmentationDataset:
    """Images and their labels.

    Args:
        transforms: what is done to each sample, as objects.
        pairs: (image file, label file or None). In the modes 'train' and 'val' every image needs a label.
        info: classes, colors, channels and ignored id. None takes what the class declares in its attributes
            num_classes (or classes), in_channels, classes, palette and ignore_index; the rest is as by
            default in `checked_info`. A whole number is num_classes.
        mode: 'train': labels go through the transforms with the images. 'val' and 'test': labels stay as they
            are, and `Sample.restore` brings predictions back to them.
        label_map: {id in the files: class id or ignore_index}.
        cache: folder that the command pack_dataset wrote; what it has for this mode is read, not the files.
        **declared: without a DatasetInfo, in the place of what the class declares: num_classes, ignore_index,
            img_channels, classes, palette.

    Attributes:
        pairs, info, mode, label_map, cache: as given.
        num_classes, ignore_index, in_channels, classes, palette: those of `info`.
        transforms: a Compose.
        reader: `reader(index) -> (image [H, W, C], label [H, W] uint8 or None)`, ids mapped and checked. It
            may return memory maps, or what Sample says: the transforms read only the part that they need.

    Raises:
        UserError: there are no pairs, a label is missing, the arguments contradict each other, or the cache
            is missing, stale or damaged.
    """

    task = "segmentation"
    batch_transforms: Sequence[BatchTransform] = ()
    num_classes: int
    ignore_index: int
    in_channels: int
    classes: Sequence[str]
    palette: Any

    def __init__(
        self,
        transforms: Sequence[TransformLike] | None,
        pairs: Sequence[Pair],
        info: DatasetInfo | int | None = None,
        mode: str = "train",
        label_map: Mapping[int, int] | None = None,
        cache: str | Path | None = None,
        **declared: Any,
    ) -> None:
        self.mode = checked_mode(mode)
        if isinstance(info, DatasetInfo):
            if declared:
                raise UserError(f"{type(self).__name__}: {', '.join(declared)} beside info; put them into it")
            self.info = info
        else:
            self.info = self._declared(declared if info is None else {"num_classes": info, **declared})
        self.num_classes, self.ignore_index = self.info.num_classes, self.info.ignore_index
        self.in_channels = self.info.in_channels
        self.classes, self.palette = self.info.classes, self.info.palette
        self.label_map = dict(label_map) if isinstance(label_map, Mapping) else label_map
        self.pairs = list(pairs)
        self.transforms = Compose(transforms or ())
        self.reader: Callable[[int], tuple[Any, Any]] = (
            self.read_files if self.has_own_reader else self._open_files
        )
        self._rule = LabelRule(self.num_classes, self.ignore_index, self.label_map)
        self._output_rule = LabelRule(self.num_classes, self.ignore_index)
        self._check_pairs()
        self._check_label_padding()
        self.cache = cache
        if cache is not None:
            self.reader = Pack(Path(cache) / self.mode, self.pairs, self.reading_facts())

    @classmethod
    def _declared(cls, given: Mapping[str, Any]) -> DatasetInfo:
        """Return what the arguments say, else the class's attributes, else the defaults."""
        names = ("num_classes", "in_channels", "classes", "palette", "ignore_index")
        given = {{"img_channels": "in_channels"}.get(name, name): value for name, value in given.items()}
        facts: dict[str, Any] = {}
        for source in ({name: getattr(cls, name, None) for name in names}, given):
            facts.update((name, value) for name, value in source.items() if value is not None)
        if "classes" in facts:
            facts.setdefault("num_classes", len(facts["classes"]))
        if "num_classes" not in facts:
            raise UserError(
                f"{cls.__name__}: the number of classes is missing; declare num_classes in the class, or "
                "give info=checked_info(num_classes) to the constructor of SegmentationDataset"
            )
        return checked_info(**facts)

    @property
    def has_own_reader(self) -> bool:
        """Whether the class reads its files in a way of its own."""
        return type(self).read_files is not SegmentationDataset.read_files

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        """Return the sample of epoch 0 and seed 0."""
        return self.sample(index)

    def sample(self, index: int, epoch: int = 0, seed: int = 0) -> Sample:
        """Return a transformed sample; its randomness depends on (seed, epoch, index) and nothing else.

        Args:
            index: position in `pairs`.
            epoch: how often the data set has been gone through before.
            seed: the run's seed, at least 0.

        Raises:
            UserError: a file is missing, unreadable or wrong; the message names it.
        """
        image, label = self.reader(index)
        if label is not None and getattr(label, "dtype", None) != np.uint8:  # a reader of somebody's own
            label = as_ids(label, f"{self.pairs[index][1]}, as it comes from the reader")
        sample = Sample.from_source(image, label, self.pairs[index][0], label_at_source=self.mode != "train")
        sample = transformed(sample, self.transforms, np.random.default_rng([seed, epoch, index]))
        if sample.label is not None:
            # Whatever `reader` or a transform of somebody's own did: no other id may reach the loss, which
            # would crash a GPU without a file's name. 0.1 ms for 1024x512.
            where = f"{self.pairs[index][1]}, after reader and transforms"
            label = self._output_rule.apply(as_ids(sample.label, where), where)
            sample = replace(sample, label=label)
        return sample

    def read_files(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Decode a pair: image [H, W, C] uint8 or uint16, label [H, W] uint8 with its ids mapped and checked.

        Raises:
            UserError: a file is unreadable, the sizes differ, or an id isn't allowed; the message names it.
        """
        image, label = self._open_files(index)
        return np.asarray(image), label

    def _open_files(self, index: int) -> tuple[Any, np.ndarray | None]:
        """As `read_files`, but the image may be one that is decoded as far as it is needed."""
        image_path, label_path = self.pairs[index]
        image = open_image(image_path, self.in_channels)
        if label_path is None:
            return image, None
        label = read_label(label_path)
        if label.shape != image.shape[:2]:
            cause = turned_apart(image_path, image.shape[:2], label_path, label.shape)
            remedy = "; turn the label likewise, or remove the orientation" if cause else "; they must agree"
            raise UserError(
                f"{label_path} has {label.shape[1]}x{label.shape[0]} pixels (width x height), but its image "
                f"{image_path} has {image.shape[1]}x{image.shape[0]}{cause}{remedy}"
            )
        return image, self.label_rule(label_path).apply(label, label_path)

    def label_rule(self, label_path: str) -> LabelRule:
        """Return what the ids in a label file mean; a data set of several kinds of files overrides it."""
        return self._rule

    def reading_facts(self) -> dict[str, Any]:
        """Return what, besides the files, decides which pixels and ids `read_files` gives, as JSON values.

        A pack made with other facts is refused. A class of your own whose arguments change what it reads adds
        them here; they must be set before this class's constructor runs.
        """
        rules = {}
        for _, label_path in self.pairs:
            if label_path is not None:
                rule = self.label_rule(label_path)
                rules[rule.table.tobytes() + rule.allowed.tobytes()] = True
        return {
            "the data set's class": type(self).__qualname__,
            "the class's code": code_of(type(self)),
            "num_classes": self.num_classes,
            "ignore_index": self.ignore_index,
            "in_channels": self.in_channels,
            "label_map": {str(source): target for source, target in sorted((self.label_map or {}).items())},
            "the meaning of the ids": hashlib.sha256(b"".join(rules)).hexdigest()[:16],
        }

    def describe(self, sizes: bool = True) -> str:
        """Return a line for the log: size, classes, ignored id, mapping.

        Args:
            sizes: also say the first image's size before and after the transforms, which reads it.

        Raises:
            UserError: the first pair is wrong, or the transforms don't fit it.
        """
        kind = type(self).__name__
        mapping = f", label_map {self.label_map}" if self.label_map else ""
        origin = f", packed in {self.cache}" if self.cache else ""
        facts = (
            f"{kind} {self.mode}: {counted(len(self), 'image')} with {counted(self.in_channels, 'channel')}, "
            f"{self.num_classes} classes ({printable(', '.join(self.classes))}), {self.ignore_index} ignored"
            f"{mapping}{origin}"
        )
        if not sizes:
            return facts
        sample = self.sample(0)
        before, after = (f"{width}x{height}" for height, width in (sample.source_size, sample.size))
        return f"{facts}; the first image is {before} (width x height), {after} after the transforms"

    def _check_pairs(self) -> None:
        if not self.pairs:
            message = f"{type(self).__name__}: no images for mode '{self.mode}'; check dataset_root"
            refuse([Problem("no images", "", message)])
        if self.mode == "test":
            return
        bare = [image for image, label in self.pairs if label is None]
        wanted = f"has no label, but mode '{self.mode}' needs one for every image"
        refuse([Problem("missing file", image, f"{image} {wanted}") for image in bare])
        self.pairs = [pair for pair in self.pairs if pair[1] is not None]

    def _check_label_padding(self) -> None:
        """Padding with an id that is neither ignored nor a class would only be found out by the loss."""
        if self.mode != "train":
            return
        for transform in self.transforms.transforms:
            value = getattr(transform, "label_padding_value", self.ignore_index)
            if value != self.ignore_index and value >= self.num_classes:
                raise UserError(
                    f"{type(transform).__name__}: label_padding_value is {value}, but ignore_index is "
                    f"{self.ignore_index} and classes end at {self.num_classes - 1}; set label_padding_value"
                )


def checked_mode(mode: str) -> str:
    """Return the mode in lower case.

    Raises:
        UserError: it isn't 'train', 'val' or 'test'.
    """
    if str(mode).lower() not in MODES:
        raise UserError(f"mode must be 'train', 'val' or 'test', got {mode!r}{did_you_mean(mode, MODES)}")
    return str(mode).lower()


def checked_folder(path: str | Path | None, key: str = "dataset_root") -> Path:
    """Return a data set's folder, which exists.

    Args:
        path: as a config has it.
        key: under which it has it.

    Raises:
        UserError: there is none.
    """
    if path is None or not os.path.isdir(path):
        raise UserError(f"{key}: there is no folder {path!s}; put the data there or set {key}")
    return Path(path)
