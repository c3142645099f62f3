"""Which indexes are raced and at which points; knows names and sizes, measures nothing."""

from __future__ import annotations

from dataclasses import dataclass

from .. import index
from ..errors import Refusal
from ..index.clusters import default_lists
from .model import ADD, SEARCH, TRAIN, Plan, Point

# The verb's name of an index: our class, and faiss's factory string of its twin. "np" is what
# IndexIVFPQ itself does: without it the factory adds polysemous training, which no search here
# uses and which takes 5.9 s instead of 0.08 s on 2,000 vectors of 16 components.
KINDS = {
    "flat": ("IndexFlatL2", "Flat"),
    "ivfflat": ("IndexIVFFlat", "IVF{nlist},Flat"),
    "ivfpq": ("IndexIVFPQ", "IVF{nlist},PQ{m}x8np"),
}


@dataclass(frozen=True, slots=True)
class Size:
    """How large a race is: vectors and components unless asked for, numbers of queries, lists
    probed, shares of what the most lists hold as `max_codes`, and ns and blocks for a point."""

    n: int
    d: int
    nqs: tuple[int, ...]
    nprobes: tuple[int, ...]
    shares: tuple[float, ...]
    budget_ns: float
    blocks: int


FULL = Size(
    n=100_000,
    d=128,
    nqs=(1, 8, 32, 128, 512, 2048, 19600),
    nprobes=(1, 8, 32),
    shares=(0.25, 0.5),
    budget_ns=0.7e9,
    blocks=15,
)
# 256 vectors are the fewest that 256 centroids can be learnt from.
QUICK = Size(2000, 16, (1, 8, 32), (1, 4), (0.5,), 0.02e9, 3)
THREADS = (1, 2)


def present() -> tuple[str, ...]:
    """The kinds whose index this version has."""
    return tuple(kind for kind, (name, _) in KINDS.items() if name in dir(index))


def chosen(only: str) -> tuple[str, ...]:
    """The kinds to race: all that are here, or the one named."""
    if not only:
        return present()
    if only not in KINDS:
        raise Refusal(f"There is no kind {only!r}.", f"Choose one of {', '.join(present())}.")
    if only not in present():
        what = f"This version has no {KINDS[only][0]}."
        raise Refusal(what, f"Choose one of {', '.join(present())}.")
    return (only,)


def lists(kind: str, n: int) -> int:
    """How many lists an index of n vectors has; 0 without lists."""
    return default_lists(n) if "nlist" in KINDS[kind][1] else 0


def factory(plan: Plan) -> str:
    """faiss's name of the index: codes have a byte for four components where that comes out even,
    else for two or for one."""
    width = next(w for w in (4, 2, 1) if plan.d % w == 0)
    return KINDS[plan.kind][1].format(nlist=plan.nlist, m=plan.d // width)


def points(plan: Plan, threads: int, size: Size) -> tuple[Point, ...]:
    """All points of one kind: filling first, then searches by setting and number of queries."""
    filling = [Point(op, threads) for op in ((TRAIN, ADD) if plan.nlist else (ADD,))]
    nqs = [nq for nq in size.nqs if nq <= plan.pool]
    settings = _settings(plan, size)
    return (*filling, *(Point(SEARCH, threads, nq, *one) for one in settings for nq in nqs))


def _settings(plan: Plan, size: Size) -> list[tuple[int, int]]:
    """(nprobe, max_codes): every number of lists without a limit, then limits of the greatest."""
    if not plan.nlist:
        return [(0, 0)]
    nprobes = sorted({min(nprobe, plan.nlist) for nprobe in size.nprobes})
    whole = plan.n * nprobes[-1] / plan.nlist
    limits = [(nprobes[-1], max(1, round(share * whole))) for share in size.shares]
    return [*((nprobe, 0) for nprobe in nprobes), *limits]
