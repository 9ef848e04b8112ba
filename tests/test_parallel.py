"""Several ranks on one machine, over gloo: the same training, exact evaluation, one writer, no hang."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddleseg_lite import parallel
from paddleseg_lite.checkpoint import read_weights
from paddleseg_lite.datasets.loading.loader import train_batches
from paddleseg_lite.errors import UserError
from tests.engine import ranks
from tests.engine.test_survival import assert_same_end, metrics
from tests.paths import ENVIRONMENT, REPOSITORY
from tests.toys import Squares

launches = pytest.mark.slow  # Paddle is imported by several processes
SECONDS = 400  # that ranks may take: ten times what eight do, since others may use the machine


def launch(folder: Path, mode: str, count: int = 2) -> tuple[int, str]:
    """Run tests/engine/ranks.py as some ranks by Paddle's launcher; return its exit code and rank logs."""
    command = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", str(count)]
    command += ["--log_dir", str(folder / "log"), "tests/engine/ranks.py", str(folder), mode]
    with (folder / "launcher.txt").open("w") as out:
        process = subprocess.Popen(command, cwd=REPOSITORY, env=ENVIRONMENT, stdout=out, stderr=out)
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:  # or the ranks would go on, and slow down what comes next
            process.terminate()
            code = process.wait()
    logs = [path.read_text(errors="replace") for path in sorted((folder / "log").glob("workerlog.*"))]
    return code, "\n".join(logs)[-4000:]


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory) -> Path:
    """The folder in which two ranks did all of `ranks.main`."""
    folder = tmp_path_factory.mktemp("ranks")
    code, logs = launch(folder, "all")
    assert code == 0, logs
    return folder


@pytest.fixture(scope="module")
def eight_ranks(tmp_path_factory) -> Path:
    """The folder in which eight ranks did what `ranks.main` does for many."""
    folder = tmp_path_factory.mktemp("eight")
    code, logs = launch(folder, "many", count=8)
    assert code == 0, logs
    return folder


def assert_same_learning(one: Path, other: Path) -> None:
    """The same loss curve and the same weights within float error."""
    losses = [[line["loss"] for line in metrics(folder)] for folder in (one, other)]
    assert len(losses[0]) == 8
    np.testing.assert_allclose(losses[0], losses[1], rtol=2e-5)
    assert losses[0][0] > losses[0][-1], "it learns"
    first, second = (read_weights(folder / "iter_8" / "model.pdparams") for folder in (one, other))
    for key, value in first.items():
        np.testing.assert_allclose(value, second[key], rtol=1e-4, atol=1e-5, err_msg=key)


@launches
def test_two_ranks_learn_like_one_with_twice_the_batch(two_ranks, tmp_path):
    """The same loss curve and the same weights within float error, batch normalisation being frozen."""
    ranks.frozen_run(tmp_path / "one", batch_size=4)
    assert_same_learning(two_ranks / "two", tmp_path / "one")


@launches
def test_eight_ranks_learn_like_one_with_eight_times_the_batch(eight_ranks, tmp_path):
    """Every sample goes to one of them, in the order of a single process: none is lost, none comes twice."""
    ranks.told_run(tmp_path / "one", batch_size=8)
    assert_same_learning(eight_ranks / "many", tmp_path / "one")
    given = json.loads((tmp_path / "one" / "given_0.json").read_text())
    assert sorted(given[:20]) == [[0, index] for index in range(20)]
    for rank in range(8):
        assert json.loads((eight_ranks / "many" / f"given_{rank}.json").read_text()) == given[rank::8]


@launches
def test_sharded_evaluation_counts_every_image_once(two_ranks, tmp_path):
    """Nine images on two ranks: the counts of one process, exactly, known to both ranks."""
    ranks.confusion(tmp_path)
    expected = json.loads((tmp_path / "evaluation_9_1_0.json").read_text())
    for rank in (0, 1):
        assert json.loads((two_ranks / f"evaluation_9_2_{rank}.json").read_text()) == expected
    assert sum(expected["class_pixels"].values()) == sum(
        int((ranks.Uneven().draw(index)[1] != 255).sum()) for index in range(9)
    )


@launches
@pytest.mark.parametrize("length", [9, 3])
def test_eight_ranks_evaluate_as_one(eight_ranks, tmp_path, length):
    """One has two images and the others one, or five have none: the same counts, known to all."""
    ranks.confusion(tmp_path, length)
    expected = json.loads((tmp_path / f"evaluation_{length}_1_0.json").read_text())
    for rank in range(8):
        assert json.loads((eight_ranks / f"evaluation_{length}_8_{rank}.json").read_text()) == expected


@launches
@pytest.mark.parametrize("number", ["two", "eight"])
def test_a_run_on_several_ranks_resumes_exactly(request, number):
    """Each rank's batch statistics, generators and moving average: the same bits, the same metrics."""
    folder = request.getfixturevalue(f"{number}_ranks")
    assert_same_end(folder / "bn_whole", folder / "bn_parts", ("model.pdparams", "ema.pdparams"))


@launches
def test_one_log_for_all_ranks(two_ranks):
    """Only rank 0 writes: each interval and evaluation is there once, throughput counts all ranks."""
    lines = [json.loads(line) for line in (two_ranks / "bn_whole" / "metrics.jsonl").read_text().splitlines()]
    told = [(line["kind"], line["iteration"], line.get("tag")) for line in lines]
    assert len(told) == len(set(told))
    train = [line for line in lines if line["kind"] == "train"]
    assert train[-1]["ips"] * train[-1]["batch_cost"] == pytest.approx(4)
    assert train[-1]["epoch"] == 4, "6 iterations of 2 x 2 images of 6"


@launches
def test_a_signal_to_one_rank_stops_all_at_the_same_iteration(two_ranks):
    """Else the others would wait for it for ever."""
    told = [(two_ranks / f"stopped_{rank}").read_text().split(" ", 1) for rank in (0, 1)]
    assert told[0][0] == told[1][0]
    assert int(told[0][0]) in (4, 5)
    assert (told[0][1], told[1][1]) == ("a signal to another rank", "SIGTERM")
    assert (two_ranks / "stopped" / f"iter_{told[0][0]}").is_dir()


@launches
def test_ranks_exchange_once_in_an_iteration(two_ranks):
    """Besides the gradients: each exchange waits for the slowest rank, and for the device."""
    for rank in (0, 1):
        assert json.loads((two_ranks / f"exchanges_{rank}.json").read_text()) == {"all_reduce": 4}


@launches
def test_ranks_pass_over_a_bad_batch_together(two_ranks):
    """One rank meets it; all weights stay finite and, but for batch statistics, the same on both."""
    losses = [line["loss"] for line in metrics(two_ranks / "poisoned")]
    assert None in losses
    assert any(losses)
    first, second = (np.load(two_ranks / f"poisoned_{rank}.npz") for rank in (0, 1))
    for key in first:
        assert np.isfinite(first[key]).all()
        assert np.isfinite(second[key]).all()
        if not key.startswith("bn._"):
            np.testing.assert_array_equal(first[key], second[key], err_msg=key)


@launches
def test_a_killed_rank_ends_the_others(tmp_path):
    """Within a minute, and the launcher says that it failed."""
    code, _ = launch(tmp_path, "die")
    assert time.time() - float((tmp_path / "died").read_text()) < 60
    assert code != 0
    assert (tmp_path / "run" / "iter_4").is_dir(), "what was saved before is there"


@pytest.mark.parametrize(
    "exchange",
    [
        lambda: parallel.all_reduce_mean([1.0]),
        lambda: parallel.all_reduce_sum(np.ones(2, np.int64)),
        lambda: parallel.all_gather_object(1),
        lambda: parallel.share_statistics(paddle.nn.BatchNorm2D(2)),
    ],
)
def test_an_exchange_waits_for_a_rank_that_is_late(monkeypatch, exchange):
    """As the first one is, which saves: gloo would give it up after 30 seconds, and end the run."""
    come = [1, 1, 2]
    monkeypatch.setattr(parallel, "world_size", lambda: 2)
    monkeypatch.setattr(parallel, "count_in_store", lambda name, more: come.pop(0))
    missed: list[list[int]] = []
    for name in ("all_reduce", "all_gather_object", "broadcast"):
        monkeypatch.setattr(parallel.dist, name, lambda *_, **__: missed.append(list(come)))
    exchange()
    assert missed
    assert not any(missed)


def test_a_rank_that_does_not_come_is_told(monkeypatch):
    """With how many did; else the others would wait for ever, without a word."""
    monkeypatch.setattr(parallel, "world_size", lambda: 8)
    monkeypatch.setattr(parallel, "count_in_store", lambda name, more: 7)
    monkeypatch.setattr(parallel, "_PATIENCE", 0.01)
    with pytest.raises(UserError, match=r"only 7 of 8 ranks came in 0 s; look into the others' logs"):
        parallel.meet()


def test_ranks_share_the_batches_of_one_process():
    """Together, in every iteration, the samples of one process with a batch of all."""
    span = {"start_iter": 3, "iters": 6, "seed": 1}
    of_all = {"accumulate": 2, "world_size": 3}
    whole = [batch.paths for batch in train_batches(Squares("train", 7), 12, **span)]
    shares = [
        [batch.paths for batch in train_batches(Squares("train", 7), 2, rank=rank, **span, **of_all)]
        for rank in range(3)
    ]
    for number, paths in enumerate(whole):
        shared = [path for share in shares for batch in share[2 * number : 2 * number + 2] for path in batch]
        assert shared == paths
    assert [len(share) for share in shares] == [6, 6, 6]


def test_ranks_that_disagree_are_refused(monkeypatch):
    """A rank that starts elsewhere would wait for ever in the last iterations."""
    monkeypatch.setattr(parallel, "all_gather_object", lambda value: [0, value])
    with pytest.raises(UserError, match="folder that all machines share"):
        parallel.check_same("the iteration they start from", 6)
    parallel.check_same("the iteration they start from", 0)


def test_frozen_batch_normalisation_stays_frozen_on_gpus():
    """Paddle's conversion would let fixed statistics be learnt again."""
    model = paddle.nn.Sequential(
        paddle.nn.BatchNorm2D(2), paddle.nn.Sequential(paddle.nn.BatchNorm2D(2, use_global_stats=True))
    )
    frozen = model[1][0]
    model = parallel.synchronised(model)
    assert isinstance(model[0], paddle.nn.SyncBatchNorm)
    assert model[1][0] is frozen


def test_ranks_on_cpus_talk_over_gloo(monkeypatch):
    """A Paddle built for GPUs would choose NCCL, which has no CPU tensors."""
    monkeypatch.setenv("PADDLE_DISTRI_BACKEND", "auto")
    monkeypatch.setattr(parallel, "world_size", lambda: 2)
    monkeypatch.setattr(parallel.dist, "is_initialized", lambda: False)
    monkeypatch.setattr(
        parallel.dist, "init_parallel_env", lambda: seen.append(os.environ["PADDLE_DISTRI_BACKEND"])
    )
    seen: list[str] = []
    parallel.join()
    assert seen == ["gloo"]
