"""Ray as the carrier of jobs: which nodes there are, one slot a core set, retries.

The only module that knows Ray, and it loads it when asked. What runs where is Ray's to decide; that
nothing else measures meanwhile is the node's own lease's.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import Refusal
from . import post
from .job import LOST, Done, Job, Parcel

SLOT = "bench_slot"
NODES = {"RAY_worker_niceness": "0"}  # the environment that nodes are started in: see `urgent`
_PATIENCE_S = 10.0
RETRIES = 20  # a job is whole, marked and found again: retrying costs time only


@contextmanager
def cluster(address: str) -> Iterator[Any]:
    """Ray, connected to the cluster at `address` (empty: the one this host belongs to)."""
    ray = _ray()
    try:
        _knock(address)
        ray.init(address or "auto", log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError) as error:
        what = f"No Ray cluster answers: {str(error).splitlines()[0]}."
        raise Refusal(
            what, "Start one as docs/fleet.md says, with --address to reach it."
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """OSError at once where nobody listens: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address:
        socket.create_connection((host, int(port)), timeout=_PATIENCE_S).close()


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        what = "The engine ray needs the package ray, which is not installed."
        remedy = "Install it: ./scripts/install --dev here, or pip install ray elsewhere."
        raise Refusal(what, remedy) from None
    return ray


def nodes(ray: Any) -> list[str]:
    """The ids of all living nodes that measure; Refusal when there is none."""
    found = sorted(n["NodeID"] for n in ray.nodes() if n["Alive"] and SLOT in n["Resources"])
    if not found:
        what = f"No node of the cluster has the resource {SLOT}."
        remedy = f"""Start nodes with --resources '{{"{SLOT}": 1}}' (docs/fleet.md)."""
        raise Refusal(what, remedy)
    return found


def scatter(ray: Any, jobs: Sequence[Job], parcel: Parcel) -> Iterator[Done]:
    """Every job on whichever node has a slot; results as they come. Dead workers and nodes cost a
    retry elsewhere."""
    nodes(ray)  # without one Ray would wait for ever
    task, shared = _task(ray), ray.put(parcel)
    yield from _gathered(ray, {task.remote(job, shared): job for job in jobs})


def placed(ray: Any, jobs: Sequence[tuple[str, Job]], parcel: Parcel) -> Iterator[Done]:
    """Every job on the node named with it; lost where that node is dead or dies."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as Only

    shared, sent = ray.put(parcel), {}
    for node, job in jobs:
        task = _task(ray).options(scheduling_strategy=Only(node, soft=False))
        sent[task.remote(job, shared)] = job
    yield from _gathered(ray, sent)


def _task(ray: Any) -> Any:
    run = post.run

    def task(job: Job, parcel: Parcel) -> Done:
        urgent()
        return run(job, parcel)

    return ray.remote(num_cpus=0, resources={SLOT: 1}, max_retries=RETRIES)(task)


def urgent() -> None:
    """Refusal where Ray has made its workers give way: at niceness 15, its default, a measurement
    waits for whatever else the host does."""
    import psutil  # type: ignore[import-untyped,unused-ignore]  # slow to load

    here = psutil.Process()
    if here.nice() > here.parents()[0].nice():
        what = f"Ray runs its workers at niceness {here.nice()}, where they wait for all others."
        raise Refusal(what, "Start it as docs/fleet.md says, with RAY_worker_niceness=0.")


def _gathered(ray: Any, sent: dict[Any, Job]) -> Iterator[Done]:
    waiting = list(sent)
    while waiting:
        (ready, *_), waiting = ray.wait(waiting)
        try:
            yield ray.get(ready)
        except (ray.exceptions.RayError, Refusal) as error:
            yield Done(sent[ready], "", "", LOST, err=str(error).strip().splitlines()[-1])
