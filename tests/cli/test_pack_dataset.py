"""tools/pack_dataset.py as a user types it: pack, train on it, and what is said when it is stale."""

from __future__ import annotations

import os
import re
import shutil

from tests.conftest import write_config


def test_pack_and_train_on_it(tmp_path, tool, street_root):
    """Both data sets are packed by one command, a second one finds them whole, and training reads them."""
    config = write_config(tmp_path, street_root)
    command = ("pack_dataset", "--config", config, "--save_dir", tmp_path / "packed", "--num_workers", "2")
    code, out, err = tool(*command)
    assert code == 0, err
    assert re.search(r"train: 4 images, \d+\.\d+ GB, of which 0 were whole", out)
    assert re.search(r"val: 3 images.* read it with val_dataset\.cache=", out)
    assert re.search(r"of which 4 were.*of which 3 were", tool(*command)[1], re.DOTALL)
    caches = [f"{section}.cache={tmp_path / 'packed'}" for section in ("train_dataset", "val_dataset")]
    train = ("train", "--config", config, "--do_eval", "--device", "cpu", "--save_dir")
    code, _, err = tool(*train, tmp_path / "run", "--opts", *caches)
    assert code == 0, err


def test_a_stale_pack_ends_training_and_is_mended(tmp_path, tool, street_root):
    """Exit code 2 with file and remedy; the remedy works although the config's own cache is stale."""
    shutil.copytree(street_root, tmp_path / "data")
    config = write_config(tmp_path, tmp_path / "data")
    opts = ("--opts", f"train_dataset.cache={tmp_path / 'packed'}")
    command = ("pack_dataset", "--config", config, "--sections", "train_dataset", *opts)
    train = ("train", "--config", config, "--device", "cpu", "--save_dir", tmp_path / "run", *opts)
    code, _, err = tool(*train)
    assert code == 2
    assert "no complete pack" in err
    assert tool(*command)[0] == 0
    image = next((tmp_path / "data").glob("leftImg8bit/train/*/*.png"))
    os.utime(image, (1, 1))
    code, _, err = tool(*train)
    assert code == 2
    assert re.search(rf"error: .*train_dataset: .*{image.name} has changed.*the command pack_dataset", err)
    assert not (tmp_path / "run").exists()
    assert tool(*command)[0] == 0
    assert tool(*train)[0] == 0


def test_nowhere_to_write(tmp_path, tool, street_root):
    """Without --save_dir and without cache, the message names both."""
    code, _, err = tool("pack_dataset", "--config", write_config(tmp_path, street_root))
    assert code == 2
    assert re.search(r"train_dataset has no cache; .*--save_dir or train_dataset\.cache", err)
