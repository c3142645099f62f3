"""The result block, rendered and parsed side by side: what an agent greps from stdout.

Knows the fields of a result; nothing of how they were measured or where they are kept.
"""

from __future__ import annotations

import math
import re
from dataclasses import MISSING, fields, replace
from typing import Any

from .model import Result

NA = "n/a"
LIMIT = 1023  # bytes of UTF-8: the block stays under 1 KB whatever it is given
_NEXT = 100  # bytes that `next` may take; `reason` gets the rest of the block
_HUGE = 1e12 - 1.0  # figures beyond this are clipped: a wider one could not share 1 KB
_DECIMALS = {
    "speedup": 3,
    "speedup_ci95": 3,
    "worst_speedup": 3,
    "recall_at_10": 4,
}
_TEXTS = {  # bytes each text may take
    "target": 32,
    "verdict": 12,
    "correctness": 12,
    "unit": 16,
    "data": 32,
    "speedup_vs_reference": 12,
    "worst_speedup_at": 56,
    "worst_ns_at": 56,
    "sandbox": 8,
    "machine": 24,
    "commit": 12,
    "reason": LIMIT,
    "next": LIMIT,
}
_LABELS = {"worst_speedup": "worst_speedup_at", "worst_ns_per_op": "worst_ns_at"}
_DEFAULTS = {f.name: "" if f.default is MISSING else f.default for f in fields(Result)}
_KEYS = tuple(name for name in _DEFAULTS if name not in _LABELS.values())
_WIDTH = max(map(len, _KEYS)) + 2
# Colour and title sequences; bounded, so that a text made of openers stays linear.
_ESCAPES = re.compile(r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]|\x1b\][^\x07\x1b]{0,256}\x07")


def clean(text: str, limit: int) -> str:
    """`text` as one printable line of at most `limit` bytes of UTF-8, cut with an ellipsis.

    Escape sequences go, control and bidirectional characters become spaces, runs of spaces one.
    """
    if len(text) <= limit and text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()  # nearly every text, at a tenth of the cost
    plain = _ESCAPES.sub("", text)
    line = " ".join("".join(c if c.isprintable() else " " for c in plain).split())
    raw = line.encode()
    if len(raw) <= limit:
        return line
    return raw[: limit - 3].decode(errors="ignore").rstrip() + "…"


def figure(name: str, value: float | None) -> str:
    """`value` in the digits that field `name` is printed with, `n/a` if there is none."""
    if value is None or not math.isfinite(value):
        return NA
    bounded = max(-_HUGE, min(_HUGE, float(value)))
    digits = _DECIMALS.get(name, 1)
    if name.endswith("ns_per_op"):
        digits = 0 if abs(bounded) >= 1000 else 2
    return f"{round(bounded, digits) + 0.0:.{digits}f}"  # + 0.0: no negative zero


def canonical(result: Result) -> Result:
    """`result` as the block can carry it: figures in printed digits, texts cleaned and clipped."""
    values = {name: _canonical(name, getattr(result, name)) for name in _DEFAULTS}
    bare = Result(**values | {"reason": "", "next": ""})
    free = LIMIT - len(_lines(bare).encode()) + 2 * len(NA)
    advice = clean(values["next"], min(_NEXT, free // 2))
    reason = clean(values["reason"], free - max(len(NA), len(advice.encode())))
    return replace(bare, reason=reason, next=advice)


def _canonical(name: str, value: Any) -> Any:
    if name in _TEXTS:
        text = clean(value, _TEXTS[name])
        return _DEFAULTS[name] if text in ("", NA) else text
    if name == "pairs":
        return None if value is None else max(0, min(int(_HUGE), value))
    if name == "speedup_ci95":
        return _read(name, _interval(value))
    return _number(figure(name, value))


def render(result: Result) -> str:
    """The block of `result` (made canonical first), ending in a newline."""
    return _lines(canonical(result))


def _lines(result: Result) -> str:
    lines = (f"{key + ':':<{_WIDTH}}{_show(key, result)}\n" for key in _KEYS)
    return "---\n" + "".join(lines)


def _show(key: str, result: Result) -> str:
    value = getattr(result, key)
    if key in _TEXTS:
        return value or NA
    if key == "pairs":
        return NA if value is None else str(value)
    if key == "speedup_ci95":
        return _interval(value)
    label = getattr(result, _LABELS[key]) if key in _LABELS else ""
    return figure(key, value) + (f" ({label})" if label else "")


def _interval(ci95: tuple[float, float] | None) -> str:
    ends = [figure("speedup_ci95", end) for end in ci95 or (None,)]
    return NA if NA in ends else f"[{', '.join(ends)}]"


def parse(text: str) -> Result:
    """The canonical result a block was rendered from; ValueError names the first line amiss."""
    head, *lines = text.removesuffix("\n").split("\n")
    if head != "---" or len(lines) != len(_KEYS):
        raise ValueError(f"not a result block: {len(_KEYS)} lines after '---' are expected")
    values: dict[str, Any] = {}
    for key, line in zip(_KEYS, lines, strict=True):
        name, _, value = line.partition(":")
        if name != key:
            raise ValueError(f"the block's line {line!r} should start with {key!r}")
        shown, _, label = value.strip().partition(" (" if key in _LABELS else "\n")
        values[key] = _read(key, shown)
        if key in _LABELS:
            values[_LABELS[key]] = label.removesuffix(")")
    return Result(**values)


def _read(key: str, shown: str) -> Any:
    if shown == NA:
        return _DEFAULTS[key]
    if key in _TEXTS:
        return shown
    if key == "pairs":
        return int(shown)
    if key == "speedup_ci95":
        low, _, high = shown.strip("[]").partition(", ")
        return float(low), float(high)
    return _number(shown)


def _number(shown: str) -> float | None:
    return None if shown == NA else float(shown)
