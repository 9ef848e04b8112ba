"""Packaging: few runtime dependencies; the framework comes with an extra, for a CPU or a GPU."""

import re
from pathlib import Path

from setuptools import find_packages, setup

VERSION = Path(__file__).with_name("paddleseg_lite") / "version.py"
# On Python 3.13 exported files run, but paddle2onnx, which makes them, has no release for it.
DEPLOY = [
    "onnxruntime>=1.17",
    "onnx>=1.16.1; python_version < '3.13'",
    "ml_dtypes; python_version < '3.13'",  # onnxruntime.quantization imports it and does not ask for it
    "paddle2onnx>=1.3.1; python_version < '3.13'",
]
# Reading annotations: COCO's masks, XML that nobody vouches for, images that are nearly the same.
INIT = ["pycocotools>=2.0.8", "defusedxml", "imagehash"]

setup(
    name="paddleseg_lite",
    version=re.search(r'__version__ = "(.+)"', VERSION.read_text(encoding="utf-8"))[1],
    description="Real-time semantic segmentation with PaddlePaddle, in PaddleSeg's manner",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.9",
    # The configs are installed too, for paddleseg_lite.load(name).
    packages=[*find_packages(include=["paddleseg_lite*"]), "paddleseg_lite.configs"],
    package_dir={"paddleseg_lite.configs": "configs"},
    package_data={
        "paddleseg_lite": ["py.typed", "zoo/*", "report/templates/*"],
        "paddleseg_lite.configs": ["*/*.yml"],
    },
    entry_points={"console_scripts": ["paddleseg-lite = paddleseg_lite.cli.main:main"]},
    install_requires=[
        "matplotlib>=3.7",  # legends beside a figure's axes
        "numpy",
        "opencv-python-headless",
        "pillow",  # headers of images; matplotlib brings it too
        "pyyaml",
        "safetensors",
        "tifffile",  # OpenCV changes or mistakes TIFFs of several bands
        "tqdm",
        "visualdl",
    ],
    extras_require={
        "cpu": ["paddlepaddle>=2.6.2,<3.4"],
        "gpu": ["paddlepaddle-gpu>=2.6.2,<3.4"],
        "deploy": DEPLOY,
        "init": INIT,
        "report": ["jinja2"],  # val --report
        "fast": ["isal", "pyspng"],  # PNG photographs in less time than by OpenCV: writing, reading
        "video": ["av>=14"],  # times, rotation and sound of videos
        "dev": [
            *DEPLOY,
            "av>=14",
            *INIT,
            "cityscapesscripts",  # the test oracle for Cityscapes' ids and scores
            "hypothesis",
            "isal; platform_machine == 'x86_64'",
            "jinja2",
            "mypy",
            "playwright",  # drives Debian's Chromium; it brings none
            "pyspng; platform_machine == 'x86_64'",
            "pytest",
            "pytest-cov",
            "pytest-xdist",
            "ruff",
            "scikit-learn",  # scores to agree with
            "setuptools>=61",  # the wheel is built and tried out in a test
            "types-PyYAML",
            "types-tqdm",
            "wheel",
        ],
    },
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
