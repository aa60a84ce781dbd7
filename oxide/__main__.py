"""Run the package as a program: `python -m oxide upload …` and `python -m oxide report`."""

import sys

from oxide._program.main import main

if __name__ == "__main__":
    sys.exit(main())
