"""What `autoresearch.simd` settles while compiling: dead branches, unrolled loops, instructions,
the names a kernel may use, and that compiled kernels are found again."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llvmlite import binding, ir
from numba import njit, types

from autoresearch import simd
from autoresearch.runner import builds
from autoresearch.simd import emit, kinds, names, target

X = np.arange(64, dtype=np.float32)


@njit
def _branches(x: Any) -> Any:
    if simd.has("no such feature"):
        return x.there_is_no_such_attribute
    found = np.int64(1)
    if simd.has("another"):
        found = "text"
    return found


def test_a_branch_without_its_feature_is_not_compiled() -> None:
    assert _branches(X) == 1


@njit(no_rewrites=True)
def _unsettled() -> Any:
    total = 0
    for i in simd.unroll(4):
        total += i
    return total if simd.has("no such feature") else -total


def test_without_rewrites_they_work_all_the_same() -> None:
    assert _unsettled() == -6


@njit
def _nested(x: Any, n: Any) -> Any:
    sums = simd.repeat(simd.zero(simd.f32x16), 6)
    for j in range(n):
        for i in simd.unroll(3):
            if i + j == 3:
                continue
            for k in simd.unroll(2):
                at = 2 * i + k
                row = simd.load(simd.f32x16, x, 16 * k)
                sums = simd.put(sums, at, sums[at] + row * x[j])
    total = np.float32(0)
    last = -1
    for i in simd.unroll(6):
        if x[i] > 4:
            break
        total = total * 2 + simd.reduce_add(sums[i])
        last = i
    return total, last, i


def _nested_plainly(x: Any, n: int) -> Any:
    sums = [np.zeros(16, np.float32)] * 6
    for j in range(n):
        for i in range(3):
            if i + j == 3:
                continue
            for k in range(2):
                sums[2 * i + k] = sums[2 * i + k] + x[16 * k : 16 * k + 16] * x[j]
    total, last = 0.0, -1
    for i in range(6):
        if x[i] > 4:
            break
        total = total * 2 + sums[i].sum()
        last = i
    return total, last, i


def test_an_unrolled_loop_is_a_loop() -> None:
    assert _nested(X, 4) == _nested_plainly(X, 4)
    assert _nested(-X, 3) == _nested_plainly(-X, 3)


@njit
def _each(x: Any, out: Any) -> None:
    rows = (x, 2.5)
    for i in simd.unroll(3):
        simd.store(out, i, np.float64(i))
    for _ in simd.unroll(0):
        out[0] = 100
    for i in simd.unroll(2):
        if i == 1:
            out[3] = rows[i]


def test_the_variable_is_a_constant() -> None:
    out = np.zeros(4)
    _each(X, out)
    assert out.tolist() == [0, 1, 2, 2.5]


@njit
def _sums_of_its_own(x: Any, out: Any) -> None:
    for i in simd.unroll(2):
        total = x[i]
        for k in simd.unroll(2):
            total += x[k]
        out[i] = total


def test_copies_of_a_variable_are_in_scope() -> None:
    """numba warns of one that is not, and warnings are errors here."""
    out = np.zeros(2, np.float32)
    _sums_of_its_own(X, out)
    assert out.tolist() == [X[0] + X[0] + X[1], X[1] + X[0] + X[1]]


def test_an_unrolled_loop_needs_a_constant() -> None:
    def unknown(n: Any) -> Any:
        total = 0
        for i in simd.unroll(n):
            total += i
        return total

    with pytest.raises(Exception, match=r"simd\.unroll takes a constant"):
        njit(unknown)(3)


def _asm(kernel: Any, *arguments: Any) -> str:
    compiled = njit(kernel)
    compiled.compile(arguments)
    return "".join(compiled.inspect_asm().values())


# feature, instruction, kinds, expression: x, y, z are loaded, the mask is x > y.
PROMISED = [
    ("avx512f", "vfmadd", "f32x16", "simd.fma(x, y, z)"),
    ("fma", "vfmadd", "f64x4", "simd.fma(x, y, z)"),
    ("avx512bw", "vpmaxub", "u8x64", "simd.max(x, y)"),
    ("avx2", "vpaddusb", "u8x32", "simd.add_sat(x, y)"),
    ("avx2", "vpavgb", "u8x32", "simd.avg(x, y)"),
    ("avx2", "vpmulhuw", "u16x16", "simd.mulhi(x, y)"),
    ("avx512vbmi", "vpermb", "u8x64", "simd.lookup(x, y)"),
    ("avx512vbmi", "vperm[it]2b", "u8x64", "simd.lookup2(x, z, y)"),
    ("avx512bw", "vpshufb", "u8x64", "simd.lookup(simd.load(simd.u8x16, a, 64), y)"),
    ("avx512f", "vpermd|vpermps", "u32x16", "simd.lookup(x, y)"),
    ("avx512f", "vpcompressd", "u32x16", "simd.compress(x, x > y)"),
    ("avx512vbmi2", "vpcompressb", "u8x64", "simd.compress(x, x > y)"),
    ("avx512f", "vpexpandd", "u32x16", "simd.expand(x, x > y)"),
    ("avx512vpopcntdq", "vpopcntq", "u64x8", "simd.popcount(x)"),
    ("avx512cd", "vplzcntd", "u32x16", "simd.clz(x)"),
    ("avx512f", "vpsrlvd", "u32x16", "x >> y"),
    ("avx512f", "vprolvd", "u32x16", "simd.rotate(x, y)"),
    ("avx512vbmi2", "vpshldvd", "u32x16", "simd.funnel(x, y, z)"),
    ("avx512vnni", "vpdpbusd", "i32x16", "simd.dot(x, simd.bitcast(simd.u8x64, y), simd.bitcast(simd.i8x64, z))"),
    ("avx512bw", "vpmovuswb|vpmovusdb", "u32x16", "simd.concat(simd.saturate(simd.u8x16, x), simd.saturate(simd.u8x16, y))"),
    ("avx512f", "kortest|kmov|ktest", "u32x16", "np.uint8(simd.any(x > y))"),
]  # fmt: skip


@pytest.mark.parametrize(("feature", "instruction", "kind", "text"), PROMISED)
def test_the_promised_instruction(feature: str, instruction: str, kind: str, text: str) -> None:
    if not simd.has(feature):
        pytest.skip(f"this machine has no {feature}")
    loads = "\n".join(
        f"    {n} = simd.load(simd.{kind}, a, {at})" for n, at in (("x", 0), ("y", 64), ("z", 128))
    )
    scope: dict[str, Any] = {"simd": simd, "np": np}
    exec(f"def kernel(a):\n{loads}\n    simd.store(a, 0, {text})", scope)
    asm = _asm(scope["kernel"], types.uint8[::1])
    assert re.search(rf"\t({instruction})", asm)


@pytest.mark.parametrize("kind", ["u8x16", "u8x64", "u16x8", "u32x16", "u64x4", "f32x4", "f64x8"])
def test_it_compiles_for_aarch64(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    monkeypatch.setattr(target, "features", lambda: frozenset({"neon"}))
    vector = kinds.TYPES[kind]
    whole = not vector.is_float
    asm = {}
    for name, arguments in {
        "compress": (vector, vector.mask),
        "expand": (vector, vector.mask),
        "reduce_add": (vector,),
        **({"lookup": (vector, vector), "popcount": (vector,)} if whole else {}),
        **({"lookup2": (vector,) * 3} if whole else {"fma": (vector,) * 3}),
    }.items():
        asm[name] = _arm(getattr(simd, name).__wrapped__, arguments)
    assert whole == ("tbl" in asm.get("lookup", ""))
    assert whole != ("fmla" in asm.get("fma", ""))


def _arm(rule: Any, arguments: tuple[Any, ...]) -> str:
    triple = "aarch64-linux-gnu"
    result, write = rule(*arguments)
    element = kinds.element(arguments[0].kind)
    module = ir.Module()
    module.triple = triple
    returned = result.llvm if isinstance(result, kinds.Vector) else element
    shape = ir.FunctionType(returned, [argument.llvm for argument in arguments])
    function = ir.Function(module, shape, "kernel")
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(write(emit.Emit(None, builder), *function.args))
    machine = binding.Target.from_triple(triple).create_target_machine(cpu="generic", opt=2)
    parsed = binding.parse_assembly(str(module))
    parsed.verify()
    return machine.emit_assembly(parsed)


def test_every_name_exists_and_opens_nothing() -> None:
    allowed = [getattr(simd, name) for name in simd.__all__]
    assert simd.__all__ == list(names.NAMES)
    assert not [found for found in allowed if isinstance(found, type | type(re))]
    assert {type(found).__name__ for found in allowed} == {"Vector", "Mask", "function"}


def test_the_names_are_read_without_numba() -> None:
    program = "import sys, autoresearch.runner.screen; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_a_build_is_named_after_every_file_of_it(tmp_path: Path, monkeypatch: Any) -> None:
    copied = tmp_path / "simd"
    shutil.copytree(Path(simd.__file__).parent, copied, ignore=shutil.ignore_patterns("*.pyc"))
    monkeypatch.setattr(builds, "__file__", str(tmp_path / "runner" / "builds.py"))
    digests = [builds._digest({}, "")]
    for file in sorted(copied.glob("*.py")):
        file.write_text(file.read_text() + "# changed\n")
        digests.append(builds._digest({}, ""))
    assert len(set(digests)) == len(digests) > 10


CACHED = """
import numpy as np
from numba import njit
from autoresearch import simd

def made(kind):
    @njit(cache=True)
    def total(x):
        return simd.reduce_add(helper(simd.load(kind, x, 0)))
    return total

@njit(cache=True)
def helper(v):
    return simd.shuffle(v, (1, 0, 3, 2)) * 2

total = made(simd.f32x4)
print(total(np.ones(8, np.float32)), sum(total.stats.cache_hits.values()))
"""


def test_compiled_kernels_are_found_again(tmp_path: Path) -> None:
    file = tmp_path / "cached.py"
    file.write_text(CACHED)
    said = [
        subprocess.run([sys.executable, file], capture_output=True, text=True) for _ in range(2)
    ]
    assert [done.stdout for done in said] == ["8.0 0\n", "8.0 1\n"], said[0].stderr
