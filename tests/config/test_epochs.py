"""Configs of classification: epochs that become iterations, what belongs where, and who takes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from paddle import nn

from paddleseg_lite.config import load_config
from paddleseg_lite.config.build import Plan
from paddleseg_lite.config.data import DataPlan
from paddleseg_lite.datasets.samples import TASKS
from paddleseg_lite.errors import UserError

YAML = """
batch_size: 4
epochs: 100
model: {type: LPSNetClassifier, depths: [1, 1], channels: [4, 8], scale_ratios: [1]}
train_dataset:
  type: ImageNetDataset
  image_root: nowhere
  num_classes: 7
  transforms: [{type: RandomResizedCrop, size: 32}, {type: Normalize}]
  batch_transforms: [{type: MixupOperator, alpha: 0.2}]
optimizer: {type: Momentum, momentum: 0.9}
lr_scheduler: {type: Piecewise, learning_rate: 0.1, decay_epochs: [30, 60, 90]}
loss: {types: [{type: CELoss}], coef: [1]}
"""


def planned(tmp_path: Path, *opts: str) -> Plan:
    path = tmp_path / "imagenet.yml"
    path.write_text(YAML)
    return Plan(load_config(path, opts), TASKS)


def rates(plan: Plan, count: int) -> list[float]:
    optimizer, found = plan.optimizer(nn.Linear(1, 1)), []
    for _ in range(count):
        found.append(optimizer.get_lr())
        optimizer._learning_rate.step()
    return found


@pytest.mark.parametrize("name", ["Piecewise", "PiecewiseDecay"])
def test_epochs_become_iterations(tmp_path: Path, name: str) -> None:
    """Of 1.5 iterations each: 150 in all, and a tenth of the rate from iterations 45, 90 and 135 on."""
    own = "{type: PiecewiseDecay, values: [0.1, 0.01, 0.001, 0.0001], decay_epochs: [30, 60, 90]}"
    plan = planned(tmp_path, *([f"lr_scheduler={own}"] if name == "PiecewiseDecay" else [])).with_epoch(1.5)
    assert plan.config.iters == 150
    expected = [0.1] * 45 + [0.01] * 45 + [0.001] * 45 + [0.0001] * 15
    assert rates(plan, 150) == pytest.approx(expected)


def test_a_polynomial_decays_over_the_epochs(tmp_path: Path) -> None:
    """Its decay_steps are what the epochs come to."""
    schedule = "lr_scheduler={type: PolynomialDecay, learning_rate: 0.1, end_lr: 0, power: 1}"
    assert rates(planned(tmp_path, schedule).with_epoch(0.5), 51)[25:51:25] == pytest.approx([0.05, 0])


def test_iterations_are_what_they_were(tmp_path: Path) -> None:
    """A trial run in iterations: the length of an epoch does not matter, decay_epochs stay epochs."""
    plan = planned(tmp_path, "epochs=null", "iters=3").with_epoch(0.1)
    assert plan.config.iters == 3
    assert "epochs" not in plan.config.standalone()
    assert planned(tmp_path).config.standalone()["epochs"] == 100
    assert rates(plan, 7)[2:4] == pytest.approx([0.1, 0.01])


def test_epochs_of_unknown_length_make_no_schedule(tmp_path: Path) -> None:
    """As iterations they would be a wrong one without a word."""
    with pytest.raises(UserError, match=r"counts in epochs; ask Plan.with_epoch"):
        planned(tmp_path).optimizer(nn.Linear(1, 1))


@pytest.mark.parametrize(
    ("opt", "message"),
    [
        ("iters=3", "--opts: iters is 3 and .*imagenet.yml: epochs 100; give one, and set the other to null"),
        ("epochs=0", "epochs is 0; allowed is a positive number"),
        ("lr_scheduler.decay_epochs=[30, no]", "decay_epochs is .*; allowed is a list of positive numbers"),
        ("lr_scheduler.type=StepDecay", "unknown key 'lr_scheduler.decay_epochs'"),
        (
            "train_dataset.batch_transforms.0.type=Normalize",
            "no batch transform 'Normalize'; known are: Mixup",
        ),
        ("train_dataset.batch_transforms.0.alpha=x", "batch_transforms.0.alpha is 'x'; allowed is a number"),
        ("train_dataset.transforms.0.type=MixupOperator", "no transform 'MixupOperator'"),
        ("model.num_classes=8", "num_classes is 8 by .*, but 7 by"),
    ],
)
def test_mistakes_are_found_before_any_data_are_read(tmp_path: Path, opt: str, message: str) -> None:
    """With the place that has them."""
    with pytest.raises(UserError, match=message):
        planned(tmp_path, opt)


@pytest.mark.parametrize("plan", [Plan, DataPlan])
def test_other_commands_refuse_labels_of_whole_images(tmp_path: Path, plan: type[DataPlan]) -> None:
    """In one sentence, before they come upon a label that is no picture."""
    planned(tmp_path)
    with pytest.raises(
        UserError, match="train_dataset: ImageNetDataset has labels of whole images, which only"
    ):
        plan(load_config(tmp_path / "imagenet.yml"))
