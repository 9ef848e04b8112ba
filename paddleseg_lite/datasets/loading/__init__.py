"""Samples -> batches, in worker processes or not."""
