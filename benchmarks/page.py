"""How long a page of 1,000 to 10,000 nodes takes in a headless Chromium, and how large it is.

``python -m benchmarks.page [BLOCKS ...]``: blocks of eight nodes, all of them outside of any module.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.report.page.browser import kept, opened, without_modules, written
from tests.runs.kept import facts, solved

SEARCH = """() => {
  const start = performance.now();
  byId('search').value = 'add';
  search();
  return performance.now() - start;
}"""


def main() -> None:
    """Print one line for each size."""
    print("nodes  MB    document s  first interaction s  search ms")
    for number in [int(each) for each in sys.argv[1:]] or [125, 375, 1250]:
        with tempfile.TemporaryDirectory() as folder:
            run = kept(solved(facts(without_modules(number))), Path(folder))
            start = time.perf_counter()
            path = written(run, Path(folder))
            made = time.perf_counter() - start
            with opened(path) as page:
                drawn = page.evaluate("Number(document.documentElement.dataset.drawn)") / 1000
                searched = page.evaluate(SEARCH)
            size = path.stat().st_size / 2**20
            print(f"{number * 8 + 1:5}  {size:4.1f}  {made:10.2f}  {drawn:19.2f}  {searched:9.0f}", flush=True)


if __name__ == "__main__":
    main()
