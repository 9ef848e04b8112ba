"""One side of bench_data.py, in a process and an environment of its own: reads samples when it is told to.

  python benchmarks/data_server.py ours ROOT
  python benchmarks/data_server.py ours ROOT CACHE      (or: shared or piped, by Paddle's own loader)
  python benchmarks/data_server.py peer ROOT CHECKOUT

Reads a line of JSON from stdin and answers with one:
{"samples": N}: the seconds it took, the processor's seconds, the peak of memory in MB, and how much of it
lies above what there was before.
{"samples": N, "num_workers": W}: the seconds it took.
{"samples": N, "num_workers": W, "weigh": true}: the peak of a worker's memory in MB, pages that it shares
with other processes counted by its share in them (PSS).
"""

import contextlib
import json
import multiprocessing
import os
import sys
import threading
import time
from itertools import islice
from pathlib import Path

BATCH = 2  # of the LRASPP configs
SCALING = {"min_scale_factor": 0.5, "max_scale_factor": 2.0, "scale_step_size": 0.25}
CROP = [1024, 512]
DISTORTION = {"brightness_range": 0.5, "contrast_range": 0.5, "saturation_range": 0.5}


def training_transforms(module):
    """Build the transforms of the LRASPP configs from either library: they have the same names."""
    return [
        module.ResizeStepScaling(**SCALING),
        module.RandomPaddingCrop(crop_size=CROP),
        module.RandomHorizontalFlip(),
        module.RandomDistort(**DISTORTION),
        module.Normalize(),
    ]


class Ours:
    """paddleseg_lite, from the files or from a pack."""

    def __init__(self, root, cache=None):
        from paddleseg_lite import transforms
        from paddleseg_lite.datasets import Cityscapes

        self.dataset = Cityscapes(training_transforms(transforms), root, cache=cache)
        self.done = 0

    def read(self, samples):
        """Read samples one after the other, going through the data set again and again."""
        for position in range(self.done, self.done + samples):
            epoch, index = divmod(position, len(self.dataset))
            self.dataset.sample(index, epoch)
        self.done += samples

    def batches(self, count, num_workers):
        """Return `count` batches from worker processes."""
        from paddleseg_lite.datasets import train_batches

        return train_batches(self.dataset, BATCH, 0, count, num_workers=num_workers)


class PaddlesLoader(Ours):
    """The same samples by paddle.io.DataLoader, in batches that lie in shared memory (/dev/shm) or not."""

    uses_shared_memory = True

    def batches(self, count, num_workers):
        """Return `count` batches from Paddle's worker processes."""
        import paddle

        class Samples(paddle.io.Dataset):
            """Image [C, H, W] and label, going through the data set again and again."""

            def __len__(samples):
                return count * BATCH

            def __getitem__(samples, position):
                epoch, index = divmod(position, len(self.dataset))
                sample = self.dataset.sample(index, epoch)
                return sample.image.transpose(2, 0, 1), sample.label

        return paddle.io.DataLoader(
            Samples(),
            batch_size=BATCH,
            num_workers=num_workers,
            use_shared_memory=self.uses_shared_memory,
            worker_init_fn=single_thread,
        )


class PaddlesPipes(PaddlesLoader):
    """Without shared memory, as in a container whose /dev/shm is small."""

    uses_shared_memory = False


class Peer:
    """PaddleSeg, by its own Cityscapes class and the loader that its training builds."""

    def __init__(self, root, checkout):
        sys.path.insert(0, checkout)
        from paddleseg import transforms
        from paddleseg.datasets import Cityscapes

        self.dataset = Cityscapes(training_transforms(transforms), root)
        self.done = 0

    def read(self, samples):
        """Read samples one after the other, going through the data set again and again."""
        for position in range(self.done, self.done + samples):
            self.dataset[position % len(self.dataset)]
        self.done += samples

    def batches(self, count, num_workers):
        """Return at least `count` batches from worker processes."""
        import paddle

        class Longer(paddle.io.Dataset):
            """The data set, repeated: its workers live as long as ours."""

            def __len__(repeated):
                return count * BATCH

            def __getitem__(repeated, index):
                return self.dataset[index % len(self.dataset)]

        sampler = paddle.io.DistributedBatchSampler(Longer(), BATCH, shuffle=True, drop_last=True)
        return paddle.io.DataLoader(
            Longer(), batch_sampler=sampler, num_workers=num_workers, worker_init_fn=single_thread
        )


def single_thread(worker=None):
    """Keep cv2 to one thread. In a forked process only 0 does: 1 would wait for the parent's threads."""
    import cv2

    cv2.setNumThreads(1 if worker is None else 0)


def kilobytes(path, name):
    """Return a size from a file of /proc."""
    for line in path.read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise OSError(f"{path} has no {name}")


def status(name):
    """Return a size from this process's status in MB."""
    return kilobytes(Path("/proc/self/status"), name) / 1024


def timed_read(side, samples):
    """Read samples here."""
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    start, cpu_start = time.perf_counter(), time.process_time()
    side.read(samples)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    return {"seconds": seconds, "cpu": cpu, "peak": status("VmHWM") - before, "total": status("VmHWM")}


def timed_batches(side, samples, num_workers):
    """Read samples by workers; return the seconds from the moment at which all workers are at full speed."""
    ready = 4 * num_workers  # twice what the workers prefetch: neither their start nor a lead counts
    batches = iter(side.batches(ready + samples // BATCH, num_workers))
    for _ in islice(batches, ready):
        pass
    start = time.perf_counter()
    count = sum(1 for _ in batches)
    return {"seconds": (time.perf_counter() - start) * (samples // BATCH) / count}


def weighed_batches(side, samples, num_workers):
    """Read samples by workers; return the largest proportional set size of one while all are there."""
    sizes = [0.0]
    done = threading.Event()

    def weigh():
        while not done.wait(0.02):
            workers = multiprocessing.active_children()
            for worker in workers if len(workers) == num_workers else ():
                with contextlib.suppress(OSError):  # it has ended
                    sizes.append(kilobytes(Path(f"/proc/{worker.pid}/smaps_rollup"), "Pss") / 1024)

    watcher = threading.Thread(target=weigh)
    watcher.start()
    count = samples // BATCH
    batches = iter(side.batches(count, num_workers))
    for _ in islice(batches, count):
        pass
    done.set()
    watcher.join()
    for _ in batches:  # ends the workers
        pass
    return {"worker": max(sizes)}


def main():
    # What libraries print belongs to stderr: stdout carries the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    kind, *arguments = sys.argv[1:]
    sides = {"ours": Ours, "shared": PaddlesLoader, "piped": PaddlesPipes, "peer": Peer}
    side = sides[kind](*arguments)
    single_thread()
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if order.pop("weigh", False):
            answer = weighed_batches(side, **order)
        elif "num_workers" in order:
            answer = timed_batches(side, **order)
        else:
            answer = timed_read(side, **order)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
