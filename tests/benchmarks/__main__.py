"""Runs the benchmark: `make bench`, `make bench BENCH_ARGS=--quick`, `make bench BENCH_ARGS="--only per-chunk"`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Sequence

from tests.benchmarks import page
from tests.benchmarks.environments import OWN, PEERS, ROOT, why_missing
from tests.benchmarks.fleet import Bench
from tests.benchmarks.report import Section, as_text

SECTIONS = ("per-chunk", "first-text", "faults", "mid-stream", "many", "imports", "notebook")


def main(arguments: Sequence[str]) -> None:
    """Measure, print, and after a whole run write the page."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller numbers; writes no page")
    parser.add_argument(
        "--only", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; several with commas; writes no page"
    )
    options = parser.parse_args(arguments)
    chosen = options.only.split(",") if options.only else SECTIONS
    unknown = set(chosen) - set(SECTIONS)
    if unknown:
        parser.error(f"there is no section {', '.join(sorted(unknown))}; choose of {', '.join(SECTIONS)}")
    started_s = time.monotonic()
    sections: list[Section] = []
    loads = [os.getloadavg()[0]]
    for environment in (OWN, *PEERS):
        if reason := why_missing(environment):
            sys.stdout.write(f"{environment}: {reason}\n")
    with Bench(quick=options.quick) as bench:
        for name in chosen:
            sys.stderr.write(f"{name}\n")
            section: Section = importlib.import_module(f"tests.benchmarks.{name.replace('-', '_')}").measure(bench)
            sys.stdout.write(as_text(section) + "\n")
            sys.stdout.flush()
            sections.append(section)
            loads.append(os.getloadavg()[0])
    sys.stdout.write(f"This took {(time.monotonic() - started_s) / 60:.1f} minutes.\n")
    if not options.quick and not options.only:
        page.write(sections, loads)
        sys.stdout.write(f"Written to {page.PAGE.relative_to(ROOT)}.\n")


if __name__ == "__main__":
    main(sys.argv[1:])
