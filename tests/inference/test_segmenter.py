"""What a Predictor takes: images of any source, some of one shape at once, none lost to another's fault."""

from __future__ import annotations

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import paddle
import pytest
from PIL import Image

from paddleseg_lite.errors import UserError
from paddleseg_lite.predictor import Predictor
from paddleseg_lite.transforms import Compose, Normalize
from tests.inference.videos import record


class Spy:
    """Stands for a network of two classes, bright and dark, and puts down the shape of each input."""

    def __init__(self):
        self.shapes = []

    def __call__(self, images):
        self.shapes.append(tuple(images.shape))
        if images.shape[2] == 5:
            raise ValueError("too small")
        gray = images.mean(axis=1, keepdim=True)
        return [paddle.concat([-gray, gray], axis=1)]


@pytest.fixture
def spied():
    """A predictor and its network."""
    network = Spy()
    return Predictor(network, Compose([Normalize()]), ("dark", "light"), np.eye(2, 3)), network


@pytest.fixture
def photos(tmp_path):
    """Five photos in a folder and a subfolder, of two sizes, in order 8x6, 8x6, 8x6, 9x7, 8x6."""
    root = tmp_path / "photos"
    (root / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "c.png", "d.png", "sub/e.png")):
        size = (7, 9) if name == "d.png" else (6, 8)
        cv2.imwrite(str(root / name), np.full((*size, 3), 50 * number, np.uint8))
    return root


NAMES = ["a.png", "b.png", "c.png", "d.png", "e.png"]
DARK = [1.0, 1.0, 1.0, 0.0, 0.0]  # their shares of class "dark"


def told(results):
    """Return names and shares of "dark"."""
    results = list(results)
    return [found.path.rpartition("/")[2] for found in results], [found.shares["dark"] for found in results]


@pytest.mark.parametrize("batch_size", [1, 2, 10])
def test_images_of_one_shape_share_a_batch(spied, photos, batch_size):
    """Neighbours alone, at most so many; results and their order do not depend on it."""
    predictor, network = spied
    assert told(predictor(photos, batch_size=batch_size)) == (NAMES, DARK)
    counts = {1: [1, 1, 1, 1, 1], 2: [2, 1, 1, 1], 10: [3, 1, 1]}[batch_size]
    assert [shape[0] for shape in network.shapes] == counts
    listed = predictor(sorted(photos.rglob("*.png")), batch_size=batch_size)
    assert isinstance(listed, list)
    assert told(listed) == (NAMES, DARK)
    with pytest.raises(UserError, match="batch_size is 0"):
        predictor(photos, batch_size=0)


def test_folders_patterns_and_lists(spied, photos, tmp_path, monkeypatch):
    """Each is a generator, sorted as predict.py sorts; a file that looks like a pattern is a file."""
    predictor, _ = spied
    (photos / "notes.txt").write_text("a.png\nsub/e.png\n")
    assert told(predictor(str(photos / "*"))) == (NAMES[:4], DARK[:4])
    assert told(predictor(photos / "**" / "*.png")) == (NAMES, DARK)
    assert told(predictor(photos / "notes.txt")) == (["a.png", "e.png"], [1.0, 0.0])
    (photos / "a.png").rename(photos / "a[1].png")
    assert predictor(photos / "a[1].png").shares["dark"] == 1
    for nothing, said in (
        (photos / "*.jpg", "no image matches"),
        (tmp_path / "none" / "x.png", "cannot read"),
    ):
        with pytest.raises(UserError, match=said):  # at the call, not at the first result
            predictor(nothing)
    with pytest.raises(UserError, match=r"photos stands for several images; give it by itself"):
        predictor([photos])


def test_a_bad_file_of_many_is_named(spied, photos, caplog):
    """The others go on: a file that is no image, one that the network takes not, also in a batch of such."""
    predictor, network = spied
    (photos / "b.png").write_bytes(b"no picture")
    for name in ("c.png", "d.png"):
        cv2.imwrite(str(photos / name), np.zeros((5, 5, 3), np.uint8))
    assert told(predictor(photos, batch_size=4)) == (["a.png", "e.png"], [1.0, 0.0])
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    for name, message in zip(("b.png", "c.png", "d.png"), caplog.messages):
        assert name in message
    assert (2, 3, 5, 5) in network.shapes
    with pytest.raises(UserError, match=r"b\.png"):
        predictor(photos / "b.png")
    with pytest.raises(UserError, match=r"b\.png"):
        predictor([photos / "a.png", photos / "b.png"])


def test_a_folder_is_read_as_it_is_asked_for(spied, photos):
    """Whoever stops after the first result has not run the network on all of them."""
    predictor, network = spied
    results = predictor(photos)
    assert network.shapes == []
    assert next(results).path.endswith("a.png")
    results.close()
    assert len(network.shapes) == 1


def test_images_of_pil(spied, tmp_path):
    """Any mode becomes what the file would be read as, and the EXIF orientation counts."""
    predictor, _ = spied
    pixels = np.zeros((6, 8, 3), np.uint8)
    pixels[:3] = 255
    for mode in ("RGB", "L", "RGBA", "P", "1", "CMYK"):
        found = predictor(Image.fromarray(pixels).convert(mode))
        np.testing.assert_array_equal(found.mask, pixels[..., 0] > 0)
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(path, exif=exif, quality=100)
    with Image.open(path) as image:
        found = predictor(image)
    assert found.mask.shape == (8, 6)
    np.testing.assert_array_equal(found.mask, predictor(path).mask)
    with pytest.raises(UserError, match="float32"):
        predictor(Image.fromarray(np.zeros((4, 4), np.float32)))


@pytest.mark.parametrize("source", [None, 3.5, {"a": 1}, (image for image in ())])
def test_what_is_no_image_is_named(spied, source):
    """By what it is, not as an array without a shape; a generator is to be made a list."""
    with pytest.raises(UserError, match=f"a {type(source).__name__} is no image; give .* or a list of such"):
        spied[0](source)


def test_a_video_is_a_generator_of_frames(spied, tmp_path):
    """Frames are numbered, and of one shape; what is no video is refused at the call."""
    predictor, network = spied
    path = tmp_path / "drive.mp4"
    record(path, frames=5)
    results = list(predictor(path, batch_size=2))
    assert [(found.path, found.frame) for found in results] == [(str(path), frame) for frame in range(5)]
    assert [shape[0] for shape in network.shapes] == [2, 2, 1]
    assert results[0].mask.shape == (48, 64)
    with pytest.raises(UserError, match=r"there is no video .*none\.mp4"):
        predictor(tmp_path / "none.mp4")
    with pytest.raises(UserError, match="stands for several"):
        predictor([path])
    results = predictor(path)
    next(results)
    results.close()
    with pytest.raises(UserError, match="there is no camera 987"):
        next(predictor(987))


def test_urls(spied, photos, tmp_path, monkeypatch):
    """An image or a video from a server: nothing is kept, and an error names the URL."""
    predictor, _ = spied
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("PADDLESEG_LITE_HOME", str(tmp_path / "cache"))
    record(photos / "drive.mp4", frames=3)
    (photos / "bad.png").write_bytes(b"no picture")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(photos))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        found = predictor(f"{url}/sub/e.png?size=full")
        assert (found.path, found.shares["light"]) == (f"{url}/sub/e.png?size=full", 1)
        assert len(predictor([f"{url}/a.png", photos / "a.png"])) == 2
        assert [frame.frame for frame in predictor(f"{url}/drive.mp4?v=2")] == [0, 1, 2]
        with pytest.raises(UserError, match=rf"cannot read {url}/bad\.png: 10 bytes"):
            predictor(f"{url}/bad.png")
        with pytest.raises(
            UserError, match=rf"cannot download {url}/none\.png.*File not found.*check the URL"
        ):
            predictor(f"{url}/none.png")
        monkeypatch.setenv("PADDLESEG_LITE_MAX_BYTES", "20")
        with pytest.raises(UserError, match="more than 20 bytes"):
            predictor(f"{url}/a.png")
        server.shutdown()
    assert not (tmp_path / "cache").exists()
