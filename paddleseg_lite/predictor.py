"""Segmentation in a few lines: a Predictor from a config and weights, or from an exported folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, overload

import numpy as np
import paddle

from paddleseg_lite.checkpoint import load_weights
from paddleseg_lite.config import Config, load_config
from paddleseg_lite.config.build import Plan
from paddleseg_lite.datasets.reading.images import read_image
from paddleseg_lite.deploy.backend import build_runtime, choose
from paddleseg_lite.deploy.runtimes import OnnxRuntime, PaddleInference
from paddleseg_lite.deploy.sidecar import ExportMetadata, built_transforms, check_size, read_sidecar
from paddleseg_lite.errors import UserError, missing_modules
from paddleseg_lite.inference.augment import PLAIN, InferenceOptions, Network, Runtime, infer_array
from paddleseg_lite.inference.evaluate import network_input, predict_labels
from paddleseg_lite.transforms import Compose, Sample
from paddleseg_lite.visualize import colorize, overlay, to_rgb


@dataclass(frozen=True)
class Segmentation:
    """What a Predictor found in an image.

    Attributes:
        mask: class ids, uint8 [H, W], at the image's size.
        image: the image, [H, W, C].
        classes: names of the ids.
        palette: uint8 [K, 3], RGB.
        probabilities: float32 [K, H, W], or None if they were not asked for.
    """

    mask: np.ndarray
    image: np.ndarray
    classes: tuple[str, ...]
    palette: np.ndarray
    probabilities: np.ndarray | None = None

    @property
    def labels(self) -> np.ndarray:
        """`mask`, by the name that it had first."""
        return self.mask

    def color(self) -> np.ndarray:
        """Return the painted mask, uint8 [H, W, 3], RGB."""
        return colorize(self.mask, self.palette)

    def overlay(self, alpha: float = 0.6) -> np.ndarray:
        """Return the painted mask over the image, uint8 [H, W, 3], RGB; `alpha` is the image's weight."""
        return overlay(to_rgb(self.image), self.mask, self.palette, alpha)


class Predictor:
    """A network with all that it needs to segment images.

    Calls from several threads are safe with the runtimes onnxruntime and paddle_inference (the latter runs
    one at a time); with the live network of Paddle, call from one thread.

    Attributes:
        classes: K names.
        palette: uint8 [K, 3], RGB.
    """

    def __init__(
        self,
        network: Network | Runtime,
        transforms: Compose,
        classes: Sequence[str],
        palette: np.ndarray,
        in_channels: int = 3,
        inference: InferenceOptions = PLAIN,
        output_op: str = "none",
    ) -> None:
        """Put a predictor together; `from_config` and `from_exported` do it for you.

        Args:
            network: the network, or a runtime that stands for it.
            transforms: what is done to an image, as in evaluation.
            classes: K names.
            palette: uint8 [K, 3], RGB.
            in_channels: channels of the images.
            inference: scales, flips, sliding windows.
            output_op: what `network` returns: "none" (logits), or of an export "softmax" or "argmax".
        """
        self.classes = tuple(classes)
        self.palette = np.asarray(palette, np.uint8)
        self._network = network
        self._transforms = transforms
        self._in_channels = in_channels
        self._inference = inference
        self._op = output_op
        self._check: Callable[[np.ndarray, str], None] = lambda image, path: None
        if isinstance(network, paddle.nn.Layer):
            network.eval()

    @classmethod
    def from_config(
        cls,
        config: Config | str | Path,
        weights: str | Path,
        backend: str = "auto",
        inference: InferenceOptions | None = None,
        opts: Sequence[str] = (),
        threads: int | None = None,
    ) -> Predictor:
        """Make one from a config and trained weights.

        Args:
            config: a YAML file, or what load_config returned.
            weights: .pdparams or .safetensors, path or URL.
            backend: "auto", "paddle", "paddle_inference" or "onnxruntime".
            inference: scales, flips, sliding windows; None: the sliding window of the config's `test_config`,
                as predict.py does.
            opts: overrides of the file's keys, as in --opts.
            threads: of the runtimes other than "paddle"; default: the $OMP_NUM_THREADS that the program was
                started with, or else one for each core. The live network takes Paddle's.

        Raises:
            UserError: the config or the weights do not fit, or the runtime is not installed.
        """
        plan = Plan(config if isinstance(config, Config) else load_config(config, opts))
        data = plan.info("val_dataset")
        model = plan.model(pretrained=False)
        load_weights(model, weights)
        network = build_runtime(model, backend, data.in_channels, threads)
        transforms = plan.transforms("val_dataset")
        if inference is None:
            inference = plan.inference(predicts=True)
        return cls(network, transforms, data.classes, data.palette, data.in_channels, inference)

    @classmethod
    def from_exported(
        cls,
        folder: str | Path,
        backend: str = "auto",
        precision: str = "float32",
        threads: int | None = None,
    ) -> Predictor:
        """Make one from the folder that the command export wrote; its configs and weights are not needed.

        Args:
            folder: has inference.yml.
            backend: "onnxruntime" (model.onnx), "paddle_inference" (model.json or model.pdmodel), or "auto".
            precision: "float32", or "int8" for the quantized model, by onnxruntime.
            threads: see `from_config`.

        Raises:
            UserError: a file is missing, or the runtime is not installed.
        """
        folder = Path(folder)
        content = read_sidecar(folder)
        made = cls(
            _exported_network(folder, content["model"], backend, precision, threads),
            built_transforms(content),
            content["classes"],
            np.array(content["palette"], np.uint8),
            in_channels=content["input"]["shape"][1],
            output_op=content["output"]["op"],
        )
        made._check = partial(check_size, content)
        return made

    @overload
    def __call__(self, images: np.ndarray | str | Path, probabilities: bool = ...) -> Segmentation: ...

    @overload
    def __call__(self, images: list[Any], probabilities: bool = ...) -> list[Segmentation]: ...

    def __call__(self, images: Any, probabilities: bool = False) -> Any:
        """Segment an image or a list of images.

        Args:
            images: RGB uint8 [H, W, 3] (or as many channels as the network takes), the path of an image, or
                a list of such.
            probabilities: also return the softmax of the mean logits.

        Returns:
            A Segmentation, or a list of them.

        Raises:
            UserError: an image is unreadable or of another shape or type.
        """
        if isinstance(images, (list, tuple)):
            return [self._segment(image, probabilities) for image in images]
        return self._segment(images, probabilities)

    def _segment(self, image: np.ndarray | str | Path, probabilities: bool) -> Segmentation:
        if isinstance(image, (str, Path)):
            pixels, path = read_image(image, self._in_channels), str(image)
        else:
            pixels, path = self._checked(image), "an image"
        source = Sample.from_source(pixels, path=path, label_at_source=True)
        sample = self._transforms(source, np.random.default_rng(0))
        self._check(sample.image.transpose(2, 0, 1)[None], path)
        found = None
        if probabilities:
            found = self._probabilities(sample)
            labels = found.argmax(axis=0).astype(np.uint8)
        elif self._op == "argmax":
            labels = sample.restore(self._run(sample).astype(np.uint8))
        else:  # the best probability is the best logit
            labels = predict_labels(self._network, [sample], self._inference)[0]
        return Segmentation(labels, pixels, self.classes, self.palette, found)

    def _run(self, sample: Sample) -> np.ndarray:
        return self._network(network_input([sample]))[0]  # type: ignore[operator,arg-type,return-value]

    def _probabilities(self, sample: Sample) -> np.ndarray:
        if self._op == "argmax":
            raise UserError(
                "this export gives class ids alone; export with --output_op softmax or none for probabilities"
            )
        if self._op == "softmax":
            return sample.restore(self._run(sample))
        logits = sample.restore(infer_array(self._network, network_input([sample]), self._inference)[0])
        logits -= logits.max(axis=0)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=0)
        return logits

    def _checked(self, image: np.ndarray) -> np.ndarray:
        pixels = np.asarray(image)
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
        channels = pixels.shape[2] if pixels.ndim == 3 else 0
        if channels != self._in_channels or pixels.dtype not in (np.uint8, np.uint16) or not pixels.size:
            raise UserError(
                f"an image of shape {list(np.shape(image))} and type {pixels.dtype}; give [H, W, "
                f"{self._in_channels}] of type uint8 or uint16, colors in RGB order"
            )
        return pixels


def _exported_network(
    folder: Path, files: Mapping[str, str], backend: str, precision: str, threads: int | None
) -> Runtime:
    """Return what runs the files of an export, as its inference.yml lists them."""
    if precision not in ("float32", "int8"):
        raise UserError(f"precision is '{precision}'; give float32 or int8")
    kind = "onnx" if precision == "float32" else "onnx_int8"
    if backend == "auto":
        has_onnx = kind in files and not missing_modules("onnxruntime")
        backend = "onnxruntime" if has_onnx or "paddle" not in files else "paddle_inference"
    if precision == "int8" and kind not in files:
        raise UserError(f"{folder} has no int8 ONNX model; export with --format onnx --quantize int8")
    if choose(backend)[0] == "paddle":
        raise UserError(
            "an exported network runs by onnxruntime or paddle_inference; give one of them as backend"
        )
    if backend == "onnxruntime":
        if kind not in files:
            raise UserError(f"{folder} has no ONNX model; export with --format onnx or all")
        return OnnxRuntime(folder / files[kind], threads)
    if precision != "float32":
        raise UserError("only onnxruntime runs int8 models; give it as backend, or precision float32")
    if "paddle" not in files:
        raise UserError(f"{folder} has no Paddle program; export with --format paddle or all")
    return PaddleInference(folder, threads)


def export_metadata(plan: Plan) -> ExportMetadata:
    """Return what inference.yml says about a config's network; no data needs to be present.

    Raises:
        UserError: the config has no val_dataset or no model.
    """
    specs = plan.config.section("val_dataset").get("transforms") or []
    return ExportMetadata(
        data=plan.info("val_dataset"),
        transforms=tuple(specs),
        name=plan.config.section("model")["type"],
    )
