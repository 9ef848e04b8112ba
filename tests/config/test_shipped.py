"""Every shipped YAML: it builds, reads data, takes a training step; its head comment is true."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import paddle
import pytest

from paddleseg_lite.config import Config, load_config
from paddleseg_lite.config.build import Plan
from paddleseg_lite.datasets import train_batches
from paddleseg_lite.datasets.samples import TASKS
from paddleseg_lite.losses import OhemCrossEntropyLoss
from paddleseg_lite.paddle_compat import schedule_of
from paddleseg_lite.transforms import MixupOperator, RandomDistort, RandomErasing, RandomHorizontalFlip
from tests import paths
from tests.paths import REPOSITORY

CONFIGS = REPOSITORY / "configs"
# By name: what a user saves in configs/ is no business of the tests.
SHIPPED = (
    "camvid/lpsnet_s_camvid_480x352_16k.yml",
    "camvid/lpsnet_s_camvid_480x352_1k.yml",
    "camvid/lpsnet_scale_camvid_240x176.yml",
    "camvid/lraspp_mobilenetv3_camvid_480x352_1k.yml",
    "camvid/lraspp_mobilenetv3_camvid_480x352_1k_os32.yml",
    "lpsnet/lpsnet_l_cityscapes_1536x768_200k.yml",
    "lpsnet/lpsnet_l_imagenet_120e.yml",
    "lpsnet/lpsnet_m_cityscapes_1536x768_200k.yml",
    "lpsnet/lpsnet_m_imagenet_100e.yml",
    "lpsnet/lpsnet_m_imagenet_100e_mixup.yml",
    "lpsnet/lpsnet_s_cityscapes_1536x768_200k.yml",
    "lpsnet/lpsnet_s_crops_64_6e.yml",
    "lpsnet/lpsnet_s_imagenet_120e.yml",
    "lraspp/lraspp_mobilenetv3_cityscapes_1024x512_80k.yml",
    "lraspp/lraspp_mobilenetv3_cityscapes_1024x512_80k_large_kernel.yml",
    "lraspp/lraspp_mobilenetv3_cityscapes_1024x512_80k_os32.yml",
    "lraspp/mobilenetv3_large_imagenet_100e.yml",
    "quickstart/lpsnet_streetscenes.yml",
)
CLASSIFIERS = [name for name in SHIPPED if re.search("_imagenet_|_crops_", name)]
SEGMENTERS = [name for name in SHIPPED if name not in CLASSIFIERS]
shipped, segmenters, classifiers = (
    pytest.mark.parametrize("path", [CONFIGS / name for name in names], ids=names)
    for names in (SHIPPED, SEGMENTERS, CLASSIFIERS)
)


def folder_for(config: Config, root: Path) -> Path:
    """Write a train and a val image of 128x64 in the layout of the config's data set; return its folder."""
    image = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    label = np.zeros((64, 128), np.uint8)
    # SegNet's copy of CamVid has 11, which is no class, where others have 255.
    label[:32], label[:, 100:] = 7, 11 if config.values["train_dataset"]["type"] == "CamVid" else 0
    for mode in ("train", "val"):
        if config.values["train_dataset"]["type"] == "CamVid":
            names = f"{mode}.png", f"{mode}_label.png"
            (root / f"{mode}.txt").write_text(" ".join(names))
        else:
            names = (
                f"leftImg8bit/{mode}/city/city_0_0_leftImg8bit.png",
                f"gtFine/{mode}/city/city_0_0_gtFine_labelIds.png",
            )
        for name, pixels in zip(names, (image, label)):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(root / name), pixels)
    return root


def test_every_config_of_the_repository_is_tested() -> None:
    """A new one must not be forgotten above; files in _base_ are parts, not configs."""
    listing = ["git", "ls-files", ":(glob)*/*.yml"]
    if shutil.which("git") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("needs git and a checkout")
    done = subprocess.run(listing, cwd=CONFIGS, capture_output=True, text=True, check=True)
    assert [name for name in done.stdout.split() if not name.startswith("_base_/")] == list(SHIPPED)


def test_a_users_own_files_in_configs_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README has them saved there: the tests of this file do not see them, whole or broken."""
    shutil.copytree(CONFIGS, tmp_path / "configs")
    (tmp_path / "configs" / "mine.yml").write_text("_base_: [\n")
    (tmp_path / "configs" / "lpsnet" / "mine.yml").write_text(f"_base_: {Path(SHIPPED[4]).name}\n")
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    these = runpy.run_path(__file__)
    tested = these["shipped"].args[1]
    assert [str(path.relative_to(tmp_path / "configs")) for path in tested] == list(SHIPPED)
    for path in tested:
        these["test_its_head_comment_has_the_command_that_runs_it"](path)


@segmenters
def test_a_training_step_reaches_every_parameter(path: Path) -> None:
    """Model, loss and optimizer fit each other: finite loss, gradients everywhere, weights move."""
    paddle.seed(0)
    config = load_config(path)
    plan = Plan(config)
    model = plan.model(pretrained=False)
    optimizer, criterion = plan.optimizer(model), plan.criterion()
    # The large kernel pools 49x49 features at a stride of 8 pixels.
    height, width = (64, 96) if config.values["model"].get("use_gap", True) else (392, 392)
    label = np.random.default_rng(0).integers(0, 11, (2, height, width)).astype(np.uint8)
    label[:, :8] = 255
    before = {name: value.numpy().copy() for name, value in model.named_parameters()}
    logits = model(paddle.randn([2, 3, height, width]))
    num_classes = 11 if config.values["train_dataset"]["type"] == "CamVid" else 19
    assert [list(output.shape) for output in logits] == [[2, num_classes, height, width]]
    loss = sum(criterion(logits, paddle.to_tensor(label)))
    loss.backward()
    assert np.isfinite(float(loss))
    trained = [(name, value) for name, value in model.named_parameters() if not value.stop_gradient]
    assert [name for name, value in trained if value.grad is None] == []
    optimizer.step()
    assert any((value.numpy() != before[name]).any() for name, value in trained)


@segmenters
def test_its_data_sets_build_and_give_samples_of_its_crop(path: Path, tmp_path: Path) -> None:
    """Transforms fit the data: a crop of (width, height), labels beside it, float32 images."""
    config = load_config(path)
    root = folder_for(config, tmp_path)
    plan = Plan(load_config(path, [f"{mode}_dataset.dataset_root={root}" for mode in ("train", "val")]))
    train, val = plan.dataset("train_dataset"), plan.dataset("val_dataset")
    transforms = config.values["train_dataset"]["transforms"]
    crops = [transform["crop_size"] for transform in transforms if "crop_size" in transform]
    sample = train.sample(0)
    assert sample.image.dtype == np.float32
    if crops:
        assert sample.label.shape == tuple(crops[-1][::-1])
    assert set(np.unique(sample.label)) <= {0, 7, 255}
    assert val.sample(0).label.shape == (64, 128)
    assert (train.mode, val.mode) == ("train", "val")


@classifiers
def test_a_classifier_takes_a_step_on_its_data(path: Path, tmp_path: Path) -> None:
    """Data, transforms, batches, network, loss, schedule and optimizer of pretraining fit each other."""
    paddle.seed(0)
    config, roots = load_config(path), {}
    for mode in ("train", "val"):
        values = config.values[f"{mode}_dataset"]
        roots[mode] = tmp_path / mode
        for name in range(values["num_classes"] if values.get("num_classes") else 1):
            (tmp_path / mode / f"{name:02}").mkdir(parents=True)
        for number in range(2):
            picture = np.random.default_rng(number).integers(0, 256, (300, 280, 3), np.uint8)
            assert cv2.imwrite(str(tmp_path / mode / "00" / f"{number}.png"), picture)
        (tmp_path / mode / f"{mode}_list.txt").write_text("00/0.png 999\n00/1.png 0\n")
    opts = [f"{mode}_dataset.image_root={root}" for mode, root in roots.items()]
    plan = Plan(load_config(path, opts), TASKS).with_epoch(1.0)
    train, val = plan.dataset("train_dataset"), plan.dataset("val_dataset")
    batch = next(train_batches(train, batch_size=2, start_iter=0, iters=1))
    assert val.sample(0).image.shape[:2] == batch.images.shape[2:]
    model = plan.model()
    optimizer, logits = plan.optimizer(model), model(paddle.to_tensor(batch.images[:, :, ::4, ::4]))
    assert logits[0].shape == [2, train.num_classes]
    loss = sum(plan.criterion()(logits, paddle.to_tensor(batch.labels)))
    loss.backward()
    assert np.isfinite(float(loss))
    assert [name for name, p in model.named_parameters() if not p.stop_gradient and p.grad is None] == []
    optimizer.step()


@pytest.mark.parametrize(
    ("name", "epochs", "boundaries"),
    [
        ("m_imagenet_100e", 100, [150_000, 300_000, 450_000]),
        ("s_imagenet_120e", 120, [150_000, 300_000, 450_000]),
        ("l_imagenet_120e", 120, [150_000, 300_000, 450_000]),
        ("m_imagenet_100e_mixup", 100, [150_000, 300_000, 450_000]),
    ],
)
def test_the_published_pretraining(name: str, epochs: int, boundaries: list[int]) -> None:
    """Rates, decay and crops, with epochs of 5000 iterations, about those of ImageNet in batches of 256."""
    plan = Plan(load_config(CONFIGS / "lpsnet" / f"lpsnet_{name}.yml"), TASKS).with_epoch(5000)
    assert plan.config.iters == epochs * 5000
    optimizer = plan.optimizer(paddle.nn.Linear(1, 1))
    schedule = schedule_of(optimizer)
    assert schedule.boundaries == boundaries
    assert schedule.values == pytest.approx([0.1, 0.01, 0.001, 0.0001])
    own = plan.config.values["optimizer"]
    assert (own["type"], own["momentum"], own["weight_decay"]) == ("Momentum", 0.9, 1e-4)
    assert own["use_nesterov"] is True
    crop, flip, normalize, *_ = plan.transforms("train_dataset").transforms
    assert (crop.size, crop.scale, crop.ratio) == ((224, 224), (0.08, 1.0), (3 / 4, 4 / 3))
    assert (type(flip), flip.prob) == (RandomHorizontalFlip, 0.5)
    short, middle, normalize_val = plan.transforms("val_dataset").transforms
    assert (short.short_sizes, middle.size) == ([256], (224, 224))
    for last in (normalize, normalize_val):
        assert (last.mean, last.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_the_published_step_of_pretraining() -> None:
    """Nesterov's goes 1 + 0.9 times the gradient at first, a plain one once; L2 is part of the gradient."""
    plan = Plan(load_config(CONFIGS / "lpsnet" / "lpsnet_m_imagenet_100e.yml"), TASKS).with_epoch(5000)
    weight = paddle.create_parameter(
        [1], "float32", default_initializer=paddle.nn.initializer.Constant(1000.0)
    )
    (layer := paddle.nn.Layer()).add_parameter("weight", weight)
    optimizer = plan.optimizer(layer)
    weight.sum().backward()
    optimizer.step()
    assert 1000 - weight.item() == pytest.approx(0.1 * (1 + 0.9) * (1 + 1e-4 * 1000), rel=1e-3)


def test_erasing_and_mixup_of_the_variant(tmp_path: Path) -> None:
    """The arguments that its head names, in what is built; the plain config has neither."""
    assert cv2.imwrite(str(tmp_path / "0.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "train_list.txt").write_text("0.png 0\n")
    plain, variant = (
        Plan(load_config(CONFIGS / "lpsnet" / name, [f"train_dataset.image_root={tmp_path}"]), TASKS).dataset(
            "train_dataset"
        )
        for name in ("lpsnet_m_imagenet_100e.yml", "lpsnet_m_imagenet_100e_mixup.yml")
    )
    assert (len(plain.transforms.transforms), plain.batch_transforms) == (3, ())
    *before, erasing = variant.transforms.transforms
    assert [vars(step) for step in before] == [vars(step) for step in plain.transforms.transforms]
    assert isinstance(erasing, RandomErasing)
    assert (erasing.EPSILON, erasing.areas, erasing.r1) == (0.5, (0.02, 0.4), 0.3)
    assert (erasing.attempt, erasing.mode) == (100, "const")
    (mixup,) = variant.batch_transforms
    assert (type(mixup), mixup.alpha) == (MixupOperator, 0.2)


# docs/lpsnet.md tells of them.
JITTER = {"brightness_range": 0.4, "contrast_range": 0.4, "saturation_range": 0.4}
ATTEMPTS = {
    "iters=200000": {"iters": 200_000, "decay_steps": 200_000},
    " ".join(f"train_dataset.transforms.3.{name}={width}" for name, width in JITTER.items()): {
        "distortion": vars(RandomDistort(**JITTER))
    },
    "loss.types.0.thresh=0.6": {"thresh": 0.6},
    "lr_scheduler.learning_rate=0.02": {"rate": 0.02},
}
# The config has two of them already: with these, none.
OTHERS = (
    "iters=1000",
    *(f"train_dataset.transforms.3.{name}=0.1" for name in JITTER),
    "loss.types.0.thresh=0.9",
    "lr_scheduler.learning_rate=0.5",
)


def attempted(*opts: str) -> dict[str, Any]:
    """Return all that the attempts change, as the built objects have it."""
    plan = Plan(load_config(CONFIGS / "lpsnet" / "lpsnet_m_cityscapes_1536x768_200k.yml", opts))
    optimizer = plan.optimizer(paddle.nn.Linear(1, 1))
    (loss,) = plan.criterion().losses
    return {
        "iters": plan.config.iters,
        "decay_steps": schedule_of(optimizer).decay_steps,
        "distortion": vars(plan.transforms("train_dataset").transforms[3]),
        "thresh": loss.thresh,
        "rate": optimizer.get_lr(),
    }


@pytest.mark.parametrize("opts", ATTEMPTS)
def test_the_attempts_of_the_documentation_build(opts: str) -> None:
    """Each is one line of --opts, stands in docs/lpsnet.md, and changes what it says and nothing else."""
    assert f"--opts {opts}`" in (REPOSITORY / "docs" / "lpsnet.md").read_text()
    before = attempted(*OTHERS)
    assert all(before[part] != value for part, value in ATTEMPTS[opts].items())
    assert attempted(*OTHERS, *opts.split()) == {**before, **ATTEMPTS[opts]}


@shipped
def test_its_head_comment_has_the_command_that_runs_it(path: Path) -> None:
    """A copied head would send the reader to another config."""
    head = path.read_text().split("\n\n")[0]
    assert set(re.findall(r"--config (\S+)", head)) == {str(path.relative_to(REPOSITORY))}


@pytest.mark.parametrize(
    ("name", "crop", "iters", "rate", "kept", "distortion"),
    [
        ("lraspp/lraspp_mobilenetv3_cityscapes_1024x512_80k", [1024, 512], 80000, 0.005, 130000, 0.5),
        ("lraspp/lraspp_mobilenetv3_cityscapes_1024x512_80k_os32", [1024, 512], 80000, 0.005, 130000, 0.5),
        ("lpsnet/lpsnet_s_cityscapes_1536x768_200k", [1536, 768], 200000, 0.01, 10000, 0.4),
        ("lpsnet/lpsnet_l_cityscapes_1536x768_200k", [1536, 768], 200000, 0.01, 10000, 0.4),
        ("camvid/lpsnet_s_camvid_480x352_1k", [480, 352], 1000, 0.05, 50000, 0.4),
        ("camvid/lraspp_mobilenetv3_camvid_480x352_1k_os32", [480, 352], 1000, 0.05, 50000, 0.4),
    ],
)
def test_published_settings(
    name: str, crop: list[int], iters: int, rate: float, kept: int, distortion: float
) -> None:
    """What a change of a base would alter for all: the recipe behind the published figures."""
    config = load_config(CONFIGS / f"{name}.yml")
    transforms = {transform["type"]: transform for transform in config.values["train_dataset"]["transforms"]}
    assert transforms["RandomPaddingCrop"]["crop_size"] == crop
    assert transforms["RandomDistort"]["brightness_range"] == distortion
    assert (config.iters, config.batch_size) == (iters, 4)
    assert config.values["lr_scheduler"]["learning_rate"] == rate
    (loss,) = Plan(config).criterion().losses
    assert isinstance(loss, OhemCrossEntropyLoss)
    assert (loss.thresh, loss.min_kept, loss.ignore_index) == (0.7, kept, 255)
    optimizer = config.values["optimizer"]
    assert (optimizer["momentum"], optimizer["weight_decay"]) == (0.9, 5e-4)


PADDLESEG_BASE = """
batch_size: 2
iters: 80000
train_dataset: &train
  type: Dataset
  dataset_root: data/mine
  train_path: data/mine/train.txt
  num_classes: 19
  transforms:
    - type: ResizeStepScaling
      min_scale_factor: 0.5
      max_scale_factor: 2.0
      scale_step_size: 0.25
    - type: RandomPaddingCrop
      crop_size: [1024, 512]
    - type: RandomHorizontalFlip
    - type: RandomDistort
      brightness_range: 0.4
      contrast_range: 0.4
      saturation_range: 0.4
    - type: Normalize
  mode: train
val_dataset:
  type: Dataset
  dataset_root: data/mine
  val_path: data/mine/val.txt
  num_classes: 19
  transforms: [{type: Normalize}]
  mode: val
optimizer: {type: SGD, momentum: 0.9, weight_decay: 4.0e-5}
lr_scheduler: {type: PolynomialDecay, learning_rate: 0.01, end_lr: 0, power: 0.9}
loss:
  types: [{type: CrossEntropyLoss}]
  coef: [1]
"""

PADDLESEG_LEAVES = {
    "lpsnet": """
_base_: './base.yml'
optimizer: {weight_decay: 0.0005}
loss:
  types:
    - type: OhemCrossEntropyLoss
      thresh: 0.7
      min_kept: 10000
  coef: [1]
model:
  type: LPSNet
  in_channels: 3
  depths: [1, 1, 1, 1, 1]
  channels: [4, 4, 4, 4, 4]
  scale_ratios: [1, 0.25]
  num_classes: 19
""",
    "lraspp": """
_base_: './base.yml'
lr_scheduler: {warmup_iters: 1000, warmup_start_lr: 1.0e-5, learning_rate: 0.005}
model:
  type: LRASPP
  backbone:
    type: MobileNetV3_small_x0_35
    pretrained: Null
  backbone_indices: [0, 1, 3]
  lraspp_head_inter_chs: [32, 64]
  lraspp_head_out_ch: 128
  resize_mode: bilinear
  use_gap: True
test_config:
  aug_eval: True
  scales: [0.75, 1.0]
""",
}


@pytest.mark.parametrize("leaf", PADDLESEG_LEAVES)
def test_a_config_in_paddlesegs_style_runs_unchanged(tmp_path: Path, leaf: str) -> None:
    """Its spellings: SGD for Momentum, class numbers in several places that agree, explicit defaults."""
    (tmp_path / "base.yml").write_text(PADDLESEG_BASE)
    (tmp_path / "leaf.yml").write_text(PADDLESEG_LEAVES[leaf])
    plan = Plan(load_config(tmp_path / "leaf.yml"))
    model = plan.model()
    assert isinstance(plan.optimizer(model), paddle.optimizer.Momentum)
    (logits,) = model(paddle.zeros([2, 3, 64, 64]))
    (loss,) = plan.criterion()([logits], paddle.zeros([2, 64, 64], "int64"))
    assert float(loss) > 0
