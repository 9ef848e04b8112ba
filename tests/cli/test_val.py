"""What val.py prints and writes."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from paddleseg_lite.cli import val
from paddleseg_lite.inference.cityscapes_scores import CityscapesScores
from paddleseg_lite.metrics import METRICS
from paddleseg_lite.report.page import SHOWN_METRICS
from tests.conftest import write_config
from tests.paths import ENVIRONMENT, REPOSITORY


@pytest.fixture(scope="module")
def weights(tmp_path_factory, street_root):
    """Random weights of the network of `write_config`, in a file."""
    from paddleseg_lite.checkpoint import save_weights
    from paddleseg_lite.config import load_config
    from paddleseg_lite.config.build import Plan

    folder = tmp_path_factory.mktemp("weights")
    net = Plan(load_config(write_config(folder, street_root))).model()
    save_weights(net.state_dict(), folder)
    return folder / "model.pdparams"


def test_the_protocol_stands_with_the_numbers(tmp_path, tool, street_root, weights):
    """What else would be needed to compare them: in the file in full, and in the log."""
    config, file = write_config(tmp_path, street_root), tmp_path / "out" / "val.json"
    given = ("--config", config, "--model_path", weights, "--backend", "paddle", "--json", file)
    flips = ("--aug_eval", "--scales", "0.5", "1.0", "--flip_horizontal", "--metrics", "intervals")
    code, out, err = tool("val", *given, *flips)
    assert code == 0, err
    content = json.loads(file.read_text())
    facts = content["protocol"]
    assert (facts["config"], facts["weights"]["path"]) == (str(config), str(weights))
    assert facts["data"]["images"] == 3
    assert facts["data"]["settings"]["transforms"] == [{"type": "Normalize"}]
    assert facts["inference"]["scales"] == [0.5, 1.0]
    assert facts["runtime"] == "paddle"
    assert {"paddleseg_lite", "paddle"} <= set(facts["versions"])
    assert f"SHA-256 {facts['weights']['sha256']}" in out
    assert "3 images at their labels' size; scales 0.5, 1.0; flips horizontal; sliding window none" in out
    assert f"mIoU: {content['scores']['miou']:.4f}" in out
    assert sum(map(sum, content["scores"]["confusion"])) == sum(content["scores"]["class_pixels"].values())
    interval = content["metrics"]["intervals"]["miou"]
    assert f"[{interval['low']:.4f}, {interval['high']:.4f}]" in out
    assert interval["value"] == pytest.approx(content["scores"]["miou"], abs=1e-12)


def test_an_unknown_metric_is_told_before_the_weights_are_read(tmp_path, tool, street_root):
    """In one sentence, with exit code 2."""
    config = write_config(tmp_path, street_root)
    config_only = ("--config", config, "--model_path", config, "--metrics", "intervall")
    code, _, err = tool("val", *config_only)
    assert code == 2
    assert err.startswith("error: there is no metric 'intervall'; did you mean 'intervals'?")


def test_the_help_tells_every_metric():
    """They are listed there by hand: to know them, --help would have to import OpenCV."""
    listed = [line.split()[0] for line in val.__doc__.splitlines() if re.match(r"  \w+  +\S", line)]
    assert listed == [*METRICS, CityscapesScores.name]


def test_a_report_and_a_comparison(tmp_path, tool, street_root, weights):
    """What a report has written is what the next one can be compared with; here nothing has changed."""
    config = write_config(tmp_path, street_root)
    given = ("--config", config, "--model_path", weights, "--backend", "paddle")
    code, out, err = tool("val", *given, "--report", tmp_path / "a")
    assert code == 0, err
    assert f"report in {tmp_path / 'a' / 'report.html'}" in out
    content = json.loads((tmp_path / "a" / "evaluation.json").read_text())
    assert set(content["metrics"]) == set(SHOWN_METRICS)
    assert content["times"]["images"] == 3
    assert all(seconds > 0 for seconds in content["times"]["seconds"].values())
    code, out, err = tool("val", *given, "--compare", tmp_path / "a" / "evaluation.json")
    assert code == 0, err
    assert "images: 0 better, 0 worse of 3" in out
    assert "+0.0000 [+0.0000, +0.0000]: may be chance" in out


def test_another_set_is_refused_before_it_is_evaluated(tmp_path, tool, street_root, weights):
    """Not after an hour: not even the weights are read, which here are none."""
    config = write_config(tmp_path, street_root)
    given = ("--config", config, "--backend", "paddle")
    before = tmp_path / "before.json"
    code, _, err = tool("val", *given, "--model_path", weights, "--metrics", "intervals", "--json", before)
    assert code == 0, err
    content = json.loads(before.read_text())
    content["metrics"]["intervals"]["images"].pop()
    before.write_text(json.dumps(content))
    code, _, err = tool("val", *given, "--model_path", config, "--compare", before)
    assert code == 2
    assert f"{before} has 2 images, this evaluation 3; evaluate both on the same data" in err


@pytest.mark.slow
def test_two_ranks_write_one_report_of_all_images(tmp_path, tool, street_root, weights):
    """Each measures its share; what one process would say, told once and written by one."""
    given = ("--config", write_config(tmp_path, street_root), "--model_path", weights, "--backend", "paddle")
    code, _, err = tool("val", *given, "--report", tmp_path / "one")
    assert code == 0, err
    line = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2"]
    line += ["--log_dir", tmp_path / "log", "tools/val.py", *given, "--device", "cpu"]
    line += ["--report", tmp_path / "two"]
    subprocess.run(line, cwd=REPOSITORY, env=ENVIRONMENT, timeout=400, check=True, capture_output=True)
    logs = [path.read_text(errors="replace") for path in (tmp_path / "log").glob("workerlog.*")]
    assert sorted(log.count("report in ") for log in logs) == [0, 1]
    one, two = (json.loads((tmp_path / name / "evaluation.json").read_text()) for name in ("one", "two"))
    assert two["protocol"]["ranks"] == 2
    assert [image["index"] for image in two["metrics"]["intervals"]["images"]] == [0, 1, 2]
    curves = [found["metrics"].pop("calibration") for found in (one, two)]  # sums of floats, by other threads
    ends = [[curve["ece"], *(row["confidence"] or 0 for row in curve["bins"])] for curve in curves]
    assert ends[1] == pytest.approx(ends[0], rel=1e-6)
    assert (two["scores"], two["metrics"]) == (one["scores"], one["metrics"])
    names = [sorted(path.name for path in (tmp_path / name).rglob("*")) for name in ("one", "two")]
    assert names[0] == names[1]


def test_training_writes_a_report_of_its_best_weights(tmp_path, tool, street_root):
    """One flag, and nothing else to remember; but without evaluations there are no best weights."""
    given = ("--config", write_config(tmp_path, street_root), "--save_dir", tmp_path / "run", "--report")
    code, _, err = tool("train", *given)
    assert (code, "add --do_eval" in err) == (2, True)
    code, out, err = tool("train", *given, "--do_eval")
    assert code == 0, err
    assert f"report in {tmp_path / 'run' / 'report' / 'report.html'}" in out
