"""Packed data sets: decoded once, then read window by window."""
