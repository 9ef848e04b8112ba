"""Images beside masks: which belongs to which, and what their values mean."""

from __future__ import annotations

import numpy as np
import pytest

from paddleseg_lite.annotations import IGNORED, UNLABELED, Choices, open_source
from paddleseg_lite.datasets.reading.png import encode_png, with_palette
from paddleseg_lite.errors import UserError

from .written import kinds, photo, write

PALETTE = np.array([[0, 0, 0], [128, 64, 128], [70, 130, 180]], np.uint8)
IDS = np.repeat(np.arange(12).reshape(3, 4) % 3, 4, axis=1).astype(np.uint8)  # [3, 16]


@pytest.mark.parametrize(
    ("image", "mask", "name"),
    [
        ("images/a.jpg", "masks/a.png", "a"),
        ("images/x/a.jpg", "labels/x/a.png", "x/a"),
        ("JPEGImages/a.jpg", "Annotations/a.png", "a"),
        ("train/images/a.png", "train/masks/a_mask.png", "train/a"),
        ("img_dir/train/a.jpg", "ann_dir/train/a.png", "train/a"),
        ("images/training/a.jpg", "annotations/training/a.png", "training/a"),
        ("train/a.png", "trainannot/a.png", "train/a"),
        ("photos/0001TP.png", "labels/0001TP_L.png", "0001TP"),
        ("a.jpg", "a.png", "a"),
        ("a.png", "a_mask.png", "a"),
        ("a.png", "mask/a.png", "a"),
        ("a_image.png", "a_label.png", "a"),
    ],
)
def test_images_find_their_masks(tmp_path, image, mask, name):
    """Protects the layouts that people have from being taken for no masks, or two images."""
    write(tmp_path / image, photo(IDS.shape))
    write(tmp_path / mask, IDS)
    source = open_source(tmp_path)
    assert [item.name for item in source.items] == [name]
    assert source.image_file(source.items[0]) == tmp_path / image
    assert (source.label(source.items[0]) == IDS).all()
    assert (source.image(source.items[0])[..., 2] > 150).all()
    assert not source.findings


def test_ids_palettes_and_colors_give_the_same_label(tmp_path):
    """Protects a label from depending on how a tool wrote it."""
    for name in ("ids", "palette", "colors"):
        write(tmp_path / name / "images/a.jpg", photo(IDS.shape))
    write(tmp_path / "ids/masks/a.png", IDS)
    (tmp_path / "palette/masks").mkdir()
    (tmp_path / "palette/masks/a.png").write_bytes(with_palette(encode_png(IDS), PALETTE))
    write(tmp_path / "colors/masks/a.png", PALETTE[IDS])
    colors = {tuple(color): name for color, name in zip(PALETTE.tolist(), ("void", "road", "sky"))}
    named = open_source(tmp_path / "colors", "masks", Choices(colors=colors))
    assert named.classes == ("void", "road", "sky")
    for source in (named, open_source(tmp_path / "ids"), open_source(tmp_path / "palette")):
        assert (source.label(source.items[0]) == IDS).all()
        assert source.format == "masks"
    assert (named.palette == PALETTE).all()
    assert (open_source(tmp_path / "palette").palette == PALETTE).all()
    found = open_source(tmp_path / "colors")
    assert found.classes == ("#000000", "#4682b4", "#804080")
    assert len(kinds(found)["palette"]) == 3
    assert (found.palette[found.label(found.items[0])] == PALETTE[IDS]).all()


def test_the_classes_are_the_users_choice(tmp_path):
    """Protects ids with gaps, ids that are to be joined, and those that don't count."""
    write(tmp_path / "a.jpg", photo(IDS.shape))
    ids = np.choose(IDS, (3, 7, 255)).astype(np.uint8)
    write(tmp_path / "a.png", ids)
    source = open_source(tmp_path)
    assert source.classes == ("class 3", "class 7")
    assert (source.label(source.items[0]) == np.choose(IDS, (0, 1, IGNORED))).all()
    assert kinds(source) == {"ids renumbered": ("3 -> 0", "7 -> 1")}
    chosen = open_source(tmp_path, choices=Choices({"7": "road", "3": None, "255": "sky", "9": "car"}))
    assert chosen.classes == ("road", "sky")
    assert (chosen.label(chosen.items[0]) == np.choose(IDS, (IGNORED, 0, 1))).all()
    assert kinds(chosen)["no such class"] == ("'9'",)


def test_masks_of_0_and_255_have_two_classes(tmp_path):
    """Protects the foreground from being ignored, which an id of 255 means elsewhere."""
    write(tmp_path / "a.jpg", photo(IDS.shape))
    write(tmp_path / "a.png", np.where(IDS == 1, 255, 0).astype(np.uint8))
    source = open_source(tmp_path)
    assert source.classes == ("background", "foreground")
    assert (source.label(source.items[0]) == (IDS == 1)).all()
    assert "binary masks" in kinds(source)
    assert open_source(tmp_path, choices=Choices({"255": "pore"})).classes == ("pore", "background")


def test_smoothed_masks_are_named_and_their_edges_unlabeled(tmp_path):
    """Protects a hundred colors of smoothed edges from becoming classes."""
    y, x = np.mgrid[:64, :64]
    disc = np.clip((24 - np.hypot(y - 31.3, x - 30.7)) * 60 + 128, 0, 255).astype(np.uint8)
    write(tmp_path / "a.jpg", photo(disc.shape))
    write(tmp_path / "a.png", disc)
    source = open_source(tmp_path)
    assert source.classes == ("background", "foreground")
    assert "blurred masks" in kinds(source)
    label = source.label(source.items[0])
    assert ((label == UNLABELED) == ((disc > 0) & (disc < 255))).all()
    write(tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8))
    with pytest.raises(UserError, match="hundreds of colors"):
        open_source(tmp_path)


def test_what_does_not_fit_is_named_and_the_rest_goes_on(tmp_path):
    """Protects a folder with a few bad files from being refused, or from being used in silence."""
    for name in "abcde":
        write(tmp_path / f"images/{name}.jpg", photo(IDS.shape))
    write(tmp_path / "images/e.png", photo(IDS.shape))
    write(tmp_path / "masks/a.png", IDS)
    (tmp_path / "masks/b.png").write_bytes(b"\x89PNG nothing")
    write(tmp_path / "masks/c.png", IDS[:2])
    write(tmp_path / "masks/e.png", PALETTE[IDS])
    write(tmp_path / "masks/z.png", IDS)
    source = open_source(tmp_path)
    assert [(item.name, item.has_annotation) for item in source.items] == [
        ("a", True),
        ("c", True),
        ("d", False),
    ]
    found = kinds(source)
    assert found["no annotation"] == ("d",)
    assert {"damaged file", "no image", "same name", "other kind of mask"} <= set(found)
    with pytest.raises(UserError, match=r"16x2 pixels.*16x3"):
        source.label(source.items[1])
    assert (source.label(source.items[2]) == UNLABELED).all()


def test_a_photo_on_its_side_and_its_mask_agree(tmp_path):
    """Protects masks that a tool drew on the stored pixels, and those drawn on the upright ones."""
    from PIL import Image

    exif = Image.Exif()
    exif[274] = 6
    (tmp_path / "images").mkdir()
    for name, mask in (("a", IDS), ("b", np.rot90(IDS, -1))):
        Image.fromarray(photo(IDS.shape)).save(tmp_path / f"images/{name}.jpg", exif=exif)
        write(tmp_path / f"masks/{name}.png", mask)
    source = open_source(tmp_path)
    for item in source.items:
        assert source.image(item).shape[:2] == (16, 3)
        assert (source.label(item) == np.rot90(IDS, -1)).all()


def test_folders_named_train_and_val_are_splits(tmp_path):
    """Protects the split that somebody made already."""
    for split in ("train", "val"):
        write(tmp_path / f"images/{split}/a.jpg", photo(IDS.shape))
        write(tmp_path / f"labels/{split}/a.png", IDS)
    assert open_source(tmp_path).splits == {"train/a": "train", "val/a": "val"}


def test_names_that_are_nearly_the_same_are_asked_about(tmp_path):
    """Protects classes from being joined, or kept apart, by chance."""
    write(tmp_path / "a.jpg", photo(IDS.shape))
    write(tmp_path / "a.png", IDS)
    source = open_source(tmp_path, choices=Choices({"0": "Road", "1": "road ", "2": "sky"}))
    assert source.classes == ("Road", "road ", "sky")
    assert kinds(source)["names alike"] == ("'Road' = 'road '",)


def test_an_unknown_format_and_a_folder_without_masks_are_refused(tmp_path):
    """Protects a user from a trace."""
    with pytest.raises(UserError, match="no format 'mask'; did you mean 'masks'"):
        open_source(tmp_path, "mask")
    with pytest.raises(UserError, match="no image in"):
        open_source(tmp_path, "masks")
    write(tmp_path / "a.jpg", photo(IDS.shape))
    with pytest.raises(UserError, match=r"1 image, but no mask .* are to be annotated first"):
        open_source(tmp_path, "masks")
