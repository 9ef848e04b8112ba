"""How to run a training, and what came of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddleseg_lite.checkpoint.folders import holds_run
from paddleseg_lite.engine.ema import DECAY
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import check_folder
from paddleseg_lite.inference.augment import InferenceOptions

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
        ema_decay: how much of the average an update keeps, above 0 and up to 1; less in the first ones.
        early_stop_intervals: stop after so many evaluations without a better score.
        precision: "fp32", "fp16" or "bf16"; the reduced ones on a GPU only.
        amp_level: "O1" or "O2", for the reduced ones.
        accumulate: forward and backward passes whose gradients are averaged in one iteration.
        skip_nonfinite: how many iterations with a loss that is NaN or infinite are passed over, not an error.
        weights_format: "pdparams" or "safetensors".
        profile: measure the parts of an iteration; waits for the device after each.
        config: what the run was made from, plain data to be written down; never looked at.
        inference: how evaluation turns images into logits.

    Raises:
        UserError: a number that is too small, a setting without effect, or a `save_dir` that cannot be
            written to or holds another run than the one to resume.
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
    ema_decay: float = DECAY
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
        least = {**dict.fromkeys(counts, 1), **dict.fromkeys(("num_workers", "seed", "skip_nonfinite"), 0)}
        if self.early_stop_intervals is not None:
            least["early_stop_intervals"] = 1
        for name, low in least.items():
            if getattr(self, name) < low:
                raise UserError(f"{name} is {getattr(self, name)}; give a whole number of {low} or more")
        if self.amp_level != "O1" and self.precision == "fp32":
            raise UserError(
                f"--amp_level {self.amp_level} does nothing with fp32; add --precision fp16 or bf16"
            )
        if not 0 < self.ema_decay <= 1:
            raise UserError(
                f"--ema_decay is {self.ema_decay}; give a number above 0 and up to 1, as {DECAY}, the default"
            )
        if self.ema_decay != DECAY and not self.use_ema:
            raise UserError(f"--ema_decay {self.ema_decay} does nothing by itself; add --use_ema")
        _check_save_dir(self.save_dir, self.resume)

    @property
    def is_resuming(self) -> bool:
        """Whether the run starts from a checkpoint, or fails: pretrained weights are not needed."""
        return self.resume is not None and (str(self.resume) != AUTO or holds_run(self.save_dir))


def _check_save_dir(save_dir: Path, resume: Path | str | None) -> None:
    """Refuse a folder that cannot be written to, or that holds another run than the one that is resumed."""
    check_folder(save_dir)
    resumes_here = resume is not None and (
        str(resume) == AUTO or os.path.dirname(os.path.realpath(resume)) == os.path.realpath(save_dir)
    )
    if not resumes_here and holds_run(save_dir):
        raise UserError(
            f"{save_dir} holds the checkpoints of an earlier run; go on from the newest with "
            "--resume_model auto, or give this run a --save_dir of its own"
        )


@dataclass(frozen=True)
class TrainResult:
    """Where a run stands.

    Attributes:
        iteration: finished iterations.
        loss: the mean of the last log interval; None before the first.
        best_miou: the highest headline score, which is the mIoU in segmentation; None if never evaluated.
        best_iteration: its iteration.
        seconds: this process's time.
        stopped_by: the signal that ended it before its time, as "SIGTERM"; None otherwise.
        headline: name of that score.
    """

    iteration: int
    loss: float | None
    best_miou: float | None
    best_iteration: int
    seconds: float
    stopped_by: str | None = None
    headline: str = "mIoU"
