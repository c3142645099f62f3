"""Two agents at once, in one work tree and in two: their measurements never overlap.

Both run real trials of ever new texts as fast as they can; the ledgers' stamps then show whose
measurement ran when on which core. Exit 1 on an overlap or anything else that is not as promised.
"""

import argparse
import itertools
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator

import scratch
from surplus import evenly, slowed

from autoresearch.catalog import Entry, find
from autoresearch.ledger import Ledger
from autoresearch.ledger.records import SHOWN
from autoresearch.model import EXIT_CODES, KEPT, Trial


def main() -> int:
    """Both arrangements, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="toy", help="toy, or a target of this repository")
    parser.add_argument("--trials", type=int, default=10, help="of each agent, in each arrangement")
    parser.add_argument("--trees", type=int, choices=(1, 2), help="only this arrangement")
    options = parser.parse_args()
    broken = []
    for trees in (options.trees,) if options.trees else (1, 2):
        broken += _arrangement(options.target, trees, options.trials)
    for line in broken:
        print(f"VIOLATION: {line}")
    return int(bool(broken))


def _arrangement(target: str, trees: int, trials: int) -> list[str]:
    """Two agents in one work tree or in one each; what went wrong."""
    with scratch.project(target, trees) as roots:
        entries = [find(root, target) for root in roots]
        for entry in entries:
            scratch.baseline(entry.root, target)
        told: list[str] = []
        agents = [
            threading.Thread(target=_agent, args=(n, entries[n % trees], trials, told))
            for n in range(2)
        ]
        for agent in agents:
            agent.start()
        for agent in agents:
            agent.join()
        ledgers = [list(Ledger(entry.root).trials()) for entry in entries]
        broken = told + [line for entry in entries for line in _sound(entry)]
        broken += list(_overlaps(row for rows in ledgers for row in rows))
        _report(trees, ledgers)
        return broken


def _agent(number: int, entry: Entry, trials: int, told: list[str]) -> None:
    """Write a new text, ask for its trial, again and again, whatever the other one is doing."""
    rng, target = random.Random(number), entry.facts()
    seed = (entry.path / "reference.py").read_text()
    for n in range(trials):
        spent = evenly(target, rng.uniform(0.2, 1.0))
        entry.kernels.write_text(slowed(seed, target, spent, rng.getrandbits(62)))
        words = ("trial", entry.name, "-m", f"agent {number}, idea {n}")
        done = subprocess.run(scratch.command(entry.root, *words), capture_output=True, text=True)
        if done.returncode not in EXIT_CODES.values() or "Traceback" in done.stderr:
            told.append(f"agent {number}: exit {done.returncode}: {done.stderr}")


def _sound(entry: Entry) -> Iterator[str]:
    """The ledger is whole, and every trial was held against what was the incumbent at its turn."""
    ledger = Ledger(entry.root)
    yield from (f"ledger: {found}" for found in ledger.verify())
    yield from (f"undecided: {left.id}" for left in ledger.interrupted())
    incumbent = ""
    for row in ledger.trials():
        if row.kind == "trial" and row.stamps[1] and row.incumbent != incumbent:
            yield f"trial {row.id} was measured against {row.incumbent}, not {incumbent}"
        if row.kind in ("trial", "baseline") and row.result.verdict in KEPT:
            incumbent = row.candidate
    shown = sum(row.kind in SHOWN for row in ledger.trials())
    lines = ledger.table_path.read_text().count("\n") - 1
    if lines != shown:
        yield f"results.tsv has {lines} rows, the ledger {shown}"


def _overlaps(rows: Iterable[Trial]) -> Iterator[str]:
    """Pairs of measurements that ran on one core at one time."""
    stamped = sorted((r for r in rows if r.stamps[1]), key=lambda r: (r.core, r.stamps))
    for first, second in itertools.pairwise(stamped):
        if first.core == second.core and second.stamps[0] < first.stamps[1]:
            yield f"{first.id} {first.stamps} and {second.id} {second.stamps} overlap"


def _report(trees: int, ledgers: list[list[Trial]]) -> None:
    rows = [row for rows in ledgers for row in rows if row.kind == "trial"]
    measured = sorted(row.stamps for row in rows if row.stamps[1])
    busy = sum(end - begin for begin, end in measured) / 1e9
    whole = (measured[-1][1] - measured[0][0]) / 1e9 if measured else 0.0
    waited = sum(row.seconds.get("wait", 0.0) for row in rows)
    verdicts = Counter(row.result.verdict for row in rows)
    print(f"{trees} work tree(s): {len(rows)} rows, {len(measured)} measured in turn")
    print(f"  {busy:.1f} s of measuring within {whole:.1f} s, {waited:.1f} s of waiting")
    print(f"  {', '.join(f'{number} {name}' for name, number in verdicts.most_common())}")


if __name__ == "__main__":
    sys.exit(main())
