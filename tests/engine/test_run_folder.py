"""What a run writes about itself: enough to repeat it, to watch it and to find its time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import pty
import re
import struct
import subprocess
import termios
import threading

import numpy as np
import paddle
import pytest
import yaml

from paddleseg_lite import progress
from paddleseg_lite.checkpoint import load_weights
from paddleseg_lite.engine.environment import git_revision
from paddleseg_lite.engine.run_logger import RunLogger
from paddleseg_lite.engine.stopwatch import PARTS, Stopwatch
from paddleseg_lite.inference.evaluate import evaluate
from paddleseg_lite.transforms import Compose, Normalize, RandomPaddingCrop
from tests.engine.test_survival import assert_same_end, metrics
from tests.engine.toy import toy_run
from tests.paths import REPOSITORY
from tests.toys import PixelNet, Squares


def test_config_and_environment_are_written(tmp_path):
    """Effective config as YAML; versions, device, revision and command as JSON; both readable anew."""
    config = {"iters": 3, "loss": {"coef": [1.0]}, "name": "Straße"}
    toy_run(tmp_path, iters=3, config=config)
    assert yaml.safe_load((tmp_path / "config.yml").read_text(encoding="utf-8")) == config
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert environment["versions"]["paddle"] == paddle.__version__
    assert environment["device"] == "cpu"
    assert environment["device_name"]
    assert environment["capability"] is None
    assert "NVIDIA_TF32_OVERRIDE" in environment["tf32"]
    assert environment["git"] == git_revision(REPOSITORY)


def test_git_revision(tmp_path):
    """The commit and whether files differ; None where there is no repository of our own."""
    assert git_revision(tmp_path) is None

    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=n", "-c", "user.email=e", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "x")
    commit = git("rev-parse", "HEAD")
    assert git_revision(tmp_path) == commit
    (tmp_path / "file").write_text("2")
    assert git_revision(tmp_path) == f"{commit}-dirty"
    (tmp_path / "inner").mkdir()
    assert git_revision(tmp_path / "inner") is None, "an installed copy in somebody else's repository"


def test_metrics_hold_an_object_for_each_interval_and_evaluation(tmp_path):
    """Loss, rate, times, what OHEM kept; IoU of each class, absent ones as null."""
    toy_run(tmp_path, iters=6, do_eval=True, use_ema=True, loss="ohem", log_iters=2)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    train = [line for line in lines if line["kind"] == "train"]
    assert [line["iteration"] for line in train] == [2, 4, 6]
    for line in train:
        assert set(line) >= {"loss", "lr", "kept", "batch_cost", "reader_cost", "ips", "epoch", "time"}
        assert 0 < line["kept"] <= 1
    evaluations = [(line["iteration"], line["tag"]) for line in lines if line["kind"] == "eval"]
    assert evaluations == [(3, "Evaluate"), (3, "EvaluateEMA"), (6, "Evaluate"), (6, "EvaluateEMA")]
    assert set(lines[-1]["class_iou"]) == {"ground", "square"}


def test_the_log_file_has_what_the_console_has(tmp_path):
    """From the first line on; nothing of the progress bar is in it."""
    toy_run(tmp_path, iters=3, do_eval=True, resume="auto", log_iters=2)
    text = (tmp_path / "train.log").read_text()
    assert "no checkpoint in" in text.splitlines()[0]
    for words in ("[TRAIN] epoch: 1, iter: 2/3", "[EVAL] Evaluate at iter 3", "[TRAIN] saved"):
        assert words in text
    assert "%|" not in text
    assert not logging.getLogger("paddleseg_lite").handlers, "the run's handler is gone"


def test_the_same_command_gives_the_same_log(tmp_path):
    """On a CPU, whatever the workers: all numbers that do not come from a clock."""
    toy_run(tmp_path / "a", do_eval=True, loss="ohem")
    np.random.seed(5)
    toy_run(tmp_path / "b", do_eval=True, loss="ohem", num_workers=2)
    assert_same_end(tmp_path / "a", tmp_path / "b")
    toy_run(tmp_path / "c", do_eval=True, loss="ohem", seed=1)
    assert metrics(tmp_path / "a") != metrics(tmp_path / "c")


def test_metrics_of_a_killed_run_do_not_stay(tmp_path):
    """What was logged after the checkpoint will be logged again; a line torn by a power cut goes too."""
    toy_run(tmp_path, iters=6, do_eval=True, log_iters=2)
    before = metrics(tmp_path)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "iteration": 8}\n')
        file.write(f'{{"kind": "train", "iteration": 1{"0" * 400}}}\n{"[" * 99999}\n{{"kind": "tra')
    toy_run(tmp_path, iters=9, do_eval=True, resume="auto", log_iters=2)
    assert metrics(tmp_path)[: len(before)] == before
    assert [line["iteration"] for line in metrics(tmp_path)[len(before) :]] == [8, 9, 9]


def test_visualdl_has_scalars_and_pictures(tmp_path):
    """Loss, rate, throughput, IoU of each class, and images with truth and prediction at each evaluation."""
    from visualdl import LogReader

    toy_run(tmp_path, iters=3, do_eval=True, use_vdl=True)
    reader = LogReader(file_path=str(next(tmp_path.glob("vdlrecords.*"))))
    tags = reader.get_tags()
    scalars = {"Train/loss", "Train/lr", "Train/ips", "Evaluate/mIoU", "Evaluate/IoU/square"}
    assert scalars <= set(tags["scalar"])
    pictures = tags["image"]
    assert len(pictures) == 3, "as many as the validation set has"
    assert len(reader.get_data("image", pictures[0])) == 1


def test_visualdl_shows_one_curve_after_three_resumes(tmp_path):
    """By VisualDL's own choice of a file: every iteration once, those after the resumed checkpoint anew."""
    from visualdl import LogReader

    options = {"use_vdl": True, "do_eval": True, "log_iters": 1, "save_interval": 2}
    toy_run(tmp_path, iters=2, **options)
    (tmp_path / "vdlrecords.run.log").rename(tmp_path / "vdlrecords.1700000000.log")  # as it was named once
    toy_run(tmp_path, iters=4, resume="auto", **options)
    with (tmp_path / "vdlrecords.run.log").open("ab") as file:
        file.write(b"\x40\0\0\0\0\0\0\0torn by a crash")
    toy_run(tmp_path, iters=6, resume=tmp_path / "iter_2", **options)  # iterations 3 and 4 are lost
    toy_run(tmp_path, iters=8, resume="auto", **options)
    reader = LogReader(logdir=str(tmp_path))  # as VisualDL's server
    picture = next(tag for tag, kind in reader.tags().items() if kind == "image").removeprefix(f"{tmp_path}/")
    for kind, tag, iterations in (
        ("scalar", "Train%loss", range(1, 9)),
        ("scalar", "Evaluate%mIoU", range(2, 9, 2)),
        ("image", picture, range(2, 9, 2)),
    ):
        shown = reader.data_manager.get_reservoir(kind).get_items(str(tmp_path), tag)
        assert [record.id for record in shown] == list(iterations), tag


def test_the_progress_bar_never_tears_the_log(tmp_path, monkeypatch):
    """On a terminal every log line starts in the first column and holds nothing but itself."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))  # else tqdm draws into nothing
    shown: list[bytes] = []
    reader = threading.Thread(target=read_all, args=(master, shown))
    reader.start()
    with os.fdopen(slave, "w") as terminal, monkeypatch.context() as patch:
        patch.setattr("sys.stderr", terminal)
        handler = logging.StreamHandler(terminal)
        handler.setFormatter(logging.Formatter("%(asctime)s [%(levelname)s]\t%(message)s"))
        logging.getLogger().addHandler(handler)
        try:
            toy_run(tmp_path, iters=40, do_eval=True, log_iters=1)
        finally:
            logging.getLogger().removeHandler(handler)
    reader.join(60)
    os.close(master)
    screen = b"".join(shown).decode().replace("\x1b[A", "\r")
    assert "train:" in screen, "there is a bar"
    assert "eval:" in screen
    logged = [line for line in re.split(r"[\r\n]+", screen) if "[TRAIN]" in line or "[EVAL]" in line]
    assert sum("[TRAIN] epoch" in line for line in logged) == 40
    for line in logged:
        assert re.match(
            r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \[(INFO|WARNING)\]\t\[(TRAIN|EVAL)\] ", line
        ), line
        assert "it/s" not in line
        assert "%|" not in line


def read_all(file: int, found: list[bytes]) -> None:
    """Collect what comes until the other end is closed, which Linux tells of by an error."""
    with contextlib.suppress(OSError):
        while data := os.read(file, 4096):
            found.append(data)


def test_in_a_file_there_is_no_progress_bar(tmp_path, capfd):
    """nohup and schedulers write to files, where a bar would be thousands of lines."""
    toy_run(tmp_path, do_eval=True)
    assert "%|" not in "".join(capfd.readouterr())


def test_profile_tells_where_the_time_goes(tmp_path):
    """Every part of an iteration has a share, and together they are the iteration."""
    toy_run(tmp_path, iters=12, profile=True, use_ema=True)
    text = (tmp_path / "profile.txt").read_text()
    for part in PARTS:
        assert re.search(rf"^{part} +\d+\.\d\d ms +\d+\.\d%$", text, re.MULTILINE), part
    shares = [float(share) for share in re.findall(r"([\d.]+)%", text)]
    assert sum(shares) == pytest.approx(100, abs=0.5)


def test_stopwatch_leaves_out_the_warm_up(monkeypatch):
    """Means over the iterations after the third, of a clock that is given."""
    clock = iter(float(second) for second in range(100))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    watch = Stopwatch()
    for _ in range(5):
        watch.lap("read")
        watch.lap("forward")
        watch.next_iteration()
    assert watch.costs() == (3.0, 1.0)
    next(clock), next(clock)  # an evaluation
    watch.restart()
    watch.lap("read")
    assert watch.iterations == 2
    assert watch.seconds()["forward"] == watch.seconds()["other"] == 1.0
    assert watch.seconds()["read"] == (2 + 1) / 2, "three times in two iterations, none of them an evaluation"
    assert watch.seconds()["loss"] == 0.0
    assert watch.costs() == (1.0, 1.0), "since it was asked before"


def test_the_logger_of_another_rank_writes_nothing(tmp_path):
    """Only rank 0 writes."""
    with RunLogger(tmp_path / "run", is_active=False, use_vdl=True) as book:
        book.open(0, {"a": 1})
        book.record("train", {"iteration": 1})
        book.scalars("Train", {"loss": 1.0}, 1)
    assert not (tmp_path / "run").exists()


def test_weights_as_safetensors(tmp_path):
    """Read by safetensors itself and by our own tools; a run resumes from them."""
    safetensors = pytest.importorskip("safetensors.numpy")
    options = {"weights_format": "safetensors", "do_eval": True, "use_ema": True}
    toy_run(tmp_path / "whole", **options)
    toy_run(tmp_path / "parts", iters=3, **options)
    toy_run(tmp_path / "parts", resume="auto", **options)
    assert_same_end(tmp_path / "whole", tmp_path / "parts", ("model.safetensors", "ema.safetensors"))
    best = tmp_path / "whole" / "best_model" / "model.safetensors"
    model = PixelNet()
    load_weights(model, best)
    assert evaluate(model, Squares("val", length=3)).miou == pytest.approx(
        json.loads((best.parent / "info.json").read_text())["miou"]
    )
    assert set(safetensors.load_file(best)) == set(model.state_dict())


def test_a_profile_of_too_few_iterations_says_so(tmp_path, caplog):
    """Its first iterations are left out; silence would look like a defect."""
    with caplog.at_level("WARNING"):
        toy_run(tmp_path, iters=2, profile=True)
    assert "[PROFILE] the first 3 iterations are not measured" in caplog.text


def test_a_log_shows_life(tmp_path, monkeypatch, caplog):
    """Where no bar is drawn: a line after the first iteration, and lines during an evaluation."""
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    toy_run(tmp_path, iters=4, do_eval=True, log_iters=3)
    lines = [record.getMessage() for record in caplog.records]
    first = next(line for line in lines if re.match(r"train: 1/4, .*it.*, ETA ", line))
    assert lines.index(first) < next(n for n, line in enumerate(lines) if "[TRAIN] epoch" in line)
    assert any(re.match(r"eval: \d+/\d+, .*image.*, ETA ", line) for line in lines)


def test_a_crop_that_is_mostly_padding_is_told_once(tmp_path, caplog):
    """Before the first iteration, where it can still be mended."""
    dataset = Squares("train")
    dataset.transforms = Compose([RandomPaddingCrop([96, 64]), Normalize()])
    toy_run(tmp_path, iters=2, dataset=dataset)
    (told,) = [r.getMessage() for r in caplog.records if "is padding" in r.getMessage()]
    assert told.startswith("[TRAIN] 83% of what the network sees is padding: the images, such as 32x32")
