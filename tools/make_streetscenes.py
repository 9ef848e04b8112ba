import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the demo is beside the package, and not installed
from demo.streetscenes.make import main

if __name__ == "__main__":
    main()
