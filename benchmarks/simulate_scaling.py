"""Simulate data workers, GPUs and the networks between them; print the tables of docs/scaling.md.

That page says which parameters are measured, counted, published or assumed. Times are milliseconds.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass, replace
from typing import NamedTuple

from paddleseg_lite.datasets.loading.workers import SLOTS


@dataclass(frozen=True)
class Rank:
    """What an iteration costs a rank.

    Attributes:
        workers: its data workers, each on a core of its own.
        sample: a worker's time for a sample; `spread` is its standard deviation.
        batch: samples of an iteration.
        launch: the host's time to launch forward and backward, while the GPU computes what was launched.
        pin: the host's copy of the next batch into pinned memory, meanwhile.
        bus: how long the GPU fetches that batch, which it does when it is done with this one.
        step: the GPU's forward, backward and update.
        update: the host's time to launch the update, for which the GPU waits.
        exchange: what the ranks send each other; it begins when the last one has computed.
    """

    workers: int
    sample: float
    spread: float = 0.0
    batch: int = 4
    launch: float = 0.0
    pin: float = 0.0
    bus: float = 0.0
    step: float = 0.0
    update: float = 0.0
    exchange: float = 0.0


def simulate(rank: Rank, ranks: int = 1, iterations: int = 400) -> float:
    """Return the mean time of an iteration of equal ranks, over the second half.

    As in our engine, batch k is made by worker k mod `workers`, which may be SLOTS batches ahead of what the
    host has copied, and the host waits for batch i + 1 before it launches iteration i.
    """
    rng = random.Random(0)
    ready: list[list[float]] = [[] for _ in range(ranks)]  # when each batch is
    copied = [[0.0] for _ in range(ranks)]  # when each batch's slot is free again
    host, half = [0.0] * ranks, 0.0
    for iteration in range(iterations):
        for r in range(ranks):
            while len(ready[r]) < iteration + 2:
                ready[r].append(_ready(rank, ready[r], copied[r], rng))
            host[r] = max(host[r], ready[r][iteration + 1])
        computed = max(host) + max(rank.step, rank.launch) + rank.exchange
        for r in range(ranks):
            copied[r].append(host[r] + rank.launch + rank.pin)
            host[r] = max(computed, copied[r][-1]) + rank.bus + rank.update
        if iteration == iterations // 2 - 1:
            half = max(host)
    return (max(host) - half) / (iterations - iterations // 2)


def _ready(rank: Rank, ready: list[float], copied: list[float], rng: random.Random) -> float:
    """Return when the next batch is ready: its worker is done with the last one, and has a slot."""
    k = len(ready)
    # Workers that began at once would send batches in bursts for long.
    start = ready[k - rank.workers] if k >= rank.workers else rng.random() * rank.batch * rank.sample
    if k >= rank.workers * SLOTS:
        start = max(start, copied[k - rank.workers * SLOTS])
    return start + max(rng.gauss(rank.batch * rank.sample, rank.batch**0.5 * rank.spread), 0.0)


def bottleneck(rank: Rank, ranks: int) -> str:
    """Return what gains most at twice the speed, and how much of an iteration it saves."""
    parts = {
        "data": ("sample", "spread"),
        "GPU": ("step",),
        "host": ("launch", "pin", "bus", "update"),
        "network": ("exchange",),
    }
    halved = {
        part: simulate(replace(rank, **{name: getattr(rank, name) / 2 for name in names}), ranks)
        for part, names in parts.items()
    }
    best = min(halved, key=lambda part: halved[part])
    return f"{best}, -{1 - halved[best] / simulate(rank, ranks):.0%}"


class Network(NamedTuple):
    """What one image costs a network at its config's crop."""

    name: str
    crop: tuple[int, int]
    gmacs: float  # of the forward pass
    floats: float  # 1e6: written by its layers, and three maps of logits
    gradients: float  # MB, float32
    norms: int  # batch normalisations, each of which exchanges twice as SyncBatchNorm
    launches: int  # of kernels, forward and backward


class Gpu(NamedTuple):
    """Published figures: dense arithmetic by precision, memory, and links one way."""

    name: str
    teraflops: dict[str, float]
    memory: float  # GB/s
    link: float  # GB/s to the other GPUs of a machine


NETWORKS = (
    Network("LRASPP os8", (1024, 512), 11.86, 278, 11.7, 49, 600),
    Network("LRASPP os32", (1024, 512), 2.67, 138, 11.7, 49, 600),
    Network("LPSNet-M", (1536, 768), 9.97, 108, 13.5, 54, 380),
)
GPUS = (
    Gpu("A10", {"TF32": 62.5, "fp16": 125}, 600, 32),
    Gpu("A100", {"TF32": 156, "fp16": 312}, 2039, 300),
    Gpu("H100", {"TF32": 494, "fp16": 989}, 3350, 450),
)
SOURCES = {  # CPU ms of a sample and their standard deviation, by the crop's width
    "PNG": {1024: (60, 11), 1536: (80, 12)},
    "JPEG": {1024: (33, 5), 1536: (56, 7)},
    "pack, first": {1024: (16, 4), 1536: (25, 7)},
    "pack": {1024: (10, 4), 1536: (18, 7)},
}
OF_PEAK, OF_MEMORY = 0.3, 0.6  # shares that a step reaches
PER_LAUNCH, UPDATE = 0.01, 1.0
PINNING, BUS = 8.0, 25.0  # GB/s
LATENCY, LATENCY_ETHERNET = 0.03, 0.1
ETHERNET = {"25 Gb": 3.1, "100 Gb": 12.5}  # GB/s of a machine
CLOSE = 1.05  # times the iteration that never waits for data


def rank_of(
    network: Network, gpu: Gpu, precision: str, gpus: int = 1, machines: int = 1, ethernet: float = 1.0
) -> Rank:
    """Return a rank that never waits for data."""
    idle = Rank(workers=1, sample=0.0)
    arithmetic = 6 * network.gmacs / (OF_PEAK * gpu.teraflops[precision])  # backward is twice forward
    traffic = 5 * (4 if precision == "TF32" else 2) * network.floats / (OF_MEMORY * gpu.memory)
    megabytes = idle.batch * network.crop[0] * network.crop[1] * 13 / 1e6  # float32 images, uint8 labels
    exchange = 0.0
    if gpus > 1:  # rings within the machines, then between them
        exchange = 2 * (gpus - 1) / gpus * network.gradients / gpu.link
        exchange += 2 * (machines - 1) / machines * network.gradients / ethernet
        exchange += (2 * network.norms + 2) * (LATENCY if machines == 1 else LATENCY_ETHERNET)
    return replace(
        idle,
        launch=network.launches * PER_LAUNCH,
        pin=megabytes / PINNING,
        bus=megabytes / BUS,
        step=idle.batch * max(arithmetic, traffic),
        update=UPDATE,
        exchange=exchange,
    )


def fed(rank: Rank, network: Network, source: str, workers: int) -> Rank:
    """Return the rank with workers that read from a source."""
    sample, spread = SOURCES[source][network.crop[0]]
    return replace(rank, sample=sample, spread=spread, workers=workers)


def workers_needed(rank: Rank, network: Network, source: str, ranks: int = 1) -> int:
    """Return the fewest workers of a rank with which it hardly waits for data."""
    longest = CLOSE * simulate(rank)
    workers = max(1, int(rank.batch * SOURCES[source][network.crop[0]][0] / longest))
    while simulate(fed(rank, network, source, workers), ranks) > longest:
        workers += 1
    return workers


def images(rank: Rank, ranks: int = 1) -> str:
    """Return the images per second of all ranks."""
    return f"{1e3 * rank.batch * ranks / simulate(rank, ranks):.0f}"


def one_gpu(network: Network, gpu: Gpu, precision: str) -> list[str]:
    """Return a row: what a GPU computes and how many workers feed it."""
    rank = rank_of(network, gpu, precision)
    needed = [str(workers_needed(rank, network, source)) for source in SOURCES]
    return [network.name, gpu.name, precision, f"{rank.step:.1f}", images(rank), bottleneck(rank, 1), *needed]


def many_gpus(network: Network, name: str, gpus: int, machines: int, ethernet: float) -> list[str]:
    """Return a row: A100s by TF32 that never wait for data, and with eight workers each."""
    rank, ranks = rank_of(network, GPUS[1], "TF32", gpus, machines, ethernet), gpus * machines
    linear = simulate(rank_of(network, GPUS[1], "TF32")) / simulate(rank)
    row = [network.name, name, images(rank, ranks), f"{linear:.0%}"]
    row += [str(gpus * workers_needed(rank, network, source, ranks)) for source in ("PNG", "pack, first")]
    for source in ("PNG", "pack, first"):
        eight = fed(rank, network, source, 8)
        row += [images(eight, ranks), bottleneck(eight, ranks)]
    return row


def print_table(head: list[str], rows: list[list[str]]) -> None:
    """Print a table in Markdown."""
    for row in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(row) + " |")
    print()


def main() -> None:
    """Print both tables."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    head = ["network", "GPU", "precision", "step, ms", "images/s", "first bottleneck"]
    rows = [one_gpu(network, gpu, by) for network in NETWORKS for gpu in GPUS for by in gpu.teraflops]
    print_table([*head, *(f"workers, {source}" for source in SOURCES)], rows)
    layouts = [("1", 1, 1, 1.0), ("8", 8, 1, 1.0)]
    layouts += [(f"8 x 8, {name}", 8, 8, speed) for name, speed in ETHERNET.items()]
    head = ["network", "A100s", "images/s", "of linear", "workers a machine, PNG", "the same, pack, first"]
    head += ["with 8 a GPU, PNG: images/s", "bottleneck", "with 8 a GPU, pack, first: images/s", "bottleneck"]
    print_table(head, [many_gpus(network, *layout) for network in NETWORKS for layout in layouts])


if __name__ == "__main__":
    main()
