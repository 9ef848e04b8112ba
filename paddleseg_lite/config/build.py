"""Config -> network, loss, optimizer, and the rest that needs Paddle; only `config` looks names up."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

from paddle import nn
from paddle.optimizer import Optimizer

from paddleseg_lite import losses, models, optim  # noqa: F401  (they register)
from paddleseg_lite.config.core import Config
from paddleseg_lite.config.data import DataPlan
from paddleseg_lite.config.facts import Facts, resolve_facts
from paddleseg_lite.config.signature import BoundComponent, bind
from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.augment import InferenceOptions
from paddleseg_lite.losses import Criterion
from paddleseg_lite.optim import make_schedule
from paddleseg_lite.registry import BACKBONES, LOSSES, MODELS, OPTIMIZERS, SCHEDULERS


class Plan(DataPlan):
    """A config of which every name and argument is checked, ready to be built part by part.

    A misspelt loss is told before the backbone's weights are downloaded: making a plan imports what is under
    `imports`, and opens no data set and no connection.

    Args:
        config: a section that it lacks is missed when it is asked for: predicting needs no optimizer.
        tasks: what the data sets may be for; `TASKS` for training.

    Raises:
        UserError: a name or an argument is unknown, a required argument is missing, or two places contradict
            each other; the message says where.
    """

    def __init__(self, config: Config, tasks: Collection[str] = ("segmentation",)) -> None:
        super().__init__(config, tasks)
        for key, bound in _SECTIONS.items():
            if config.has(key):
                self._components[key] = bound(config, self.facts)

    def with_epoch(self, iterations: float) -> Plan:
        """Return a plan in which `epochs` and `decay_epochs` are so many iterations each.

        It is where the one becomes the other; what an epoch is, the data set says, once it has been built.
        """
        plan = copy.copy(self)
        plan.config = copy.copy(self.config)
        plan.config.epoch = iterations
        if self.config.has("lr_scheduler"):
            bound = _bind_schedule(plan.config, self.facts)
            plan._components = {**self._components, "lr_scheduler": bound}
        return plan

    def model(self, pretrained: bool | str = True, **others: Any) -> nn.Layer:
        """Build the network under `model`, with what the data sets declare where `model` leaves it out.

        Args:
            pretrained: False skips `pretrained` weights, which a caller is about to replace anyway; a path,
                URL or zoo:NAME takes their place.
            others: take the place of its arguments.

        Raises:
            UserError: there is no `model`, or the pretrained weights do not load.
        """
        model = self._component("model")
        if pretrained is not True:
            model = model.without("pretrained")
            others.update({"pretrained": pretrained} if pretrained else {})
        return model(**others)

    def criterion(self) -> Criterion:
        """Build the losses under `loss`; one entry in `types` serves all of `coef`, each with its own object.

        Raises:
            UserError: there is no `loss`, or an argument is out of range.
        """
        return self._component("loss")()

    def optimizer(self, model: nn.Layer) -> Optimizer:
        """Build the optimizer of the model's parameters, and `lr_scheduler`, to be stepped each iteration.

        Raises:
            UserError: there is no `optimizer` or `lr_scheduler`, an argument is out of range, or nobody said
                how long epochs are.
        """
        if self.config.counts_epochs and self.config.epoch is None:
            raise UserError(f"{self.config.path} counts in epochs; ask Plan.with_epoch for an optimizer")
        schedule = self._component("lr_scheduler")()
        return self._component("optimizer")(learning_rate=schedule, parameters=model.parameters())

    def inference(self, predicts: bool = False, **flags: Any) -> InferenceOptions:
        """Return how images become logits: as `test_config` says, but for what `flags` of the same names say.

        Args:
            predicts: its `aug_eval` does not count then: scales and flips are for scores, unless a flag asks.
            flags: `aug_eval`, `scales` and so on.

        Raises:
            UserError: a sliding window without a size, or an option that is out of range.
        """
        given = {**self.test_config(predicts), **flags}
        slides, augments = bool(given.get("is_slide")), bool(given.get("aug_eval"))
        for name in ("crop_size", "stride"):
            if slides and not given.get(name):
                raise UserError(f"is_slide needs {name}; give --{name} W H or test_config.{name}")
        scales = given.get("scales") if augments else None
        return InferenceOptions(
            scales=tuple(scales) if isinstance(scales, (list, tuple)) else (scales or 1.0,),
            flip_horizontal=augments and bool(given.get("flip_horizontal")),
            flip_vertical=augments and bool(given.get("flip_vertical")),
            crop_size=tuple(given["crop_size"]) if slides else None,
            stride=tuple(given["stride"]) if slides else None,
        )

    def test_config(self, predicts: bool = False) -> dict[str, Any]:
        """Return what the config says of inference; for `predicts` see `inference`."""
        values = dict(self.config.values.get("test_config") or {})
        return {**values, "aug_eval": False} if predicts else values


def _bind_model(config: Config, facts: Facts) -> BoundComponent:
    spec = config.section("model")
    own = resolve_facts(config, "model", spec, facts, ("num_classes", "in_channels"))
    backbone: Mapping[str, Any] | None = spec.get("backbone")
    if backbone is not None:
        channels = resolve_facts(config, "model.backbone", backbone, facts, ("in_channels",))
        spec["backbone"] = bind(config, BACKBONES, "model.backbone", backbone, channels)
    return bind(config, MODELS, "model", spec, own)


def _bind_criterion(config: Config, facts: Facts) -> BoundComponent:
    loss = config.section("loss")
    bound = []
    for index, spec in enumerate(loss["types"]):
        key = f"loss.types.{index}"
        ignored = resolve_facts(config, key, spec, facts, ("ignore_index",))
        bound.append(bind(config, LOSSES, key, spec, ignored))
    bound *= len(loss["coef"]) if len(bound) == 1 else 1
    return BoundComponent(config.where("loss"), Criterion, {"losses": bound, "coefs": loss["coef"]})


def _bind_optimizer(config: Config, _: Facts) -> BoundComponent:
    spec = config.section("optimizer")
    injected = ("learning_rate", "parameters")
    return bind(config, OPTIMIZERS, "optimizer", spec, injected=injected, is_foreign=True)


def _bind_schedule(config: Config, _: Facts) -> BoundComponent:
    spec = config.section("lr_scheduler")
    warmup_iters, start_lr = spec.pop("warmup_iters", None) or 0, spec.pop("warmup_start_lr", None) or 0.0
    if spec["type"] in ("Piecewise", "PiecewiseDecay") and "decay_epochs" in spec:
        spec["boundaries"] = [config.iterations(epochs) for epochs in spec.pop("decay_epochs")]
    # PolynomialDecay runs over what the warm-up leaves; a trial run may be shorter than the warm-up.
    defaults = {"decay_steps": max(config.iters - warmup_iters, 1)}
    schedule = bind(config, SCHEDULERS, "lr_scheduler", spec, defaults)
    arguments = {**schedule.arguments, "warmup_iters": warmup_iters, "warmup_start_lr": start_lr}
    return BoundComponent(
        schedule.where, make_schedule, {"schedule": schedule.component, **arguments}, is_foreign=True
    )


_SECTIONS = {
    "model": _bind_model,
    "loss": _bind_criterion,
    "optimizer": _bind_optimizer,
    "lr_scheduler": _bind_schedule,
}
