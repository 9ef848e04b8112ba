"""Put the best weights of a run into the package, with all that the zoo tells of them.

  python benchmarks/zoo_entry.py --run output/camvid --name lpsnet_s_camvid \\
      --config lpsnet_s_camvid_480x352_16k --description "LPSNet-S: two paths of 3x3 convolutions"

Evaluates the run's best weights and their best moving average on its val_dataset, plainly, with flip, and at
several scales with flip, as the command val does. The better of them, by the plain mIoU, become float16 in
paddleseg_lite/zoo/, with their card and their line in models.json. docs/zoo/ gets a page with what that file
scores, the learning curve, the log without paths of this machine, and VisualDL's record without its
pictures, which are the data's. Takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zoo_page
from zoo_page import KINDS, MODES, Scores

from paddleseg_lite.checkpoint import box, load_weights, read_info
from paddleseg_lite.config import Config, load_config, zoo
from paddleseg_lite.config.build import Plan
from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.deploy.backend import build_runtime
from paddleseg_lite.engine.curves import TRAIN, read_metrics
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import atomic_write
from paddleseg_lite.inference.evaluate import evaluate
from paddleseg_lite.printable import counted
from paddleseg_lite.transforms import Normalize


class Data(NamedTuple):
    """A data set, and on whose terms what was trained on it may be used."""

    name: str
    terms: str


DATA = {
    "CamVid": Data(
        "CamVid (Brostow, Fauqueur, Cipolla: Semantic object classes in video, 2009) in the form that "
        "SegNet's authors published, 480x360 pixels and 11 classes: 367 frames to train, 101 to validate; "
        "read from JPEG of quality 95",
        "CamVid is published for research, and SegNet's authors' copy of it under CC BY-NC 4.0, for personal "
        "and research use: non-commercial use alone",
    )
}


def main() -> None:
    """Run the command with the arguments of this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--run", type=Path, required=True, help="folder that train wrote with --do_eval --use_ema --use_vdl")
    add("--name", required=True, help="for zoo:NAME")
    add("--config", required=True, help="name of the shipped config that the run was trained with")
    add("--description", required=True, help="what the network is, in one line")
    args = parser.parse_args()
    scores = put_in(args.run, args.name, args.config, args.description)
    print(*zoo_page.table(scores), sep="\n")


def put_in(run: Path, name: str, config: str, description: str) -> dict[str, Scores]:
    """Write the weights, their card, their line in the table and their page.

    Returns:
        What was measured of both kinds of weights, and of the file by its name.

    Raises:
        UserError: the run was trained with other settings than the shipped config has.
    """
    plan = Plan(load_config(run / "config.yml"))
    check_settings(plan.config, config)
    dataset = plan.dataset("val_dataset")
    scores = {kind: evaluated(plan, dataset, run / kind / "model.pdparams") for kind in KINDS}
    best = max(KINDS, key=lambda kind: scores[kind]["plain"].miou)
    data, facts = DATA[type(dataset).__name__], json.loads((run / "environment.json").read_text("utf-8"))
    weights, command = run / best / "model.pdparams", facts["command"]
    card = {
        "config": config,
        "seed": int(command[command.index("--seed") + 1]) if "--seed" in command else 0,
        "versions": facts["versions"],
        "data": data.name,
        "terms": data.terms,
        "kind": KINDS[best],
        "iteration": read_info(run / best)["iteration"],
        "training_hours": round(training_hours(run), 2),
        "machine": f"{counted(facts['cpus'], 'core')} of {facts['device_name']}",
    }
    box.put_in_box(weights, name, card)
    scores[name] = evaluated(plan, dataset, f"{box.SCHEME}{name}")
    card["miou"] = {mode: round(found.miou, 4) for mode, found in scores[name].items()}
    box.put_in_box(weights, name, card)  # again, now that its scores are known
    add_line(plan, name, config, description, f"Apache-2.0; {data.terms}")
    gained = scores[name]["plain"].miou - scores[best]["plain"].miou
    zoo_page.write(run, name, scores, gained)
    return scores


def check_settings(trained: Config, shipped: str) -> None:
    """Make sure that a run had the settings of a shipped config, wherever its data were.

    Raises:
        UserError: it had not.
    """
    found, wanted = (load_config(path).values for path in (trained.path, zoo.config_path(shipped)))
    for values in (found, wanted):
        for section in ("train_dataset", "val_dataset"):
            values[section].pop("dataset_root", None)
    if wrong := [key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key)]:
        raise UserError(f"{trained.path} is not as the config {shipped}: {', '.join(sorted(wrong))} differ")


def evaluated(plan: Plan, dataset: SegmentationDataset, weights: str | Path) -> Scores:
    """Return what weights score in each mode."""
    model = plan.model(pretrained=False)
    load_weights(model, weights)
    network = build_runtime(model, "auto", dataset.in_channels)
    return {mode: evaluate(network, dataset, options) for mode, options in MODES.items()}


def training_hours(run: Path) -> float:
    """Return how long the iterations took, without evaluations and interruptions."""
    records = read_metrics(run / "metrics.jsonl")[TRAIN]
    ends = [0, *(record["iteration"] for record in records)]
    costs = (record["batch_cost"] for record in records)
    return sum(cost * (end - start) for cost, start, end in zip(costs, ends, ends[1:])) / 3600


def add_line(plan: Plan, name: str, config: str, description: str, licence: str) -> None:
    """Add the line of weights in the package to the zoo's table, or replace it."""
    data, crops = plan.info("val_dataset"), plan.config.values["train_dataset"]["transforms"]
    (normalize,) = (step for step in plan.transforms("val_dataset").transforms if isinstance(step, Normalize))
    mean, std = (np.broadcast_to(part, data.in_channels).tolist() for part in (normalize.mean, normalize.std))
    state = plan.model(pretrained=False).state_dict()
    path = box.BOX / "models.json"
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    table[name] = {
        "config": config,
        "description": description,
        "num_classes": data.num_classes,
        "parameters": sum(int(value.size) for value in state.values()),
        "input_size": next(step["crop_size"] for step in crops if "crop_size" in step),
        "mean": mean,
        "std": std,
        "licence": licence,
        "weights": f"{box.SCHEME}{name}",
    }
    text = json.dumps(dict(sorted(table.items())), indent=2)
    short_lists = re.sub(r"\[\s+([^\]]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text)
    atomic_write(path, short_lists + "\n")


if __name__ == "__main__":
    main()
