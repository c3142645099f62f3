"""Threads of the indexes: shares cover all queries once, failures come out, a fork has its own."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.index import engine


@given(st.integers(1, 20), st.integers(1, 6))
def test_shares_are_runs_that_cover_all(n, parts):
    runs = engine.shares(n, parts)
    assert [i for a, b in runs for i in range(a, b)] == list(range(n))
    assert len(runs) <= parts and all(a < b for a, b in runs)
    assert max(b - a for a, b in runs) <= -(-n // parts)


@given(st.integers(0, 20), st.integers(1, 3), st.integers(1, 25))
def test_rows_are_called_once_and_never_too_many(n, threads, step):
    rows, found = np.arange(n), np.zeros(n, np.int64)
    seen = []

    def call(some, out):
        seen.append(len(some))
        out += some + 1

    engine.share(call, (rows, found), threads, step)
    assert found.tolist() == list(range(1, n + 1))
    assert max(seen, default=0) <= step


def test_each_part_runs_once_and_the_first_here():
    seen = {}
    engine.spread(lambda a, b: seen.update({(a, b): threading.get_ident()}), 3, 2)
    (first, second), here = sorted(seen), threading.get_ident()
    assert first[0] == 0 and first[1] == second[0] and second[1] == 3
    assert seen[first] == here != seen[second]


@pytest.mark.parametrize("bad", [0, 1])
def test_a_failure_comes_out_after_all_have_ended(bad):
    ended = []

    def part(a, b):
        if a == bad:
            raise ValueError(f"part {a}")
        ended.append(a)

    with pytest.raises(ValueError, match=f"part {bad}"):
        engine.spread(part, 3, 3)
    assert sorted(ended) == sorted({0, 1, 2} - {bad})


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # it is the point here
def test_a_fork_starts_threads_of_its_own():
    engine.spread(lambda a, b: None, 2, 2)
    assert engine._pool.cache_info().currsize
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            engine.spread(lambda a, b: os.write(writer, b"x"), 2, 2)
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        assert pipe.read() == "xx"
    os.waitpid(pid, 0)


def test_bound_threads_have_a_core_each():
    """In a process of its own: binding stays."""
    script = """if True:
        import os
        from autoresearch.index import engine
        all = os.sched_getaffinity(0)
        seen = []
        engine.spread(lambda a, b: seen.append((a, os.sched_getaffinity(0))), 3, 3)
        cores = [core for _, (core,) in sorted(seen)]
        assert cores[0] == min(all) and set(cores) <= all
        assert len(all) < 3 or len(set(cores)) == 3
    """
    subprocess.run([sys.executable, "-c", script], check=True, env=os.environ | {engine.BIND: "1"})
