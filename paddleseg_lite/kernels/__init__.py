"""What exists because of a CPU: NumPy, OpenCV and matrix products in the place of Paddle's kernels."""
