"""The Typer application and the options that verbs share; the verbs themselves are elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="A harness for agent-driven kernel research: it alone decides what is kept.",
)

Name = Annotated[str, typer.Argument(help="The target, such as pq-l2.")]
Data = Annotated[
    str, typer.Option(help="FILE or FILE:column, measured too: .npy, .fvecs, .parquet, .txt, ...")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


class State:
    """What the options before the verb said."""

    root = Path()
