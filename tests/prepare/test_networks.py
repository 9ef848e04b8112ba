"""Networks that init makes configs for, and the weights that they start from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from paddleseg_lite.checkpoint import box
from paddleseg_lite.checkpoint.box import boxed_names, put_in_box
from paddleseg_lite.checkpoint.weights import write_weights
from paddleseg_lite.config import load_config
from paddleseg_lite.config.build import Plan
from paddleseg_lite.config.zoo import list_models
from paddleseg_lite.prepare.config_text import DataFacts, config_text
from paddleseg_lite.prepare.networks import NETWORKS
from paddleseg_lite.prepare.recipe import make_recipe

from .test_recipe import fingerprint


def plan(folder, network: str, classes: int, channels: int = 3) -> Plan:
    """The plan of the config that init makes for a network."""
    found = fingerprint(classes=classes, mean=(0.5,) * channels)
    names = [f"class {number}" for number in range(classes)]
    facts = DataFacts([], "data", names, np.zeros((classes, 3), np.uint8), channels)
    path = folder / "config.yml"
    path.write_text(config_text(make_recipe(found, network, 40, 8 << 30), facts), encoding="utf-8")
    return Plan(load_config(path))


@pytest.mark.parametrize("classes", [3, 11])
def test_own_classes_start_from_weights_in_the_package(tmp_path, monkeypatch, classes):
    """All but a classifier of another number of classes; images of other channels start at random."""
    monkeypatch.setattr(box, "BOX", tmp_path / "box")
    (tmp_path / "box").mkdir()
    for name in ("lpsnet_s", "lpsnet_s_camvid"):
        model = NETWORKS[name].model.replace("8, 24, 48, 96, 96", "2, 2, 2, 4, 4")  # sooner built
        monkeypatch.setitem(NETWORKS, name, replace(NETWORKS[name], model=model))
    trained = plan(tmp_path, "lpsnet_s", 11).model().state_dict()
    write_weights(trained, tmp_path / "trained.safetensors")
    card = {"config": "c", "seed": 0, "versions": {}, "data": "d", "terms": "t"}
    put_in_box(tmp_path / "trained.safetensors", "lpsnet_s_camvid", card)
    started = plan(tmp_path, "lpsnet_s_camvid", classes).model().state_dict()
    assert started.keys() == trained.keys()
    for name, value in started.items():
        if name.startswith("head.") and classes != 11:
            assert value.shape[0] == classes
        else:
            np.testing.assert_array_equal(value.numpy(), trained[name].numpy().astype(np.float16))
    assert (
        plan(tmp_path, "lpsnet_s_camvid", classes, channels=4).model().state_dict().keys() == trained.keys()
    )


def test_weights_of_the_package_are_there_and_used_as_they_are_used_to():
    """A config of init must train without a network, and normalise as the table of the zoo says."""
    starts = {facts.weights for facts in NETWORKS.values() if facts.weights}
    boxed = {weights.source.removeprefix("zoo:"): weights for weights in starts if "zoo:" in weights.source}
    assert boxed.keys() <= set(boxed_names())
    table = {model.name: (model.mean, model.std) for model in list_models() if model.name in boxed}
    assert table == {name: (weights.mean, weights.std) for name, weights in boxed.items()}
