"""A fleet on this one machine: whether trials overlap, are lost or doubled, and times hold.

`.venv/bin/python scripts/fleet.py --nodes 4 --trials 200 --kill 0.1` (needs `autoresearch[fleet]`).
Takes some four seconds a trial, since the nodes share the machine's lease: that they try to
measure at once and cannot is the point. Every node has a slot; `--kill` is the share of jobs whose
worker is killed at a random moment, and one node dies and is replaced half-way.
"""

import argparse
import itertools
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import psutil
import scratch

from autoresearch import calibrate
from autoresearch.fleet import run
from autoresearch.fleet.engine import SLOT
from autoresearch.fleet.record import Record
from autoresearch.session import Session

TARGET = "toy"
PACE_S = 20.0  # between kills at most twice this; ten trials take some forty seconds


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measured(root: Path, nodes: int, trials: int, kill: float) -> run.Report:
    """The trials on a cluster of this machine, with a killer beside them."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    slots = [cluster.add_node(num_cpus=1, resources={SLOT: 1}) for _ in range(nodes)]
    with ThreadPoolExecutor(1) as pool:  # Ray starts nodes in the main thread only
        found = pool.submit(run.calibrate, root, [TARGET], trials, cluster.address, say)
        _kill(cluster, slots, trials, kill, found)
        report = found.result()
    cluster.shutdown()
    return report


def _kill(cluster: Any, slots: list[Any], trials: int, share: float, running: Future[Any]) -> None:
    """Workers die at random moments, and one node in the middle."""
    wanted, rng, done = round(share * trials), random.Random(0), 0
    while wanted > done and not running.done():
        wait([running], rng.uniform(1, 2 * PACE_S))
        workers = [p for p in psutil.process_iter(["cmdline"]) if _works(p)]
        if workers:
            rng.choice(workers).send_signal(signal.SIGKILL)
            done += 1
            say(f"killed worker {done} of {wanted}")
        if done == wanted // 2 and len(slots) > 1:
            cluster.remove_node(slots.pop())
            slots.insert(0, cluster.add_node(num_cpus=1, resources={SLOT: 1}))
            say("killed a node and started another")


def _works(process: psutil.Process) -> bool:
    return "ray::run" in " ".join(process.info["cmdline"] or [])


def overlaps(lines: list[dict[str, Any]]) -> int:
    """Measurements that began on a core set before the one before had ended."""
    spans = sorted((e["host"], e["core"], e["start_ns"], e["end_ns"]) for e in lines)
    return sum(a[:2] == b[:2] and b[2] < a[3] for a, b in itertools.pairwise(spans))


def _ns(rows: list[Any]) -> float:
    return statistics.median(row for row in rows if row)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--alone", type=int, default=30, help="trials without the fleet, twice")
    parser.add_argument("--kill", type=float, default=0.1, help="share of jobs that lose a worker")
    asked = parser.parse_args()
    with scratch.project(TARGET) as (root,), tempfile.TemporaryDirectory() as posts:
        os.environ["AUTORESEARCH_POSTS"] = posts
        scratch.baseline(root, TARGET)
        session = Session.open(root, TARGET, say)
        begun = time.monotonic()
        calibrate.run([session], asked.alone, say, lambda _: None)
        report = measured(root, asked.nodes, asked.trials, asked.kill)
        calibrate.run([session], asked.alone, say, lambda _: None)
        took = time.monotonic() - begun
        alone = [
            t.result.geomean_ns_per_op for t in session.ledger.trials() if t.kind == "calibrate"
        ]
        lines = list(Record(root).lines())
    own = [e for e in lines if e["row"]["kind"] == "calibrate"]
    counts = Counter(e["job"] for e in own)
    missing = sum(counts[done.job.id] == 0 for done in report.done)
    doubled = sum(n > 1 for n in counts.values())
    times = [e["row"]["result"]["geomean_ns_per_op"] for e in own]
    found = overlaps(lines)
    print(f"{len(own)} trials in {len({e['post'] for e in own})} posts, {took:.0f} s in all")
    print(f"{found} overlapping, {missing} lost, {doubled} doubled")
    print(f"median time, fleet over alone: {_ns(times) / _ns(alone):.4f}")
    return int(found + missing + doubled > 0)


if __name__ == "__main__":
    sys.exit(main())
