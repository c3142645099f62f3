"""Libraries on the work of bitpack, each decoding a layout of its own where it cannot read ours.

Their outputs are u32 arrays of the same values, hence an independent oracle.
"""

import numpy as np

from autoresearch import Peer

WIDEST = 24  # bits: above, vortex mostly keeps plain integers
PACKABLE = ("uniform", "clustered", "skewed")  # elsewhere vortex prefers runs or dictionaries


def unpacked(workload, each):
    """The values of one operation, from its bits, by numpy alone."""
    n, width = workload.spec["n"], each["width"]
    words = each["packed"]
    if workload.op == "fastlanes":
        words = words.reshape(-1, width, 32).swapaxes(1, 2)  # lane by lane, each 32 * width bits
    bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), bitorder="little")
    if workload.op == "decode":
        return _valued(bits[: n * width].reshape(n, width))
    rows = _valued(bits.reshape(-1, width)).reshape(-1, 32, 4, 8)  # block, lane, group, row
    groups = rows[:, :, [0, 2, 1, 3]]  # they start at values 0, 64, 32 and 96
    return groups.transpose(0, 3, 2, 1).ravel()[:n]


def _valued(bits):
    """u32 of bits u8[m, width], least first."""
    padded = np.zeros((len(bits), 32), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return np.packbits(padded, bitorder="little").view(np.uint32)


def _numpy(workload, static):
    return lambda each: unpacked(workload, each)


def _fastpfor(workload, static):
    import pyfastpfor

    codec = pyfastpfor.getCodec("simdbinarypacking")
    n = workload.spec["n"]
    out = np.empty(n + 1024, np.uint32)

    def decode(packed):
        return out[: codec.decodeArray(packed, packed.size, out, out.size)]

    return decode


def _fastpfor_pack(workload, static, each):
    import pyfastpfor

    values = unpacked(workload, each)
    packed = np.zeros(values.size + values.size // 64 + 1024, np.uint32)
    codec = pyfastpfor.getCodec("simdbinarypacking")
    return packed[: codec.encodeArray(values, values.size, packed, packed.size)].copy()


def _vortex(workload, static):
    import vortex

    spec = workload.spec
    if spec["dist"] not in PACKABLE or spec["width"] > WIDEST or spec["n"] < 4096:
        raise NotImplementedError("vortex would choose another encoding than bit-packing")
    vortex.set_worker_threads(1)
    return lambda packed: packed.to_arrow_array()


def _vortex_pack(workload, static, each):
    import pyarrow as pa
    import vortex

    packed = vortex.compress(vortex.array(pa.array(unpacked(workload, each))))
    if not isinstance(packed, vortex.FastLanesBitPackedArray):
        raise NotImplementedError(f"vortex chose {packed.id}")
    return packed


def _array(raw, each):
    return {"out": np.asarray(raw)}


def _peers(op):
    return (
        Peer(
            "pyfastpfor", "simdbinarypacking", op, _fastpfor, _array, "array", pack=_fastpfor_pack
        ),
        Peer("vortex-data", "FastLanes", op, _vortex, _array, "arrow array", pack=_vortex_pack),
        Peer("numpy", "unpackbits", op, _numpy, _array, "array", "untouched"),
    )


PEERS = (*_peers("decode"), *_peers("fastlanes"))
