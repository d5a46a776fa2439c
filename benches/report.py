"""Reads criterion's estimates and prints one Markdown row a contender: median, spread, ratio.

A peer without a result is printed as missing. The ratio is the peer's median divided into
laneway's: below 1 laneway is faster.
"""

import json
import os
import pathlib
import platform
import sys

PEERS = {
    "fib32/1": ["sequential", "laneway", "chili", "rayon"],
    "fib32/2": ["sequential", "laneway", "chili", "rayon"],
    "tree1023/2": ["sequential", "laneway", "chili", "rayon"],
    **{
        f"keyed/{keys}": [
            "laneway", "queue_per_key", "mutex_map_rayon", "dashmap_rayon", "kanal_sharded"
        ]
        for keys in (1, 64, 10_000, 1_000_000)
    },
    "snapshot/read": ["no_guard", "laneway", "arc_swap", "rwlock"],
    **{
        f"epoch/{beside}": ["laneway", "laneway_job", "arc_swap", "crossbeam"]
        for beside in ("alone", "two", "writer")
    },
    "records/get": ["laneway", "arc_swap", "hash_map"],
    "snapshot/update": ["laneway", "arc_swap", "rwlock"],
}


def result(folder: pathlib.Path, group: str, name: str):
    """(median, low, high) in ns an element, or None."""
    at = folder / group.replace("/", "_") / name / "new"
    try:
        median = json.loads((at / "estimates.json").read_text())["median"]
        throughput = json.loads((at / "benchmark.json").read_text())["throughput"]
    except FileNotFoundError:
        return None
    elements = (throughput or {}).get("Elements", 1)
    interval = median["confidence_interval"]
    values = (median["point_estimate"], interval["lower_bound"], interval["upper_bound"])
    return tuple(value / elements for value in values)


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    print(f"{os.cpu_count()} cores, {platform.machine()}; median ns per join, node, job or access, "
          "with the 95 % interval of the median\n")
    print("| workload | contender | ns | interval | laneway / contender |")
    print("|---|---|---|---|---|")
    for group, names in PEERS.items():
        ours = result(folder, group, "laneway")
        for name in names:
            found = result(folder, group, name)
            if found is None:
                print(f"| {group} | {name} | missing | | |")
                continue
            median, low, high = found
            ratio = "" if ours is None or name == "laneway" else f"{ours[0] / median:.2f}"
            print(f"| {group} | {name} | {median:.2f} | {low:.2f}–{high:.2f} | {ratio} |")


if __name__ == "__main__":
    main()
