"""The figures a roofline needs: how fast one thread of this core multiplies, adds and moves bytes.

A script for a process of its own. Its loops are LLVM text, so that what runs is what stands here.
It knows nothing of the package around it and prints one JSON object: `gflops`, and `gbps` per size.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import sys
import time
from collections.abc import Callable

import llvmlite.binding as llvm

UNROLL = 8  # vectors per round: the loop's own instructions vanish beside them
CALL_NS = 400_000  # one timed call takes at least this, so that the clock's 30 ns vanish
SPEND_NS = 20_000_000  # on each figure, four calls at least: neighbours can only slow us down

Call = Callable[[int], object]  # runs a loop so many rounds


def loop(head: str, entry: list[str], carried: list[str], body: list[str], end: list[str]) -> str:
    """A function that runs `body` `%rounds` times; `carried` are the values that rounds pass on."""
    lines = [
        *(f"define {head} {{", "entry:", *entry, "br label %loop", "loop:"),
        *("%i = phi i64 [ 0, %entry ], [ %next, %loop ]", *carried, *body),
        *("%next = add i64 %i, 1", "%more = icmp ult i64 %next, %rounds"),
        *("br i1 %more, label %loop, label %exit", "exit:", *end, "}\n"),
    ]
    return "\n".join(lines)


def fold(op: str, vector: str, count: int) -> list[str]:
    """Return all of %b0, %b1, ... in one value: a sum nobody reads would not be computed."""
    last = [
        f"%t{k} = {op} {vector} %{'t' if k > 1 else 'b'}{k - 1}, %b{k}" for k in range(1, count)
    ]
    return [*last, f"ret {vector} %t{count - 1}"]


def fma_ir(lanes: int, chains: int) -> str:
    """`fma(rounds, seed)`: per round one multiply-add in each of `chains` independent vectors."""
    vector, each = f"<{lanes} x float>", range(chains)
    entry = [
        f"%one = insertelement {vector} poison, float %seed, i32 0",
        f"%s = shufflevector {vector} %one, {vector} poison, <{lanes} x i32> zeroinitializer",
        f"%s0 = fadd {vector} %s, %s",
        # Every chain starts elsewhere, lest equal ones be merged.
        *(f"%s{k} = fadd {vector} %s{k - 1}, %s" for k in range(1, chains)),
    ]
    carried = [f"%a{k} = phi {vector} [ %s{k}, %entry ], [ %b{k}, %loop ]" for k in each]
    operands = [f"({vector} %a{k}, {vector} %s, {vector} %s)" for k in each]
    body = [f"%b{k} = call {vector} @llvm.fma.v{lanes}f32{operands[k]}" for k in each]
    head = f"{vector} @fma(i64 %rounds, float %seed)"
    declared = f"declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})\n"
    return declared + loop(head, entry, carried, body, fold("fadd", vector, chains))


def read_ir(lanes: int) -> str:
    """`read(rounds, base, region)`: loads a region from end to end, again and again."""
    vector, each = f"<{lanes} x i32>", range(UNROLL)
    start = "zeroinitializer"
    sums = [f"%a{k} = phi {vector} [ {start}, %entry ], [ %b{k}, %loop ]" for k in each]
    body = [f"%x{k} = load {vector}, ptr %p{k}, align 4" for k in each]
    body += [f"%b{k} = xor {vector} %a{k}, %x{k}" for k in each]
    return walk_ir("read", vector, lanes, sums, body, fold("xor", vector, UNROLL))


def triad_ir(lanes: int) -> str:
    """`triad(rounds, base, region)`: reads two adjacent regions and writes the third."""
    vector = f"<{lanes} x i32>"
    body = []
    for k in range(UNROLL):
        body += [
            f"%q{k} = getelementptr i8, ptr %p{k}, i64 %region",
            f"%r{k} = getelementptr i8, ptr %q{k}, i64 %region",
            f"%x{k} = load {vector}, ptr %p{k}, align 4",
            f"%y{k} = load {vector}, ptr %q{k}, align 4",
            f"%z{k} = xor {vector} %x{k}, %y{k}",
            f"store {vector} %z{k}, ptr %r{k}, align 4",
        ]
    return walk_ir("triad", "void", lanes, [], body, ["ret void"])


def walk_ir(
    name: str, returned: str, lanes: int, carried: list[str], body: list[str], end: list[str]
) -> str:
    """A loop whose pointers %p0, %p1, ... step through a region and start over at its end."""
    places = [f"%p{k} = getelementptr i8, ptr %block, i64 {4 * lanes * k}" for k in range(UNROLL)]
    step = [
        f"%after = add i64 %at, {4 * lanes * UNROLL}",
        "%done = icmp uge i64 %after, %region",
        "%wrapped = select i1 %done, i64 0, i64 %after",
    ]
    head = f"{returned} @{name}(i64 %rounds, ptr %base, i64 %region)"
    at = "%at = phi i64 [ 0, %entry ], [ %wrapped, %loop ]"
    block = "%block = getelementptr i8, ptr %base, i64 %at"
    return loop(head, [], [at, *carried], [block, *places, *body, *step], end)


def native(text: str) -> llvm.ExecutionEngine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features, opt=3
    )
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(text), target)
    engine.finalize_object()
    return engine


def registers() -> tuple[int, int]:
    """Lanes of f32 in the widest vector, and how many chains of them keep every FMA pipe busy."""
    has = llvm.get_host_cpu_features()
    if has.get("avx512f"):
        return 16, 24
    if has.get("avx"):
        return 8, 12  # 2 pipes x 5 cycles, within 16 registers
    return 4, 24  # 4 pipes x 4 cycles on Neoverse V1, within 32 registers


def rate(call: Call, per_round: float) -> float:
    """Work per nanosecond at best, where `call(n)` does n rounds of `per_round` work."""
    rounds = 1
    while (took := timed(call, rounds)) < CALL_NS:
        rounds *= 2
    tries = max(4, SPEND_NS // took)
    return rounds * per_round / min(took, *(timed(call, rounds) for _ in range(tries)))


def timed(call: Call, rounds: int) -> int:
    start = time.perf_counter_ns()
    call(rounds)
    return time.perf_counter_ns() - start


def gflops(engine: llvm.ExecutionEngine, lanes: int, chains: int) -> float:
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_float)
    fma = prototype(engine.get_function_address("fma"))
    return rate(lambda rounds: fma(rounds, 0.5), 2.0 * lanes * chains)


def gbps(engine: llvm.ExecutionEngine, step: int, size: int) -> float:
    """The best of reading, reading and writing, filling and copying a working set of `size`."""
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)
    read, triad = (prototype(engine.get_function_address(name)) for name in ("read", "triad"))
    blocks, half = size // step, size // 2
    third = blocks // 3
    memory = mmap.mmap(-1, size)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    ctypes.memset(base, 1, size)  # untouched pages would all be the one page of zeros
    return max(
        rate(lambda rounds: read(rounds * blocks, base, blocks * step), blocks * step),
        rate(lambda rounds: triad(rounds * third, base, third * step), 3 * third * step),
        rate(lambda rounds: [ctypes.memset(base, 1, size) for _ in range(rounds)], size),
        rate(lambda rounds: [ctypes.memmove(base, base + half, half) for _ in range(rounds)], size),
    )


def main(core: int, sizes: list[int]) -> None:
    """Measure on `core` (-1: anywhere) and print."""
    if core >= 0:
        os.sched_setaffinity(0, {core})
    lanes, chains = registers()
    engine = native(fma_ir(lanes, chains) + read_ir(lanes) + triad_ir(lanes))
    figures = {
        "gflops": gflops(engine, lanes, chains),
        "gbps": [gbps(engine, 4 * lanes * UNROLL, size) for size in sizes],
    }
    json.dump(figures, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(size) for size in sys.argv[2:]])
