"""The page of weights that come with the package, docs/zoo/NAME.md, and what lies beside it."""

from __future__ import annotations

import io
import re
from pathlib import Path

from paddleseg_lite.checkpoint import box
from paddleseg_lite.config import zoo
from paddleseg_lite.engine.curves import read_metrics, write_curves
from paddleseg_lite.files import atomic_write
from paddleseg_lite.inference.augment import PLAIN, InferenceOptions
from paddleseg_lite.metrics import Metrics

PAGES = Path(__file__).resolve().parents[1] / "docs" / "zoo"
SCALES = (0.75, 1.0, 1.25)
MODES = {
    "plain": PLAIN,
    "flip": InferenceOptions(flip_horizontal=True),
    "multi-scale, flip": InferenceOptions(scales=SCALES, flip_horizontal=True),
}
KINDS = {"best_model": "weights", "ema_best_model": "moving average"}  # folders of a run
Scores = dict[str, Metrics]  # by mode


def write(run: Path, name: str, scores: dict[str, Scores], gained: float) -> None:
    """Write the page of weights and its folder: curves, log and VisualDL's record.

    Args:
        run: the folder of their training.
        name: of the weights, which are in the package with their card.
        scores: by KINDS, and of the file by its name.
        gained: what its mIoU is above that of the weights it was made of.
    """
    folder = PAGES / name
    folder.mkdir(parents=True, exist_ok=True)
    write_curves(run / "metrics.jsonl", folder / "curves.png")
    atomic_write(folder / "train.log", without_paths((run / "train.log").read_text(encoding="utf-8")))
    atomic_write(folder / "vdlrecords.run.log", without_pictures(run / "vdlrecords.run.log"))
    head = [f"# {name}", "", links(name), "", *usage(name), "", *facts(name)]
    float16 = f"float16 changes the plain mIoU by {100 * gained:+.3f} points."
    measured = ["## Scores", "", *table(scores), "", float16, "", *per_class(scores[name])]
    learnt = ["## Learning curve", "", f"![Loss, mIoU and learning rate by iteration]({name}/curves.png)"]
    parts = [*head, "", *measured, "", *learnt, "", *curve(run)]
    atomic_write(PAGES / f"{name}.md", "\n".join(parts) + "\n")


def without_paths(log: str) -> str:
    """Return a log in which absolute paths are their last part."""
    return re.sub(r"(?<![\w.:/])(?:/[\w.+-]+)+/([\w.+-]+)", r"\1", log)


def without_pictures(records: Path) -> bytes:
    """Return VisualDL's records but for the pictures."""
    from visualdl.proto.record_pb2 import Record
    from visualdl.reader.record_reader import RecordReader
    from visualdl.writer.record_writer import RecordWriter

    kept = io.BytesIO()
    writer = RecordWriter(kept)
    for data in RecordReader(filepath=str(records)).get_remain():
        if Record.FromString(data).values[0].WhichOneof("one_value") != "image":
            writer.write(data)
    return kept.getvalue()


def links(name: str) -> str:
    """Return the line with config, model, card, log and VisualDL's record."""
    config = zoo.config_of_weights(name)
    files = {
        "config": f"../../configs/{config.parent.name}/{config.name}",
        "model": f"../../paddleseg_lite/zoo/{name}.safetensors",
        "card": f"../../paddleseg_lite/zoo/{name}.json",
        "log": f"{name}/train.log",
        "vdl": f"{name}/vdlrecords.run.log",
    }
    return " | ".join(f"[{what}]({path})" for what, path in files.items())


def usage(name: str) -> list[str]:
    """Return the commands to use the weights, and to measure them again."""
    scales = " ".join(map(str, SCALES))
    return [
        "```",
        f"paddleseg-lite predict --model_path zoo:{name} --image_path street.jpg --save_dir output/street",
        f"paddleseg-lite val --model_path zoo:{name} --aug_eval --scales {scales} --flip_horizontal",
        "```",
        "",
        "The second command wants the data where the config has them, or --opts val_dataset.dataset_root=DIR",
    ]


def facts(name: str) -> list[str]:
    """Return what the card says, as a list."""
    card, file = box.read_card(name), box.BOX / f"{name}.safetensors"
    versions = ", ".join(f"{package} {version}" for package, version in card["versions"].items())
    return [
        f"- Data: {card['data']}.",
        f"- Terms: {card['terms']}.",
        f"- File: float16, {file.stat().st_size / 1e6:.1f} MB, SHA-256 `{card['sha256']}`.",
        f"- Training: seed {card['seed']}; {card['training_hours']:.1f} h for the iterations, without "
        f"evaluations and pauses, on {card['machine']}; {versions}.",
        f"- Chosen: the {card['kind']} of iteration {card['iteration']}, the best by plain mIoU on the very "
        "images that the scores below are of. Of other images expect less.",
    ]


def table(scores: dict[str, Scores]) -> list[str]:
    """Return the mIoU of each kind of weights in each mode, in percent, as Markdown."""
    lines = [f"| mIoU | {' | '.join(MODES)} |", f"| --- |{' --- |' * len(MODES)}"]
    for kind, found in scores.items():
        named = f"best {KINDS[kind]}, float32" if kind in KINDS else f"`zoo:{kind}`, float16"
        cells = " | ".join(f"{100 * found[mode].miou:.2f}" for mode in MODES)
        lines.append(f"| {named} | {cells} |")
    return lines


def per_class(scores: Scores) -> list[str]:
    """Return each class's IoU and its share of the labelled pixels, in percent, as Markdown."""
    plain = scores["plain"]
    lines = [f"| IoU | {' | '.join(MODES)} | of the pixels |", f"| --- |{' --- |' * (len(MODES) + 1)}"]
    for index, name in enumerate(plain.classes):
        cells = " | ".join(f"{100 * scores[mode].class_iou[index]:.1f}" for mode in MODES)
        share = 100 * plain.support[index] / plain.support.sum()
        lines.append(f"| {name} | {cells} | {share:.1f} |")
    return lines


def curve(run: Path) -> list[str]:
    """Return the mIoU of a run at each evaluation, in percent, as Markdown."""
    records = read_metrics(run / "metrics.jsonl")
    average = {record["iteration"]: record["miou"] for record in records["EvaluateEMA"]}
    lines = ["| iteration | weights | moving average |", "| --- | --- | --- |"]
    for record in records["Evaluate"]:
        iteration = record["iteration"]
        cells = (f"{100 * miou:.2f}" for miou in (record["miou"], average[iteration]))
        lines.append(f"| {iteration} | {' | '.join(cells)} |")
    return lines
