"""Manifests: missing, damaged, or of another version."""

from __future__ import annotations

import json

import pytest

from paddleseg_lite.datasets.packed.manifest import MANIFEST
from paddleseg_lite.datasets.packed.writer import pack
from paddleseg_lite.errors import UserError

from ..written_pairs import dataset

ARRAY = f"{'0' * 32}_{'0' * 8}.image.npy"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"format": 2}',
        '{"format": 2, "facts": {}, "pairs": [3]}',
        '{"format": 2, "facts": [], "pairs": []}',
        '{"format": 2, "facts": {}, "pairs": [[[["a.png", 1, 2]], [["../../secret.npy", 9]]]]}',
        '{"format": 2, "facts": {}, "pairs": [[[["a.png", 1, 2]], [[3, 9]]]]}',
        "[" * 99999,
        '{"format": 2, "facts": {}, "pairs": [[[["a.png", 1, 2]], []]]}',
        f'{{"format": 2, "facts": {{}}, "pairs": [[[["a.png", 1, 2]], [["{ARRAY}", "9"]]]]}}',
    ],
)
def test_a_damaged_manifest_is_named(files, packed, content):
    """Protects from a manifest that was cut, or is none: no trace of Python's."""
    (packed / MANIFEST).write_text(content)
    with pytest.raises(UserError, match=r"pack\.json is damaged.*pack_dataset"):
        dataset(files, cache=packed.parent)


def test_a_pack_of_another_version_is_named_and_replaced(files, tmp_path):
    """Protects who has packs of shards: told what to do, which then works, and removes the shards."""
    folder = tmp_path / "pack" / "train"
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text('{"sha256": "0", "content": {"facts": {"format": 1}, "shards": []}}')
    (folder / "shard_00000.bin").write_bytes(b"0")
    (folder / "shard_00000.json").write_text("{}")
    with pytest.raises(
        UserError,
        match=r"another version of this library; .* again with the command pack_dataset",
    ):
        dataset(files, cache=folder.parent)
    pack(dataset(files), folder)
    assert len(dataset(files, cache=folder.parent)) == 5
    assert not list(folder.glob("shard_*"))


def test_a_manifest_without_a_pairs_label_is_damaged(files, packed):
    """Protects training from pairs whose labels a pack of an earlier version has lost."""
    content = json.loads((packed / MANIFEST).read_text())
    content["pairs"][2][1].pop()
    (packed / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"pack\.json is damaged .*2 files of a pair.*\['image'\]"):
        dataset(files, cache=packed.parent)


def test_no_pack_says_how_to_make_one(files, tmp_path):
    """Protects the first thing that everybody meets, and from a pack that was never finished."""
    with pytest.raises(UserError, match=r"no complete pack in .*the command pack_dataset"):
        dataset(files, cache=tmp_path / "nothing")
