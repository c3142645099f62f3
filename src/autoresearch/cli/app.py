"""The Typer application and the options that verbs share; the verbs themselves are elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

_WHOLE = 200  # letters of a verb's sentence in the list; the longest has half of that


class Verbs(TyperGroup):
    """Lists every verb with its whole sentence: click would cut each to what a line holds."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        names = self.list_commands(ctx)
        told = [(name, self.commands[name].get_short_help_str(_WHOLE)) for name in names]
        with formatter.section("Commands"):
            formatter.write_dl(told)


app = typer.Typer(
    cls=Verbs,
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
