"""Every probable cause, on a data set made wrong in that way; and none on one that is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from paddleseg_lite.datasets import Dataset
from paddleseg_lite.datasets.check.check import check_datasets
from paddleseg_lite.datasets.check.findings import Findings
from paddleseg_lite.datasets.check.hints import MIXED_MASKS, NOT_ALL_CLASSES
from paddleseg_lite.datasets.check.pair import BAD_IDS, COLOR_LABEL, JPEG_LABEL

Image = pytest.importorskip("PIL.Image", reason="Pillow writes palette PNGs; Paddle installs it")


def stripes(*values: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """Return a label of broad stripes, aslant, of these ids in turn."""
    y, x = np.mgrid[: size[0], : size[1]]
    return np.array(values, np.uint8)[(x + y // 3) // 7 % len(values)]


def check(folder: Path, *labels: Any, suffix: str = ".png", mode: str = "train", **kwargs: Any) -> Findings:
    """Write labels (arrays, RGB or ids, or Pillow's images) and gray photographs, and check them."""
    names = []
    for index, label in enumerate(labels):
        size = label.shape[:2] if isinstance(label, np.ndarray) else label.size[::-1]
        cv2.imwrite(str(folder / f"image{index}.png"), np.full(size, 90, np.uint8))
        path = folder / f"label{index}{suffix}"
        if isinstance(label, np.ndarray):
            cv2.imwrite(str(path), label[..., ::-1] if label.ndim == 3 else label)
        else:
            label.save(path)
        names.append(f"image{index}.png label{index}{suffix}")
    (folder / "list.txt").write_text("\n".join(names))
    arguments = {"num_classes": 4, "mode": mode, f"{mode}_path": "list.txt", **kwargs}
    (findings,) = check_datasets({"set": lambda: Dataset((), str(folder), **arguments)})
    return findings


def kinds(findings: Findings) -> set[str]:
    return {problem.kind for problem in findings.problems}


def the_cause(findings: Findings) -> str:
    """Return the one probable cause."""
    (cause,) = findings.causes
    return cause


def palette_image(ids: np.ndarray, colors: dict[int, tuple[int, int, int]]) -> Any:
    """Return a palette picture whose ids have these colors."""
    picture = Image.fromarray(ids)
    table = [value for index in range(256) for value in colors.get(index, (0, 0, 0))]
    picture.putpalette(table)
    return picture


@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_nothing_is_said_of_right_labels(tmp_path, suffix):
    """Protects from false alarms, also with ignored pixels and with a class that is rare."""
    label = stripes(0, 1, 2, 255)
    label[5, 5] = 3
    if suffix == ".npy":
        np.save(tmp_path / "label.npy", label)
        cv2.imwrite(str(tmp_path / "image.png"), np.zeros(label.shape, np.uint8))
        (tmp_path / "own.txt").write_text("image.png label.npy")
        (findings,) = check_datasets({"set": lambda: Dataset((), str(tmp_path), 4, train_path="own.txt")})
    else:
        findings = check(tmp_path, label, stripes(3, 0))
    assert (findings.is_usable, findings.causes, findings.warnings) == (True, [], [])


def test_mask_of_0_and_255_is_noticed_though_every_id_is_allowed(tmp_path):
    """Protects the commonest binary mask: 255 is ignored, and a network learns nothing at all."""
    findings = check(tmp_path, stripes(0, 255), stripes(0, 0), num_classes=2)
    assert kinds(findings) == {NOT_ALL_CLASSES}
    assert "255 stands for the foreground, which is ignore_index" in the_cause(findings)
    assert "label_map: {255: 1}" in the_cause(findings)
    assert not check(tmp_path, stripes(0, 255), num_classes=2, mode="val").is_usable


def test_mask_of_0_and_255_where_255_is_not_ignored(tmp_path):
    """Protects the same mask with another ignore_index, or with more classes."""
    findings = check(tmp_path, stripes(0, 255), num_classes=2, ignore_index=254)
    assert kinds(findings) == {NOT_ALL_CLASSES, BAD_IDS}
    assert "label_map: {255: 1}" in the_cause(findings)
    assert "label_map: {255: CLASS}" in the_cause(check(tmp_path, stripes(0, 255)))


def test_the_proposed_maps_put_it_right(tmp_path):
    """Protects the remedies: what is proposed must make the check pass."""
    assert check(tmp_path, stripes(0, 255), num_classes=2, label_map={255: 1}).is_usable
    assert check(tmp_path, stripes(1, 2, 3, 4), label_map={1: 0, 2: 1, 3: 2, 4: 3}).is_usable
    assert check(tmp_path, stripes(*range(5)), label_map={0: 255, 1: 0, 2: 1, 3: 2, 4: 3}).is_usable
    assert check(tmp_path, stripes(0, 85, 170, 255), label_map={0: 0, 85: 1, 170: 2, 255: 3}).is_usable


def test_empty_masks_of_a_training_set(tmp_path):
    """Protects from a night of learning that all is background; a small val set may be so."""
    assert kinds(check(tmp_path, stripes(0, 0), num_classes=2)) == {NOT_ALL_CLASSES}
    assert check(tmp_path, stripes(0, 0), num_classes=2, mode="val").is_usable


@pytest.mark.parametrize("ignored", [[], [255]])
def test_ids_that_start_at_1(tmp_path, ignored):
    """Protects from labels that are one off, with and without ignored pixels."""
    findings = check(tmp_path, stripes(1, 2, *ignored), stripes(3, 4))
    assert kinds(findings) == {BAD_IDS}
    assert "start at 1: set label_map: {1: 0, 2: 1, 3: 2, 4: 3}" in the_cause(findings)


def test_ids_that_start_at_1_with_0_for_void(tmp_path):
    """Protects ADE20K's kind of labels, and the other reading: one class more."""
    cause = the_cause(check(tmp_path, stripes(0, 1, 2, 3, 4)))
    assert "label_map: {0: 255, 1: 0, 2: 1, 3: 2, 4: 3}" in cause
    assert "set num_classes to 5" in cause


def test_ids_that_start_at_1_below_num_classes_are_a_warning(tmp_path):
    """Protects from a class too many, which trains and only looks odd."""
    findings = check(tmp_path, stripes(1, 2, 3))
    assert findings.is_usable
    assert "label_map to {1: 0, 2: 1, 3: 2}" in findings.warnings[0]


def test_grey_levels_to_look_at(tmp_path):
    """Protects labels whose ids were spread over 0 to 255 for people."""
    assert "{0: 0, 85: 1, 170: 2, 255: 3}" in the_cause(check(tmp_path, stripes(0, 85, 170, 255)))
    assert "{0: 0, 127: 1, 254: 2}" in the_cause(check(tmp_path, stripes(0, 127, 254), num_classes=3))


def test_more_classes_than_declared(tmp_path):
    """Protects from a num_classes that is too small."""
    assert "set num_classes to at least 8" in the_cause(check(tmp_path, stripes(0, 1, 2, 3, 5, 7)))


def test_255_with_another_ignore_index(tmp_path):
    """Protects from an ignore_index that the labels don't know."""
    cause = the_cause(check(tmp_path, stripes(0, 1, 2, 3, 255), ignore_index=0))
    assert "set ignore_index to 255" in cause


def test_cityscapes_label_ids(tmp_path):
    """Protects from training on labelIds with a list file."""
    cause = the_cause(check(tmp_path, stripes(7, 11, 23, 26, 33), num_classes=19))
    assert "labelIds" in cause
    assert "the command prepare_cityscapes" in cause


RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 200, 0), (0, 0, 90), (9, 9, 9)


def painted(*colors: tuple[int, int, int]) -> np.ndarray:
    """Return a color mask of stripes."""
    return np.array(colors, np.uint8)[stripes(*range(len(colors)))]


def test_color_masks_in_the_palette(tmp_path):
    """Protects RGB masks whose colors are known: the table from color to id is given."""
    findings = check(tmp_path, painted(RED, GREEN, BLUE), num_classes=3, palette=[RED, GREEN, BLUE])
    assert kinds(findings) == {COLOR_LABEL}
    assert "(255, 0, 0) is 0, (0, 200, 0) is 1, (0, 0, 90) is 2" in the_cause(findings)
    assert "docs/data.md" in the_cause(findings)


def test_color_masks_of_unknown_colors(tmp_path):
    """Protects RGB masks in general: the colors are listed, the commonest first."""
    cause = the_cause(check(tmp_path, painted(RED, BLUE, RED)))
    assert "1 labels have colors instead of ids: (255, 0, 0), (0, 0, 90) (R, G, B)" in cause


def test_grey_in_three_channels(tmp_path):
    """Protects ids that an editor saved as RGB."""
    cause = the_cause(check(tmp_path, painted((0, 0, 0), (1, 1, 1), (2, 2, 2))))
    assert "all three channels are equal (values 0 to 2)" in cause


def test_photographs_as_labels(tmp_path):
    """Protects from swapped columns in a list."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    assert "swapped in the list" in the_cause(check(tmp_path, noise))


def test_palette_pngs_with_the_data_sets_colors_at_other_indices(tmp_path):
    """Protects palette masks of another program: the map follows from the colors."""
    mask = palette_image(stripes(5, 6, 9), {5: RED, 6: BLUE, 9: GREEN})
    findings = check(tmp_path, mask, num_classes=3, palette=[RED, GREEN, BLUE])
    assert kinds(findings) >= {BAD_IDS}
    assert "label_map: {5: 0, 6: 2, 9: 1}" in the_cause(findings)
    assert check(tmp_path, mask, num_classes=3, label_map={5: 0, 6: 2, 9: 1}).is_usable


def test_palette_pngs_of_unknown_colors(tmp_path):
    """Protects palette masks in general: what each index looks like is told."""
    cause = the_cause(check(tmp_path, palette_image(stripes(0, 6, 9), {0: RED, 6: GREY, 9: GREEN})))
    assert "the index, not the color: 0 is (255, 0, 0), 6 is (9, 9, 9), 9 is (0, 200, 0)" in cause


def test_palette_pngs_with_classes_in_another_order_are_a_warning(tmp_path):
    """Protects from classes that are exchanged though every id is one."""
    mask = palette_image(stripes(0, 1, 2), {0: RED, 1: BLUE, 2: GREEN})
    findings = check(tmp_path, mask, num_classes=3, palette=[RED, GREEN, BLUE])
    assert findings.is_usable
    assert "1 has the color of 2, 2 has the color of 1" in findings.warnings[0]
    right = palette_image(stripes(0, 1, 2), {0: RED, 1: GREEN, 2: BLUE})
    assert check(tmp_path, right, num_classes=3, palette=[RED, GREEN, BLUE]).warnings == []


def test_jpeg_masks(tmp_path):
    """Protects from JPEG, whose smeared ids may all be classes: the format alone is a problem."""
    findings = check(tmp_path, stripes(0, 255), suffix=".jpg", num_classes=2)
    assert JPEG_LABEL in kinds(findings)
    assert "1 labels are JPEGs" in the_cause(findings)
    findings = check(tmp_path, stripes(*range(19)), suffix=".jpg", num_classes=30)
    assert JPEG_LABEL in kinds(findings)
    assert "make the labels anew" in the_cause(findings)


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_png_that_was_a_jpeg(tmp_path, quality):
    """Protects from smears that have lost their format."""
    data = cv2.imencode(".jpg", stripes(0, 255), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    mask = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    assert "saved as JPEG once" in the_cause(check(tmp_path, mask, num_classes=2))


def test_labels_resized_with_interpolation(tmp_path):
    """Protects from ids that lie between two others along an edge."""
    label = cv2.resize(stripes(0, 3, 255, 1), None, fx=2.6, fy=2.6, interpolation=cv2.INTER_LINEAR)
    cause = the_cause(check(tmp_path, label))
    assert "lie scattered" in cause
    assert "nearest pixel" in cause


def test_some_masks_of_0_and_255_among_labels(tmp_path):
    """Protects a set put together of two sources: every id is allowed, and half the foreground is ignored."""
    labels = [stripes(0, 1), stripes(0, 255), stripes(0, 255), stripes(0, 0)]
    findings = check(tmp_path, *labels, num_classes=2)
    assert kinds(findings) == {MIXED_MASKS}
    assert "2 labels without ids but 0 and 255" in findings.problems[0].message
    assert findings.problems[0].file.endswith("label1.png")
    assert "label_map: {255: 1}" in the_cause(findings)
    for target in (1, 255):  # both remedies put it right
        assert check(tmp_path, *labels, num_classes=2, label_map={255: target}).is_usable
    assert not check(tmp_path, *labels, num_classes=2, mode="val").is_usable
    findings = check(tmp_path, *labels, num_classes=2, ignore_index=254)
    assert kinds(findings) == {BAD_IDS}
    assert "label_map: {255: 1}" in the_cause(findings)


def test_0_and_255_where_255_is_seen_to_be_void(tmp_path):
    """Protects from false alarms: 255 beside 1 marks pixels that don't count; or with several classes."""
    assert check(tmp_path, stripes(0, 1, 255), stripes(0, 255), num_classes=2).is_usable
    assert check(tmp_path, stripes(0, 1, 2, 3), stripes(0, 255)).is_usable


def test_a_rare_class_that_was_not_declared_is_no_smear(tmp_path):
    """Protects from the advice to make labels anew: few pixels, but together."""
    label = stripes(0, 1, 2, 3)
    label[10:15, 10:20] = 4
    assert "lie scattered" not in the_cause(check(tmp_path, label))


def test_254_as_a_mark_for_void(tmp_path):
    """Protects from the advice to have 255 classes."""
    assert "label_map: {254: 255}" in the_cause(check(tmp_path, stripes(0, 1, 254), num_classes=2))
    assert check(tmp_path, stripes(0, 1, 254), num_classes=2, label_map={254: 255}).is_usable


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0, 257, 514), "multiples of 257: divide them by 257"),
        ((0, 256, 512), "divide them by 256"),
        ((0, 1, 2, 65535), "65535 commonly marks pixels that don't count; replace it by 255"),
        ((7, 23, 26001, 26002), "instanceIds"),
        ((0, 1, 300, 301, 60000), "numbers of objects, or depths, rather than classes"),
    ],
)
def test_labels_of_16_bits(tmp_path, values, words):
    """Protects the way on from ids above 255: why they are there."""
    label = np.array(values, np.uint16)[stripes(*range(len(values)))]
    findings = check(tmp_path, label)
    assert kinds(findings) == {"label that cannot be used"}
    assert f"1 labels have ids from {min(values)} to {max(values)}" in the_cause(findings)
    assert words in the_cause(findings)
