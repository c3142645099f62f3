"""Libraries on the work of posting-intersect.

roaring intersects containers (arrays, bitmaps, runs) that are made of the lists in advance, as
`prepare` may do for lists that are held. Over fresh lists its race on equal terms includes making
them. numpy reads the lists.
"""

import numpy as np

from autoresearch import Peer


def _listed(each):
    return [each[name] for name in sorted(each)]


def _pack(workload, static, each):
    import pyroaring

    maps = [pyroaring.BitMap(ids) for ids in _listed(each)]
    for packed in maps:
        packed.run_optimize()
    return maps


def _met(workload, static):
    import pyroaring

    return lambda maps: pyroaring.BitMap.intersection(*maps)


def _met_array(workload, static):
    import pyroaring

    return lambda maps: pyroaring.BitMap.intersection(*maps).to_array()


def _built(workload, static):
    import pyroaring

    def meet(each):
        return pyroaring.BitMap.intersection(*map(pyroaring.BitMap, _listed(each))).to_array()

    return meet


def _held(static):
    return np.split(static["ids"], static["starts"][1:-1])


def _held_met(workload, static):
    maps = _pack(workload, static, dict(enumerate(_held(static))))
    return lambda each: maps[each["i"]] & maps[each["j"]]


def _held_array(workload, static):
    met = _held_met(workload, static)
    return lambda each: met(each).to_array()


def _held_numpy(workload, static):
    lists = _held(static)
    return lambda each: np.intersect1d(lists[each["i"]], lists[each["j"]], assume_unique=True)


def _numpy(workload, static):
    def meet(each):
        a, *others = _listed(each)
        for ids in others:
            a = np.intersect1d(a, ids, assume_unique=True)
        return a

    return meet


def _ids(raw, each):
    ids = np.array(raw.to_array() if hasattr(raw, "to_array") else raw, np.uint32)
    return {"out": ids, "n": ids.size}


def _peers(op):
    return (
        Peer("pyroaring", "and", op, _met, _ids, "container", pack=_pack),
        Peer("pyroaring", "and, to_array", op, _met_array, _ids, "array", pack=_pack),
        Peer("pyroaring", "build, and, to_array", op, _built, _ids, "array", "untouched"),
        Peer("numpy", "intersect1d", op, _numpy, _ids, "array", "untouched"),
    )


PEERS = (
    *_peers("two"),
    *_peers("three"),
    Peer("pyroaring", "and", "held", _held_met, _ids, "container"),
    Peer("pyroaring", "and, to_array", "held", _held_array, _ids, "array"),
    Peer("numpy", "intersect1d", "held", _held_numpy, _ids, "array", "untouched"),
)
