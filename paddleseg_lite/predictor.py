"""Segmentation in a few lines: a Predictor from a config and weights, or from an exported folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, overload

import numpy as np
from PIL import Image

from paddleseg_lite.checkpoint import load_weights
from paddleseg_lite.config import Config, load_config
from paddleseg_lite.config.build import Plan
from paddleseg_lite.config.zoo import config_path, find_model
from paddleseg_lite.deploy.backend import build_runtime, exported_runtime
from paddleseg_lite.deploy.sidecar import ExportMetadata, built_transforms, check_size, read_sidecar
from paddleseg_lite.inference.augment import PLAIN, InferenceOptions, Network, Runtime
from paddleseg_lite.inference.segmentation import Segmentation as Segmentation
from paddleseg_lite.inference.segmenter import Segmenter
from paddleseg_lite.inference.sources import checked_frames, find_many, is_of_frames
from paddleseg_lite.transforms import Compose


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
        self._segmenter = Segmenter(
            network, transforms, self.classes, self.palette, in_channels, inference, output_op
        )

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
    def from_zoo(
        cls,
        name: str,
        backend: str = "auto",
        inference: InferenceOptions | None = None,
        threads: int | None = None,
    ) -> Predictor:
        """Make one from weights of the zoo and the shipped config that they were trained with.

        Args:
            name: of `list_models`; weights that are not in the package are downloaded once.
            backend, inference, threads: see `from_config`.

        Raises:
            UserError: there is no such network, or the weights cannot be had.
        """
        model = find_model(name)
        return cls.from_config(config_path(model.config), model.weights, backend, inference, threads=threads)

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
            exported_runtime(folder, content["model"], backend, precision, threads),
            built_transforms(content),
            content["classes"],
            np.array(content["palette"], np.uint8),
            in_channels=content["input"]["shape"][1],
            output_op=content["output"]["op"],
        )
        made._segmenter.check = partial(check_size, content)
        made._segmenter.largest_batch = content["input"]["shape"][0]
        return made

    @overload
    def __call__(
        self,
        images: np.ndarray | Image.Image,
        probabilities: bool = ...,
        confidence: bool = ...,
        batch_size: int = ...,
    ) -> Segmentation: ...

    @overload
    def __call__(
        self, images: list[Any], probabilities: bool = ..., confidence: bool = ..., batch_size: int = ...
    ) -> list[Segmentation]: ...

    @overload
    def __call__(
        self,
        images: str | Path | int,
        probabilities: bool = ...,
        confidence: bool = ...,
        batch_size: int = ...,
    ) -> Any: ...

    def __call__(
        self, images: Any, probabilities: bool = False, confidence: bool = False, batch_size: int = 1
    ) -> Any:
        """Segment an image, a list of images, or all images of a folder, a pattern or a video.

        Args:
            images: the path or URL of an image, an image of PIL, or an array, RGB uint8 [H, W, 3] (or as many
                channels as the network takes); a list of such; or a folder with its subfolders, a pattern
                such as "photos/**/*.jpg", a text file with one path in each line, a video's path or URL, or
                the number of a camera.
            probabilities: also return the softmax of the mean logits.
            confidence: also return its highest value at each pixel.
            batch_size: neighbouring images of one shape that run through the network at once.

        Returns:
            Of an image a Segmentation, of a list a list of them. Of a folder, a pattern, a text file or a
            video a generator of them, which shows a bar on a terminal and reads ahead; what it gave is not
            kept. A file of several that cannot be segmented is named by a warning and left out.

        Raises:
            UserError: an image is unreadable or of another shape or type, or there is none.
        """
        wanted = self._segmenter.wanted(probabilities, confidence, batch_size)
        if isinstance(images, (list, tuple)):
            return self._segmenter.of_list(images, wanted)
        if is_of_frames(images):
            return self._segmenter.of_video(checked_frames(images, self._segmenter.in_channels), wanted)
        files = find_many(images)
        if files is not None:
            return self._segmenter.of_files(files, wanted)
        return self._segmenter.of_image(images, wanted)


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
