"""What protects training: it learns, it logs, it saves the best and the last, and it goes on exactly."""

from __future__ import annotations

import json
import logging

import paddle
import pytest

from paddleseg_lite.checkpoint import load_weights, save_weights
from paddleseg_lite.engine.options import TrainOptions
from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.evaluate import evaluate
from tests.engine.toy import toy_run
from tests.toys import PixelNet, Squares


def test_training_learns(tmp_path):
    """After 40 iterations the squares are found, and best_model holds the weights that find them."""
    result = toy_run(tmp_path, iters=40, do_eval=True, save_interval=20)
    assert result.iteration == 40
    assert result.best_miou > 0.9
    model = PixelNet()
    load_weights(model, tmp_path / "best_model" / "model.pdparams")
    assert evaluate(model, Squares("val", length=3)).miou == pytest.approx(result.best_miou, abs=1e-6)


def test_log_lines_tell_what_peers_tell(tmp_path, caplog):
    """Loss, each loss of several, rate, costs, throughput, ETA: once every log_iters and at the end."""
    with caplog.at_level(logging.INFO):
        toy_run(tmp_path, iters=5, log_iters=2, loss="both")
    lines = [record.message for record in caplog.records if record.message.startswith("[TRAIN] epoch")]
    assert [line.split("iter: ")[1].split(",")[0] for line in lines] == ["2/5", "4/5", "5/5"]
    names = ("CrossEntropyLoss", "OhemCrossEntropyLoss", "lr", "batch_cost", "reader_cost")
    for word in (*(f"{name}:" for name in names), "samples/sec", "ETA"):
        assert word in lines[0]


def test_a_run_does_not_overwrite_another(tmp_path):
    """A folder with checkpoints is refused unless it is resumed from; what is in it stays."""
    toy_run(tmp_path, iters=4)  # no multiple of save_interval: the last iteration is always saved
    before = (tmp_path / "iter_4" / "model.pdparams").read_bytes()
    with pytest.raises(UserError, match="--resume_model"):
        toy_run(tmp_path, iters=3)
    assert (tmp_path / "iter_4" / "model.pdparams").read_bytes() == before


def test_resuming_does_not_touch_another_run(tmp_path):
    """A checkpoint of one run is not continued in the folder of another."""
    toy_run(tmp_path / "one", iters=3)
    toy_run(tmp_path / "other", iters=3)
    with pytest.raises(UserError, match="holds the checkpoints of an earlier run"):
        toy_run(tmp_path / "other", resume=tmp_path / "one" / "iter_3")
    assert [path.name for path in (tmp_path / "other").glob("*_*")] == ["iter_3"]


def test_resuming_an_early_checkpoint_keeps_better_weights(tmp_path):
    """best_model may be of a later iteration than the checkpoint; only something better replaces it."""
    toy_run(tmp_path, iters=3)
    paddle.seed(7)
    save_weights(PixelNet(), tmp_path / "best_model", iteration=9, miou=0.9999)
    before = (tmp_path / "best_model" / "model.pdparams").read_bytes()
    result = toy_run(tmp_path, iters=4, do_eval=True, save_interval=1, resume=tmp_path / "iter_3")
    assert (result.best_miou, result.best_iteration) == (0.9999, 9)
    assert (tmp_path / "best_model" / "model.pdparams").read_bytes() == before


def test_resuming_with_another_seed_is_refused(tmp_path):
    """The samples would not be those of the run that goes on."""
    toy_run(tmp_path, iters=3)
    with pytest.raises(UserError, match="--seed"):
        toy_run(tmp_path, resume=tmp_path / "iter_3", seed=5)


def test_early_stop(tmp_path):
    """With a learning rate that cannot learn, the run ends after the intervals it was given."""
    result = toy_run(tmp_path, iters=200, do_eval=True, save_interval=20, early_stop_intervals=2)
    assert result.iteration < 200
    assert result.iteration - result.best_iteration == 40


def test_reduced_precision_is_refused_on_a_cpu(tmp_path):
    """Paddle would accept it there and compute in float32."""
    with pytest.raises(UserError, match="CPU"):
        toy_run(tmp_path, precision="bf16")


@pytest.mark.parametrize("name", ["iters", "batch_size", "save_interval", "log_iters", "keep_checkpoint_max"])
def test_counts_must_be_positive(tmp_path, name):
    """A zero would divide by nothing or never end."""
    with pytest.raises(UserError, match=name):
        TrainOptions(**{"iters": 1, "batch_size": 1, "save_dir": tmp_path, name: 0})


def test_pretrained_weights_are_needed_only_by_a_run_that_begins(tmp_path):
    """The file may be gone by the time a run goes on, whose weights are in its checkpoint."""
    options = {"iters": 1, "batch_size": 1, "save_dir": tmp_path}
    assert not TrainOptions(**options, resume="auto").is_resuming
    (tmp_path / ".old-iter_3").mkdir()
    assert TrainOptions(**options, resume="auto").is_resuming
    assert TrainOptions(**options, resume=tmp_path / "iter_3").is_resuming


def test_the_logged_rate_is_that_of_the_update(tmp_path):
    """The first iteration of a warm-up from 0.05 to 0.2 in 4 uses 0.05, not what follows; also resumed."""
    options = {"log_iters": 1, "save_interval": 2}
    toy_run(tmp_path, iters=2, **options)
    toy_run(tmp_path, iters=4, resume="auto", **options)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["lr"] for line in lines] == pytest.approx([0.05, 0.0875, 0.125, 0.1625])
