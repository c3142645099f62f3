"""Libraries that decode FSST, and numpy: their bytes are an independent oracle."""

import numpy as np

from autoresearch import Peer

ESCAPE = 255
PIECE = 64  # bytes of a string: vortex compresses strings, and tells them apart
FORMAT = "core2025.05.0"  # the edition whose text encoding is FSST; later ones prefer others


def text(static, each):
    """The decoded bytes, by numpy alone."""
    codes = each["codes"]
    literal = _literal(codes)
    kept = literal | (codes != ESCAPE)
    codes, literal = codes[kept], literal[kept]
    words = np.where(literal, codes.astype(np.uint64), static["symbols"][codes])
    sizes = np.where(literal, 1, static["lengths"][codes])
    return words.astype("<u8").view(np.uint8).reshape(-1, 8)[np.arange(8) < sizes[:, None]]


def _literal(codes):
    """Which bytes follow an escape: those behind an odd number of 255, as a run begins with one."""
    place = np.arange(codes.size)
    other = np.maximum.accumulate(np.where(codes == ESCAPE, -1, place))
    before = np.append(-1, other)[: codes.size]
    return (place - before) % 2 == 0


def _numpy(workload, static):
    return lambda each: text(static, each)


def _array(raw, each):
    return {"out": raw, "n": raw.size}


def _vortex(workload, static):
    import vortex

    if workload.spec["n"] < 1 << 13:
        raise NotImplementedError("vortex would choose another encoding for so little text")
    vortex.set_worker_threads(1)
    return lambda packed: packed.to_arrow_array()


def _vortex_pack(workload, static, each):
    """The same text with symbols that vortex trains on it, through a file of that edition."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import pyarrow as pa
    import vortex

    raw = text(static, each).tobytes()
    strings = [raw[i : i + PIECE] for i in range(0, len(raw), PIECE)]
    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "text.vortex")
        vortex.io.write(vortex.array(pa.array(strings, pa.binary())), path, edition=FORMAT)
        packed = vortex.open(path).scan().read_all()
    if not isinstance(packed, vortex.FsstArray):
        raise NotImplementedError(f"vortex chose {packed.id}")
    return packed


def _strings(raw, each):
    return _array(np.frombuffer(b"".join(raw.to_pylist()), np.uint8), each)


PEERS = (
    Peer(
        "vortex-data", "FSST", "decode", _vortex, _strings, "string views of 64", pack=_vortex_pack
    ),
    Peer("numpy", "gather and mask", "decode", _numpy, _array, "array", "untouched"),
)
