"""Trainings as processes: what counts as finished, and how one that fails is told. The rest: test_run.py."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from paddleseg_lite.errors import Diverged, UserError
from paddleseg_lite.files import locked, remove
from paddleseg_lite.scaling import training
from paddleseg_lite.scaling.training import EngineTrainer, Job, Outcome, Stopped, take_timing
from tests.paths import ENVIRONMENT

# Stands for the command `train`: takes the place of its imports, and writes what the engine would.
TRAIN = """
import json, os, pathlib, signal, sys, time
arguments = dict(zip(sys.argv[2::2], sys.argv[3::2]))
folder = pathlib.Path(arguments["--save_dir"])
print("val: 500 images; threads:", os.environ["OMP_NUM_THREADS"])
if {code}:
    print("error: there are no images; give some", file=sys.stderr)
    sys.exit({code})
signal.signal(signal.SIGTERM, lambda *_: ((folder / "saved").touch(), sys.exit(0)))
time.sleep({seconds})
(folder / "iter_7").mkdir()
(folder / "iter_7" / "model.pdparams").touch()
record = {{"kind": "eval", "tag": "Evaluate", "iteration": 7, "miou": 0.25}}
(folder / "metrics.jsonl").write_text(json.dumps(record) + "\\n")
"""

HOLDS = """
import fcntl, sys, time
file = open(sys.argv[1], "a")
fcntl.lockf(file, fcntl.LOCK_EX)
print("here", flush=True)
time.sleep(60)
"""
CHILD = """
import os, time
from paddleseg_lite.scaling.parent import end_with
end_with(os.getppid())
print("here", flush=True)
time.sleep(60)
"""
STARTS = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


def trainer(tmp_path, monkeypatch, code=0, seconds=0.0, **options) -> EngineTrainer:
    monkeypatch.setattr(
        training, "_START", TRAIN.format(code=code, seconds=seconds).replace("{", "{{").replace("}", "}}")
    )
    monkeypatch.setattr(training, "_POLL", 0.02)
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    return EngineTrainer(tmp_path, {"iters": 1}, iters=7, **options)


def test_a_training_is_done_once(tmp_path, monkeypatch):
    """A second call finds it finished, with the same mIoU; its config has the network."""
    train = trainer(tmp_path, monkeypatch)
    (name, first), *rest = train([Job("a", {"type": "LPSNet"})], lambda job: True)
    assert (name, first.miou, rest) == ("a", 0.25, [])
    assert first.seconds > 0
    assert train.weights("a").exists()
    assert "type: LPSNet" in (tmp_path / "a.yml").read_text()
    assert list(train([Job("a", {})], lambda job: pytest.fail("asked"))) == [("a", Outcome(0.25, None))]


def test_a_training_without_its_last_evaluation_is_not_finished(tmp_path, monkeypatch):
    """It was killed while it evaluated, or is a longer one's beginning."""
    train = trainer(tmp_path, monkeypatch)
    list(train([Job("a", {})], lambda job: True))
    metrics = tmp_path / "a" / "metrics.jsonl"
    record = json.loads(metrics.read_text())
    for change in ({"iteration": 5}, {"tag": "EvaluateEMA"}):
        metrics.write_text(json.dumps({**record, **change}) + "\n")
        assert train.finished("a") is None
    remove(tmp_path / "a" / "iter_7")
    assert [outcome.seconds for _, outcome in train([Job("a", {})], lambda job: True)] == [None], "in pieces"
    metrics.unlink()
    assert train.finished("a") is None


def test_one_that_fails_is_told_with_its_last_words(tmp_path, monkeypatch):
    """And where the rest of them is; others that run are asked to save."""
    train = trainer(tmp_path, monkeypatch, code=1)
    with pytest.raises(
        UserError,
        match=r"training of a ended with 1, and said last: error: there are no images.*tries again",
    ):
        list(train([Job("a", {})], lambda job: True))


def test_no_more_are_begun_once_one_may_not(tmp_path, monkeypatch):
    """What is under way ends; a shorter one that follows is not begun instead, so that the order stays."""
    asked = []

    def may_begin(job: Job) -> bool:
        asked.append(job.name)
        return job.name != "b"

    train = trainer(tmp_path, monkeypatch, jobs=2)
    assert [name for name, _ in train([Job(name, {}) for name in "abc"], may_begin)] == ["a"]
    assert asked == ["a", "b"]


def test_trainings_at_a_time_share_the_threads(tmp_path, monkeypatch):
    """Else each would compute with all of them, and wait for the others."""
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    list(trainer(tmp_path, monkeypatch, jobs=2)([Job("a", {})], lambda job: True))
    assert "threads: 2\n" in (tmp_path / "a" / "output.txt").read_text()


def test_one_that_diverges_counts_as_miou_0(tmp_path, monkeypatch, caplog):
    """It tells of its network, not of the search: the others are trained."""
    train = trainer(tmp_path, monkeypatch, code=Diverged.exit_code)
    assert [
        (name, outcome.miou) for name, outcome in train([Job("a", {}), Job("b", {})], lambda job: True)
    ] == [
        ("a", 0.0),
        ("b", 0.0),
    ]
    assert "the training of a diverged" in caplog.text


def test_a_first_network_that_diverges_is_told(tmp_path, monkeypatch):
    """Where the time of a training is taken, there is none."""
    with pytest.raises(UserError, match="the training of a diverged within 7 iterations; lower"):
        take_timing(trainer(tmp_path, monkeypatch, code=Diverged.exit_code), Job("a", {}), 100)


def test_asked_to_stop_all_that_run_save_and_end(tmp_path, monkeypatch):
    """Two at a time; the third is not begun."""
    began = []

    def stops() -> bool:
        return len(began) == 2 and all((tmp_path / name / "output.txt").exists() for name in began)

    train = trainer(tmp_path, monkeypatch, seconds=60, jobs=2, asked_to_stop=lambda: stops() and ready())

    def ready() -> bool:
        time.sleep(0.5)  # so that their handlers are set
        return True

    with pytest.raises(Stopped):
        list(train([Job(name, {}) for name in "abc"], lambda job: began.append(job.name) or True))
    assert began == ["a", "b"]
    assert all((tmp_path / name / "saved").exists() for name in "ab")


def test_it_waits_for_another_process_that_trains_into_the_folder(tmp_path, monkeypatch):
    """One that outlived a killed search: asked to stop, it waits no longer."""
    (tmp_path / "a").mkdir()
    lock = str(tmp_path / "a" / ".lock")
    code = [sys.executable, "-c", HOLDS, lock]
    with subprocess.Popen(code, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        asked = iter([False, False, True])
        with pytest.raises(Stopped):
            list(
                trainer(tmp_path, monkeypatch, asked_to_stop=lambda: next(asked))(
                    [Job("a", {})], lambda job: True
                )
            )
        other.kill()
    assert not (tmp_path / "a" / "output.txt").exists()
    with locked(tmp_path / "a" / ".lock", "busy"):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no signal tells of a parent's end")
def test_a_training_is_asked_to_stop_when_its_search_is_killed():
    """SIGKILL leaves no time to tell it."""
    parent = [sys.executable, "-c", STARTS, CHILD]
    with subprocess.Popen(parent, stdout=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout.readline() == b"here\n"
        process.send_signal(signal.SIGKILL)
        started = time.monotonic()
        assert process.stdout.read() == b"", "the end of the child closes the pipe"
    assert time.monotonic() - started < 30
