"""The nouns that do something: a peer hands its library what it takes."""

from autoresearch.model import Peer, Workload

WORKLOAD = Workload("sum", {"n": 3})


def _peer(**more):
    return Peer(
        "builtins", "sum", "sum", lambda w, static: sum, lambda raw, each: {}, "int", **more
    )


def test_a_peer_takes_the_operation_as_it_is():
    each = {"x": (1, 2, 3)}
    assert _peer().given(WORKLOAD, {}, each) is each


def test_a_peer_with_a_form_of_its_own_is_given_that():
    packed = _peer(pack=lambda w, static, each: (w.spec["n"], static["c"], each["x"]))
    assert packed.given(WORKLOAD, {"c": 5}, {"x": 7}) == (3, 5, 7)
