"""What a training run is told, besides the objects to train."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from paddleseg_lite.engine.inference import InferenceOptions
from paddleseg_lite.errors import UserError


@dataclass(frozen=True)
class TrainOptions:
    """How to run a training; what to train comes as objects.

    Attributes:
        iters: iterations in all, counted from the first start of the run.
        batch_size: images in an iteration.
        save_dir: folder of the run: `iter_N/` checkpoints and `best_model/`.
        save_interval: iterations between checkpoints (and evaluations).
        log_iters: iterations between log lines.
        num_workers: processes that read data; 0 reads in this one.
        keep_checkpoint_max: how many `iter_N/` are kept, the newest ones.
        seed: of the order and the augmentation of samples.
        resume: an `iter_N/` folder to go on from.
        use_vdl: write VisualDL scalars into `save_dir`.
        use_ema: also keep a moving average of the weights, evaluated and saved as `ema_best_model/`.
        early_stop_intervals: stop after so many evaluations without a better mIoU.
        precision: "fp32", "fp16" or "bf16"; the reduced ones on a GPU only.
        amp_level: "O1" or "O2", for the reduced ones.
        inference: how evaluation turns images into logits.
    """

    iters: int
    batch_size: int
    save_dir: Path
    save_interval: int = 1000
    log_iters: int = 10
    num_workers: int = 0
    keep_checkpoint_max: int = 5
    seed: int = 0
    resume: Path | None = None
    use_vdl: bool = False
    use_ema: bool = False
    early_stop_intervals: int | None = None
    precision: str = "fp32"
    amp_level: str = "O1"
    inference: InferenceOptions = field(default_factory=InferenceOptions)

    def __post_init__(self) -> None:
        least = dict.fromkeys(("iters", "batch_size", "save_interval", "log_iters", "keep_checkpoint_max"), 1)
        least.update(num_workers=0, seed=0)
        if self.early_stop_intervals is not None:
            least["early_stop_intervals"] = 1
        for name, low in least.items():
            if getattr(self, name) < low:
                raise UserError(f"{name} is {getattr(self, name)}; give a whole number of {low} or more")
        _check_save_dir(self.save_dir, self.resume)


def _check_save_dir(save_dir: Path, resume: Path | None) -> None:
    """Refuse a folder that cannot be written to, or that holds another run than the one that is resumed."""
    existing = next(path for path in (save_dir, *save_dir.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise UserError(f"--save_dir {save_dir}: nothing can be written to {existing}; give another folder")
    resumes_here = resume is not None and resume.resolve().parent == save_dir.resolve()
    if not resumes_here and (list(save_dir.glob("iter_*")) or (save_dir / "best_model").exists()):
        raise UserError(
            f"{save_dir} holds the checkpoints of an earlier run; go on from one with --resume_model, "
            "or give this run a --save_dir of its own"
        )
