"""The files of a pack.

    FOLDER/MODE/pack.json         facts about the data set and the digest of every shard's index; written last
    FOLDER/MODE/shard_00000.json  the index of a shard: its entries, and the source files they come from
    FOLDER/MODE/shard_00000.bin   the entries: image [H, W, C], label [H, W], checksums, as they lie in memory
    FOLDER/MODE/.pack.lock        empty; locked while somebody packs

Images are uint8 or uint16 (little-endian), labels uint8 class ids, already mapped and checked. The checksums
are the CRC-32 of every STRIP rows of the image, then of the label, so that a window is verified on its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paddleseg_lite import files
from paddleseg_lite.errors import UserError

if TYPE_CHECKING:
    from paddleseg_lite.datasets.base import Pair, SegmentationDataset

VERSION = 1
STRIP = 64  # rows under one checksum
ALIGNMENT = 4096  # entries begin at pages
CHECKSUM = np.dtype("<u4")
MANIFEST = "pack.json"
LOCK = ".pack.lock"
_FILE = r"(pack\.json|shard_\d{5,}\.(bin|json))"
_OURS = re.compile(rf"{_FILE}|\.pack\.lock|\.{_FILE}\.(.+\.)?part")
REMEDY = "pack the data set again with tools/pack_dataset.py"


@dataclass(frozen=True)
class Source:
    """A file as it was when it was packed.

    Attributes:
        path: relative to the folder that all of the data set's files share.
        size: bytes.
        modified: nanoseconds since 1970.
    """

    path: str
    size: int
    modified: int

    @classmethod
    def of(cls, path: str, root: str) -> Source:
        """Return what there is now.

        Raises:
            UserError: there is no such file.
        """
        try:
            facts = os.stat(path)
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror or error}") from error
        return cls(os.path.relpath(os.path.abspath(path), root), facts.st_size, facts.st_mtime_ns)


@dataclass(frozen=True)
class Entry:
    """An image and its label in a shard.

    Attributes:
        image, label: where they come from; None without a label.
        offset: first byte of the image in the shard.
        shape: (height, width, channels).
        dtype: of the image: "<u1" or "<u2".
    """

    image: Source
    label: Source | None
    offset: int
    shape: tuple[int, int, int]
    dtype: str

    @classmethod
    def of_dict(cls, values: dict[str, Any]) -> Entry:
        """Return the entry that `asdict` was called with."""
        sources = [values[name] and Source(**values[name]) for name in ("image", "label")]
        return cls(sources[0], sources[1], values["offset"], tuple(values["shape"]), values["dtype"])

    @property
    def label_at(self) -> int:
        """Bytes from the image's first one to the label's."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    @property
    def checksums_at(self) -> int:
        """Bytes from the image's first one to the checksums', on a multiple of 4."""
        height, width, _ = self.shape
        end = self.label_at + (height * width if self.label else 0)
        return -(-end // CHECKSUM.itemsize) * CHECKSUM.itemsize

    @property
    def strips(self) -> int:
        """Strips of the image; a label has as many."""
        return -(-self.shape[0] // STRIP)

    @property
    def nbytes(self) -> int:
        """Bytes in all."""
        return self.checksums_at + (2 if self.label else 1) * self.strips * CHECKSUM.itemsize


def checksums(array: np.ndarray) -> np.ndarray:
    """Return the CRC-32 of every strip of [H, W, ...], which must be contiguous."""
    starts = range(0, len(array), STRIP)
    return np.array([zlib.crc32(array[start : start + STRIP].data) for start in starts], CHECKSUM)


def shard_path(folder: Path, number: int, suffix: str) -> Path:
    """Return the path of a shard's index (".json") or of its pixels (".bin")."""
    return folder / f"shard_{number:05d}{suffix}"


def is_ours(path: Path) -> bool:
    """Whether a file in the folder of a pack belongs to it, or is what an interrupted packing has left."""
    return bool(_OURS.fullmatch(path.name)) and path.is_file()


def common_folder(pairs: Sequence[Pair]) -> str:
    """Return the folder that all files share; packs name files relative to it, so that both may move."""
    return os.path.commonpath(
        [os.path.dirname(os.path.abspath(path)) for pair in pairs for path in pair if path]
    )


def facts_of(dataset: SegmentationDataset) -> dict[str, Any]:
    """Return what, besides the files, decides which pixels and ids a pack holds."""
    rules = {}
    for _, label_path in dataset.pairs:
        if label_path is not None:
            rule = dataset.label_rule(label_path)
            rules[rule.table.tobytes() + rule.allowed.tobytes()] = True
    return {
        "format": VERSION,
        "num_classes": dataset.num_classes,
        "ignore_index": dataset.ignore_index,
        "in_channels": dataset.in_channels,
        "label_map": {str(source): target for source, target in sorted((dataset.label_map or {}).items())},
        "meaning of the label ids": [hashlib.sha256(rule).hexdigest()[:16] for rule in rules],
    }


def save(path: Path, content: Any) -> str:
    """Write JSON with its digest beside the target and rename it; return the digest."""
    text = _canonical(content)
    digest = hashlib.sha256(text.encode()).hexdigest()
    part = files.part_of(path)
    files.write_text(part, f'{{"sha256": "{digest}", "content": {text}}}')
    os.replace(part, path)
    return digest


def load(path: Path, digest: str | None = None) -> Any:
    """Return the content that `save` was given.

    Args:
        path: the file.
        digest: what `save` returned, if that is known.

    Raises:
        UserError: the file is missing, damaged, or another one than the digest is of.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        content = found["content"]
        is_whole = hashlib.sha256(_canonical(content).encode()).hexdigest() == found["sha256"]
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; {REMEDY}") from error
    except (ValueError, KeyError, TypeError):
        is_whole = False
    if not is_whole or digest not in (None, found["sha256"]):
        raise UserError(f"{path} is damaged, or of another packing than the files beside it; {REMEDY}")
    return content


def as_content(entries: Sequence[Entry], facts: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a shard's index."""
    return {"facts": facts, "entries": [asdict(entry) for entry in entries]}


def _canonical(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
