"""Progressive scaling of LPSNet: a greedy search of networks on the user's own data, device and runtime."""
