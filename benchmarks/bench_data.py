"""Compare the speed of data pipelines: ours from PNG, from a pack and in Paddle's loader, and PaddleSeg's.

  python benchmarks/bench_data.py --peer PADDLESEG --peer_python VENV/bin/python --rounds 5 --images 20

Draws StreetScenes of 2048x1024 pixels with --images pairs, packs them, and lets every pipeline read them for
some seconds in every round, with the LRASPP training transforms (scales 0.5 to 2, crop to 1024x512, flip,
distortion, normalising), each in a process of its own with one thread. Then the same by 1 and by 2 worker
processes.
What Paddle's own loader makes of our samples is measured as well, with shared memory and without.
Prints medians with their spread and writes them to --output. --peer is a checkout of PaddleSeg and
--peer_python the interpreter of an environment that has its requirements; without them only ours is measured.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import report
from report import ROOT

OURS, PACKED, PEER = "ours, from PNG", "ours, packed", "PaddleSeg, from PNG"
BEFORE, BEFORE_PACKED = "before, from PNG", "before, packed"  # with --before
SHARED, PIPED = "ours, packed, by Paddle's loader", "the same without shared memory"
# Through the images in a turn, which is some seconds for each.
PASSES = {OURS: 4, BEFORE: 4, PACKED: 16, BEFORE_PACKED: 16, SHARED: 16, PIPED: 16, PEER: 2}
WIDTH, HEIGHT = 2048, 1024
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def parse_args():
    parser = report.parser(__doc__, "data.md")
    report.add_peer_flags(parser, is_required=False)
    report.add_before_flag(parser)
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="how often every pipeline has its turn; default 5")
    add("--images", type=int, default=20, help="pairs, read several times in every turn; default 20")
    add("--data_dir", type=Path, default=Path("output/bench_data"), help="images are drawn here and kept")
    args = parser.parse_args()
    if (args.peer is None) != (args.peer_python is None):
        parser.error("--peer and --peer_python belong together")
    if args.rounds < 1 or args.images < 2:
        parser.error("--rounds must be at least 1, --images at least 2")
    return args


def prepare(args):
    """Draw the images, name the labels as PaddleSeg wants them, and pack; return (root, cache)."""
    from paddleseg_lite.datasets import Cityscapes
    from paddleseg_lite.datasets.cityscapes import LABEL_IDS_SUFFIX, TRAIN_IDS_SUFFIX
    from paddleseg_lite.datasets.packed.writer import pack

    root = args.data_dir / f"streetscenes_{args.images}"
    tool = [sys.executable, str(ROOT / "tools/make_streetscenes.py"), "--save_dir", str(root)]
    size = ["--train", str(args.images), "--val", "0", "--width", str(WIDTH), "--height", str(HEIGHT)]
    subprocess.run([*tool, *size], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    for label in root.glob(f"gtFine/*/*/*{LABEL_IDS_SUFFIX}"):
        # labelIds under the name of train ids: PaddleSeg reads no others, and both sides read the same bytes.
        train_ids = Path(str(label).replace(LABEL_IDS_SUFFIX, TRAIN_IDS_SUFFIX))
        if not train_ids.exists():
            write_train_ids(label, train_ids)
    cache = args.data_dir / f"packed_{args.images}"
    pack(Cityscapes((), str(root)), cache / "train", num_workers=2)
    return root, cache


def packed_before(home, root):
    """Pack by an older checkout; return its cache."""
    root = root.resolve()
    cache = root.with_name(f"{root.name}_packed_before")
    code = "import sys; from pathlib import Path; from paddleseg_lite.datasets import Cityscapes; "
    code += "from paddleseg_lite.datasets.packed import pack; "
    code += "pack(Cityscapes((), sys.argv[1]), Path(sys.argv[2]) / 'train', num_workers=2)"
    environment = {**os.environ, "PYTHONPATH": str(home.resolve())}
    subprocess.run([sys.executable, "-c", code, str(root), str(cache)], check=True, env=environment, cwd=home)
    return cache


def write_train_ids(label_ids, train_ids):
    """Write a label file as train ids."""
    import cv2
    import numpy as np

    from paddleseg_lite.datasets import read_label
    from paddleseg_lite.datasets.cityscapes import label_id_to_train_id

    table = np.full(256, 255, np.uint8)
    for source, target in label_id_to_train_id().items():
        table[source] = target
    cv2.imwrite(str(train_ids), table[read_label(label_ids)])


class Server:
    """A pipeline in a process of its own; see data_server.py."""

    def __init__(self, python, *arguments, home=ROOT):
        command = [str(python), str(home.resolve() / "benchmarks/data_server.py"), *map(str, arguments)]
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(home.resolve())}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.answer()

    def answer(self):
        """Return what the process answers."""
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"error: {' '.join(self.process.args)} ended:\n{self.process.stderr.read()[-3000:]}")
        return json.loads(line)

    def ask(self, **order):
        """Give an order and wait for its answer."""
        print(json.dumps(order), file=self.process.stdin, flush=True)
        return self.answer()

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def measure(servers, rounds, images):
    """Return {name: {"single", 1, 2: [samples/s per round], "cpu": [ms per sample], sizes in MB}}."""
    results = {
        name: {"single": [], "cpu": [], 1: [], 2: [], "peak": 0.0, "total": 0.0, "worker": 0.0}
        for name in servers
    }
    for server in servers.values():
        server.ask(samples=max(2, images // 4))  # a first read of the files, and of all code
    for turn in range(rounds):
        for name, server in servers.items():
            samples = images * PASSES[name]
            answer = server.ask(samples=samples)
            results[name]["single"].append(samples / answer["seconds"])
            results[name]["cpu"].append(1000 * answer["cpu"] / samples)
            for size in ("peak", "total"):
                results[name][size] = max(results[name][size], answer[size])
        print(f"round {turn + 1} of {rounds}: " + summary(results, "single"), flush=True)
    for turn in range(rounds):
        for name, server in servers.items():
            samples = images * PASSES[name]
            for num_workers in (1, 2):
                seconds = server.ask(samples=samples, num_workers=num_workers)["seconds"]
                results[name][num_workers].append(samples / seconds)
            weight = server.ask(samples=2 * images, num_workers=2, weigh=True)["worker"]
            results[name]["worker"] = max(results[name]["worker"], weight)
        print(f"round {turn + 1} of {rounds}, 2 workers: " + summary(results, 2), flush=True)
    return results


def summary(results, key):
    """Return the last round in a line."""
    return ", ".join(f"{name} {result[key][-1]:.1f} samples/s" for name, result in results.items())


def spread(values, digits=1):
    """Return "median (lowest to highest)"."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def table(results):
    """Return the results in Markdown."""
    lines = [
        "| pipeline | samples/s, one process | times PaddleSeg | CPU ms per sample | times PaddleSeg "
        "| 1 worker, samples/s | 2 workers, samples/s | 2 / 1 "
        "| memory of a worker, MB | of one process, MB | of it for samples, MB |",
        "|" + " --- |" * 11,
    ]
    peer = results.get(PEER)
    for name, result in results.items():
        faster = cheaper = "-"
        if peer:
            faster = spread([own / other for own, other in zip(result["single"], peer["single"])], 2)
            cheaper = spread([other / own for own, other in zip(result["cpu"], peer["cpu"])], 2)
        cells = [name, spread(result["single"]), faster, spread(result["cpu"]), cheaper]
        scaling = [two / one for one, two in zip(result[1], result[2])]
        cells += [spread(result[1]), spread(result[2]), spread(scaling, 2)]
        cells += [f"{result[size]:.0f}" for size in ("worker", "total", "peak")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def page(args, results):
    """Return the page that --output gets."""
    import cv2

    peer = " --peer PADDLESEG --peer_python PYTHON" if args.peer else ""
    peer += " --before CHECKOUT" if args.before else ""
    return f"""# Speed of the data pipelines

{report.circumstances()}, OpenCV {cv2.__version__}, {report.version("pyspng")}:

```
python benchmarks/bench_data.py{peer} --rounds {args.rounds} --images {args.images}
```

{args.images} StreetScenes pairs of {WIDTH}x{HEIGHT} pixels, PNG, with the LRASPP training transforms to
1024x512; median of {args.rounds} alternating rounds (lowest to highest); one thread per process; the files
are in the page cache. "Times PaddleSeg" compares the turns of the same round, by the clock and by the
processor's time, which other programs disturb less. Workers send batches of 2 to a process that only
receives them. Memory is the highest seen: of a worker (one of two) the proportional set size, in which a page
that n processes share counts 1/n; of one process without workers the resident set, libraries included, and
what reading adds to it.

{table(results)}
"""


def main():
    args = parse_args()
    if not Path("/proc/self/clear_refs").exists():
        sys.exit("error: the benchmark measures memory by /proc/self/clear_refs, which only Linux has")
    root, cache = prepare(args)
    servers = {
        OURS: Server(sys.executable, "ours", root),
        PACKED: Server(sys.executable, "ours", root, cache),
        SHARED: Server(sys.executable, "shared", root, cache),
        PIPED: Server(sys.executable, "piped", root, cache),
    }
    if args.before:
        servers[BEFORE] = Server(sys.executable, "ours", root, home=args.before)
        cache = packed_before(args.before, root)
        servers[BEFORE_PACKED] = Server(sys.executable, "ours", root, cache, home=args.before)
    if args.peer:
        servers[PEER] = Server(args.peer_python, "peer", root, args.peer)
    time.sleep(1)
    try:
        results = measure(servers, args.rounds, args.images)
    finally:
        for server in servers.values():
            server.close()
    report.save(page(args, results), args.output)


if __name__ == "__main__":
    main()
