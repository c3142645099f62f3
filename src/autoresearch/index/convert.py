"""Indexes of faiss as ours and back: the same vectors, centres, ids and therefore answers.

Needs faiss-cpu; knows both sides' insides, nothing of searching.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import Refusal
from .arguments import F32, I64
from .coded import Coded
from .flat import IndexFlatIP, IndexFlatL2
from .ivfflat import IndexIVFFlat
from .ivfpq import IndexIVFPQ
from .lists import Packed
from .quantizer import U8


def from_faiss(index: Any) -> Any:
    """Our twin of a faiss IndexFlatL2, IndexFlatIP, IndexIVFFlat or IndexIVFPQ (both L2), with
    copies of all it holds; Refusal for any other."""
    if not isinstance(index, _faiss().Index):
        what = f"A {type(index).__name__} is no index of faiss."
        raise Refusal(what, "Give what faiss made or read.")
    whole = _faiss().downcast_index(index)  # borrows from `index`, which must outlive it
    name = type(whole).__name__
    if name == "IndexFlat":  # what downcast_index makes of one that was read from a file
        name = "IndexFlatL2" if whole.metric_type == _faiss().METRIC_L2 else "IndexFlatIP"
    if name not in _FROM:
        what = f"A faiss {name} has no twin here."
        raise Refusal(what, f"Convert one of {', '.join(_FROM)}.")
    return _FROM[name](whole)


def to_faiss(index: Any) -> Any:
    """The faiss twin of one of our indexes, with copies of all it holds."""
    _faiss()
    name = type(index).__name__
    if name not in _TO:
        what = f"A {name} has no twin in faiss."
        raise Refusal(what, f"Convert one of {', '.join(_TO)}.")
    return _TO[name](index)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        what = "faiss is not installed."
        remedy = "Install it: ./scripts/install --peers here, or pip install faiss-cpu elsewhere."
        raise Refusal(what, remedy) from None
    return faiss


# Flat


def _flat_from(index: Any) -> Any:
    kind = IndexFlatL2 if index.metric_type == _faiss().METRIC_L2 else IndexFlatIP
    made = kind(index.d)
    made.add(index.reconstruct_n(0, index.ntotal))
    return made


def _flat_to(index: Any) -> Any:
    made = getattr(_faiss(), type(index).__name__)(index.d)
    made.add(index.x)
    return made


# Inverted lists


def _ivf_flat_from(index: Any) -> IndexIVFFlat:
    _by_distance(index)
    made = IndexIVFFlat(index.d, index.nlist)
    made.nprobe, made.max_codes = index.nprobe, index.max_codes
    if index.is_trained:
        codes, ids, offsets = lists_of(index)
        vectors = codes.view(np.float32).reshape(len(ids), index.d)
        made._hold(Packed(vectors, ids, offsets, centres_of(index)))
    return made


def _ivf_flat_to(index: IndexIVFFlat) -> Any:
    held = index.lists
    made = _with_lists(index, _faiss().IndexIVFFlat)
    fill(made, held.vectors.view(np.uint8), held.ids, held.offsets)
    return made


def _ivf_pq_from(index: Any) -> IndexIVFPQ:
    _by_distance(index)
    M, nbits = index.pq.M, index.pq.nbits
    if not index.by_residual:
        what = "The faiss IndexIVFPQ codes whole vectors (by_residual is False)."
        raise Refusal(what, "Only codes of the gaps from the centres are known here.")
    made = IndexIVFPQ(index.d, index.nlist, M, nbits)
    made.nprobe, made.max_codes = index.nprobe, index.max_codes
    if index.is_trained:
        centroids = _faiss().vector_to_array(index.pq.centroids).reshape(M, 1 << nbits, -1)
        codes, ids, offsets = lists_of(index)
        empty = Coded.empty(centres_of(index), centroids)
        made._hold(empty.of(unpacked(codes, M, nbits), ids, offsets))
    return made


def _ivf_pq_to(index: IndexIVFPQ) -> Any:
    held = index.lists
    made = _with_lists(index, _faiss().IndexIVFPQ, index.M, index.nbits)
    _faiss().copy_array_to_vector(held.centroids.ravel(), made.pq.centroids)
    fill(made, packed(held.rows, index.nbits), held.ids, held.offsets)
    made.precompute_table()
    return made


def unpacked(codes: U8, M: int, nbits: int) -> U8:
    """Codes u8[n, M] of faiss's u8[n, ceil(M * nbits / 8)], the low bits first."""
    bits = np.unpackbits(codes, axis=1, count=M * nbits, bitorder="little")
    return np.packbits(bits.reshape(len(codes), M, nbits), axis=2, bitorder="little")[:, :, 0]


def packed(codes: U8, nbits: int) -> U8:
    """The inverse of `unpacked`."""
    bits = np.unpackbits(codes[:, :, None], axis=2, count=nbits, bitorder="little")
    return np.packbits(bits.reshape(len(codes), codes.shape[1] * nbits), axis=1, bitorder="little")


def _by_distance(index: Any) -> None:
    if index.metric_type != _faiss().METRIC_L2:
        what = f"The faiss {type(index).__name__} compares by inner product."
        raise Refusal(what, "Only squared L2 distances have lists here.")


def _with_lists(index: Any, kind: Any, *settings: int) -> Any:
    """A faiss index with the centres of ours, and empty lists."""
    quantizer = _faiss().IndexFlatL2(index.d)
    quantizer.add(index.lists.centres)
    made = kind(quantizer, index.d, index.nlist, *settings)
    quantizer.this.disown()
    made.own_fields, made.is_trained = True, True
    made.nprobe, made.max_codes = index.nprobe, index.max_codes
    return made


def centres_of(index: Any) -> F32:
    """The centres f32[nlist, d] of a faiss IVF index."""
    return np.array(index.quantizer.reconstruct_n(0, index.nlist))


def lists_of(index: Any) -> tuple[Any, I64, I64]:
    """Codes u8[n, code_size], ids i64[n] and offsets i64[nlist + 2] of a faiss IVF index."""
    faiss, invlists = _faiss(), index.invlists
    sizes = [invlists.list_size(i) for i in range(index.nlist)]
    offsets = np.concatenate([[0], np.cumsum(sizes), [sum(sizes)]]).astype(np.int64)
    codes = np.empty((offsets[-1], invlists.code_size), np.uint8)
    ids = np.empty(offsets[-1], np.int64)
    for i in np.flatnonzero(sizes).tolist():
        at, n = slice(offsets[i], offsets[i + 1]), sizes[i]
        ids[at] = faiss.rev_swig_ptr(invlists.get_ids(i), n)
        flat = faiss.rev_swig_ptr(invlists.get_codes(i), n * invlists.code_size)
        codes[at] = flat.reshape(n, -1)
    return codes, ids, offsets


def fill(index: Any, codes: Any, ids: I64, offsets: I64) -> None:
    """Puts lists of codes u8[n, code_size] into a faiss IVF index that has none."""
    faiss = _faiss()
    for i in range(index.nlist):
        at = slice(offsets[i], offsets[i + 1])
        own, some = np.ascontiguousarray(ids[at]), np.ascontiguousarray(codes[at])
        if len(own):
            index.invlists.add_entries(i, len(own), faiss.swig_ptr(own), faiss.swig_ptr(some))
    index.ntotal = len(ids)


_FROM = {
    "IndexFlatL2": _flat_from,
    "IndexFlatIP": _flat_from,
    "IndexIVFFlat": _ivf_flat_from,
    "IndexIVFPQ": _ivf_pq_from,
}
_TO = {
    "IndexFlatL2": _flat_to,
    "IndexFlatIP": _flat_to,
    "IndexIVFFlat": _ivf_flat_to,
    "IndexIVFPQ": _ivf_pq_to,
}
