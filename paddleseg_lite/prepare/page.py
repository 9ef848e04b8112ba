"""A page to look at: photos beside their labels, the classes, and what was found."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from paddleseg_lite.datasets.reading.images import read_image, read_label
from paddleseg_lite.prepare.fingerprint import Fingerprint
from paddleseg_lite.prepare.layout import Target
from paddleseg_lite.printable import printable
from paddleseg_lite.report.pictures import data_uri
from paddleseg_lite.visualize import fit, overlay, to_rgb

SAMPLES = 12
_WIDTH = 420  # pixels of a picture
_STYLE = """\
body { font: 15px sans-serif; margin: 2em; } td, th { padding: 2px 12px 2px 0; text-align: right; }
td:nth-child(3), th:nth-child(3) { text-align: left; } i { display: inline-block; width: 2em; height: 1em; }
figure { margin: 0 0 1em; } figcaption { color: #555; } img { margin-right: 6px; max-width: 48%; }"""


def choose(holds: Mapping[str, np.ndarray], count: int = SAMPLES) -> list[str]:
    """Return names of up to `count` images that show as many classes as possible, else spread over all.

    Args:
        holds: {image's name: bool [K], which classes it shows}.
        count: how many.
    """
    names = sorted(holds)
    missing = np.any([holds[name] for name in names], axis=0)
    picked: list[str] = []
    while len(picked) < count and missing.any():
        best = max(names, key=lambda name: int((holds[name] & missing).sum()))
        picked.append(best)
        missing = missing & ~holds[best]
    spread = [names[i] for i in np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int)]
    return sorted(dict.fromkeys([*picked, *spread]).keys() if len(picked) < count else picked)[:count]


def page_text(
    folder: Path,
    samples: Iterable[Target],
    channels: int,
    palette: np.ndarray,
    found: Fingerprint,
    sides: Mapping[str, str],
    notes: Sequence[str],
) -> str:
    """Return the text of the page, HTML with all pictures in it.

    Args:
        folder: the data set's.
        samples: what is shown of it.
        channels: of the images.
        palette: uint8 [K, 3], RGB.
        found: the fingerprint.
        sides: {image's name: side of the split}.
        notes: sentences that were told.
    """
    figures = "".join(_figure(folder, target, channels, palette, sides) for target in samples)
    told = "".join(f"<li>{_plain(note)}</li>\n" for note in notes)
    return f"""<!DOCTYPE html>
<meta charset="utf-8"><title>{_plain(folder.name)}</title>
<style>
{_STYLE}
</style>
<h1>{_plain(folder.name)}</h1>
<table>
<tr><th></th><th>id</th><th>class</th><th>pixels</th><th>images</th><th>objects</th></tr>
{_rows(found, palette)}</table>
<ul>
{told}</ul>
<p>Beside each photo its label, laid over it; pixels that do not count show the photo alone.</p>
{figures}"""


def _rows(found: Fingerprint, palette: np.ndarray) -> str:
    total = max(int(found.class_pixels.sum()), 1)
    rows = ""
    for index, name in enumerate(found.classes):
        color = "#{:02x}{:02x}{:02x}".format(*palette[index].tolist())
        rows += (
            f'<tr><td><i style="background: {color}"></i></td><td>{index}</td><td>{_plain(name)}</td>'
            f"<td>{found.class_pixels[index] / total:.2%}</td><td>{found.class_images[index]}</td>"
            f"<td>{found.objects[index].sum()}</td></tr>\n"
        )
    return rows


def _figure(
    folder: Path, target: Target, channels: int, palette: np.ndarray, sides: Mapping[str, str]
) -> str:
    image = to_rgb(read_image(folder / target.image, channels))
    painted = overlay(image, read_label(folder / target.label), palette, alpha=0.5)
    pictures = "".join(f'<img alt="" src="{_embedded(picture)}">' for picture in (image, painted))
    side = sides[target.item.name]
    return f"<figure>{pictures}<figcaption>{side}: {_plain(target.item.name)}</figcaption></figure>\n"


def _embedded(picture: np.ndarray) -> str:
    small = fit(picture, min(_WIDTH, picture.shape[1]))
    data = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
    return data_uri("jpeg", data)


def _plain(text: str) -> str:
    return html.escape(printable(text))
