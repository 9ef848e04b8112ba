"""StreetScenes: deterministic, all 19 classes, labels that fit the pixels, colors that give none away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from demo.streetscenes import (
    buildings,
    furniture,
    layout,
    nature,
    palette,
    people,
    render_scene,
    trams,
    vehicles,
)
from demo.streetscenes.canvas import Canvas, clip_near
from demo.streetscenes.files import claim_folder, scene_paths, write_scene
from demo.streetscenes.geometry import NEAR, Camera, Frame, Light
from paddleseg_lite.errors import UserError
from tests.paths import TOOLS

CLASSES = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
TRAIN_ID = np.full(256, 19)
TRAIN_ID[list(CLASSES)] = np.arange(19)
TOOL = TOOLS / "make_streetscenes.py"


@pytest.fixture(scope="module")
def scenes() -> list[tuple[np.ndarray, np.ndarray]]:
    return [render_scene(5, index, 256, 128) for index in range(75)]


def open_canvas(width: int = 512, height: int = 256) -> Canvas:
    """A level camera 1.6 m above the ground under a cloudless sky without haze."""
    light = Light((0.0, 0.8, -0.6), (0.6, 0.6, 0.6), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 1e6, 0.5)
    return Canvas(Camera(width, height, (0.0, 1.6, 0.0), 0.9, 0.5), light)


def test_a_scene_depends_on_seed_and_index_only(scenes: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Protects reproducibility: neither global random state nor what was drawn before may matter."""
    np.random.seed(1)
    cv2.setRNGSeed(1)
    image, label = render_scene(5, 40, 256, 128)
    assert image.shape == (128, 256, 3)
    assert image.dtype == label.dtype == np.uint8
    np.testing.assert_array_equal(image, scenes[40][0])
    np.testing.assert_array_equal(label, scenes[40][1])
    assert (render_scene(6, 40, 256, 128)[1] != label).mean() > 0.1
    assert (scenes[41][1] != label).mean() > 0.1


@pytest.mark.parametrize("index", [3, 12])
def test_another_size_shows_the_same_scene(index: int, scenes: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Protects that all dice are thrown in metres, not in pixels."""
    image, label = render_scene(5, index, 512, 256)
    small_image, small_label = scenes[index]
    assert (label[1::2, 1::2] == small_label).mean() > 0.93
    shrunk = cv2.resize(image, (256, 128), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(int) - small_image).mean() < 14


def test_every_class_is_common(scenes: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Protects that a small network meets each of the 19 classes often, and large enough to see."""
    counts = np.stack([np.bincount(TRAIN_ID[label].ravel(), minlength=20) for _, label in scenes])
    share = (counts[:, :19] >= 40).mean(axis=0)  # 40 pixels at 256x128 are 160 at 512x256
    assert share.min() >= 0.25, dict(zip(CLASSES, share.round(2)))
    assert counts[:, 19].sum() < 0.05 * counts.sum()
    ids = np.unique(np.stack([label for _, label in scenes]))
    assert set(ids) <= {*CLASSES, palette.UNLABELLED, palette.EGO, palette.STATIC}


def color_miou(scenes: list[tuple[np.ndarray, np.ndarray]], fitted: int, levels: int) -> float:
    """mIoU of the best guess from a pixel's quantised color: fitted on some scenes, scored on the rest."""

    def cells(image: np.ndarray) -> np.ndarray:
        return (image.astype(np.int64) * levels // 256 @ [levels * levels, levels, 1]).ravel()

    votes = np.zeros((levels**3, 20), np.int64)
    for image, label in scenes[:fitted]:
        np.add.at(votes, (cells(image), TRAIN_ID[label].ravel()), 1)
    votes = votes[:, :19]
    guess = np.where(votes.any(axis=1), votes.argmax(axis=1), votes.sum(axis=0).argmax())
    confusion = np.zeros((20, 19), np.int64)
    for image, label in scenes[fitted:]:
        np.add.at(confusion, (TRAIN_ID[label].ravel(), guess[cells(image)]), 1)
    confusion = confusion[:19]
    hits = np.diag(confusion)
    return float(np.mean(hits / (confusion.sum(axis=0) + confusion.sum(axis=1) - hits)))


@pytest.mark.parametrize("levels", [16, 32])
def test_color_does_not_give_classes_away(levels: int, scenes: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Protects that the data set is no toy: half of the demo's 0.50 must be far out of color's reach."""
    assert color_miou(scenes, 60, levels) < 0.15


def test_the_color_classifier_would_find_a_toy_out(scenes: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Protects the test above: on scenes painted in one color for each class it reaches nearly 1."""
    paint = np.random.default_rng(0).integers(0, 256, (20, 3), dtype=np.uint8)
    toys = [(paint[TRAIN_ID[label]], label) for _, label in scenes]
    assert color_miou(toys, 60, 32) > 0.9


DRAWN = {
    palette.CAR: lambda c, f, r: vehicles.car(c, f, r),
    palette.TRUCK: lambda c, f, r: vehicles.truck(c, f, r),
    palette.BUS: lambda c, f, r: vehicles.bus(c, f, r),
    palette.TRAIN: lambda c, f, r: trams.tram(c, f, r),
    palette.PERSON: lambda c, f, r: people.person(c, f, r),
    palette.BUILDING: lambda c, f, r: buildings.building(c, f, 1.0, 12.0, r),
    palette.WALL: lambda c, f, r: buildings.wall(c, f, 1.0, 9.0, r),
    palette.VEGETATION: lambda c, f, r: nature.tree(c, f, r),
}


@pytest.mark.parametrize("label", DRAWN)
@pytest.mark.parametrize("yaw", [0.0, 0.7, -1.2])
def test_labels_lie_exactly_on_what_was_painted(label: int, yaw: float) -> None:
    """Protects the alignment of image and label, from all sides, for whatever is not see-through."""
    canvas = open_canvas()
    canvas.image[:] = (1, 2, 3)  # no surface is so dark in this light, none has this color
    DRAWN[label](canvas, Frame(2.0, 18.0, yaw), np.random.default_rng(3))
    canvas.flush()
    painted = (canvas.image != (1, 2, 3)).any(axis=2)
    assert set(np.unique(canvas.label)) == {0, label}
    assert painted.sum() > 100
    edge = cv2.morphologyEx(
        (canvas.label > 0).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8)
    )
    wrong = painted != (canvas.label > 0)
    assert np.count_nonzero(wrong & (edge == 0)) == 0


def test_a_fence_is_labelled_where_one_sees_through_it() -> None:
    """Protects Cityscapes' convention: the gaps of a fence are fence."""
    canvas = open_canvas()
    canvas.image[:] = (1, 2, 3)
    buildings.fence(canvas, Frame(-4.0, 8.0, np.pi / 2), 1.0, 8.0, np.random.default_rng(0))
    canvas.flush()
    gaps = (canvas.image == (1, 2, 3)).all(axis=2) & (canvas.label == palette.FENCE)
    assert gaps.sum() > 0.2 * (canvas.label == palette.FENCE).sum()


@pytest.mark.parametrize("yaw", [0.0, 1.3])
def test_a_rider_is_apart_from_the_machine(yaw: float) -> None:
    """Protects that both classes come from one drawing, whether seen from its side or its front."""
    canvas = open_canvas()
    people.two_wheeler(canvas, Frame(0.0, 8.0, yaw), np.random.default_rng(0), motor=False, ridden=True)
    canvas.flush()
    assert set(np.unique(canvas.label)) == {0, palette.RIDER, palette.BICYCLE}


def test_street_furniture_has_its_classes() -> None:
    """Protects that posts are poles and what they carry is not."""
    canvas = open_canvas()
    furniture.traffic_light(canvas, Frame(-1.5, 10.0), 1.0, np.random.default_rng(0))
    furniture.traffic_sign(canvas, Frame(1.5, 10.0), np.random.default_rng(0))
    canvas.flush()
    counts = np.bincount(canvas.label.ravel(), minlength=34)
    assert set(np.flatnonzero(counts)) == {0, palette.POLE, palette.LIGHT, palette.SIGN}
    assert counts[palette.LIGHT] > 200
    assert counts[palette.SIGN] > 200


def test_the_camera_is_a_pinhole() -> None:
    """Protects the projection: 1 m at 10 m is focal * width / 10 pixels wide, eye height is the horizon."""
    camera = open_canvas(1000, 500).camera
    left, right = camera.pixels(np.array([[-0.5, 1.6, 10.0], [0.5, 1.6, 10.0]]))
    np.testing.assert_allclose(right - left, (90.0, 0.0), atol=1e-9)
    np.testing.assert_allclose((left + right) / 2, (499.5, 249.5), atol=1e-9)
    foot = camera.pixels(np.array([0.0, 0.0, 10.0]))
    np.testing.assert_allclose(foot, (499.5, 249.5 + 144.0), atol=1e-9)


def test_what_is_behind_the_camera_is_cut_off() -> None:
    """Protects against polygons that wrap round the image when they reach behind the camera."""
    polygon = np.array([(0.0, 0.0, 5.0), (4.0, 0.0, 5.0), (4.0, 0.0, -5.0), (0.0, 0.0, -5.0)])
    cut = clip_near(polygon)
    assert len(cut) == 4
    assert cut[:, 2].min() == pytest.approx(NEAR)
    assert len(clip_near(polygon - (0, 0, 10.0))) == 0


def test_painters_order() -> None:
    """Protects occlusion: far before near, and beside each other, the outer before the inner."""

    def item(x: tuple[float, float], z: tuple[float, float]) -> layout.Item:
        return layout.Item(lambda canvas, rng: None, x, z, 1.0)

    near, far = item((-1, 1), (5, 9)), item((-1, 1), (20, 24))
    long_wall, before_it = item((6, 7), (2, 40)), item((3, 4), (30, 31))
    items = [near, long_wall, before_it, far]
    order = layout.painters_order(items, 0.0)
    assert order.index(3) < order.index(0)
    assert order.index(1) < order.index(2)
    assert sorted(order) == [0, 1, 2, 3]
    # The car is beyond the truck, but nothing the truck could hide: no reason to paint it before the truck.
    truck, tram, car = item((-8, -5), (12, 22)), item((-4, -2), (8, 35)), item((-1, 1), (27, 32))
    order = layout.painters_order([tram, truck, car], 0.0)
    assert order.index(1) < order.index(0) < order.index(2)


def run_tool(*args: object) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(TOOL.parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(TOOL), *map(str, args)]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def read_png(path: Path) -> np.ndarray:
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert pixels is not None, path
    return pixels


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_tool_writes_cityscapes_folders_whatever_the_workers(tmp_path: Path) -> None:
    """Protects the layout that the Cityscapes reader needs, and that processes don't change a byte."""
    size = ("--train", 5, "--val", 1, "--width", 128, "--height", 64, "--seed", 9)
    done = run_tool("--save_dir", tmp_path / "two", *size, "--num_workers", 2)
    assert done.returncode == 0, done.stderr
    for split, count in (("train", 5), ("val", 1)):
        for number in range(count):
            write_scene(tmp_path / "here", split, number, 9, 128, 64)
    two, here = contents(tmp_path / "two"), contents(tmp_path / "here")
    assert json.loads(two.pop("streetscenes.json")) == {"seed": 9, "width": 128, "height": 64}
    assert two == here
    assert len(two) == 12
    image = tmp_path / "two/leftImg8bit/val/streets/streets_000000_000000_leftImg8bit.png"
    label = tmp_path / "two/gtFine/val/streets/streets_000000_000000_gtFine_labelIds.png"
    assert read_png(image).shape == (64, 128, 3)
    assert read_png(label).shape == (64, 128)


def test_what_exists_is_kept(tmp_path: Path) -> None:
    """Protects resuming: a missing half of a pair is drawn again, what is complete is not touched."""
    for number in range(2):
        write_scene(tmp_path, "train", number, 1, 128, 64)
    before = contents(tmp_path)
    kept = scene_paths(tmp_path, "train", 1)[0]
    kept.write_bytes(b"mine")
    scene_paths(tmp_path, "train", 0)[0].unlink()
    for number in range(2):
        write_scene(tmp_path, "train", number, 1, 128, 64)
    assert kept.read_bytes() == b"mine"
    kept.write_bytes(before[str(kept.relative_to(tmp_path))])
    assert contents(tmp_path) == before


def test_scenes_of_two_kinds_are_not_mixed(tmp_path: Path) -> None:
    """Protects a data set, and any other folder, from being filled up with other scenes."""
    claim_folder(tmp_path / "a", 0, 512, 256)
    claim_folder(tmp_path / "a", 0, 512, 256)
    with pytest.raises(UserError, match="'seed': 1"):
        claim_folder(tmp_path / "a", 1, 512, 256)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").write_text("dear to me")
    with pytest.raises(UserError, match="another kind"):
        claim_folder(tmp_path / "b", 0, 512, 256)
    with pytest.raises(UserError, match="is a file"):
        claim_folder(tmp_path / "b" / "thesis.txt", 0, 512, 256)


def test_the_tools_mistakes_end_with_a_sentence(tmp_path: Path) -> None:
    """Protects the users from stack traces: one sentence, exit code 2."""
    done = run_tool("--save_dir", tmp_path / "x", "--width", 20)
    assert done.returncode == 2
    assert "error: --width is 20, but must be at least 64" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()
