"""The commands, one module each: `add_flags` says what it takes, `work` does it.

Both leave the imports of heavy modules to `work`: `run` first sets what Paddle reads at import, and --help
answers at once.
"""
