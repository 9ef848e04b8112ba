"""Training: an iteration, and all that happens around it."""
