"""What protects prediction: the right files with the right ids, and no image lost to another's fault."""

from __future__ import annotations

import os
import shutil

import cv2
import numpy as np
import paddle
import pytest

from paddleseg_lite.datasets.reading.lists import find_images
from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.predict import predict, result_folders
from paddleseg_lite.inference.segmentation import KINDS
from paddleseg_lite.transforms import Compose, Normalize, Resize

FLAG = "--image_path"
PALETTE = np.array([[10, 20, 30], [200, 100, 50]], np.uint8)


def bright(images):
    """Class 1 where it is bright."""
    grey = images.mean(axis=1, keepdim=True)
    return [paddle.concat([-grey, grey], axis=1)]


def segment(source, out, network=bright, **options):
    """Predict what a path stands for, a folder of images or a list; return what became of each."""
    images, root = find_images(source, FLAG)
    return predict(network, images, Compose([Normalize()]), PALETTE, out, root, **options)


def test_results_inside_of_the_folder_are_no_images(folder, tmp_path):
    """Protects a second run, which would segment the first one's pictures."""
    expected, _ = find_images(folder, FLAG)
    for save_dir in (folder, folder / "sub" / "out"):
        for kind in KINDS.values():
            results = save_dir / kind.folder
            (results / "sub").mkdir(parents=True)
            (results / "sub" / "b ü.png").touch()
            assert find_images(folder, FLAG, result_folders(save_dir))[0] == expected
            shutil.rmtree(results)


def test_ids_colours_and_overlays(folder, tmp_path):
    """Three files for each image, below the names of its folders; ids at the image's own size."""
    images, root = find_images(folder, FLAG)
    transforms = Compose([Resize([40, 20]), Normalize()])
    result = predict(bright, images, transforms, PALETTE, tmp_path / "out", root)
    assert len(result.written) == 2
    for name in ("a.png", "sub/b ü.png"):
        ids = cv2.imdecode(
            np.fromfile(str(tmp_path / "out/label_prediction" / name), np.uint8), cv2.IMREAD_UNCHANGED
        )
        assert ids.shape == (10, 20)
        assert (ids[:, :9] == 0).all()
        assert (ids[:, 11:] == 1).all()
        color = cv2.imdecode(np.fromfile(str(tmp_path / "out/pseudo_color_prediction" / name), np.uint8), 1)
        assert color[5, 19].tolist() == [50, 100, 200], "the file is read as BGR"
        assert (tmp_path / "out/added_prediction" / name).exists()


def test_overlays_with_a_legend(folder, tmp_path):
    """It stands below the overlay, which stays as it is; class ids and colors have none."""
    segment(folder, tmp_path / "plain")
    segment(folder, tmp_path / "told", legend=("road", "sky"))
    plain, told = (cv2.imread(str(tmp_path / name / "added_prediction/a.png")) for name in ("plain", "told"))
    np.testing.assert_array_equal(told[:10], plain)
    assert told.shape[0] > plain.shape[0]
    assert cv2.imread(str(tmp_path / "told/label_prediction/a.png")).shape == (10, 20, 3)


def test_an_unreadable_image_does_not_stop_the_others(folder, tmp_path):
    """It is named; the others have their files."""
    (folder / "broken.png").write_bytes(b"no picture")
    result = segment(folder, tmp_path / "out")
    assert [path.name for path in result.failed] == ["broken.png"]
    assert "broken.png" in next(iter(result.failed.values()))
    assert len(result.written) == 2


@pytest.mark.parametrize("error", [ValueError("too small"), RuntimeError("too small"), MemoryError()])
def test_an_image_that_the_network_fails_on_does_not_stop_the_others(folder, tmp_path, error):
    """Paddle's errors, of images too small for a network or too large for memory, are no UserErrors."""

    def picky(images):
        if images.shape[3] == 3:
            raise error
        return bright(images)

    assert cv2.imwrite(str(folder / "tiny.png"), np.zeros((3, 3, 3), np.uint8))
    result = segment(folder, tmp_path / "out", picky)
    assert [path.name for path in result.failed] == ["tiny.png"]
    assert len(result.written) == 2


def test_two_images_never_share_a_result(folder, tmp_path):
    """a.png and a.jpg would both write a.png: refused before anything is written."""
    (folder / "a.jpg").write_bytes((folder / "sub/b ü.jpg").read_bytes())
    with pytest.raises(UserError, match=r"a\.jpg.*a\.png"):
        segment(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_result_never_leaves_its_folder_nor_replaces_an_image(folder, tmp_path):
    """A list may name ../photo.png; a save_dir may be where the images are."""
    (folder / "photo.png").write_bytes((folder / "a.png").read_bytes())
    before = (folder / "photo.png").read_bytes()
    (folder / "sub" / "list.txt").write_text("../photo.png\n")
    save_dir = folder / "sub"  # whose label_prediction/../photo.png is the image
    segment(folder / "sub" / "list.txt", save_dir)
    assert (folder / "photo.png").read_bytes() == before
    assert (save_dir / "label_prediction" / "photo.png").exists()
    again = save_dir / "label_prediction"
    before = (again / "photo.png").read_bytes()
    with pytest.raises(UserError, match="would replace the image"):
        segment(again / "photo.png", save_dir)
    assert (again / "photo.png").read_bytes() == before


def test_a_list_names_images_and_may_name_labels(folder):
    """Paths are relative to the list; names may hold spaces; a second column is a label, not an image."""
    listed = folder / "list.txt"
    listed.write_text("a.png labels/a.png\n\nsub/b ü.jpg\n", encoding="utf-8")
    images, root = find_images(listed, FLAG)
    assert [path.relative_to(folder).as_posix() for path in images] == ["a.png", "sub/b ü.jpg"]
    assert root == folder


@pytest.mark.parametrize(
    ("name", "content"), [("none", None), ("empty.txt", ""), ("notes.pdf", "x"), ("hollow/", None)]
)
def test_nothing_to_predict_is_an_error(tmp_path, name, content):
    """A missing path, an empty list, a file of another kind and a folder without images are told apart."""
    path = tmp_path / name
    if name.endswith("/"):
        path.mkdir()
    elif content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=name.rstrip("/").replace(".", r"\.")):
        find_images(path, FLAG)


def test_only_what_is_asked_for_is_written(folder, tmp_path):
    """--save; an unknown name is refused before anything is read."""
    segment(folder, tmp_path / "out", save=["color"])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["pseudo_color_prediction"]
    with pytest.raises(UserError, match=r"'colour'.*raw, color, overlay"):
        segment(folder, tmp_path / "out", save=["colour"])


def test_resume_skips_what_is_there(folder, tmp_path):
    """Only images that lack one of the results are run; the others' files are not touched."""
    segment(folder, tmp_path / "out")
    (tmp_path / "out/added_prediction/a.png").unlink()
    kept = tmp_path / "out/label_prediction/sub/b ü.png"
    before = kept.stat().st_mtime_ns
    seen = []

    def network(x):
        seen.append(x.shape)
        return bright(x)

    result = segment(folder, tmp_path / "out", network, resume=True)
    assert len(seen) == 1
    assert [path.name for path in result.written] == ["a.png"]
    assert [path.name for path in result.skipped] == ["b ü.jpg"]
    assert kept.stat().st_mtime_ns == before
    assert (tmp_path / "out/added_prediction/a.png").exists()


def test_a_name_with_a_line_end_is_told_in_one_line(tmp_path, caplog):
    """It must not look like a line of the log's own, nor reach the terminal's escapes."""
    path = tmp_path / "x\x1b[31m\nfake.png"
    path.write_bytes(b"junk")
    result = segment(path, tmp_path / "out")
    (reason,) = result.failed.values()
    assert reason.count("x\\x1b[31m\\nfake.png") == 1
    assert caplog.messages == [f"skipped: {reason}"]


def test_a_file_in_the_folders_place_is_told(folder, tmp_path):
    """What cannot be written for it is an error of the user's, not a trace from a thread."""
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot write"):
        segment(folder, tmp_path / "out")


def test_one_odd_file_does_not_stop_the_others(folder, tmp_path):
    """Links in a circle, names with a NUL, too long or of no text: each is named in one sentence."""
    (folder / "x.png").symlink_to("y.png")
    (folder / "y.png").symlink_to("x.png")
    (folder / "gone.png").symlink_to("nowhere.png")
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(b"no picture")
    lines = "\n".join(["a.png", "nul\0.png", 300 * "n" + ".png"])
    (folder / "list.txt").write_text(lines)
    for source, written, failed in ((folder, 2, 4), (folder / "list.txt", 1, 2)):
        for resume in (False, True):
            result = segment(source, tmp_path / "out" / source.name, resume=resume)
            assert len(result.written) + len(result.skipped) == written
            assert len(result.failed) == failed
            assert all(reason.isprintable() for reason in result.failed.values())


def test_npy_images_are_predicted(tmp_path):
    """Protects the format of images of many channels: a folder, a file and a list of it."""
    folder = tmp_path / "images"
    folder.mkdir()
    np.save(folder / "scene.npy", np.zeros((6, 8, 5), np.uint16))
    (folder / "list.txt").write_text("scene.npy\n")
    for source in (folder, folder / "scene.npy", folder / "list.txt"):
        images, root = find_images(source, FLAG)
        result = predict(
            bright, images, Compose([Normalize([0.5] * 5, [0.5] * 5)]), PALETTE, tmp_path, root, 5
        )
        assert result.written == images
        assert (tmp_path / "label_prediction" / "scene.png").exists()
