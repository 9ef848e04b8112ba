"""Config -> objects, with toy components; what is checked, what is filled in, and the user's own code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import paddle
import pytest
from paddle import nn

from paddleseg_lite.config import load_config
from paddleseg_lite.config.build import Plan
from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.augment import InferenceOptions
from paddleseg_lite.paddleseg_names import COMPONENTS
from paddleseg_lite.registry import BACKBONES, DATASETS, LOSSES, MODELS, OPTIMIZERS, TRANSFORMS
from tests.paths import REPOSITORY


@MODELS.register
class BuilderToyNet(nn.Layer):
    """Two outputs; takes its input's width from a backbone."""

    def __init__(self, num_classes: int, backbone: nn.Layer, pretrained: str | None = None) -> None:
        super().__init__()
        self.num_classes, self.backbone, self.pretrained = num_classes, backbone, pretrained
        self.head = nn.Conv2D(4, num_classes, 1)


@BACKBONES.register
class BuilderToyBackbone(nn.Layer):
    def __init__(self, in_channels: int = 3, pretrained: str | None = None) -> None:
        super().__init__()
        if pretrained == "missing.pdparams":
            raise UserError("there is no file missing.pdparams")
        self.in_channels, self.pretrained = in_channels, pretrained


@TRANSFORMS.register
class BuilderToyTransform:
    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def __call__(self, sample: Any, rng: Any) -> Any:
        return sample


@DATASETS.register
class BuilderToyData(paddle.io.Dataset):
    """Declares its classes as class attributes, as Cityscapes does."""

    classes = ("road", "sky", "car")
    ignore_index = 254

    def __init__(
        self, transforms: list[Any], dataset_root: str, mode: str = "train", img_channels: int = 3
    ) -> None:
        super().__init__()
        if not Path(dataset_root).is_dir():
            raise UserError(f"there is no folder {dataset_root}")
        self.transforms, self.mode = transforms, mode


@DATASETS.register
class BuilderToyList(paddle.io.Dataset):
    """Is told its classes, as PaddleSeg's Dataset is."""

    def __init__(
        self,
        transforms: list[Any],
        num_classes: int,
        ignore_index: int = 255,
        img_channels: int = 3,
        classes: list[str] | None = None,
        palette: list[list[int]] | None = None,
    ) -> None:
        super().__init__()


YAML = """
batch_size: 2
iters: 100
model:
  type: BuilderToyNet
  pretrained: whole.pdparams
  backbone: {type: BuilderToyBackbone, pretrained: part.pdparams}
train_dataset:
  type: BuilderToyData
  dataset_root: nowhere
  transforms: [{type: BuilderToyTransform, factor: 2.0}, {type: BuilderToyTransform}]
val_dataset:
  type: BuilderToyData
  dataset_root: nowhere
  transforms: []
optimizer: {type: SGD, momentum: 0.9, weight_decay: 4.0e-5}
lr_scheduler: {type: PolynomialDecay, learning_rate: 0.01, end_lr: 0, power: 0.9}
loss:
  types: [{type: CrossEntropyLoss}]
  coef: [1, 0.4]
"""


def planned(tmp_path: Path, *opts: str, text: str = YAML) -> Plan:
    path = tmp_path / "toy.yml"
    path.write_text(text)
    return Plan(load_config(path, opts))


def error_of(tmp_path: Path, *opts: str, text: str = YAML) -> str:
    with pytest.raises(UserError) as caught:
        planned(tmp_path, *opts, text=text)
    return str(caught.value)


def test_the_data_sets_declaration_fills_in_model_and_loss(tmp_path: Path) -> None:
    """Without touching the disk: predict runs where no data are."""
    plan = planned(tmp_path, "train_dataset.img_channels=4", "val_dataset.img_channels=4")
    model = plan.model()
    assert model.num_classes == 3
    assert model.backbone.in_channels == 4
    criterion = plan.criterion()
    assert [loss.ignore_index for loss in criterion.losses] == [254, 254]
    assert criterion.coefs == (1.0, 0.4)
    assert criterion.losses[0] is not criterion.losses[1]


def test_a_list_data_set_declares_through_its_arguments(tmp_path: Path) -> None:
    """Its number of classes stands in the YAML only, its ignore_index in the signature."""
    data = "{type: BuilderToyList, num_classes: 7, transforms: []}"
    plan = planned(tmp_path, f"train_dataset={data}", "val_dataset=null")
    assert plan.model().num_classes == 7
    assert plan.criterion().losses[0].ignore_index == 255


def test_a_model_needs_no_data_set_if_the_yaml_has_its_classes(tmp_path: Path) -> None:
    """A config for prediction alone; and without the number the message says what to add."""
    opts = ["train_dataset=null", "val_dataset=null"]
    assert planned(tmp_path, "model.num_classes=5", *opts).model().num_classes == 5
    assert "add model.num_classes" in error_of(tmp_path, *opts)


@pytest.mark.parametrize(
    ("opt", "parts"),
    [
        (
            "model.num_classes=19",
            ["num_classes is 19", "model.num_classes", "3 by", "train_dataset (BuilderToyData)"],
        ),
        ("model.backbone.in_channels=1", ["in_channels is 1", "model.backbone.in_channels", "train_dataset"]),
        ("loss.types.0.ignore_index=0", ["ignore_index is 0", "loss.types.0.ignore_index", "train_dataset"]),
        (
            "val_dataset.img_channels=4",
            ["in_channels is 3", "train_dataset", "4", "val_dataset.img_channels"],
        ),
    ],
)
def test_a_contradiction_names_both_places(tmp_path: Path, opt: str, parts: list[str]) -> None:
    """One of the two is wrong, and only the user knows which."""
    message = error_of(tmp_path, opt)
    for part in [*parts, "--opts", "toy.yml"]:
        assert part in message


@pytest.mark.parametrize(
    ("opt", "parts"),
    [
        (
            "model.type=UNet",
            [
                "no model 'UNet', which is PaddleSeg's and not here; known are: ",
                "LPSNet, LPSNetClassifier, LRASPP",
            ],
        ),
        ("model.type=Unet", ["no model 'Unet'; known are: "]),
        ("loss.types.0.type=DiceLoss", ["no loss 'DiceLoss', which is PaddleSeg's", "OhemCrossEntropyLoss"]),
        ("train_dataset.transforms.0.type=AddEdgeLabel", ["'AddEdgeLabel', which is PaddleSeg's"]),
        (
            "model.backbone.type=ResNet50_vd",
            ["'ResNet50_vd', which is PaddleSeg's", "MobileNetV3_large_x1_0"],
        ),
        ("loss.types.0.avg_non_ignore=1", ["avg_non_ignore', which is PaddleSeg's and not here"]),
        ("model.type=BuilderToyNed", ["model.type", "did you mean 'BuilderToyNet'?"]),
        ("model.clases=3", ["unknown key 'model.clases'", "did you mean 'num_classes'?"]),
        ("model.backbone=X", ["model.backbone is 'X'", "'type'"]),
        ("model.backbone.type=LRASPP", ["model.backbone.type", "no backbone 'LRASPP'"]),
        ("model.backbone.pretraind=x", ["unknown key 'model.backbone.pretraind'", "'pretrained'"]),
        ("train_dataset.type=BuilderToyDat", ["train_dataset.type", "'BuilderToyData'"]),
        ("train_dataset.root=x", ["unknown key 'train_dataset.root'", "dataset_root"]),
        (
            "train_dataset={type: BuilderToyData, transforms: []}",
            ["needs 'dataset_root'", "train_dataset.dataset_root"],
        ),
        ("train_dataset.transforms.1.faktor=3", ["'train_dataset.transforms.1.faktor'", "'factor'"]),
        ("train_dataset.transforms.0.type=Gone", ["train_dataset.transforms.0.type", "no transform 'Gone'"]),
        ("loss.types.0.type=CrossEntropy", ["loss.types.0.type", "'CrossEntropyLoss'"]),
        ("loss.types.0.wieght=1", ["'loss.types.0.wieght'", "'weight'"]),
        ("optimizer.type=Momentun", ["optimizer.type", "'Momentum'"]),
        ("optimizer.learning_rate=1", ["unknown key 'optimizer.learning_rate'"]),
        ("lr_scheduler.type=PolynomDecay", ["lr_scheduler.type", "'PolynomialDecay'"]),
        ("lr_scheduler.pover=1", ["'lr_scheduler.pover'", "'power'"]),
        ("lr_scheduler.learning_rate=fast", ["lr_scheduler.learning_rate is 'fast'", "positive number"]),
        ("lr_scheduler.warmup_iters=10", ["warmup_iters is 10", "warmup_start_lr is missing"]),
        ("iters=null", ["'iters' is missing"]),
    ],
)
def test_a_mistake_anywhere_is_found_before_anything_is_built(
    tmp_path: Path, opt: str, parts: list[str]
) -> None:
    """Whatever is wanted of the plan: a network's weights may take minutes to download."""
    message = error_of(tmp_path, opt)
    for part in parts:
        assert part in message


def test_data_sets_get_transform_objects_and_their_mode(tmp_path: Path) -> None:
    """`mode` may be left out: a validation set in training mode would be augmented, silently."""
    plan = planned(tmp_path, f"train_dataset.dataset_root={tmp_path}", f"val_dataset.dataset_root={tmp_path}")
    train, val = plan.dataset("train_dataset"), plan.dataset("val_dataset")
    assert [transform.factor for transform in train.transforms] == [2.0, 1.0]
    assert (train.mode, val.mode) == ("train", "val")


def test_what_a_component_complains_about_gets_its_place(tmp_path: Path) -> None:
    """File and key come before the component's own sentence."""
    with pytest.raises(UserError, match=r"toy\.yml: train_dataset: there is no folder nowhere"):
        planned(tmp_path).dataset("train_dataset")
    with pytest.raises(UserError, match=r"model\.backbone: there is no file missing\.pdparams"):
        planned(tmp_path, "model.backbone.pretrained=missing.pdparams").model()
    with pytest.raises(UserError, match=r"loss\.types\.0: thresh is 2"):
        planned(tmp_path, "loss.types.0={type: OhemCrossEntropyLoss, thresh: 2}").criterion()
    schedule = "lr_scheduler={type: StepDecay, learning_rate: 0.1, step_size: 5, gamma: 3.0}"
    with pytest.raises(UserError, match="lr_scheduler: the arguments do not fit"):
        planned(tmp_path, schedule).optimizer(nn.Linear(1, 1))


def test_weights_that_cannot_be_had_are_told_where_they_are_asked_for(tmp_path: Path) -> None:
    """A config's base has the model, the user's own file the weights: the latter is to be mended."""
    model = "type: LPSNet, depths: [1, 1, 1], channels: [4, 8, 8], scale_ratios: [1], num_classes: 2"
    (tmp_path / "base.yml").write_text(f"model: {{{model}, pretrained: null}}\n")
    mine = tmp_path / "mine.yml"
    mine.write_text("_base_: base.yml\nmodel: {pretrained: gone.pdparams}\n")
    with pytest.raises(UserError, match=r"mine\.yml: model\.pretrained: cannot read gone\.pdparams"):
        Plan(load_config(mine)).model()


def test_a_mistake_beside_a_base_names_the_users_own_file_first(tmp_path: Path) -> None:
    """The other network is asked for in mine.yml; the argument that it does not take stands in its base."""
    (tmp_path / "base.yml").write_text(
        "model: {type: LPSNet, depths: [1], channels: [4], scale_ratios: [1], num_classes: 2}\n"
    )
    mine = tmp_path / "mine.yml"
    mine.write_text("_base_: base.yml\nmodel: {type: LRASPP}\n")
    with pytest.raises(UserError) as caught:
        Plan(load_config(mine))
    expected = f"{mine}: unknown key 'model.depths' (from {tmp_path / 'base.yml'}"
    assert str(caught.value).startswith(expected)


def test_pretrained_weights_can_be_skipped(tmp_path: Path) -> None:
    """Evaluation replaces them anyway, and must not need the network for that."""
    plan = planned(tmp_path)
    assert plan.model().backbone.pretrained == "part.pdparams"
    model = plan.model(pretrained=False)
    assert (model.pretrained, model.backbone.pretrained) == (None, None)


def test_paddlesegs_other_names_of_optimizers(tmp_path: Path) -> None:
    """sgd, with momentum, and adam."""
    parameters = nn.Linear(1, 1)
    made = planned(tmp_path, "optimizer={type: sgd, momentum: 0.9}").optimizer(parameters)
    assert isinstance(made, paddle.optimizer.Momentum)
    made = planned(tmp_path, "optimizer={type: adam}").optimizer(parameters)
    assert isinstance(made, paddle.optimizer.Adam)


def test_paddlesegs_names_are_none_of_ours() -> None:
    """The list of what is not here shrinks when something comes."""
    for registry in (MODELS, BACKBONES, DATASETS, TRANSFORMS, LOSSES, OPTIMIZERS):
        assert not {*COMPONENTS[registry.kind].split()} & {*registry.names()}


def test_optimizer_and_schedule(tmp_path: Path) -> None:
    """SGD with momentum is Momentum, and the polynomial decays over what the warm-up leaves."""
    model = nn.Linear(2, 2)
    warmup = ["lr_scheduler.warmup_iters=20", "lr_scheduler.warmup_start_lr=1e-4"]
    optimizer = planned(tmp_path, *warmup).optimizer(model)
    assert isinstance(optimizer, paddle.optimizer.Momentum)
    values = []
    for _ in range(101):
        values.append(optimizer.get_lr())
        optimizer._learning_rate.step()
    assert values[0] == pytest.approx(1e-4)
    assert values[20] == pytest.approx(0.01)
    assert values[60] == pytest.approx(0.01 * 0.5**0.9)
    assert values[99] == pytest.approx(0.01 * (1 / 80) ** 0.9)
    assert values[100] == 0
    given = planned(tmp_path, "lr_scheduler.decay_steps=200").optimizer(model)
    for _ in range(100):
        given._learning_rate.step()
    assert given.get_lr() == pytest.approx(0.01 * 0.5**0.9)


def test_a_run_shorter_than_its_warm_up_builds(tmp_path: Path) -> None:
    """`--iters 2` is how a config is tried out."""
    opts = ["iters=2", "lr_scheduler.warmup_iters=20", "lr_scheduler.warmup_start_lr=0"]
    assert planned(tmp_path, *opts).optimizer(nn.Linear(1, 1)).get_lr() == 0


def test_a_data_set_is_described_without_its_data(tmp_path: Path) -> None:
    """What prediction needs: names and colors from the class, from the YAML, or by default."""
    plan = planned(tmp_path)
    info = plan.info("train_dataset")
    assert (info.num_classes, info.in_channels, info.classes) == (3, 3, ("road", "sky", "car"))
    assert info.palette.tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0]]
    given = "{type: BuilderToyList, transforms: [], num_classes: 1, classes: [a], palette: [[1, 2, 3]]}"
    info = planned(tmp_path, f"train_dataset={given}", "val_dataset=null").info("train_dataset")
    assert (info.classes, info.palette.tolist()) == (("a",), [[1, 2, 3]])
    wrong = planned(tmp_path, f"train_dataset={given.replace('[a]', '[a, b]')}", "val_dataset=null")
    with pytest.raises(UserError, match=r"train_dataset: classes must .* 1 names"):
        wrong.info("train_dataset")


def test_transforms_are_built_without_the_data_set(tmp_path: Path) -> None:
    """Prediction prepares images as validation does, on a machine without the validation set."""
    transforms = planned(tmp_path).transforms("train_dataset").transforms
    assert [transform.factor for transform in transforms] == [2.0, 1.0]


def test_inference_options_of_the_config_and_of_flags(tmp_path: Path) -> None:
    """Scales and flips need their switch; one scale or a list; a flag wins over the config, one by one."""
    assert planned(tmp_path).inference() == InferenceOptions()
    options = "{scales: 0.5, flip_vertical: true, crop_size: [8, 9], stride: null}"
    plan = planned(tmp_path, f"test_config={options}")
    assert plan.inference() == InferenceOptions()
    assert plan.inference(aug_eval=True) == InferenceOptions((0.5,), flip_vertical=True)
    assert plan.inference(aug_eval=True, scales=[1, 2]) == InferenceOptions((1, 2), flip_vertical=True)
    slides = InferenceOptions(crop_size=(8, 9), stride=(3, 4))
    assert plan.inference(is_slide=True, stride=[3, 4]) == slides
    with pytest.raises(UserError, match="is_slide needs stride"):
        plan.inference(is_slide=True)
    opts = ["test_config={aug_eval: true, scales: [0.75, 1.0], is_slide: false, crop_size: [8, 9]}"]
    assert planned(tmp_path, *opts).inference() == InferenceOptions((0.75, 1.0))


def test_scales_of_the_config_are_for_scores(tmp_path: Path) -> None:
    """As in PaddleSeg: `aug_eval` does not make a prediction slow, a sliding window is for both."""
    options = "{aug_eval: true, scales: [0.5, 2], flip_vertical: true, is_slide: true, crop_size: [8, 9]}"
    plan = planned(tmp_path, f"test_config={options}", "test_config.stride=[3, 4]")
    window = {"crop_size": (8, 9), "stride": (3, 4)}
    augmented = InferenceOptions((0.5, 2), flip_vertical=True, **window)
    assert plan.inference() == augmented
    assert plan.inference(predicts=True) == InferenceOptions(**window)
    assert plan.inference(predicts=True, aug_eval=True) == augmented


DOCS = REPOSITORY / "docs" / "configs.md"


def test_the_documented_component_of_ones_own_works(tmp_path: Path) -> None:
    """docs/configs.md as printed: a file named under `imports`; planning twice imports once."""
    code, leaf, _ = re.findall(r"```(?:python|yaml)\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (tmp_path / "my_net.py").write_text(code)
    (tmp_path / "lpsnet_m_cityscapes_1536x768_200k.yml").write_text(YAML)
    for _ in range(2):
        (logits,) = planned(tmp_path, text=leaf).model()(paddle.zeros([1, 3, 8, 9]))
        assert logits.shape == [1, 3, 8, 9]
    assert "did you mean 'width'?" in error_of(tmp_path, "model.with=5", text=leaf)


def test_the_documented_data_set_of_ones_own_works(tmp_path: Path) -> None:
    """docs/configs.md as printed: what it declares is known, and its pairs are read."""
    *_, code = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (tmp_path / "my_data.py").write_text(code)
    folder = tmp_path / "data" / "train"
    folder.mkdir(parents=True)
    for name, shape in (("a.jpg", (6, 8, 3)), ("a.png", (6, 8))):
        cv2.imwrite(str(folder / name), np.full(shape, 2, np.uint8))
    own = f"{{type: MyData, dataset_root: {tmp_path}/data, transforms: [{{type: Normalize}}]}}"
    plan = planned(tmp_path, f"imports=[{tmp_path}/my_data.py]", f"train_dataset={own}", f"val_dataset={own}")
    assert plan.info("train_dataset").classes == ("ground", "plant", "stone")
    sample = plan.dataset("train_dataset").sample(0)
    assert (sample.image.shape, sample.label.tolist()) == ((6, 8, 3), [[2] * 8] * 6)


@pytest.mark.parametrize("future", ["from __future__ import annotations\n", ""])
@pytest.mark.parametrize(
    ("annotation", "value", "allowed"),
    [
        ("int", "0.5", "a whole number"),
        ("bool", "1", "True or False"),
        ("Optional[int]", "[1]", "a whole number"),
        ("typing.Optional[typing.List[int]]", "3", "a list of whole numbers"),
        ("list[str] | None", "[1]", "a list of texts"),
        ("collections.abc.Sequence[float]", "[a]", "a list of numbers"),
    ],
)
def test_a_users_component_is_checked_however_it_is_annotated(
    tmp_path: Path, future: str, annotation: str, value: str, allowed: str
) -> None:
    """By types, by strings, and by typing's names; null passes where the default is None."""
    code = f"""{future}
import collections.abc, typing
from typing import Optional
from paddleseg_lite.registry import TRANSFORMS

class Own:
    def __init__(self, x: {annotation} = None):
        pass

TRANSFORMS.register(Own, {str(tmp_path)!r})
"""
    (tmp_path / "own.py").write_text(code, encoding="utf-8")
    opts = [f"imports=[{tmp_path}/own.py]", f"train_dataset.transforms.1.type={tmp_path}"]
    key = "train_dataset.transforms.1.x"
    assert f"{key} is" in (message := error_of(tmp_path, *opts, f"{key}={value}"))
    assert message.endswith(f"allowed is {allowed}")
    planned(tmp_path, *opts, f"{key}=null")


def test_imports_of_a_module_and_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed modules go by their name; a missing one is the user's mistake, an error inside one a bug."""
    (tmp_path / "builder_toy_module.py").write_text("import module_that_is_missing\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "gone.py, but there is no such file" in error_of(tmp_path, f"imports=[{tmp_path}/gone.py]")
    assert "'no_such_package', which is not installed" in error_of(tmp_path, "imports=[no_such_package]")
    with pytest.raises(ModuleNotFoundError, match="module_that_is_missing"):
        planned(tmp_path, "imports=[builder_toy_module]")
    planned(tmp_path, "imports=[json.tool]")
