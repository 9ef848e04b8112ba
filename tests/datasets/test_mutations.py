"""Packs, arrays and lists with bytes changed: the same samples as before, or one sentence; never a trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from paddleseg_lite.datasets import Dataset, read_image, read_label
from paddleseg_lite.datasets.packed.manifest import MANIFEST
from paddleseg_lite.datasets.packed.writer import pack
from paddleseg_lite.datasets.reading.lists import find_images, read_images
from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms import Sample

from .written_pairs import write_pairs


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Change, cut out, double or insert a few bytes."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        start = int(rng.integers(0, len(changed) + 1))
        end = start + int(rng.integers(0, 9))
        piece = changed[start:end]
        changed[start:end] = (b"", piece * 2, rng.bytes(len(piece)), piece + rng.bytes(3))[rng.integers(4)]
    return bytes(changed[: rng.integers(len(changed) + 1)]) if rng.random() < 0.2 else bytes(changed)


def samples(dataset: Dataset) -> list[Sample]:
    """Return all of a data set."""
    return [dataset.sample(index) for index in range(len(dataset))]


def outcome(work: Callable[[], Any]) -> Any:
    """Return what comes of it: a result, or the text of its one sentence."""
    try:
        return work()
    except UserError as error:
        return str(error)


@pytest.mark.parametrize("kind", [MANIFEST, "image", "label"])
def test_a_mutated_pack_gives_the_same_samples_or_one_sentence(tmp_path, kind):
    """Protects training from other pixels than were packed, wherever the damage is."""
    files = write_pairs(tmp_path / "files", 2)
    arguments = ((), str(files), 4, "train", "list.txt")
    whole = tmp_path / "pack" / "train"
    pack(Dataset(*arguments), whole)
    known = samples(Dataset(*arguments))
    rng = np.random.default_rng(0)
    path = next(path for path in sorted(whole.iterdir()) if kind in path.name)
    data, refused = path.read_bytes(), 0
    for _ in range(150):
        path.write_bytes(mutate(data, rng))
        found = outcome(lambda: samples(Dataset(*arguments, cache=tmp_path / "pack")))
        if isinstance(found, str):
            assert str(tmp_path) in found
            refused += 1
            continue
        for sample, wanted in zip(found, known):
            assert (sample.image == wanted.image).all()
            assert (sample.label == wanted.label).all()
    assert refused > 100


def test_a_mutated_array_is_read_or_named(tmp_path):
    """Protects from NumPy's many errors, and from memory behind the end of a file."""
    path = tmp_path / "a.npy"
    np.save(path, np.arange(60, dtype=np.uint8).reshape(4, 5, 3))
    data, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(300):
        path.write_bytes(mutate(data[:128], rng) + data[128:])
        for read in (read_image, read_label):
            found = outcome(lambda read=read: np.array(read(path)))  # all of it is touched
            assert isinstance(found, np.ndarray) or str(path) in found


def test_a_mutated_list_is_read_or_named(tmp_path):
    """Protects from a trace for a byte in a list, for training and for prediction."""
    files = write_pairs(tmp_path / "files", 3)
    path = files / "list.txt"
    data, rng = path.read_bytes(), np.random.default_rng(0)
    odd = [b"\0", b"\xff\xfe", b"/" * 5000, b"..", b"\r", b"\x85", "\u2028".encode(), b"image0.png" * 500]
    for count in range(300):
        changed = mutate(data, rng)
        path.write_bytes(changed if count % 3 else changed.replace(b"image", odd[count // 3 % len(odd)], 1))
        found = outcome(lambda: samples(Dataset((), str(files), 4, "train", "list.txt")))
        assert isinstance(found, list) or str(files) in found or "no images" in found
        assert isinstance(outcome(lambda: read_images(path)), (list, str))
        assert isinstance(outcome(lambda: find_images(path, "--image_path")), (tuple, str))
