"""What protects the zoo: the better weights, their true scores, nothing of the machine or of the data."""

from __future__ import annotations

import importlib
import json

import numpy as np
import paddle
import pytest
from visualdl import LogReader, LogWriter

from paddleseg_lite.checkpoint import box, load_weights, save_weights
from paddleseg_lite.config import load_config, zoo
from paddleseg_lite.config.build import Plan
from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.evaluate import evaluate
from tests.conftest import write_config
from tests.paths import REPOSITORY

ENVIRONMENT = {
    "versions": {"paddle": "3.3.1"}, "device_name": "Abacus", "cpus": 1, "command": ["t.py", "--seed", "7"],
}  # fmt: skip
LOG = "[INFO] 3.00it/s, ips: 7.9 samples/sec\n[INFO] read /home/me/data/list.txt, saved run/iter_2\n"


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """The two modules, which find each other as scripts do, with a box, configs and pages of their own."""
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    entry, page = importlib.import_module("zoo_entry"), importlib.import_module("zoo_page")
    monkeypatch.setattr(box, "BOX", tmp_path / "zoo")
    monkeypatch.setattr(zoo, "_PLACES", (tmp_path / "configs",))
    monkeypatch.setattr(page, "PAGES", tmp_path / "docs")
    monkeypatch.setattr(entry, "DATA", {"Cityscapes": entry.Data("Toys", "any use")})
    monkeypatch.setattr(entry, "build_runtime", lambda model, *_: model)
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "models.json").write_text("{}")
    return entry


@pytest.fixture
def run(tmp_path, street_root):
    """The folder of a run of two evaluations, and the shipped config that it was trained with."""
    (tmp_path / "configs" / "toys").mkdir(parents=True)
    folder = tmp_path / "run"
    folder.mkdir()
    for place, name in ((folder, "config.yml"), (tmp_path / "configs" / "toys", "toy.yml")):
        write_config(place, street_root).rename(place / name)
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
    (folder / "train.log").write_text(LOG)
    records = []
    for iteration in (10, 20):
        records.append({"kind": "train", "iteration": iteration, "lr": 0.1, "loss": 1.0, "batch_cost": 180.0})
        for tag in ("Evaluate", "EvaluateEMA"):
            records.append({"kind": "eval", "iteration": iteration, "tag": tag, "miou": iteration / 100})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    with LogWriter(str(folder), file_name="vdlrecords.run.log") as writer:
        writer.add_scalar("Evaluate/mIoU", 0.5, 10)
        writer.add_image("Evaluate/image", np.zeros((8, 8, 3), np.uint8), 10)
    for seed, kind in enumerate(("best_model", "ema_best_model")):
        paddle.seed(seed)
        save_weights(Plan(load_config(folder / "config.yml")).model(), folder / kind, iteration=20)
    return folder


def test_the_better_weights_are_put_in_and_told_of(scripts, run, tmp_path):
    """Card, line and page of what `zoo:NAME` then gives, with the scores of that very file."""
    scores = scripts.put_in(run, "toy_streets", "toy", "a toy")
    best = max(scripts.KINDS, key=lambda kind: scores[kind]["plain"].miou)
    card = box.read_card("toy_streets")
    assert (card["seed"], card["training_hours"], card["iteration"]) == (7, 1.0, 20)
    assert card["kind"] == scripts.KINDS[best]
    plan = Plan(load_config(run / "config.yml"))
    model = plan.model()
    load_weights(model, "zoo:toy_streets")
    measured = evaluate(model, plan.dataset("val_dataset")).miou
    assert card["miou"]["plain"] == round(measured, 4)
    assert scores["toy_streets"]["plain"].miou == pytest.approx(scores[best]["plain"].miou, abs=0.01)
    line = json.loads((tmp_path / "zoo" / "models.json").read_text())["toy_streets"]
    assert line["parameters"] == sum(value.size for value in model.state_dict().values())
    assert (line["num_classes"], line["input_size"], line["mean"]) == (19, [96, 64], [0.5] * 3)
    page = (tmp_path / "docs" / "toy_streets.md").read_text()
    assert f"| `zoo:toy_streets`, float16 | {100 * measured:.2f} |" in page
    assert "| 20 | 20.00 | 20.00 |" in page
    assert card["sha256"] in page
    assert "Terms: any use." in page


def test_neither_the_machine_nor_the_data_are_published(scripts, run, tmp_path):
    """Paths in the log, and the frames that VisualDL keeps."""
    scripts.put_in(run, "toy_streets", "toy", "a toy")
    folder = tmp_path / "docs" / "toy_streets"
    assert (folder / "train.log").read_text() == LOG.replace("/home/me/data/", "")
    tags = LogReader(file_path=str(folder / "vdlrecords.run.log")).get_tags()
    assert tags["scalar"] == ["Evaluate/mIoU"]
    assert not tags.get("image")
    assert str(tmp_path) not in (tmp_path / "docs" / "toy_streets.md").read_text()


def test_a_run_with_other_settings_is_refused(scripts, run):
    """The page links the config that the weights are said to be trained with, wherever the data lay."""
    config = run / "config.yml"
    text = config.read_text()
    config.write_text(text.replace("iters: 3", "iters: 4"))
    with pytest.raises(UserError, match="not as the config toy: iters differ"):
        scripts.put_in(run, "toy_streets", "toy", "a toy")
    config.write_text(text.replace("streetscenes'", "streetscenes/'"))
    scripts.check_settings(load_config(config), "toy")
