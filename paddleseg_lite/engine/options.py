"""How to run a training, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddleseg_lite.engine.inference import InferenceOptions
from paddleseg_lite.errors import UserError

AUTO = "auto"


@dataclass(frozen=True)
class TrainOptions:
    """How to run a training; what to train comes as objects.

    Attributes:
        iters: iterations in all, counted from the first start of the run; one is one update of the weights.
        batch_size: images in a forward pass, of each process.
        save_dir: folder of the run: `iter_N/` checkpoints, `best_model/`, and what it writes about itself.
        save_interval: iterations between checkpoints (and evaluations).
        log_iters: iterations between log lines.
        num_workers: processes that read data; 0 reads in this one.
        keep_checkpoint_max: how many `iter_N/` are kept, the newest ones.
        seed: of the order and the augmentation of samples.
        resume: an `iter_N/` folder to go on from; "auto": the newest valid one in `save_dir`, if any.
        use_vdl: write VisualDL scalars and pictures into `save_dir`.
        use_ema: also keep a moving average of the weights, evaluated and saved as `ema_best_model/`.
        early_stop_intervals: stop after so many evaluations without a better mIoU.
        precision: "fp32", "fp16" or "bf16"; the reduced ones on a GPU only.
        amp_level: "O1" or "O2", for the reduced ones.
        accumulate: forward and backward passes whose gradients are averaged in one iteration.
        skip_nonfinite: how many iterations with a loss that is NaN or infinite are passed over, not an error.
        weights_format: "pdparams" or "safetensors".
        profile: measure the parts of an iteration; waits for the device after each.
        config: what the run was made from, plain data to be written down; never looked at.
        inference: how evaluation turns images into logits.

    Raises:
        UserError: a count that is not positive.
    """

    iters: int
    batch_size: int
    save_dir: Path
    save_interval: int = 1000
    log_iters: int = 10
    num_workers: int = 0
    keep_checkpoint_max: int = 5
    seed: int = 0
    resume: Path | str | None = None
    use_vdl: bool = False
    use_ema: bool = False
    early_stop_intervals: int | None = None
    precision: str = "fp32"
    amp_level: str = "O1"
    accumulate: int = 1
    skip_nonfinite: int = 0
    weights_format: str = "pdparams"
    profile: bool = False
    config: Mapping[str, Any] | None = None
    inference: InferenceOptions = field(default_factory=InferenceOptions)

    def __post_init__(self) -> None:
        counts = ("iters", "batch_size", "save_interval", "log_iters", "keep_checkpoint_max", "accumulate")
        for name in counts:
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; give a whole number of 1 or more")
        if self.skip_nonfinite < 0:
            raise UserError(f"skip_nonfinite is {self.skip_nonfinite}; give a whole number of 0 or more")


@dataclass(frozen=True)
class TrainResult:
    """Where a run stands.

    Attributes:
        iteration: finished iterations.
        loss: the mean of the last log interval; None before the first.
        best_miou: the highest mIoU; None if never evaluated.
        best_iteration: its iteration.
        seconds: this process's time.
        stopped_by: the signal that ended it before its time, as "SIGTERM"; None otherwise.
    """

    iteration: int
    loss: float | None
    best_miou: float | None
    best_iteration: int
    seconds: float
    stopped_by: str | None = None
