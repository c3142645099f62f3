"""Every number that decides, in one frozen object: what is measured, how often, what earns a keep.

Knows nothing of how they are used. A change here changes the digest of every target and needs a
decision record with a simulation and a live A/A run.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log


@dataclass(frozen=True, slots=True)
class Stage:
    """One sequential test: mean d1 against mean d0 (ln units), looks from pair `first` to `cap`."""

    d0: float
    d1: float
    first: int
    cap: int


@dataclass(frozen=True, slots=True)
class Policy:
    """The defaults are the rules; sizes in pairs, gains in ln units, chances as shares."""

    # Stages
    screen: Stage = Stage(0.0, log(1.02), first=3, cap=12)  # most bad ideas die in three pairs
    confirm: Stage = Stage(log(1.005), log(1.025), first=5, cap=20)  # 5: least n with 2^-n <= 0.05
    alpha: float = 0.05  # of each stage; both must pass, with fresh seeds: 0.25 % before the rest
    beta: float = 0.05  # of each stage
    hopeless: float = 0.02  # chance of passing below which a screen ends (decision 0020)
    nu: float = 6.0  # weight of the prior variance, in pairs: stops lucky quiet starts
    clip: float = log(4)  # one workload at ~0 ns moves the mean of eight by 1.19x, no further
    sign_flip_level: float = 0.05  # a larger p extends; needs symmetry where the ratio needs sigma0
    big_gain: float = log(3)  # on any workload; more often a cheat or a mistake than noise
    big_gain_pairs: int = 8  # 2^8 > 1 / 0.005: the certificate alone can carry the promise
    sigma_floor: float = 0.001  # no machine is quieter; keeps the variance off zero

    # Guard: no workload may pay for the others
    guard_margin: float = log(0.95)  # tight enough to stop trading, loose enough to be provable
    guard_level: float = 0.05  # one-sided, shared out over the workloads (Bonferroni)
    guard_nu: float = 6.0  # weight of sigma_w: five pairs alone would need a 4.2 sigma bound
    guard_looks: tuple[int, ...] = (5, 8, 12, 16, 20)  # the only pairs at which a keep can happen
    memory_ratio: float = 1.25  # peak; speed bought with memory is another trade

    # Ties go to simpler code
    tie_pairs: int = 12  # at a spread of 1 %, proves it for 8 in 10 equal kernels
    tie_floor: float = log(0.99)  # lower bound of the mean
    tie_level: float = 0.05  # one-sided
    tie_budget: float = -log(0.99)  # slowing by simpler keeps between two audits, all together
    compile_tolerance: float = 1.2  # compile times of one kernel differ by a fifth

    # Which pairs count
    void_share: float = 0.2  # more: inconclusive
    void_from: int = 5  # measured pairs before that share is judged
    interval_level: float = 0.05  # printed intervals are 95 %

    # A/A: the noise, measured
    aa_pairs: int = 20  # at baseline, about 15 s: the bound is 1.36 sigma, at 10 it is 1.59
    blind_share: float = 0.1  # of trials also run as A/A, unseen by the agent
    sigma_level: float = 0.05  # sigma0 is the upper 95 % bound: too small multiplies false keeps
    sigma_limit: float = 5.0  # robust deviations at which an outlier is pulled in
    sigma_most: int = 200  # recent A/A pairs pooled: a machine's noise changes

    # Audit: the headline figure
    audit_pairs: int = 20  # fixed
    audit_every: int = 5  # keeps

    # One pair
    rounds: int = 8  # four blocks of both orders; the cost of a spawn against a round's asks for 9
    min_call_ms: float = 0.4  # 50 times the no-op round trip
    batch_mb: float = 32.0  # in and out together; more would time the memory only
    op_ms: float = 20.0  # one operation; nine rounds of eight workloads stay below 3 s
    hidden_share: float = 0.25  # of stage 2's shapes: not in inputs.WORKLOADS
    wait_share: float = 0.05  # of a pair's kernel time spent waiting for a core: the pair is void,
    wait_call_us: float = (
        200.0  # after this much a call: thawed and done, it queues behind our clock
    )
    canary_band: float = (
        3.0  # the core before and after a pair; a busy hyperthread beside it makes 2
    )

    # Lossy operations: recall@10 on the same queries as the reference, pooled by workload
    recall_queries: int = 1000  # of each; the difference of unlike algorithms errs by some 0.003
    recall_batches: int = 8  # calls they come in,
    recall_s: float = 20.0  # each of them
    recall_loss: float = 0.005  # below the reference's
    recall_floor: float = 0.50  # whatever the reference finds
    recall_sd: float = 0.1  # of one query's difference, between unlike algorithms
    recall_sigmas: float = 4.0  # by which the few queries of a timed stage may err (decision 0022)

    # Deadlines and caps
    call_times: float = 20.0  # a call may take this many times the incumbent's ...
    call_s: float = 2.0  # ... or this long, whichever is more
    spawn_s: float = 10.0  # a worker is ready in a quarter of a second
    compile_s: float = 60.0  # a hang must end; honest kernels take seconds
    trial_s: float = 300.0  # of measuring; beyond it: timeout
    prepare_times: float = 10.0  # of the reference's prepare, or ...
    prepare_ms: float = 100.0  # ... this, or ...
    prepare_ns_per_byte: float = 10.0  # ... this, whichever is most
    prepare_memory: float = 2.0  # times the reference's


POLICY = Policy()
