"""The counting pairs of one phase, and every figure a look takes from the first n of them.

Knows the policy's numbers and what they scale; nothing of phases, verdicts or what comes next.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from ..model import FloatArray
from ..policy import Policy, Stage
from . import evalue, interval, pairing, sequential, signflip


@dataclass(frozen=True, slots=True)
class Sample:
    """`D` f64[n, w] with the A/A spreads that its variances are shrunk to."""

    D: FloatArray
    sigma0: float
    sigma_w: float
    policy: Policy

    @classmethod
    def of(cls, D: FloatArray, sigma0: float, sigma_w: float, policy: Policy) -> Sample:
        """Spreads below the policy's floor are raised to it; a missing one (nan) stays nan, and no
        look accepts that (`max` would drop it)."""
        sigma0, sigma_w = np.maximum([sigma0, sigma_w], policy.sigma_floor).tolist()
        return cls(D, sigma0, sigma_w, policy)

    @property
    def n(self) -> int:
        return len(self.D)

    def X(self, n: int | None = None) -> FloatArray:
        """f64[n], clipped: what decides."""
        return pairing.mean_over_workloads(self.D[:n], self.policy.clip)

    def llr(self, stage: Stage) -> FloatArray:
        """f64[n]: the log-likelihood ratio after each pair."""
        return sequential.llr(self.X(), stage.d0, stage.d1, self.sigma0, self.policy.nu)

    def chance(self, stage: Stage, bound: float) -> FloatArray:
        """f64[n], n <= stage.cap: after each pair, the chance that the ratio reaches `bound`."""
        X, nu = self.X(stage.cap), self.policy.nu
        return sequential.chance(X, stage.cap, stage.d0, stage.d1, self.sigma0, nu, bound)

    def gain(self, n: int) -> FloatArray:
        """f64[n], unclipped: what is printed."""
        return pairing.mean_over_workloads(self.D[:n], inf)

    def figures(self, n: int) -> tuple[float, float, float]:
        """(mean, low, high) of the gain."""
        level, nu = self.policy.interval_level, self.policy.nu
        return interval.mean_interval(self.gain(n), level, self.sigma0, nu)

    def lower(self, n: int, level: float) -> float:
        """One-sided lower bound of the mean of X."""
        return float(interval.lower_bound(self.X(n), level, self.sigma0, self.policy.nu)[1])

    def workloads(self, n: int) -> tuple[FloatArray, FloatArray]:
        """f64[w] twice: each workload's mean D and lower bound, the bounds holding together."""
        level = self.policy.guard_level / self.D.shape[1]
        return interval.lower_bound(self.D[:n], level, self.sigma_w, self.policy.guard_nu)

    def p_value(self, n: int) -> float:
        """Sign-flip p of a gain above stage 2's d0."""
        return signflip.p_value(self.X(n) - self.policy.confirm.d0)

    def certificate(self, n: int) -> float:
        """The e-value of a gain above stage 2's d0."""
        stage = self.policy.confirm
        return evalue.certificate(self.X(n), stage.d0, stage.d1, self.sigma0)
