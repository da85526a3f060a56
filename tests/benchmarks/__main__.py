"""``make bench``: every figure we are held to, measured, beside its limit.

Example: python -m tests.benchmarks --sizes 10000,100000,1000000 --only sending,embedded --json
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.benchmarks import comparisons, embedded, events, lists, pages, sending
from tests.benchmarks.table import Figure, show

Say = Callable[[str], None]

#: Each part measures in a folder of its own and gives its lines of the table.
PARTS: Final[dict[str, Callable[[Path, Sequence[int], Say], list[Figure]]]] = {
    "sending": lambda folder, sizes, say: sending.measure(folder, list(sizes), say=say),
    "pages": pages.part,
    "comparisons": comparisons.part,
    "events": events.part,
    "lists": lists.part,
    "embedded": lambda folder, _sizes, say: embedded.measure(folder, say=say),
}


def tell(line: str) -> None:
    """Progress, beside the figures."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000", help="lists to send to")
    parser.add_argument("--only", default=",".join(PARTS), help="which parts, of all: %(default)s")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    given = parser.parse_args()
    wanted = given.only.split(",")
    if unknown := [name for name in wanted if name not in PARTS]:
        parser.error(f"there is no part called {unknown[0]!r}; known are {', '.join(PARTS)}")
    figures: list[Figure] = []
    for name in wanted:
        with tempfile.TemporaryDirectory(prefix=f"newsletter-bench-{name}-") as folder:
            figures += PARTS[name](Path(folder), [int(n) for n in given.sizes.split(",")], tell)
    if given.json:
        print(json.dumps([figure.as_json() for figure in figures]))
    else:
        show(figures)
    return 0 if all(figure.holds is not False for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
