"""``make bench``: every figure we are held to, measured, beside its limit.

Example: python -m tests.benchmarks --sizes 10000,100000,1000000 --json
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import embedded, sending
from tests.benchmarks.table import show


def say(line: str) -> None:
    """Progress, beside the figures."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000", help="lists to send to")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    given = parser.parse_args()
    sizes = [int(size) for size in given.sizes.split(",")]
    with tempfile.TemporaryDirectory(prefix="newsletter-bench-") as folder:
        figures = sending.measure(Path(folder), sizes, say=say)
        figures += embedded.measure(Path(folder), say=say)
    if given.json:
        print(json.dumps([figure.as_json() for figure in figures]))
    else:
        show(figures)
    return 0 if all(figure.holds is not False for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
