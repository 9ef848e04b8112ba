"""Time inference with each trick left out, on the CPU: what gains less than 3 % is not worth its code.

  python benchmarks/bench_ablation.py

For each network, image to class ids in ONNX Runtime as `--backend onnxruntime` does it, with random
weights: with everything, and without one change to the graph at a time. The variants take turns, so that a
slow moment of the machine hits all. The same for the model.onnx that tools/export.py writes. Then what a PNG
of an overlay takes by ISA-L and by OpenCV. Reported are medians, and what leaving a trick out costs in
percent of the whole. Takes about 7 minutes on 2 cores.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from unittest import mock

import numpy as np
import paddle
import report
from paddle import nn
from tqdm import tqdm

from paddleseg_lite.config.zoo import load
from paddleseg_lite.datasets.info import checked_info
from paddleseg_lite.datasets.reading import png as reading
from paddleseg_lite.deploy.export import ExportOptions, export
from paddleseg_lite.deploy.onnx_passes import PASSES, cut_last_resize, optimise
from paddleseg_lite.deploy.onnx_sizes import ALIGNED, write_aligned
from paddleseg_lite.deploy.runtimes import OnnxRuntime
from paddleseg_lite.deploy.sidecar import ExportMetadata, hash_files, min_side
from paddleseg_lite.deploy.verify import drawn_picture
from paddleseg_lite.inference.augment import PLAIN, infer_labels
from paddleseg_lite.models import lraspp

NETWORKS = {
    "LRASPP os8": "lraspp_mobilenetv3_cityscapes_1024x512_80k",
    "LRASPP os32": "lraspp_mobilenetv3_cityscapes_1024x512_80k_os32",
    "LPSNet-M": "lpsnet_m_cityscapes_1536x768_200k",
}
WHOLE, ORDER = "everything", "order of LR-ASPP's head"
TRICKS = {change.__name__: change for change in (*PASSES, cut_last_resize, write_aligned)}
Work = Callable[[], object]


@contextmanager
def enlarged_first() -> Iterator[None]:
    """Let LR-ASPP's head add the shallow map to the enlarged deep one, instead of the other way round."""
    merging = next(
        kind for kind in vars(lraspp).values() if isinstance(kind, type) and issubclass(kind, nn.Conv2D)
    )

    def forward(self: nn.Conv2D, deep: paddle.Tensor, shallow: paddle.Tensor) -> paddle.Tensor:
        channels, size = deep.shape[1], shallow.shape[2:]
        deep = nn.functional.conv2d(deep, self.weight[:, :channels], self.bias)
        deep = nn.functional.interpolate(deep, size, mode="bilinear", align_corners=False)
        return deep + nn.functional.conv2d(shallow, self.weight[:, channels:])

    with mock.patch.object(merging, "forward", forward):
        yield


def converted(model: nn.Layer, folder: Path, op: str) -> Path:
    """Export a network without any change to the ONNX model."""
    options = ExportOptions(output_op=op, format="onnx")
    export(model, folder, ExportMetadata(checked_info(num_classes=19)), options, passes=())
    return folder


def changed(source: Path, folder: Path, without: str, is_own: bool) -> OnnxRuntime:
    """Return a runtime of a converted model without one change; of the user's own, with PASSES alone."""
    shutil.copytree(source, folder)
    path = folder / "model.onnx"
    optimise(path, path, [change for change in PASSES if change.__name__ != without])
    names = [path.name]
    if is_own and without != "cut_last_resize":
        cut_last_resize(path)
    if is_own and without != "write_aligned" and write_aligned(path, folder / ALIGNED, min_side(folder)):
        names.append(ALIGNED)
    hash_files(folder, names)
    return OnnxRuntime(path)


def variants(name: str, folder: Path, image: np.ndarray) -> dict[tuple[str, str], Work]:
    """Return (backend or export, what is left out) -> what is timed."""
    paddle.seed(0)
    model = load(NETWORKS[name], weights=None)
    works: dict[tuple[str, str], Work] = {}
    backend, exported = (
        converted(model, folder / "none", "none"),
        converted(model, folder / "argmax", "argmax"),
    )
    sources = {trick: backend for trick in (WHOLE, *TRICKS) if trick != "choose_classes_in_rows"}
    if name.startswith("LRASPP"):
        with enlarged_first():
            sources[ORDER] = converted(model, folder / "order", "none")
    for trick, source in sources.items():
        runtime = changed(source, folder / f"backend {trick}", trick, is_own=True)
        works["--backend onnxruntime", trick] = partial(infer_labels, runtime, image, PLAIN)
    for trick in (WHOLE, *(change.__name__ for change in PASSES)):
        works["tools/export.py", trick] = partial(
            changed(exported, folder / f"export {trick}", trick, False), image
        )
    return works


def in_turns(works: dict[tuple[str, str], Work], rounds: int, title: str) -> dict[tuple[str, str], float]:
    """Return the median milliseconds of each; the first round warms up."""
    found: dict[tuple[str, str], list[float]] = {key: [] for key in works}
    for _ in tqdm(range(rounds + 1), desc=title):
        for key, work in works.items():
            start = time.perf_counter()
            work()
            found[key].append(1e3 * (time.perf_counter() - start))
    return {key: median(times[1:]) for key, times in found.items()}


def png_works(size: tuple[int, int]) -> dict[tuple[str, str], Work]:
    """Return the writing of an overlay by ISA-L, and by OpenCV, which is taken where isal is missing."""
    picture = drawn_picture(0, *size)

    def by_opencv() -> None:
        with mock.patch.object(reading, "missing_modules", return_value=["isal"]):
            reading.encode_png(picture)

    return {("png", WHOLE): partial(reading.encode_png, picture), ("png", "isal"): by_opencv}


def main() -> None:
    """Measure and write the page."""
    parser = report.parser(__doc__, "ablation.md")
    parser.add_argument("--rounds", type=int, default=12, help="timed runs of each variant")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--size", nargs=2, type=int, default=[2048, 1024], metavar=("W", "H"), help="pixels")
    args = parser.parse_args()
    width, height = args.size
    image = np.random.default_rng(0).standard_normal((1, 3, height, width)).astype(np.float32)
    png = in_turns(png_works((width, height)), args.rounds, "png")
    lines = ["| network | by | left out | ms | cost of leaving it out |", "| --- | --- | --- | --- | --- |"]
    for name in args.networks:
        with tempfile.TemporaryDirectory() as folder:
            found = in_turns(variants(name, Path(folder), image), args.rounds, name)
        for (how, trick), milliseconds in found.items():
            cost = 100 * (milliseconds / found[how, WHOLE] - 1)
            shown = "" if trick == WHOLE else f"{cost:+.1f} %"
            left_out = "nothing" if trick == WHOLE else trick
            lines.append(f"| {name} | `{how}` | {left_out} | {milliseconds:.1f} | {shown} |")
        whole = found["--backend onnxruntime", WHOLE] + png["png", WHOLE]
        cost = 100 * (png["png", "isal"] - png["png", WHOLE]) / whole
        lines.append(f"| {name} | and an overlay as PNG | isal | {whole:.1f} | {cost:+.1f} % |")
    page = [
        "# What each trick of inference gains",
        "",
        f"{report.circumstances()}, {report.version('onnxruntime')}, {report.version('isal')}; "
        f"{width}x{height}, medians of {args.rounds} rounds in which the variants take turns.",
        "",
        f"`python benchmarks/bench_ablation.py --rounds {args.rounds}`",
        "",
        *lines,
        "",
        f"An overlay as PNG: {png['png', WHOLE]:.0f} ms by ISA-L, {png['png', 'isal']:.0f} ms by OpenCV; a "
        "thread does it beside the network, so predict gains that much only where it waits for the writers.",
        "",
    ]
    report.save("\n".join(page), args.output)


if __name__ == "__main__":
    main()
