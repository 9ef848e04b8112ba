"""A run that is killed, asked to stop, or out of disk space: it goes on as if nothing had happened."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddleseg_lite.checkpoint import latest_checkpoint, read_weights
from paddleseg_lite.engine import task
from paddleseg_lite.engine.step import TrainStep
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import sha256
from paddleseg_lite.inference.evaluate import evaluate
from tests.commands import CONTEXT, start_process
from tests.engine.toy import GENERATOR_CAN_BE_SAVED, DropoutNet, toy_run
from tests.paths import ENVIRONMENT, REPOSITORY
from tests.toys import PixelNet


def metrics(folder: Path) -> list[dict]:
    """Return what metrics.jsonl says, without what depends on the clock."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    clock = ("time", "batch_cost", "reader_cost", "ips")
    return [{key: value for key, value in line.items() if key not in clock} for line in lines]


def assert_same_end(whole: Path, parts: Path, files: tuple[str, ...] = ("model.pdparams",)) -> None:
    """The newest checkpoints have the same number and the same bits; the runs tell the same."""
    ends = [latest_checkpoint(folder) for folder in (whole, parts)]
    assert ends[0].name == ends[1].name
    for name in files:
        first, second = (read_weights(end / name) for end in ends)
        assert first.keys() == second.keys()
        for key, value in first.items():
            np.testing.assert_array_equal(value, second[key], err_msg=f"{name}: {key}")
    states = [json.loads((end / "state.json").read_text()) for end in ends]
    for name in ("iteration", "best_miou", "best_iteration"):
        assert states[0][name] == states[1][name]
    assert metrics(whole) == metrics(parts)


def change_state(folder: Path, change: Callable[[dict], object]) -> None:
    """Change what a checkpoint's state.json says, and its checksum."""
    file, sums = folder / "state.json", folder / "SHA256SUMS"
    state, before = json.loads(file.read_text()), sha256(file)
    change(state)
    file.write_text(json.dumps(state))
    sums.write_text(sums.read_text().replace(before, sha256(file)))


@pytest.mark.slow
def test_a_run_that_is_killed_twenty_times_ends_like_one_that_was_not(tmp_path):
    """SIGKILL at random moments, many of them while a checkpoint is written; with and without workers.

    Weights, moving average, best mIoU and all logged numbers are those of the undisturbed run, bit by bit.
    """
    with (tmp_path / "out.json").open("w") as out, (tmp_path / "errors.txt").open("w") as errors:
        command = [sys.executable, "-m", "tests.engine.killed_runs", str(tmp_path), "20"]
        subprocess.run(command, cwd=REPOSITORY, env=ENVIRONMENT, stdout=out, stderr=errors, check=True)
    done = json.loads((tmp_path / "out.json").read_text())
    trace = tmp_path / "trace.txt"
    assert done["ends"] == [0, 0], trace.read_text() if trace.exists() else done
    killed = [moment for moment in done["moments"] if moment["killed"]]
    assert len(killed) == 20
    assert sum(moment["writing"] for moment in killed) >= 3, "too few died while writing"
    assert_same_end(tmp_path / "whole", tmp_path / "killed", ("model.pdparams", "ema.pdparams"))


def stop_at(monkeypatch: pytest.MonkeyPatch, iteration: int, number: int) -> None:
    """Let the process get a signal while it computes an iteration."""
    original, done = TrainStep.forward, []

    def forward(self, *args):
        done.append(1)
        if len(done) == iteration:
            os.kill(os.getpid(), number)
        return original(self, *args)

    monkeypatch.setattr(TrainStep, "forward", forward)


@pytest.mark.parametrize(("number", "num_workers"), [(signal.SIGTERM, 0), (signal.SIGINT, 2)])
def test_a_signal_ends_the_run_after_the_iteration_with_a_checkpoint(
    tmp_path, monkeypatch, number, num_workers
):
    """Between two saves, in the middle of a log interval, with dropout: the rest is as if never stopped."""
    options = {"iters": 9, "log_iters": 4, "num_workers": num_workers, "use_ema": True}
    toy_run(tmp_path / "whole", net=DropoutNet, **options)
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        stop_at(patch, 5, number)
        result = toy_run(tmp_path / "parts", net=DropoutNet, **options)
    assert result.stopped_by == signal.Signals(number).name
    assert result.iteration in (5, 6), "the signal may be seen by the iteration that it hits, or by the next"
    assert signal.getsignal(number) is before, "the process's own handlers are back"
    assert latest_checkpoint(tmp_path / "parts").name == f"iter_{result.iteration}"
    assert toy_run(tmp_path / "parts", net=DropoutNet, resume="auto", **options).stopped_by is None
    assert_same_end(tmp_path / "whole", tmp_path / "parts", ("model.pdparams", "ema.pdparams"))


def test_a_signal_ends_an_evaluation_which_is_done_after_resuming(tmp_path, monkeypatch):
    """An evaluation may take longer than a scheduler waits; its iteration's weights are saved before it."""
    toy_run(tmp_path / "whole", do_eval=True)

    def interrupted(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(task, "evaluate", interrupted)
        assert toy_run(tmp_path / "parts", do_eval=True).stopped_by == "SIGTERM"
    assert sorted(path.name for path in (tmp_path / "parts").glob("*_*")) == ["iter_3"]
    toy_run(tmp_path / "parts", do_eval=True, resume="auto")
    assert_same_end(tmp_path / "whole", tmp_path / "parts")
    assert (tmp_path / "parts" / "best_model" / "model.pdparams").exists()


class SlowNet(PixelNet):
    """Tells when an iteration begins; those after the second take some seconds each."""

    def __init__(self, told: Connection, seconds: float) -> None:
        super().__init__()
        self.told, self.seconds, self.done = told, seconds, 0

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        self.done += 1
        self.told.send(self.done)
        time.sleep(self.seconds if self.done > 2 else 0)
        return super().forward(x)


def slow_run(save_dir: Path, told: Connection, seconds: float) -> None:
    """Train slowly, with workers, as the first process of a group; tell what it was stopped by."""
    os.setsid()
    result = toy_run(save_dir, iters=100000, net=lambda: SlowNet(told, seconds), num_workers=2)
    told.send(result.stopped_by)


def started(save_dir: Path, seconds: float) -> tuple[BaseProcess, Connection]:
    """Start a `slow_run`; return when it is in its third iteration, with the process and what it tells."""
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = start_process(slow_run, save_dir, theirs, seconds)
    theirs.close()
    while ours.recv() < 3:
        pass
    return process, ours


def test_a_signal_to_all_processes_of_a_run_saves_it(tmp_path):
    """Ctrl-C, systemd and launchers signal the data workers too; they live on until it is saved."""
    process, told = started(tmp_path, 0.2)
    os.killpg(process.pid, signal.SIGTERM)
    while isinstance(stopped_by := told.recv(), int):
        pass
    process.join(60)
    assert process.exitcode == 0
    assert stopped_by == "SIGTERM"
    assert latest_checkpoint(tmp_path) is not None


def test_a_second_signal_ends_at_once(tmp_path):
    """Even in the middle of an iteration that takes a minute; nothing is saved then."""
    process, _ = started(tmp_path, 60)
    process.terminate()
    process.join(1)
    assert process.exitcode is None, "the first signal waits for the iteration"
    process.terminate()
    process.join(20)
    assert process.exitcode == -signal.SIGTERM
    assert latest_checkpoint(tmp_path) is None


def test_resuming_automatically(tmp_path, caplog):
    """A first start begins, a later one goes on from the newest valid checkpoint and names a damaged one."""
    toy_run(tmp_path / "whole", iters=9)
    toy_run(tmp_path / "run", iters=6, resume="auto")
    damaged = tmp_path / "run" / "iter_6" / "model.pdparams"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with caplog.at_level("INFO"):
        toy_run(tmp_path / "run", iters=9, resume="auto")
    assert "skipping the checkpoint" in caplog.text
    assert "iter_6" in caplog.text
    assert f"resumed {tmp_path / 'run' / 'iter_3'} at iteration 3" in caplog.text
    assert_same_end(tmp_path / "whole", tmp_path / "run")


def test_no_whole_checkpoint_is_no_fresh_start(tmp_path):
    """--resume_model auto must not begin anew over the ruins of a run."""
    toy_run(tmp_path, iters=3)
    (tmp_path / "iter_3" / "SHA256SUMS").unlink()
    with pytest.raises(UserError, match="none of the checkpoints"):
        toy_run(tmp_path, iters=3, resume="auto")


def test_a_checkpoint_of_paddlesegs_starts_a_run_with_its_weights(tmp_path):
    """It has neither sums nor state: not damaged, but another's; by its name and by auto."""
    folder = tmp_path / "iter_3"
    folder.mkdir()
    for name in ("model.pdparams", "model.pdopt", "model.pdstates"):
        (folder / name).write_bytes(b"as PaddleSeg pickles it")
    for resume in (folder, "auto"):
        with pytest.raises(UserError, match=rf"PaddleSeg's.* --pretrained {folder}/model\.pdparams instead"):
            toy_run(tmp_path, iters=6, resume=resume)


def test_what_changed_since_is_told(tmp_path, caplog):
    """Another number of iterations or setting of the config is a user's right, and worth a line."""
    toy_run(tmp_path, iters=3, config={"optimizer": {"momentum": 0.9}, "list": [1, 2]})
    with caplog.at_level("WARNING"):
        toy_run(tmp_path, resume="auto", iters=7, config={"optimizer": {"momentum": 0.8}, "list": [1]})
    for difference in (
        "config.optimizer.momentum: 0.9 -> 0.8",
        "config.list.1: 2 -> None",
        "settings.iters: 3 -> 7",
    ):
        assert difference in caplog.text
    assert "versions" not in caplog.text


def test_the_stream_of_samples_counts_all_images_of_an_iteration(tmp_path):
    """Two passes of two images go on where one of four was: they are the same samples."""
    toy_run(tmp_path, iters=3, batch_size=4)
    assert toy_run(tmp_path, resume="auto", batch_size=2, accumulate=2).iteration == 6
    with pytest.raises(UserError, match="--seed and --batch_size"):
        toy_run(tmp_path, iters=9, resume="auto", batch_size=2)


@pytest.mark.skipif(not GENERATOR_CAN_BE_SAVED, reason="Paddle 2.6 keeps its CPU generator to itself")
def test_everything_random_goes_on(tmp_path):
    """Dropout after resuming drops what it would have dropped; without the saved generators it would not."""
    toy_run(tmp_path / "whole", net=DropoutNet)
    toy_run(tmp_path / "parts", iters=3, net=DropoutNet)
    toy_run(tmp_path / "parts", resume="auto", net=DropoutNet)
    assert_same_end(tmp_path / "whole", tmp_path / "parts")
    state = tmp_path / "parts" / "iter_3" / "state.json"
    saved = json.loads(state.read_text())
    assert saved["generators"][0]["paddle"]
    assert saved["run"]["versions"]["paddle"] == paddle.__version__


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB; skips where mounting is not permitted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a file system takes root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(ballast: Path) -> None:
    """Write a file until there is no space left."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_a_full_disk_keeps_the_last_good_checkpoint(small_disk, tmp_path):
    """A real one: the run says so, what was saved is whole, and with some space it goes on."""
    toy_run(small_disk, iters=3)
    ballast = small_disk / "ballast"
    fill(ballast)
    with pytest.raises(UserError, match=r"(?s)No space left on device.*resume"):
        toy_run(small_disk, iters=6, resume="auto")
    assert latest_checkpoint(small_disk).name == "iter_3"
    ballast.unlink()
    toy_run(small_disk, iters=6, resume="auto")
    toy_run(tmp_path / "whole", iters=6)
    assert_same_end(tmp_path / "whole", small_disk)


def test_going_on_from_an_older_checkpoint_leaves_the_newer_ones_behind(tmp_path, caplog):
    """They must be neither what auto finds next nor what outlives the run's own; nothing is removed."""
    toy_run(tmp_path, iters=12)
    with caplog.at_level("WARNING"):
        toy_run(tmp_path, iters=8, save_interval=4, keep_checkpoint_max=2, resume=tmp_path / "iter_6")
    assert "abandoned_iter_12" in caplog.text
    assert sorted(path.name for path in tmp_path.glob("abandoned_*")) == [
        "abandoned_iter_12",
        "abandoned_iter_9",
    ]
    assert latest_checkpoint(tmp_path).name == "iter_8"
    toy_run(tmp_path, iters=9, resume="auto")
    toy_run(tmp_path, iters=9, resume=tmp_path / "iter_8")
    assert (tmp_path / "abandoned_1_iter_9").is_dir(), "a second one does not replace the first"


def test_one_process_at_a_time_trains_into_a_folder(tmp_path):
    """Two would remove each other's checkpoints; the claim ends with its process, even if it is killed."""
    code = f"import fcntl, time; f = open({str(tmp_path / '.lock')!r}, 'a'); fcntl.lockf(f, fcntl.LOCK_EX); "
    process = subprocess.Popen(
        [sys.executable, "-c", code + "print('held', flush=True); time.sleep(60)"], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(UserError, match="another process is training into"):
        toy_run(tmp_path, iters=3)
    assert not (tmp_path / "train.log").exists()
    process.kill()
    process.communicate()
    toy_run(tmp_path, iters=3)


def test_resuming_between_level_o2_and_the_rest_is_refused(tmp_path):
    """The optimizer of the one has float32 copies of the weights, which the other lacks."""
    toy_run(tmp_path, iters=3)
    change_state(
        tmp_path / "iter_3", lambda state: state["run"]["settings"].update(precision="bf16", amp_level="O2")
    )
    with pytest.raises(UserError, match="--amp_level O2, this run has --precision fp32 --amp_level O1"):
        toy_run(tmp_path, iters=6, resume=tmp_path / "iter_3")


def test_checkpoints_of_the_first_format_are_resumed(tmp_path, caplog):
    """Its state.json had most of its entries in a dict "extra"; the run goes on as if it were today's."""
    options = {"do_eval": True, "use_ema": True, "net": DropoutNet, "log_iters": 4}
    toy_run(tmp_path / "whole", **options)
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, 2, signal.SIGTERM)
        toy_run(tmp_path / "old", **options)
    folder = latest_checkpoint(tmp_path / "old")

    def as_first_format(state: dict) -> None:
        assert state.pop("format") == 2
        kept = ("iteration", "best_miou", "best_iteration", "optimizer", "names")
        extra = {name: state.pop(name) for name in [*state] if name not in kept}
        extra["to_evaluate"] = extra.pop("evaluation_is_due")
        extra["rng"], extra["meter"] = extra.pop("generators"), extra.pop("meters")[0]
        state["extra"] = extra

    change_state(folder, as_first_format)
    with caplog.at_level("WARNING"):
        toy_run(tmp_path / "old", resume="auto", **options)
    assert "not as it was" not in caplog.text
    assert_same_end(tmp_path / "whole", tmp_path / "old", ("model.pdparams", "ema.pdparams"))


def test_checkpoints_of_a_later_format_are_refused(tmp_path):
    """What this version does not know of would be lost without a word."""
    toy_run(tmp_path, iters=3)
    change_state(tmp_path / "iter_3", lambda state: state.update(format=3))
    with pytest.raises(UserError, match="a later version saved it; update paddleseg_lite"):
        toy_run(tmp_path, resume=tmp_path / "iter_3")
