"""The nouns of the system, frozen: what a target declares, what was measured, what was decided.

Knows no clock, no disk, no git and no statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
else:
    FloatArray = "f64[...]"  # numpy is a third of what `status` would cost

KEPT = ("baseline", "keep", "simpler")  # verdicts whose kernel becomes the incumbent
EXIT_CODES = {
    "baseline": 0,
    "keep": 0,
    "simpler": 0,
    "refused": 1,
    "revert": 3,
    "incorrect": 4,
    "timeout": 5,
    "crash": 6,
    "tampered": 7,
    "inconclusive": 8,
}
VERDICTS = tuple(EXIT_CODES)


@dataclass(frozen=True, slots=True)
class Op:
    """One timed operation of a target: the spec is the call.

    `steps` are statements such as `"n = intersect(a, b, out)"`; together they are one operation.
    `each` declares the fresh read-only inputs of one operation and `out` the outputs, as
    `"f32[n, d]"` (dimensions are bound by the arrays drawn, or by a scalar of that name),
    `"u32[~]"` (one-dimensional, length varies), `"u32[~n]"` (as before, only the first `n` entries
    are checked), a bare `"i64"` (scalar) or `"count"` (the value a step returns). `oracle` is
    exact, close, topk (least first), topk_max (most first) or recall (lossy).
    """

    steps: tuple[str, ...]
    each: Mapping[str, str]
    out: Mapping[str, str]
    oracle: str = "exact"


@dataclass(frozen=True, slots=True)
class Target:
    """The facts of a target. `static` arrays are drawn once per workload; `prepare` may repack them
    into any state (timed apart, capped); `scratch` gives working memory once per thread. With
    `prepare == ""` steps name the static arrays themselves. `site`: where a real engine calls it.
    """

    unit: str
    ops: Mapping[str, Op]
    static: Mapping[str, str] = field(default_factory=dict)
    prepare: str = ""
    scratch: str = ""
    site: str = ""


Operation = Mapping[str, Any]  # the arrays and scalars of one operation by name


@dataclass(frozen=True, slots=True)
class Workload:
    """One op at one shape and distribution; `inputs.static` and `inputs.each` receive `spec`."""

    op: str
    spec: Mapping[str, Any]

    @property
    def label(self) -> str:
        return f"{self.op}: " + ",".join(f"{k}={v}" for k, v in self.spec.items())


@dataclass(frozen=True, slots=True)
class Work:
    """What no implementation of one operation can avoid: bytes moved, fused multiply-adds (dense
    distances only), and how many units (codes, rows, ints) the operation handles."""

    bytes: float
    fmas: float = 0.0
    units: float = 1.0


@dataclass(frozen=True, slots=True)
class Peer:
    """A native library on the work of one op: what `peers.py` lists in `PEERS`.

    `make(workload, static)` sets up, untimed, and returns the call that is timed: it takes the
    arrays of one operation and returns whatever the library returns. `answer(raw, each)`, untimed,
    turns that into the op's declared outputs, for the oracle. `make` imports the library itself;
    ImportError skips the peer, `NotImplementedError` one workload. `output` says what the timed
    call leaves (bitmap, view, ids, ...), `layout` whether its data was packed in advance ("free")
    or read as declared ("untouched"). A library that reads fresh inputs in a form of its own has
    `pack(workload, static, each)`, untimed: the call then takes what that returns instead.
    """

    library: str
    what: str
    op: str
    make: Callable[[Workload, Mapping[str, Any]], Callable[[Operation], Any]]
    answer: Callable[[Any, Operation], Mapping[str, Any]]
    output: str
    layout: str = "free"
    pack: Callable[[Workload, Mapping[str, Any], Operation], Any] | None = None

    def given(self, workload: Workload, static: Mapping[str, Any], each: Operation) -> Any:
        """What the timed call takes for one operation."""
        return self.pack(workload, static, each) if self.pack else each


@dataclass(frozen=True, slots=True)
class Pair:
    """One spawn pair: ns per operation of two fresh workers, both f64[r, w] (rounds, workloads).

    `shifts` are the bytes each arm's code was moved by; `void` names a cause that cannot see the
    outcome (run-queue delay, canary out of band), empty when the pair counts.
    """

    incumbent_ns: FloatArray
    candidate_ns: FloatArray
    shifts: tuple[int, int] = (0, 0)
    void: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A kernel's failure: why, and the verdict (incorrect, crash, timeout, refused, tampered)."""

    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All the gate may see. `workloads` and `hidden` are the labels measured in stage 1 and 2.

    `sigma0` is the upper 95 % bound of the A/A spread of X on this machine and target;
    `sigma_w` the A/A spread of one workload's D. `memory_ratio` is candidate over incumbent;
    `statements` and `compile_s` are (incumbent, candidate); `same_code`: identical machine code.
    `tie_budget`: how far simpler keeps may still slow the kernel before an audit (ln, >= 0).
    """

    screen: tuple[Pair, ...] = ()
    confirm: tuple[Pair, ...] = ()
    tie: tuple[Pair, ...] = ()
    workloads: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    sigma0: float = 0.01
    sigma_w: float = 0.02
    memory_ratio: float = 1.0
    statements: tuple[int, int] = (0, 0)
    compile_s: tuple[float, float] = (0.0, 0.0)
    same_code: bool = False
    tie_budget: float = 0.01
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate decided, and the figures it may be quoted with.

    `speedup`, `ci95`, `worst` come from stage 2 only (stage 1 for a revert there: see `reason`).
    `certificate` is the e-value of the keep, `llr` the final log-likelihood ratio.
    """

    name: str
    reason: str
    speedup: float | None = None
    ci95: tuple[float, float] | None = None
    worst: float | None = None
    worst_at: str = ""
    pairs: int = 0
    llr: float | None = None
    p_value: float | None = None
    certificate: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The block: the same keys for every target, `None` or empty where a failure left no figure."""

    target: str
    verdict: str
    correctness: str = "n/a"
    unit: str = ""
    data: str = ""
    geomean_ns_per_op: float | None = None
    speedup: float | None = None
    speedup_ci95: tuple[float, float] | None = None
    speedup_vs_reference: str = ""
    worst_speedup: float | None = None
    worst_speedup_at: str = ""
    worst_ns_per_op: float | None = None
    worst_ns_at: str = ""
    recall_at_10: float | None = None
    pct_of_roofline: float | None = None
    pairs: int | None = None
    prepare_ms: float | None = None
    compile_seconds: float | None = None
    peak_mem_mb: float | None = None
    total_seconds: float | None = None
    sandbox: str = ""
    machine: str = ""
    commit: str = ""
    reason: str = ""
    next: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """One ledger line. `kind` is trial, baseline, blind, calibrate or audit; `candidate` and
    `incumbent` are git blob ids; `norm` is the digest of the normalised code and knobs; `digest` is
    that of the immutable parts; `stamps` are (start, end) of the measurement in CLOCK_BOOTTIME ns
    and `core` the core it ran on; `extra` holds what only one kind has."""

    id: str
    kind: str
    result: Result
    description: str = ""
    timestamp: str = ""
    session: str = ""
    candidate: str = ""
    incumbent: str = ""
    norm: str = ""
    digest: str = ""
    stamps: tuple[int, int] = (0, 0)
    core: int = -1
    seconds: Mapping[str, float] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
