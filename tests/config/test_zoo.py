"""What protects the zoo: its table tells the truth, and weights in the package need no network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import paddle
import pytest
import safetensors.numpy

import paddleseg_lite
from paddleseg_lite.checkpoint import box, load_weights, save_weights
from paddleseg_lite.config import load_config, zoo
from paddleseg_lite.config.build import Plan
from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms import Normalize
from tests.conftest import write_config

CARD = {"config": "tiny", "seed": 1, "versions": {"paddle": "3.3.1"}, "data": "Toys", "terms": "any use"}
ROW = {
    "config": "tiny", "description": "a small LPSNet", "num_classes": 19, "parameters": 1788,
    "input_size": [96, 64], "mean": [0.5], "std": [0.5], "licence": "any use", "weights": "zoo:tiny_toys",
}  # fmt: skip
MODELS = {model.name: model for model in zoo.list_models()}


@pytest.fixture
def tiny(tmp_path, monkeypatch, street_root):
    """A box with one small network in it, and that network; downloads are not possible."""
    monkeypatch.setattr(box, "BOX", tmp_path / "zoo")
    monkeypatch.setattr(zoo, "BOX", tmp_path / "zoo")
    monkeypatch.setattr(zoo, "_PLACES", (tmp_path / "configs",))
    monkeypatch.setattr("urllib.request.urlopen", None)
    (tmp_path / "configs" / "toys").mkdir(parents=True)
    write_config(tmp_path / "configs" / "toys", street_root).rename(
        tmp_path / "configs" / "toys" / "tiny.yml"
    )
    paddle.seed(0)
    model = Plan(load_config(tmp_path / "configs" / "toys" / "tiny.yml")).model()
    box.put_in_box(save_weights(model, tmp_path), "tiny_toys", CARD)
    (tmp_path / "zoo" / "models.json").write_text(json.dumps({"tiny_toys": ROW}))
    zoo._models.cache_clear()
    yield model
    zoo._models.cache_clear()


def test_a_classifier_is_made_by_its_configs_name():
    """As any network of a shipped config, for classes of one's own."""
    model = paddleseg_lite.create_model("lpsnet_s_imagenet_120e", num_classes=7)
    assert model.head.weight.shape == [192, 7]


@pytest.mark.parametrize("name", MODELS)
def test_the_table_tells_the_truth(name):
    """Of each network: parameters, classes, crop, mean and std are the config's, weights are there."""
    told = MODELS[name]
    plan = Plan(load_config(zoo.config_path(told.config)))
    model = paddleseg_lite.create_model(name)
    assert model.training
    assert told.parameters == sum(value.size for value in model.state_dict().values())
    assert told.num_classes == plan.info("val_dataset").num_classes
    steps = plan.config.values["train_dataset"]["transforms"]
    assert [step["crop_size"] for step in steps if "crop_size" in step] == [list(told.input_size)]
    (normalize,) = (step for step in plan.transforms("val_dataset").transforms if isinstance(step, Normalize))
    assert np.broadcast_to(normalize.mean, 3).tolist() == list(told.mean)
    assert np.broadcast_to(normalize.std, 3).tolist() == list(told.std)
    assert told.description
    assert told.licence
    if told.is_in_the_box:
        card = box.read_card(told.weights.removeprefix("zoo:"))
        assert card["config"] == told.config
        load_weights(model, told.weights)


def test_what_is_in_the_box_is_in_the_table():
    """Whoever adds weights adds the line, and a file that nobody tells of is no use."""
    boxed = {model.weights.removeprefix("zoo:") for model in MODELS.values() if model.is_in_the_box}
    assert boxed == set(box.boxed_names())
    files = {path.name for path in box.BOX.iterdir()}
    assert files == {"models.json", *(f"{name}{end}" for name in boxed for end in (".json", ".safetensors"))}


def test_weights_in_the_box_need_no_network(tiny):
    """float16 in the file, float32 in the network, by `load`, and by whatever takes a path of weights."""
    with safetensors.safe_open(box.BOX / "tiny_toys.safetensors", "np") as file:
        assert {file.get_tensor(key).dtype for key in file.keys()} == {np.dtype(np.float16)}  # noqa: SIM118
    other = zoo.load("tiny", weights=None)
    load_weights(other, "zoo:tiny_toys")
    for model in (zoo.load("tiny_toys"), other):
        assert not model.training
        for key, value in model.state_dict().items():
            assert value.dtype == paddle.float32
            expected = tiny.state_dict()[key].numpy()
            np.testing.assert_allclose(value.numpy(), expected, rtol=1e-3, atol=1e-6, err_msg=key)
    (told,) = zoo.list_models()
    assert (told.name, told.is_in_the_box, told.input_size) == ("tiny_toys", True, (96, 64))


@pytest.mark.parametrize(
    ("command", "flags", "written"),
    [
        ("predict", ("--save", "color"), "pseudo_color_prediction"),
        ("export", ("--no_verify",), "inference.yml"),
    ],
)
def test_a_command_takes_their_config(tiny, tmp_path, street_root, tool, command, flags, written):
    """Somebody with a photo and the package needs no config, and no data set."""
    config = tmp_path / "configs" / "toys" / "tiny.yml"
    config.write_text(config.read_text().replace(str(street_root), "nowhere"))
    if command == "predict":
        flags = (*flags, "--backend", "paddle", "--image_path", next(street_root.rglob("*_leftImg8bit.png")))
    out = tmp_path / "out"
    code, _, err = tool(command, "--model_path", "zoo:tiny_toys", "--save_dir", out, *flags)
    assert (code, err) == (0, "")
    assert (out / written).exists()
    code, _, err = tool(command, "--model_path", "zoo:tiny_toy", "--save_dir", out, *flags)
    assert code == 2
    assert (
        "no weights 'zoo:tiny_toy' come with the package; did you mean 'tiny_toys'?; there are tiny_toys"
        in err
    )


def test_a_config_may_name_them(tiny, tmp_path, street_root):
    """pretrained: zoo:NAME; the classifier stays random for other classes."""
    path = tmp_path / "configs" / "toys" / "tiny.yml"
    model = Plan(load_config(path, ["model.pretrained=zoo:tiny_toys"])).model()
    first = next(iter(tiny.state_dict()))
    np.testing.assert_allclose(model.state_dict()[first], tiny.state_dict()[first], rtol=1e-3)
    with pytest.raises(UserError, match=r"tiny\.yml|--opts.*no weights 'zoo:tiny' come with"):
        Plan(load_config(path, ["model.pretrained=zoo:tiny"])).model()


def test_a_model_for_classes_of_ones_own(tiny):
    """Random, or from weights; the body is theirs, the head new; without a number it is the config's."""
    assert zoo.create_model("tiny_toys").head.weight.shape[0] == 19
    start = zoo.create_model("tiny_toys", num_classes=3, pretrained=True)
    assert start.training
    assert start.head.weight.shape[0] == 3
    key = next(key for key in tiny.state_dict() if key.startswith("nets."))
    np.testing.assert_allclose(start.state_dict()[key], tiny.state_dict()[key], rtol=1e-3)
    random = zoo.create_model("tiny", num_classes=3).state_dict()[key].numpy()
    assert not np.allclose(random, tiny.state_dict()[key].numpy(), rtol=1e-2)
    again = zoo.create_model("tiny", num_classes=3, pretrained="zoo:tiny_toys")
    np.testing.assert_allclose(again.state_dict()[key], tiny.state_dict()[key], rtol=1e-3)


@pytest.mark.parametrize("name", ["tiny_toy", "none", "../models", ""])
def test_names_without_weights_are_told(tiny, name):
    """With what there is; no name leads out of the box."""
    with pytest.raises(UserError, match=r"no weights 'zoo:.*there are tiny_toys"):
        load_weights(tiny, f"zoo:{name}")
    with pytest.raises(UserError, match=r"'tiny' has no released weights .*there are tiny_toys"):
        zoo.load("tiny")
    with pytest.raises(UserError, match="'tiny' has no released weights"):
        zoo.create_model("tiny", pretrained=True)
    with pytest.raises(UserError, match="no config 'none'"):
        zoo.create_model("none")


def test_an_empty_box_is_told(tmp_path, monkeypatch):
    """Before the first weights are added."""
    monkeypatch.setattr(box, "BOX", tmp_path)
    with pytest.raises(UserError, match="there are none"):
        box.boxed_weights("zoo:any")


def test_damaged_weights_are_not_loaded(tiny):
    """A byte of the file, or the card."""
    path = box.BOX / "tiny_toys.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(
        UserError, match=r"tiny_toys\.safetensors is damaged: its SHA-256.*install the package"
    ):
        zoo.load("tiny_toys")
    path.with_suffix(".json").unlink()
    with pytest.raises(UserError, match=r"cannot read .*tiny_toys\.json"):
        zoo.load("tiny_toys")


def test_what_float16_cannot_hold_is_not_put_in(tiny, tmp_path):
    """Infinity in a released file would be NaN in every answer."""
    state = {key: value.astype("float32") for key, value in tiny.state_dict().items()}
    key = next(iter(state))
    state[key] = state[key] + 1e6
    with pytest.raises(UserError, match=f"'{key}' is not finite in float16"):
        box.put_in_box(save_weights(state, tmp_path / "large"), "large", CARD)
    assert not (Path(box.BOX) / "large.safetensors").exists()


def test_load_builds_every_config_by_its_name():
    """Random weights on request; an unknown name gets the closest one; the zoo says what was released."""
    model = paddleseg_lite.load("lpsnet_s_cityscapes_1536x768_200k", weights=None)
    assert not model.training
    with paddle.no_grad():
        assert model(paddle.zeros([1, 3, 64, 64]))[0].shape == [1, 19, 64, 64]
    with pytest.raises(UserError, match=r"did you mean 'lpsnet_s_cityscapes_1536x768_200k'"):
        paddleseg_lite.load("lpsnet_s_cityscapes_1536x768_20k")
    with pytest.raises(UserError, match="no released weights"):
        paddleseg_lite.load("lpsnet_s_camvid_480x352_1k")
    for name in zoo.RELEASED:
        assert zoo.config_path(name).exists()


def test_a_predictor_of_the_zoo(tiny):
    """By name alone: the network's own weights, and its config's transforms; a slip is answered."""
    image = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    found = paddleseg_lite.Predictor.from_zoo("tiny_toys", backend="paddle")(image)
    weights = ("zoo:tiny_toys", "paddle")
    other = paddleseg_lite.Predictor.from_config(zoo.config_path("tiny"), *weights)(image)
    np.testing.assert_array_equal(found.mask, other.mask)
    with pytest.raises(UserError, match="did you mean 'tiny_toys'"):
        paddleseg_lite.Predictor.from_zoo("tiny_toy")
