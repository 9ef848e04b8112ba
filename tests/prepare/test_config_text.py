"""The text of the config, and that names survive it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

from paddleseg_lite.config import load_config
from paddleseg_lite.prepare.config_text import DataFacts, config_text, quoted
from paddleseg_lite.prepare.networks import NETWORKS
from paddleseg_lite.prepare.recipe import make_recipe

from .test_recipe import fingerprint

NAMES = [
    "no",
    "1e3",
    "0x1F",
    "null",
    "~",
    "on",
    "12:30:00",
    "it's",
    'a "b"',
    "# c",
    "a: b",
    "- d",
    " e ",
    "ü 树",
    "\t",
    "\u2028",
    "",
]


@pytest.mark.parametrize("name", [*NAMES, "plain_name", "x" * 500, "a\nb", "&x", "{a}", "\x85", "\U0001f600"])
def test_names_are_names_to_any_reader(name):
    """`no` is false to some, 1e3 a number to others."""
    assert yaml.safe_load(f"[{quoted(name)}]") == [name]
    if not name.isascii() or name != "plain_name":
        assert quoted(name).startswith('"') or name.isalpha()


@pytest.mark.parametrize("network", NETWORKS)
def test_the_config_is_one(tmp_path, network):
    """It is valid, says all about the data, and each choice has its reason beside it."""
    recipe = make_recipe(fingerprint((600, 800), classes=len(NAMES)), network, 40, 8 << 30)
    palette = np.arange(3 * len(NAMES), dtype=np.uint8).reshape(-1, 3)
    facts = DataFacts(["made\nof this"], "data/mine: 1", NAMES, palette, 3, has_test=True)
    path = tmp_path / "config.yml"
    path.write_text(config_text(recipe, facts), encoding="utf-8")
    config = load_config(path)
    for section, mode in (("train_dataset", "train"), ("val_dataset", "val")):
        data = config.section(section)
        assert data["classes"] == NAMES
        assert data["palette"] == palette.tolist()
        assert (data["separator"], data["dataset_root"]) == ("\t", "data/mine: 1")
        assert data[f"{mode}_path"] == f"data/mine: 1/{mode}.txt"
    for key in ("batch_size:", "iters:", "learning_rate:", "crop_size", "LimitLong", "weight:", "Normalize"):
        for line in path.read_text(encoding="utf-8").split("\n"):
            assert key not in line or "#" in line or "crop_size" in line, line


def test_a_text_is_the_same_each_time():
    """Called again, init changes nothing."""
    facts = DataFacts(["made"], "data", ["a", "b"], np.zeros((2, 3), np.uint8), 3)
    texts = {config_text(make_recipe(fingerprint(), "lpsnet_s", 9, 8 << 30), facts) for _ in range(2)}
    assert len(texts) == 1
    assert json.dumps([*texts])


@pytest.mark.parametrize("network", NETWORKS)
def test_what_the_config_names_can_be_built(tmp_path, network):
    """Networks, transforms, optimizer and loss, with their arguments."""
    from paddleseg_lite.config.build import Plan

    recipe = make_recipe(fingerprint((600, 2000), shares=[0.995, 0.005]), network, 40, 8 << 30)
    facts = DataFacts([], "data", ["a", "b"], np.zeros((2, 3), np.uint8), 3)
    path = tmp_path / "config.yml"
    path.write_text(config_text(recipe, facts), encoding="utf-8")
    plan = Plan(load_config(path))
    model = plan.model(pretrained=False)
    plan.optimizer(model)
    plan.criterion()
    names = [type(step).__name__ for step in plan.transforms("train_dataset").transforms]
    assert names[0] == "LimitLong"
    assert names[-1] == "Normalize"
