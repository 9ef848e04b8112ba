"""The release, which setup.py reads without importing anything."""

__version__ = "0.1.0"
