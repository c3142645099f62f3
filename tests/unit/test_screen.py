"""The screen by example and by fuzz: what it refuses and why, what it must let through, one digest
for one meaning. Nothing is compiled here."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from autoresearch.errors import Refusal
from autoresearch.model import Fault, Op, Target
from autoresearch.runner.allowed import refused_attribute
from autoresearch.runner.knobs import with_knobs
from autoresearch.runner.normal import norm, null_variant
from autoresearch.runner.screen import MAX_REASON, Screened, screen
from autoresearch.runner.source import MAX_BYTES, MAX_DEPTH

TARGET = Target(
    "int",
    static={"table": "i64[k]"},
    prepare="prepare(table)",
    scratch="scratch(state)",
    ops={
        "sums": Op(("sums(state, scratch, a, out)",), {"a": "i64[~]"}, {"out": "i64[~]"}),
        "pick": Op(
            ("n = pick(state, a, rows)",), {"a": "i64[~]"}, {"rows": "u32[~n]", "n": "count"}
        ),
    },
)
KERNEL = '''"""Running sums of table entries."""

import numpy as np
from numba import njit

KNOBS = {"block": (64, 32, 128), "mode": ("plain", "wide")}
BLOCK = KNOBS["block"][0]
STEP: int = 2 * BLOCK


@njit
def prepare(table):
    return table.copy(), np.zeros(4, np.int64)


@njit
def scratch(state):
    """One buffer."""
    return np.empty(BLOCK, np.int64)


@njit(fastmath={"nsz", "contract"}, inline="always")
def entry(state, code):
    return state[0][code]


@njit
def doubled(state, value=2):
    total = entry(state, code=value)
    return total + total


@njit(error_model="numpy", cache=True)
def sums(state, scratch, a, out):
    total = 0  # fits 64 bits
    for i in range(a.size):
        total += entry(state, a[i]) + STEP
        out[i] = total


@njit
def pick(state, a, rows):
    n = 0
    for i, value in enumerate(a):
        if value > doubled(state):
            rows[n] = i
            n += 1
    return n
'''
NAMES = ("prepare", "scratch", "sums", "pick")


def look(text: str | bytes) -> Screened | Fault:
    data = text if isinstance(text, bytes) else text.encode()
    return screen(data, TARGET, KERNEL)


def passed(text: str) -> Screened:
    found = look(text)
    assert isinstance(found, Screened), found
    return found


def refused(text: str | bytes) -> str:
    found = look(text)
    assert isinstance(found, Fault) and found.verdict == "refused", found
    assert found.reason.isprintable() and len(found.reason) <= MAX_REASON
    return found.reason


def swap(old: str, new: str) -> str:
    assert old in KERNEL
    return KERNEL.replace(old, new)


def test_a_kernel_passes_and_is_described() -> None:
    found = passed(KERNEL)
    assert found.knobs == {"block": (64, 32, 128), "mode": ("plain", "wide")}
    assert found.entry_points == NAMES
    assert found.statements == 25
    assert found.text == KERNEL


@pytest.mark.parametrize(
    "honest",
    [
        "import math\nHALF = math.sqrt(2.0) / 2",
        "from autoresearch import simd\nWIDE = simd.has('avx512vbmi')",
        "from autoresearch.simd import f32x16, load",
        "import autoresearch.simd as simd\n@njit\ndef z(a):\n    return simd.load(np.uint8, a, 1)",
        "import numba as nb\nT = nb.types.UniTuple(nb.float32, 4)",
        "from numba import float32 as f4, types, literal_unroll, prange, uint8",
        "from __future__ import annotations\nfrom numpy.typing import NDArray",
        "fast = njit(fastmath=True)\n@fast\ndef g(x: float) -> float:\n    return x * 2",
        "SHUFFLE = np.array([i * 3 % 64 for i in range(64)], np.uint8)",
        "UNPACK = tuple((w, (1 << w) - 1) for w in range(33))",
        "def make(w):\n    @njit\n    def f(x):\n        return x >> w\n    return f\nF3 = make(3)",
        "if BLOCK > 32:\n    @njit\n    def g(x):\n        return x\nelse:\n    g = doubled",
        "@njit('i8(i8)')\ndef g(id):\n    input = id + 1\n    return input",
        "@njit(locals={'acc': 'f4'}, parallel=False, nopython=True)\ndef g():\n    acc = 0.0",
        "@njit\ndef g(a):\n    f = lambda x: x + 1\n    return [f(v) for v in a]",
        "@njit\ndef g(a):\n    try:\n        return a[0]\n    except Exception:\n        return 0",
        "@njit\ndef g(a):\n    if a[0]:\n        raise ValueError('no')\n    assert a[0] > 0",
        "@njit\ndef g(a):\n"
        + "".join(f"    {'el' * (w > 0)}if a == {w}:\n        return {w}\n" for w in range(64)),
        "X = " + " + ".join("1.5" for _ in range(120)),
        "def plain(x):\n    return x\n_hidden = 3",
        "@njit\ndef g(a):\n    return np.linalg.norm(a) + np.random.random() + np.pi",
    ],
)
def test_honest_code_passes(honest: str) -> None:
    future = honest if honest.startswith("from __future__") else ""
    passed(f"{future}\n{KERNEL}" if future else f"{KERNEL}\n{honest}\n")


def test_entry_points_may_be_wrapped_or_chosen() -> None:
    wrapped = swap('@njit(error_model="numpy", cache=True)\ndef sums', "def _sums")
    passed(wrapped + "\nsums = njit(error_model='numpy')(_sums)\n")
    passed(wrapped + "\nfast = njit(fastmath=True)\nsums = fast(_sums)\n")
    chosen = swap("def sums", "def one") + KERNEL[
        KERNEL.index("@njit(error") : KERNEL.index("@njit\ndef pick")
    ].replace("def sums", "def two")
    passed(chosen + "\nsums = one if BLOCK > 1 else two\n")
    assert "sums is not jitted" in refused(wrapped + "\nsums = _sums\n")


REPOSITORY = Path(__file__).parents[2]
TARGETS = [*REPOSITORY.glob("targets/*"), *REPOSITORY.glob("tests/toyroot/targets/*")]
VARIANTS = REPOSITORY.glob("tests/toyroot/variants/*.py")
KNOWN = [(t, k) for t in TARGETS for k in (t / "reference.py", t / "kernels.py")]
KNOWN += [(REPOSITORY / "tests/toyroot/targets/toy", v) for v in VARIANTS]


@pytest.mark.parametrize(("target", "kernel"), KNOWN, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_every_kernel_in_the_repository_passes(target: Path, kernel: Path) -> None:
    facts = runpy.run_path(str(target / "run_experiment.py"))["TARGET"]
    found = screen(kernel.read_bytes(), facts, (target / "reference.py").read_text())
    assert isinstance(found, Screened), found


@pytest.mark.parametrize("name", ["id", "input", "open", "vars", "format"])
def test_a_local_may_be_called_as_a_builtin_is(name: str) -> None:
    inside = f"@njit\ndef g({name}):\n    def h(x):\n        return x + {name}\n    return h(1)"
    loop = f"@njit\ndef f(a):\n    for {name} in a:\n        a[{name}] = 0\n"
    passed(f"{KERNEL}\n{inside}\n{loop}")


REFUSED = [
    ("import os", "import os; a kernel imports numpy, numba, math and autoresearch.simd"),
    ("import numpy, ctypes", "import ctypes"),
    ("from numba import *", "from numba import *"),
    ("from . import reference", "from . import"),
    ("from targets.pq_l2 import reference", "from targets.pq_l2"),
    ("from autoresearch import oracle", "autoresearch.oracle"),
    ("from numba import objmode", "numba.objmode"),
    ("from numba import cuda", "numba.cuda"),
    ("from numba.extending import intrinsic", "from numba.extending"),
    ("X = sums.targetoptions.update(parallel=True)", ".targetoptions is not available"),
    ("X = njit.fget", "numba.njit.fget is not available"),
    ("import numba\nX = numba.types.Array.new", "numba.types.Array.new is not available"),
    ("from numba.core import types", "from numba.core"),
    ("from autoresearch.simd import emit", "autoresearch.simd.emit"),
    ("from autoresearch import simd\nX = simd.OPERATIONS", "autoresearch.simd.OPERATIONS"),
    ("from autoresearch import simd\nX = simd.f32x16.llvm", "autoresearch.simd.f32x16.llvm"),
    ("from autoresearch import simd\nX = simd.target.features", "autoresearch.simd.target"),
    ("import numba\nnumba.sys.modules", "line 50: module level"),
    ("import numba\nX = numba.sys.modules", "line 50: numba.sys.modules"),
    ("import numba\nX = numba.types.ExternalFunction", "numba.types.ExternalFunction"),
    ("import numba\nX = numba", "the module numba is used as a value"),
    ("X = np.ctypeslib.as_array", "numpy.ctypeslib"),
    ("X = np.lib.stride_tricks.as_strided", "numpy.lib"),
    ("X = np.load('x')", "numpy.load"),
    ("X = np.random.mtrand", "numpy.random.mtrand"),
    ("@njit\ndef g(a):\n    a.tofile('x')", "line 51: .tofile"),
    ("@njit\ndef g(a):\n    return a.__class__", ".__class__"),
    ("def g():\n    import os", "imports stand at module level"),
    ("def g():\n    return exec('1')", "the name exec"),
    ("X = [open, 1]", "the name open"),
    ("X = (lambda f: f.gi_frame)", ".gi_frame"),
    ("X = __builtins__", "the name __builtins__"),
    ("X = [lambda open: 0, open('x')]", "line 49: the name open is not available"),
    ("X = [[exec for exec in ()], exec('1')]", "the name exec is not available"),
    ("def g():\n    def h(eval):\n        pass\n    return eval('1')", "line 52: the name eval is"),
    ("def g(x=vars):\n    vars = 1", "line 49: the name vars is not available"),
    ("X = open('x')\ndef open(x):\n    pass", "line 49: the name open is taken"),
    ("if False:\n    exec = 1\nX = exec('1')", "line 50: the name exec is taken"),
    ("X = [(getattr := i) for i in (1,)]", "the name getattr is not available"),
    ("def g(x):\n    return x\n    nonlocal y", "nonlocal"),
    ("def __getattr__(name):\n    return 1", "the name __getattr__"),
    ("if __name__ == '__main__':\n    pass", "the name __name__"),
    ("@njit\ndef g(a):\n    print('verdict: keep')", "the name print"),
    ("@njit\ndef g():\n    global BLOCK\n    BLOCK = 1", "global"),
    ("class A:\n    pass", "module level"),
    ("def g():\n    class A:\n        pass", "a class"),
    ("X = type('A', (), {})", "a class"),
    ("async def g():\n    pass", "module level"),
    ("@njit\ndef g():\n    with 3:\n        pass", "with (objmode)"),
    ("try:\n    X = 1\nexcept Exception:\n    X = 2", "module level"),
    ("for i in range(3):\n    pass", "module level"),
    ("np.float32 = 1", "module level"),
    ("(np.float32, X) = 1, 2", "numpy.float32 is not a kernel's to change"),
    ("def g():\n    np.float32 = 1", "numpy.float32 is not a kernel's to change"),
    ("def g(np):\n    return np.load", "the name np is taken"),
    ("BLOCK = 3", "BLOCK is bound twice"),
    ("from math import sqrt as BLOCK", "BLOCK is bound twice"),
    ("@njit(parallel=True)\ndef g():\n    pass", "the jit option parallel must be False"),
    ("g = njit(forceobj=True)", "the jit option forceobj"),
    ("g = njit(nopython=0)", "the jit option nopython must be True"),
    ("g = njit(writable_args=True)", "the jit option writable_args"),
    ("g = njit(inline=doubled)", "inline must be a string"),
    ("g = njit(**{'forceobj': True})", "spelled out"),
    ("@np.vectorize\ndef g(x):\n    return x", "decorat"),
    ("@(lambda f: f)\ndef g(x):\n    return x", "decorat"),
    ("def g(:\n    pass", "line 49"),
    ("X = 0x" + "f" * 40, "wider than 128 bits"),
    ("X = " + "(" * 300 + ")" * 300, "line 49: too many nested"),
    ("X = " + "-" * (MAX_DEPTH + 9) + "1", "levels deep"),
    ("X = " + "-" * 50_000 + "1", "nested"),
    ("X = 1" + "+1" * 50_000, "nested"),
    ("X = KNOBS", "KNOBS is read as"),
    ("X = KNOBS['block'][1]", "KNOBS is read as"),
    ("X = KNOBS['nothing'][0]", "KNOBS has no 'nothing'"),
    ("é = '\x01'\nimport é\u202e", "invalid"),
]


@pytest.mark.parametrize(("line", "reason"), REFUSED, ids=[line[:40] for line, _ in REFUSED])
def test_refused_with_its_reason(line: str, reason: str) -> None:
    assert reason in refused(f"{KERNEL}{line}\n")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "def sums(state, scratch, a, out)",
            "def sums(state, a, out)",
            "line 34: wrong signature: expected sums(state, scratch, a, out)",
        ),
        (
            "def sums(state, scratch, a, out)",
            "def sums(state, scratch, a, *out)",
            "wrong signature",
        ),
        (
            "def sums(state, scratch, a, out)",
            "def sums(state, scratch, a, out, memo=3)",
            "wrong signature",
        ),
        ("def sums(", "def summed(", "missing entry point: sums(state, scratch, a, out)"),
        ("@njit\ndef pick", "def pick", "pick is not jitted"),
        (
            "        out[i] = total",
            "        out[i] = total\n    return out",
            "line 39: sums returns a value",
        ),
        ("    return n\n", "    return\n", "pick must return a value"),
        ('{"block": (64, 32, 128), ', '{"block": (), ', "KNOBS['block'] must be a tuple"),
        ('{"block": (64, 32, 128), ', '{"block": 64, ', "KNOBS['block'] must be a tuple"),
        ('{"block": (64, 32, 128), ', '{"block": (64, np.int64), ', "a knob's values are"),
        (
            '{"block": (64, 32, 128), ',
            '{"mode": (64,), "block": (64,), ',
            "KNOBS names 'mode' twice",
        ),
        ('{"block": (64, 32, 128), ', '{3: (64,), "block": (64,), ', "a key that is not a string"),
        (
            '{"block": (64, 32, 128), "mode": ("plain", "wide")}',
            "dict(block=(64,))",
            "literal dictionary",
        ),
    ],
)
def test_a_wrong_contract_is_named(old: str, new: str, reason: str) -> None:
    assert reason in refused(swap(old, new))


def test_bytes_that_are_no_text() -> None:
    assert refused(KERNEL.encode() + b"\0") == "line 49: NUL byte"
    assert refused(KERNEL.encode() + b"# \xff") == "line 49: not UTF-8"
    assert "at most" in refused(b"#" * (MAX_BYTES + 1))
    assert "encoding latin-1" in refused(b"\n# -*- coding: latin-1 -*-\n" + KERNEL.encode())
    assert "missing entry point" in refused(b"")
    passed("# -*- coding: utf-8 -*-\n" + KERNEL.replace("\n", "\r\n"))


SAME = [
    ("total", "_sum"),
    ("entry", "looked_up"),
    ("BLOCK", "WIDTH"),
    ("STEP: int = ", "STEP = "),
    ("# fits 64 bits", ""),
    ('"""One buffer."""', ""),
    ("(64, 32, 128)", "(0x40,)"),
    ('"plain"', "'plain'"),
    ('"wide"', '"total"'),
    ("def scratch(state):", "def scratch(state: int) -> None:"),
    ("import numpy as np", "import numpy as xp"),
]
OTHER = [
    ("(64, 32, 128)", "(32, 64, 128)"),
    ("2 * BLOCK", "3 * BLOCK"),
    ("2 * BLOCK", "2.0 * BLOCK"),
    ("total += entry", "total -= entry"),
    ("fastmath={", "locals={'x': 'f4'}, fastmath={"),
    ("value > doubled(state)", "value > entry(state, 2)"),
    ("code=value", "code=state"),
]


@pytest.mark.parametrize(("old", "new"), SAME)
def test_norm_is_blind_to_dress(old: str, new: str) -> None:
    other = swap(old, new).replace("np.", "xp.") if "xp" in new else swap(old, new)
    assert passed(other).norm == passed(KERNEL).norm


@pytest.mark.parametrize(("old", "new"), OTHER)
def test_norm_sees_meaning(old: str, new: str) -> None:
    assert passed(swap(old, new)).norm != passed(KERNEL).norm


def test_norm_tells_swapped_keywords_and_shadowed_constants_apart() -> None:
    keywords = "def f({}):\n    return {}\ndef pick(state, a, rows):\n    return f(x=1, y=2)\n"
    assert norm(keywords.format("x, y", "x - y"), ["pick"]) != norm(
        keywords.format("y, x", "y - x"), ["pick"]
    )
    shadow = (
        "A = 1\nB = 2\n"
        "def pick(state, a, rows):\n    def g({}):\n        return {}\n    return g(3) + {}\n"
    )
    assert norm(shadow.format("A", "A", "A"), ["pick"]) != norm(
        shadow.format("B", "B", "B"), ["pick"]
    )


@given(seed=st.integers(0, 2**64))
@settings(max_examples=25)
def test_a_null_variant_is_the_same_code(seed: int) -> None:
    variant = null_variant(KERNEL, seed, NAMES)
    found, plain = passed(variant), passed(KERNEL)
    assert (found.norm, found.statements, found.knobs) == (
        plain.norm,
        plain.statements,
        plain.knobs,
    )
    assert variant != KERNEL and "total" not in variant


def test_null_variants_differ_in_names_padding_and_order() -> None:
    variants = [null_variant(KERNEL, seed, NAMES) for seed in range(6)]
    assert len(set(variants)) == 6
    orders = {
        tuple(
            f.name for f in ast.parse(v).body if isinstance(f, ast.FunctionDef) and f.name in NAMES
        )
        for v in variants
    }
    assert len(orders) > 1
    assert null_variant(KERNEL, 3, NAMES) == variants[3]


def test_a_null_variant_keeps_what_order_decides() -> None:
    eager = "@njit\ndef low(x):\n    return x\n@njit('i8(i8)')\ndef high(x):\n    return low(x)\n"
    for seed in range(8):
        text = null_variant(eager, seed, ["high"])
        assert text.index("return x") < text.index("def high") or "def high(x)" not in text


def test_a_null_variant_runs_as_the_original() -> None:
    text = KERNEL.replace(
        "from numba import njit", "def njit(*a, **k):\n    return a[0] if a else lambda f: f"
    )
    for variant in (text, *(null_variant(text, seed, NAMES) for seed in range(5))):
        space: dict[str, object] = {}
        exec(variant, space)
        out = np.zeros(3, np.int64)
        state = space["prepare"](np.arange(5))  # type: ignore[operator]
        space["sums"](state, None, np.array([1, 2, 4]), out)  # type: ignore[operator]
        assert out.tolist() == [129, 259, 391]


def test_a_chosen_knob_comes_first_and_nothing_else_changes() -> None:
    chosen = with_knobs(KERNEL, {"block": 128, "mode": "wide"})
    assert chosen == swap("(64, 32, 128)", "(128, 64, 32)").replace(
        '("plain", "wide")', '("wide", "plain")'
    )
    assert passed(chosen).knobs == {"block": (128, 64, 32), "mode": ("wide", "plain")}
    assert with_knobs(KERNEL, {"block": 64}) == KERNEL
    back = swap("(64, 32, 128)", "(64, 128, 32)")
    assert with_knobs(chosen, {"block": 64, "mode": "plain"}) == back


def test_knobs_are_reordered_in_place_among_comments_and_wide_characters() -> None:
    text = swap("(64, 32, 128)", "(  # é\n    64,\n    -32,  # ü\n    128,\n)")
    assert with_knobs(text, {"block": -32}) == text.replace("64,\n    -32,", "-32,\n    64,")
    dressed = text.replace("\n", "\r\n")
    assert with_knobs(dressed, {"block": -32}) == dressed.replace(
        "64,\r\n    -32,", "-32,\r\n    64,"
    )


@pytest.mark.parametrize("chosen", [{"block": 7}, {"block": 64.0}, {"nothing": 1}, {"mode": True}])
def test_an_unknown_setting_is_refused(chosen: dict[str, int]) -> None:
    with pytest.raises(Refusal):
        with_knobs(KERNEL, chosen)


HOSTILE = (
    "KNOBS = {**{}}",
    "X = f'{1!r:{2}}'",
    "def f[T](x): pass",
    "match 1:\n    case x: pass",
    "A = B = A",
    "a, *b = 1, 2",
    "(yield)",
    "x: int",
    "@njit\ndef sums(",
    "del np",
    "\ufeff",
    "\\",
    "'''",
    "lambda: (yield)",
    "KNOBS['a'][0] = 3",
    "if KNOBS: KNOBS = {}",
    "'\\ud800'",
    "1_0e400j",
    "\x0c\r",
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """The kernel with a few spans cut, doubled, moved or replaced by hostile fragments."""
    data = bytearray(KERNEL.encode())
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 40)))
        piece = draw(st.one_of(st.sampled_from(HOSTILE).map(str.encode), st.binary(max_size=4)))
        data[start:end] = draw(
            st.sampled_from([b"", bytes(data[start:end]) * 2, b"\n" + piece + b"\n"])
        )
    return bytes(data)


@given(data=st.one_of(st.binary(max_size=200), mutated(), st.text(max_size=80).map(str.encode)))
@example(data=b"KNOBS = {'a': (1,)}\nX = KNOBS[[]][0]")
@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow])
def test_it_never_raises(data: bytes) -> None:
    found = look(data)
    if isinstance(found, Fault):
        assert found.verdict == "refused" and found.reason.isprintable()
    else:
        variant = null_variant(found.text, 1, NAMES)
        assert passed(variant).norm == found.norm


@pytest.mark.parametrize("extra", [f"{line}\n" for line in HOSTILE])
def test_hostile_fragments_end_in_an_answer(extra: str) -> None:
    assert isinstance(look((KERNEL + extra).encode("utf-8", "surrogatepass")), Fault | Screened)


def test_large_hostile_sources_end_soon_enough_to_finish() -> None:
    hops = "".join(f"A{i} = A{i + 1} if BLOCK else A{i + 1}\n" for i in range(2000))
    branches = "if BLOCK:\n" + "".join(
        f"    sums = s{i % 9}\n    s{i % 9} = sums\n" for i in range(900)
    )
    wide = "X = (" + "1," * 40_000 + ")\n"
    for text in (hops + "sums = A0\n", branches, wide, "x = 1\n" * 20_000):
        assert isinstance(look(KERNEL.replace("def sums", "def other") + text), Fault)


def test_nothing_of_a_compiled_function_is_within_reach() -> None:
    function = numba.njit(lambda x: x)
    public = {*dir(function), *dir(numba.typeof(function))} - set(dir(numba.types.int32))
    assert "typingctx" in public
    assert [name for name in public if not refused_attribute(name)] == []
