"""A fleet on this one machine: whether trials overlap, are lost or doubled, and times hold.

`.venv/bin/python scripts/fleet.py --nodes 4 --trials 200 --kill 0.1` (needs `autoresearch[fleet]`).
Takes some four to eight seconds a trial, since the nodes share the machine's lease: that they try
to measure at once and cannot is the point. Every node has a slot; `--kill` is the share of jobs
whose worker is killed at a random moment, and one node dies and is replaced half-way. Trials of the
fleet and alone take turns in `--rounds`, for a machine drifts by more than the two may differ.
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
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import scratch

from autoresearch import calibrate
from autoresearch.fleet import run
from autoresearch.fleet.engine import NODES, SLOT
from autoresearch.fleet.record import Record
from autoresearch.session import Session

TARGET = "toy"
PACE_S = 20.0  # between kills at most twice this; ten trials take some forty seconds


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def nodes(count: int) -> Iterator[tuple[Any, list[Any]]]:
    """A cluster of this machine, and its nodes that measure."""
    from ray.cluster_utils import Cluster

    os.environ.update(NODES)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield cluster, [cluster.add_node(num_cpus=1, resources={SLOT: 1}) for _ in range(count)]
    cluster.shutdown()


def measured(root: Path, cluster: Any, slots: list[Any], trials: int, kill: int) -> run.Report:
    """The trials on the cluster, with a killer beside them."""
    with ThreadPoolExecutor(1) as pool:  # Ray starts nodes in the main thread only
        found = pool.submit(run.calibrate, root, [TARGET], trials, cluster.address, say)
        _kill(cluster, slots, kill, found)
        return found.result()


def _kill(cluster: Any, slots: list[Any], wanted: int, running: Future[Any]) -> None:
    """Workers die at random moments, and one node in the middle."""
    rng, done = random.Random(wanted), 0
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


def alone(session: Session, trials: int) -> list[float]:
    """Times in ns of trials by this process, without a fleet."""
    before = {t.id for t in session.ledger.trials()}
    calibrate.run([session], trials, say, lambda _: None)
    return [
        t.result.geomean_ns_per_op
        for t in session.ledger.trials()
        if t.kind == "calibrate" and t.id not in before and t.result.geomean_ns_per_op
    ]


def of_jobs(lines: list[dict[str, Any]], report: run.Report) -> list[float]:
    jobs = {done.job.id for done in report.done}
    found = (e["row"]["result"]["geomean_ns_per_op"] for e in lines if e["job"] in jobs)
    return [ns for ns in found if ns]


def interval(ratios: list[float]) -> tuple[float, float, float]:
    """The median, and a 95 % interval of it by resampling rounds."""
    rng = random.Random(0)
    draws = sorted(statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(2000))
    return statistics.median(ratios), draws[50], draws[1949]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--alone", type=int, default=60, help="trials without the fleet")
    parser.add_argument("--rounds", type=int, default=10, help="in how many turns")
    parser.add_argument("--kill", type=float, default=0.1, help="share of jobs that lose a worker")
    asked = parser.parse_args()
    begun, done, ratios = time.monotonic(), [], []
    with scratch.project(TARGET) as (root,), tempfile.TemporaryDirectory() as posts:
        os.environ["AUTORESEARCH_POSTS"] = posts
        scratch.baseline(root, TARGET)
        session, record = Session.open(root, TARGET, say), Record(root)
        trials, lone = asked.trials // asked.rounds, asked.alone // asked.rounds
        with nodes(asked.nodes) as (cluster, slots):
            for _ in range(asked.rounds):
                lonely = alone(session, lone)
                report = measured(root, cluster, slots, trials, round(asked.kill * trials))
                done += report.done
                ratios.append(statistics.median(of_jobs(list(record.lines()), report)))
                ratios[-1] /= statistics.median(lonely)
        lines = list(record.lines())
    own = [e for e in lines if e["row"]["kind"] == "calibrate"]
    counts = Counter(e["job"] for e in own)
    missing, doubled = sum(not counts[d.job.id] for d in done), sum(n > 1 for n in counts.values())
    found, (ratio, low, high) = overlaps(lines), interval(ratios)
    took = time.monotonic() - begun
    print(f"{len(own)} trials in {len({e['post'] for e in own})} posts, {took:.0f} s in all")
    print(f"{found} overlapping, {missing} lost, {doubled} doubled")
    print(f"median time, fleet over alone: {ratio:.4f} [{low:.4f}, {high:.4f}]")
    return int(found + missing + doubled > 0)


if __name__ == "__main__":
    sys.exit(main())
