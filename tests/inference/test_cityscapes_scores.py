"""Agreement with Cityscapes' own evaluation, which is run on the files that are written here."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddleseg_lite.checkpoint import save_weights
from paddleseg_lite.config import load_config
from paddleseg_lite.config.build import Plan
from paddleseg_lite.datasets import Cityscapes
from paddleseg_lite.datasets.cityscapes_labels import CATEGORIES, LABEL_NAMES, MEAN_INSTANCE_PIXELS
from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.cityscapes_scores import CityscapesScores
from paddleseg_lite.inference.segmentation import Segmentation
from paddleseg_lite.metrics import Observation, make_metrics
from tests.conftest import write_config

STEMS = ("ulm/ulm_000000_000019", "ulm/ulm_000001_000019", "bad-homburg/bad-homburg_000000_012345")
ABSENT = (9, 16, 27, 31)  # labelIds that are nowhere: parking, tunnel, and of the evaluated truck and train


def write_set(root: Path, has_instances: bool = True) -> Path:
    """Write three images of 96 x 64 with labels of blocks, most labelIds among them, and instances."""
    rng = np.random.default_rng(7)
    present = [label for label in range(34) if label not in ABSENT]
    for stem in STEMS:
        blocks = rng.choice(present, (8, 12))
        label = blocks.repeat(8, 0).repeat(8, 1).astype(np.uint8)
        numbers = rng.integers(0, 3, (8, 12)).repeat(8, 0).repeat(8, 1)
        # A block of 26 is a group of cars, one of 26001 a car; trailers have instances and do not count.
        instances = np.where((label >= 24) & (numbers > 0), label * np.uint16(1000) + numbers, label)
        image = rng.integers(0, 256, (64, 96, 3)).astype(np.uint8)
        image[label > 20] //= 4
        pictures = {"leftImg8bit": image, "gtFine_labelIds": label}
        if has_instances:
            pictures["gtFine_instanceIds"] = instances.astype(np.uint16)
        for kind, picture in pictures.items():
            path = root / kind.partition("_")[0] / "val" / f"{stem}_{kind}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture)
    return root


def evaluated_by_the_tool(monkeypatch: pytest.MonkeyPatch, root: Path, predictions: Path) -> dict:
    """Return what cityscapesScripts' main() writes for a folder of predictions."""
    pytest.importorskip("cityscapesscripts", reason="the extra 'dev' brings Cityscapes' own evaluation")
    from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as tool

    monkeypatch.setattr(np, "in1d", np.isin, raising=False)  # the tool asks for it, and NumPy 2.4 lacks it
    monkeypatch.setattr("sys.argv", ["evaluate"])

    def write(content: dict, path: str) -> None:
        Path(path).write_text(json.dumps(content, default=int))  # its own fails at a NumPy integer

    monkeypatch.setattr(tool, "writeDict2JSON", write)
    exported = root / "exported.json"
    options = {
        "groundTruthSearch": str(root / "gtFine" / "val" / "*" / "*_gtFine_labelIds.png"),
        "exportFile": str(exported),
        "predictionPath": str(predictions),
        "predictionWalk": None,
        "evalPixelAccuracy": True,
        "evalInstLevelScore": any(root.glob("gtFine/val/*/*_instanceIds.png")),
        "quiet": True,
    }
    for name, value in options.items():
        monkeypatch.setattr(tool.args, name, value)
    tool.main()
    return json.loads(exported.read_text())


def assert_equal_files(ours: object, theirs: object, where: str = "") -> None:
    """Key by key: the same names, and numbers to 1e-9; NaN is like NaN."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict)
        assert ours.keys() == theirs.keys(), where
        for key, value in theirs.items():
            assert_equal_files(ours[key], value, f"{where}.{key}")
    elif isinstance(theirs, list):
        assert ours == theirs, where
    elif isinstance(theirs, float) and math.isnan(theirs):
        assert isinstance(ours, float), where
        assert math.isnan(ours), where
    else:
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9), where


def named_by_file(content: dict) -> dict:
    """Return a result file whose images are named without their folders."""
    images = content["perImageScores"]
    return {**content, "perImageScores": {Path(path).name: value for path, value in images.items()}}


@pytest.fixture
def guesses(tmp_path, monkeypatch):
    """Random predictions, half of them right, as files, and a function that shows them to a metric."""
    root = write_set(tmp_path / "cityscapes")
    data = Cityscapes((), str(root), mode="val")
    rng = np.random.default_rng(3)
    masks = []
    for index in range(len(data)):
        label = data.sample(index).label
        others = rng.choice([0, 1, 5, 11, 13, 15, 17, 18, 14], label.shape)
        masks.append(np.where((rng.random(label.shape) < 0.5) & (label < 19), label, others).astype(np.uint8))

    def show(metric: CityscapesScores, indices=(0, 1, 2)) -> CityscapesScores:
        for index in indices:
            path, label_path = data.pairs[index]
            metric.update(Observation(index, path, label_path, masks[index], data.sample(index).label))
        return metric

    for (path, _), mask in zip(data.pairs, masks):
        found = Segmentation(mask, np.zeros((*mask.shape, 3), np.uint8), data.classes, data.palette)
        found.save(tmp_path / "guesses" / Path(path).name, "cityscapes")
    return root, tmp_path / "guesses", show


def test_random_predictions_score_as_by_the_tool(guesses, monkeypatch):
    """Every key of its file, with absent, ignored and confused classes, instances and groups."""
    root, folder, show = guesses
    theirs = evaluated_by_the_tool(monkeypatch, root, folder)
    metric = show(CityscapesScores(Cityscapes.classes))
    assert_equal_files(json.loads(metric.as_cityscapes()), named_by_file(theirs))
    result = metric.result()
    assert result["class_iou"]["train"] is None, "in neither labels nor predictions"
    assert result["class_iou"]["bus"] > 0
    assert 0 < result["class_iiou"]["car"] != result["class_iou"]["car"]
    assert result["mean_category_iiou"] == pytest.approx(theirs["averageScoreInstCategories"], abs=1e-9)


def test_shards_are_the_whole(guesses):
    """Whichever rank has seen an image, and in whichever order."""
    _, _, show = guesses
    whole = show(CityscapesScores(Cityscapes.classes)).as_cityscapes()
    for shards in (([2, 0], [1]), ([], [2, 1, 0])):
        first, second = (show(CityscapesScores(Cityscapes.classes), shard) for shard in shards)
        first.merge(second)
        assert first.as_cityscapes() == whole


@pytest.mark.parametrize("has_instances", [True, False])
def test_val_and_predict_agree_with_the_tool(tmp_path, tool, monkeypatch, has_instances):
    """What val.py says and writes is what the tool finds of the PNGs that predict.py writes, to 1e-6."""
    root = write_set(tmp_path / "cityscapes", has_instances)
    config, file = write_config(tmp_path, root), tmp_path / "cityscapes.json"
    save_weights(Plan(load_config(config)).model().state_dict(), tmp_path)
    given = ("--config", config, "--model_path", tmp_path / "model.pdparams", "--backend", "paddle")
    numbers = tmp_path / "val.json"
    code, out, err = tool("val", *given, "--save_cityscapes_json", file, "--json", numbers)
    assert code == 0, err
    images = ("--image_path", root / "leftImg8bit" / "val", "--save_dir", tmp_path / "out")
    code, _, err = tool("predict", *given, *images, "--save", "cityscapes")
    assert code == 0, err
    theirs = evaluated_by_the_tool(monkeypatch, root, tmp_path / "out" / "cityscapes_prediction")
    ours = json.loads(file.read_text())
    scores = json.loads(numbers.read_text())["scores"]
    for name, value in scores["class_iou"].items():
        known = theirs["classScores"][name]
        assert value == (None if math.isnan(known) else pytest.approx(known, abs=1e-6))
    assert scores["miou"] == pytest.approx(theirs["averageScoreClasses"], abs=1e-6)
    if not has_instances:
        assert "no iIoU: 3 of 3 images have no *_gtFine_instanceIds.png" in out
        for key in ("classInstScores", "categoryInstScores"):  # zeros that the tool took of no instance
            assert all(math.isnan(value) for value in ours.pop(key).values())
            theirs.pop(key)
        for key in ("averageScoreInstClasses", "averageScoreInstCategories"):
            assert math.isnan(ours.pop(key))
            theirs.pop(key)
    assert_equal_files(ours, named_by_file(theirs))


def test_predictions_of_the_test_split_are_found_by_the_tool(tmp_path, tool):
    """It has no labels; each file is found by its image's name, holds labelIds, and has the image's size."""
    root = write_set(tmp_path / "cityscapes")
    config = write_config(tmp_path, root)
    save_weights(Plan(load_config(config)).model().state_dict(), tmp_path)
    (root / "leftImg8bit" / "val").rename(root / "leftImg8bit" / "test")
    given = ("--config", config, "--model_path", tmp_path / "model.pdparams", "--backend", "paddle")
    images = ("--image_path", root / "leftImg8bit" / "test", "--save_dir", tmp_path / "out")
    code, _, err = tool("predict", *given, *images, "--save", "cityscapes,raw")
    assert code == 0, err
    for stem in STEMS:
        (found,) = (tmp_path / "out" / "cityscapes_prediction").rglob(f"{Path(stem).name}*.png")
        ids = cv2.imread(str(found), cv2.IMREAD_UNCHANGED)
        raw = cv2.imread(str(tmp_path / "out" / "label_prediction" / f"{stem}_leftImg8bit.png"), -1)
        assert (ids.shape, ids.dtype) == ((64, 96), np.uint8)
        evaluated = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
        np.testing.assert_array_equal(ids, np.array(evaluated)[raw])


def test_tables_are_those_of_the_tool():
    """Names, categories and sizes of instances against the authors' package."""
    tool = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    known = [label for label in tool.labels if label.id >= 0]
    assert tuple(label.name for label in known) == LABEL_NAMES
    for label in known:
        assert label.id in CATEGORIES[label.category]
    counted = {label.name for label in known if label.hasInstances and not label.ignoreInEval}
    assert {
        name: size for name, size in tool.args.avgClassSize.items() if name in counted
    } == MEAN_INSTANCE_PIXELS


def test_what_cannot_be_scored_is_refused(tmp_path, tool):
    """Other classes, labels without labelIds, images with other names: each is told in a sentence."""
    with pytest.raises(UserError, match="of its 19 classes, road to bicycle, and this data set has 2"):
        CityscapesScores(("a", "b"))
    observation = Observation(
        0, "a.png", "a_mask.png", np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8)
    )
    (metric,) = make_metrics(["cityscapes"], Cityscapes.classes, 255, {"cityscapes": CityscapesScores})
    with pytest.raises(UserError, match=r"a\.png there is no \*_gtFine_labelIds\.png, but a_mask\.png"):
        metric.update(observation)
    root = write_set(tmp_path / "cityscapes")
    config = write_config(tmp_path, root)
    save_weights(Plan(load_config(config)).model().state_dict(), tmp_path)
    given = ("--config", config, "--model_path", tmp_path / "model.pdparams", "--backend", "paddle")
    given = (*given, "--save", "cityscapes")
    code, _, err = tool("predict", *given, "--image_path", root, "--save_dir", tmp_path / "out")
    assert code == 2
    assert "are both of bad-homburg_000000_012345, for which Cityscapes' tool wants one prediction" in err
    cv2.imwrite(str(tmp_path / "photo.png"), np.zeros((64, 96, 3), np.uint8))
    code, _, err = tool(
        "predict", *given, "--image_path", tmp_path / "photo.png", "--save_dir", tmp_path / "out"
    )
    assert code == 2
    assert "photo.png: --save cityscapes needs images named as Cityscapes names them" in err


def test_nothing_counted_gives_nan():
    """As an evaluation of no images does."""
    metric = CityscapesScores(Cityscapes.classes)
    assert metric.result()["mean_class_iou"] is None
    assert math.isnan(json.loads(metric.as_cityscapes())["averageScoreClasses"])
    assert metric.lines()
