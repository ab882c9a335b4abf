"""`python -m benchmarks [NAME ...] [--quick] [--rounds N] [--size name=value ...]`: measure, print, store."""

from __future__ import annotations

import argparse
import importlib
import os
import time

MODULES = {
    "read": "read",
    "read-zipf": "read",
    "read-p99": "read",
    "read-heavy": "heavy",
    "read-experiments": "read_experiments",
    "read-experiments-noted": "read_experiments",
    "shelves": "shelves",
    "shelves-stored": "shelves",
    "regenerate": "regenerate",
    "extract": "extract",
    "ingest": "ingest",
    "ingest-small": "ingest",
    "generate": "generate",
    "topn": "topn",
    "fit": "fit",
    "fit-search": "fit",
    "import": "importing",
}


def main() -> None:
    """Run the benchmarks that were named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(MODULES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes; the results are marked so")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--size", action="append", default=[], metavar="NAME=VALUE", help="another size than the default"
    )
    options = parser.parse_args()
    unknown = set(options.names) - set(MODULES)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    modules = dict.fromkeys(MODULES[name] for name in options.names or MODULES)
    began = time.monotonic()
    for module in modules:
        _run(module, options.quick, options.rounds, options.size)
    print(f"all took {(time.monotonic() - began) / 60:.1f} minutes")


def _run(module: str, quick: bool, rounds: int, given: list[str]) -> None:
    from benchmarks import harness  # NumPy reads its number of threads when it is imported

    benchmark = importlib.import_module(f"benchmarks.{module}")
    sizes = dict(benchmark.QUICK if quick else benchmark.DEFAULT)
    for part in given:
        name, _, value = part.partition("=")
        if name not in sizes:
            raise SystemExit(f"{module} has no size {name!r}; it has {', '.join(sizes)}")
        sizes[name] = type(sizes[name])(value)
    began, load = time.monotonic(), os.getloadavg()[0]
    print(f"{module}{' (quick: small sizes)' if quick else ''}: {sizes}", flush=True)
    results = benchmark.run(sizes, rounds)
    took, loads = round(time.monotonic() - began), [round(load, 1), round(os.getloadavg()[0], 1)]
    for result in results:
        result.further.update(took_seconds=took, load=loads)
        print(result.line(), flush=True)
    harness.keep(results, quick)


if __name__ == "__main__":
    main()
