"""All problems at once, and counts that can be worked out by hand."""

from __future__ import annotations

import json
from functools import partial

import cv2
import numpy as np
import pytest

from paddleseg_lite.datasets import Cityscapes, SegmentationDataset
from paddleseg_lite.datasets.check.check import check_datasets
from paddleseg_lite.datasets.check.pictures import write_histogram, write_pictures, write_samples
from paddleseg_lite.datasets.check.report import as_dict, as_text
from paddleseg_lite.datasets.info import checked_info
from paddleseg_lite.errors import UserError

from ..written_pairs import dataset, write_pairs


def check(folder, num_workers=0, **kwargs):
    """Return the findings of `write_pairs`' data set."""
    (findings,) = check_datasets({"train_dataset": partial(dataset, folder, **kwargs)}, num_workers)
    return findings


def spoil(folder):
    """Break seven of twelve pairs, each in a way of its own."""
    (folder / "image0.png").unlink()
    (folder / "label1.png").unlink()
    (folder / "image2.png").write_bytes((folder / "image2.png").read_bytes()[:90])
    (folder / "label3.png").write_bytes(b"no picture")
    cv2.imwrite(str(folder / "label4.png"), np.zeros((32, 24), np.uint8))
    cv2.imwrite(str(folder / "label5.png"), np.full((24, 32), 9, np.uint8))
    np.save(folder / "image6.npy", np.zeros((24, 32, 5), np.uint8))
    text = (folder / "list.txt").read_text().replace("image6.png", "image6.npy")
    (folder / "list.txt").write_text(text + "alone.png\nimage7.png image7.png\n")


def test_every_problem_is_found_in_one_go(tmp_path):
    """Protects from one run for each problem: also those that end a data set's constructor."""
    spoil(write_pairs(tmp_path, 12))
    findings = check(tmp_path)
    found = {(problem.kind, problem.file.rpartition("/")[2]) for problem in findings.problems}
    assert found == {
        ("missing file", "image0.png"),
        ("missing file", "label1.png"),
        ("bad line in a list", "list.txt"),
        ("image that cannot be used", "image2.png"),
        ("label that cannot be used", "label3.png"),
        ("sizes that differ", "label4.png"),
        ("ids that are no classes", "label5.png"),
        ("image that cannot be used", "image6.npy"),
        ("image is its own label", "image7.png"),
        ("label of colors", "image7.png"),
    }
    text = as_text([findings])
    sizes = "24x32 pixels (width x height), its image 32x24"
    for words in ("line 13", "5 channel(s), but img_channels is 3", sizes):
        assert words in text
    assert "no problem found" not in text


def test_constructor_names_several_missing_files(tmp_path):
    """Protects the error of training itself: the first few files, and how many more there are."""
    for path in write_pairs(tmp_path).glob("label*.png"):
        path.unlink()
    words = r"line 1.*label0.*line 2.*line 3.*label2.*and 2 more.*check_dataset"
    with pytest.raises(UserError, match=words) as error:
        dataset(tmp_path)
    assert "label3" not in str(error.value)


def test_cityscapes_without_labels_is_checked_as_far_as_it_goes(tmp_path):
    """Protects the check of a download that broke off: every missing label is counted."""
    for index in range(9):
        for folder, suffix in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelIds")):
            path = tmp_path / folder / "train" / "ulm" / f"ulm_{index}_0_{suffix}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            if folder == "leftImg8bit" or index < 2:
                cv2.imwrite(str(path), np.full((8, 16), 7 + index, np.uint8))
    (findings,) = check_datasets({"train_dataset": lambda: Cityscapes((), str(tmp_path))})
    assert len(findings.problems) == 7
    assert findings.class_pixels[:2].tolist() == [128, 128]
    text = as_text([findings])
    assert "problem: missing file (7)" in text
    assert "and 2 more: " in text


def test_a_data_set_that_cannot_be_opened_does_not_hide_the_other(tmp_path):
    """Protects the rest of the report from a wrong folder."""
    write_pairs(tmp_path)
    nowhere = partial(dataset, tmp_path / "nowhere")
    train, val = check_datasets({"train_dataset": nowhere, "val_dataset": partial(dataset, tmp_path)})
    assert "nowhere" in train.problems[0].message
    assert val.is_usable
    assert json.loads(json.dumps(as_dict([train, val])))["usable"] is False
    assert "nowhere" in as_text([train, val])


def test_counts_and_weights_by_hand(tmp_path):
    """Protects every number of the report."""
    write_pairs(tmp_path, 2, size=(2, 4))
    cv2.imwrite(str(tmp_path / "label0.png"), np.array([[0, 0, 0, 0], [1, 1, 255, 255]], np.uint8))
    cv2.imwrite(str(tmp_path / "label1.png"), np.array([[0, 0, 2, 2], [2, 2, 2, 7]], np.uint8))
    findings = check(tmp_path, label_map={7: 255})
    assert findings.class_pixels.tolist() == [6, 2, 5, 0]
    assert findings.class_images.tolist() == [2, 1, 1, 0]
    assert findings.class_context.tolist() == [13, 6, 7, 0]
    assert findings.ignored == 3
    # Frequencies 6/13, 2/6, 5/7; their median is 6/13.
    expected = [1, 6 / 13 * 3, 6 / 13 * 7 / 5, 1]
    assert np.allclose(findings.class_weights(), expected, rtol=1e-3)
    assert findings.sizes == {(2, 4): 2}
    assert findings.warnings == ["classes that never occur: 3 (class 3)"]
    values = as_dict([findings])["datasets"]["train_dataset"]
    assert values["classes"][2] == {"id": 2, "name": "class 2", "pixels": 5, "images": 1, "weight": 0.6462}
    assert values["ids"] == {"0": 6, "1": 2, "2": 5, "7": 1, "255": 2}
    assert "loss.types.0.weight=[1, 1.385, 0.6462, 1]" in as_text([findings])


def test_an_ignored_id_among_the_classes_is_not_counted(tmp_path):
    """Protects counts where ignore_index is 0, as with void first."""
    findings = check(write_pairs(tmp_path), ignore_index=0, label_map={255: 0})
    assert findings.class_pixels[0] == 0
    assert findings.ignored + findings.class_pixels.sum() == 5 * 24 * 32


def test_sizes_are_summed_up(tmp_path):
    """Protects the statistics over images of many sizes."""
    write_pairs(tmp_path)
    for index in range(5):
        for name in ("image", "label"):
            size = (20 + index, 30 + 2 * index)
            cv2.imwrite(str(tmp_path / f"{name}{index}.png"), np.zeros(size, np.uint8))
    text = as_text([check(tmp_path)])
    assert "and 2 others" in text


def test_images_in_both_data_sets_and_twice(tmp_path):
    """Protects from scores on images that were trained on."""
    write_pairs(tmp_path)
    with (tmp_path / "list.txt").open("a") as file:
        file.write("image1.png label1.png\n")
    val_set = partial(dataset, tmp_path, mode="val")
    train, val = check_datasets({"train_dataset": partial(dataset, tmp_path), "val_dataset": val_set})
    assert "1 image named more than once" in train.warnings[0]
    assert "5 images also in train_dataset" in val.warnings[1]
    assert train.is_usable
    assert val.is_usable


def test_the_same_with_and_without_processes(tmp_path):
    """Protects the report from the order in which processes finish."""
    spoil(write_pairs(tmp_path, 12))
    one, two = (check(tmp_path, num_workers) for num_workers in (0, 3))
    assert as_dict([one]) == as_dict([two])


def test_a_reader_of_ones_own_is_used(tmp_path):
    """Protects data sets whose labels are not files of ids."""

    class Halves(SegmentationDataset):
        def read_files(self, index):
            if index == 2:
                raise UserError("third.bin is empty")
            label = np.zeros((4, 6), np.uint8)
            label[:, 3:] = 1
            return np.zeros((4, 6, 3), np.uint8), label

    pairs = [(f"{index}.bin", f"{index}.txt") for index in range(3)]
    (findings,) = check_datasets({"train_dataset": lambda: Halves((), pairs, checked_info(2))})
    assert findings.class_pixels.tolist() == [24, 24]
    assert [problem.message for problem in findings.problems] == ["third.bin is empty"]
    assert write_samples(tmp_path / "samples.png", [findings])


def test_pictures_show_every_class(tmp_path):
    """Protects the two pictures: they exist, and rare classes are among the samples."""
    write_pairs(tmp_path, 30)
    for index in range(30):
        cv2.imwrite(str(tmp_path / f"label{index}.png"), np.full((24, 32), int(index == 17), np.uint8))
    findings = check(tmp_path, num_classes=2, classes=["$\\frac$", "car"])  # a name is no formula
    assert 17 in findings.chosen(4)
    assert len(set(findings.chosen(4))) == 4
    assert write_histogram(tmp_path / "out" / "classes.png", [findings])
    assert write_samples(tmp_path / "out" / "samples.png", [findings])
    assert cv2.imread(str(tmp_path / "out" / "samples.png")).shape[1] > 3 * 480
    assert cv2.imread(str(tmp_path / "out" / "classes.png")) is not None
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["classes.png", "samples.png"]


def test_labels_of_colors_are_shown_as_they_are(tmp_path):
    """Protects the first look at RGB masks, for which there are no classes to be counted."""
    write_pairs(tmp_path)
    for index in range(5):
        label = np.zeros((24, 32, 3), np.uint8)
        label[:, 16:] = (0, 0, 200)  # red
        cv2.imwrite(str(tmp_path / f"label{index}.png"), label)
    findings = check(tmp_path)
    assert write_pictures(tmp_path / "out", [findings]) == [
        "there is no classes.png: no label that can be read holds a class"
    ]
    sheet = cv2.imread(str(tmp_path / "out" / "samples.png"))
    assert sheet[200, 486 + 100].tolist() == [0, 0, 0]
    assert sheet[200, 486 + 400].tolist() == [0, 0, 200]


def test_ids_that_are_not_allowed_and_ignored_pixels_are_hatched(tmp_path):
    """Protects both from looking like class 0, which is black in the default palette."""
    write_pairs(tmp_path, 1)
    for value in (0, 255, 9):
        cv2.imwrite(str(tmp_path / "label0.png"), np.full((24, 32), value, np.uint8))
        assert write_samples(tmp_path / "samples.png", [check(tmp_path)])
        label = cv2.imread(str(tmp_path / "samples.png"))[100:300, 500:900].reshape(-1, 3)
        colors = {tuple(color) for color in label.tolist()}
        lines = {255: {(0, 0, 0), (255, 255, 255)}, 9: {(255, 0, 255), (0, 255, 255)}}
        assert colors >= lines[value] if value else colors == {(0, 0, 0)}


def test_pictures_of_an_earlier_check_do_not_stay(tmp_path):
    """Protects from pictures of other data beside a new report."""
    findings = check(write_pairs(tmp_path))
    assert write_pictures(tmp_path / "out", [findings]) == []
    for index in range(5):
        (tmp_path / f"label{index}.png").write_bytes(b"")
    sentences = write_pictures(tmp_path / "out", [check(tmp_path)])
    assert [sentence.split(":")[0] for sentence in sentences] == [
        "there is no classes.png",
        "there is no samples.png",
    ]
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("value", "kind"), [(7, "ids that are no classes"), (300, "pair that cannot be used")]
)
def test_ids_of_a_reader_of_ones_own_are_judged(value, kind):
    """Protects data sets with a reader of their own: its ids are checked here as in training."""

    class Own(SegmentationDataset):
        def read_files(self, index):
            return np.zeros((4, 6, 3), np.uint8), np.full((4, 6), value if index else 1)

    pairs = [("a.bin", "a.txt"), ("b.bin", "b.txt")]
    (findings,) = check_datasets({"set": lambda: Own((), pairs, checked_info(2))})
    assert [(problem.kind, problem.file) for problem in findings.problems if problem.file] == [
        (kind, "b.txt")
    ]
