"""Packaging: few runtime dependencies; the framework comes with an extra, for a CPU or a GPU."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="paddleseg_lite",
    version="0.1.0",
    description="Real-time semantic segmentation with PaddlePaddle, in PaddleSeg's manner",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.9",
    packages=find_packages(include=["paddleseg_lite*"]),
    package_data={"paddleseg_lite": ["py.typed"]},
    install_requires=[
        "matplotlib",
        "numpy",
        "opencv-python-headless",
        "pyyaml",
        "safetensors",
        "tqdm",
        "visualdl",
    ],
    extras_require={
        "cpu": ["paddlepaddle>=2.6.2,<3.4"],
        "gpu": ["paddlepaddle-gpu>=2.6.2,<3.4"],
        "fast": ["pyspng"],  # decodes PNG photographs in less time than OpenCV
        "dev": [
            "cityscapesscripts",  # the test oracle for Cityscapes' ids and scores
            "hypothesis",
            "mypy",
            "pyspng; platform_machine == 'x86_64'",
            "pytest",
            "pytest-cov",
            "ruff",
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
