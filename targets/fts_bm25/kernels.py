"""The ten best documents of a bag of words by BM25, in plain scalar code.

Term t occurs freqs[p] times in document docs[p] for p in offsets[t] to offsets[t + 1]. Its share
of the score of d is weights[t] * f / (f + discounts[norms[d]]), where weights[t] = (k1 + 1) *
ln(1 + (N - df + 0.5) / (df + 0.5)) and discounts[b] = k1 * (1 - c + c * length(b) / mean length),
with k1 = 1.2 and c = 0.75: Robertson and Zaragoza, 2009, with the lengths in a byte as in Lucene.
"""

import numpy as np
from numba import njit


@njit
def prepare(docs, freqs, offsets, norms, discounts, weights):
    """docs u32[P] rising within a term, freqs u16[P] > 0, offsets i64[V + 1], norms u8[N],
    discounts f32[256], weights f32[V] > 0 -> state, any layout."""
    postings = docs.copy(), freqs.copy(), offsets.copy()
    return postings, (norms.copy(), discounts.copy(), weights.copy())


@njit
def scratch(state):
    """Working memory of one thread: a score for every document."""
    norms = state[1][0]
    return np.empty(norms.size, np.float32)


@njit
def search(state, scratch, terms, ids, scores):
    """The ids.size best documents with at least one of the distinct `terms`, best first; id -1 at
    score -inf where there are fewer."""
    docs, freqs, offsets = state[0]
    norms, discounts, weights = state[1]
    scratch[:] = 0
    for t in terms:
        for p in range(offsets[t], offsets[t + 1]):
            d, f = docs[p], np.float32(freqs[p])
            scratch[d] += weights[t] * f / (f + discounts[norms[d]])
    last = ids.size - 1
    ids[:] = -1
    scores[:] = -np.inf
    for d in range(norms.size):
        score = scratch[d]
        if score > 0 and score > scores[last]:
            at = last
            while at > 0 and scores[at - 1] < score:
                scores[at] = scores[at - 1]
                ids[at] = ids[at - 1]
                at -= 1
            scores[at] = score
            ids[at] = d
