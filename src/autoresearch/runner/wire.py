"""How the harness's processes talk: framed JSON with descriptors, and one-byte tokens to a worker.

Nothing here is pickled, so nothing a worker says can run in another process.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from ..model import Op, Target

MAX_FDS = 16
TOKEN = struct.Struct("<cH")  # PREPARE or CALL, and a workload's index
PREPARE, CALL = b"p", b"c"
DONE, FAILED = b"d", b"f"


def send(sock: socket.socket, message: Any, fds: Sequence[int] = ()) -> None:
    """Send one JSON message, and descriptors with its first byte."""
    body = json.dumps(message).encode()
    frame = len(body).to_bytes(8, "little") + body
    sent = socket.send_fds(sock, [frame], list(fds)) if fds else 0
    sock.sendall(frame[sent:])


def receive(sock: socket.socket) -> tuple[Any, list[int]]:
    """Receive one JSON message and its descriptors; EOFError when the other end is gone."""
    head, fds, _, _ = socket.recv_fds(sock, 8, MAX_FDS)
    while len(head) < 8:
        head += _some(sock, 8 - len(head))
    size, body = int.from_bytes(head, "little"), b""
    while len(body) < size:
        body += _some(sock, min(size - len(body), 1 << 20))
    return json.loads(body), fds


def _some(sock: socket.socket, n: int) -> bytes:
    data = sock.recv(n)
    if not data:
        raise EOFError("the other process is gone")
    return data


def target_from(facts: Mapping[str, Any]) -> Target:
    """A Target from the JSON form of `dataclasses.asdict`."""
    ops = {
        n: Op(tuple(o["steps"]), o["each"], o["out"], o["oracle"]) for n, o in facts["ops"].items()
    }
    return Target(**{**facts, "ops": ops})
