"""The documents say what the code does: commands, options, files, keys and codes that exist."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoresearch.ledger import table
from autoresearch.model import EXIT_CODES, Trial

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("src", "docs", "targets", "tests", "scripts")
PAGES = sorted([*ROOT.glob("*.md"), *(p for f in FOLDERS for p in (ROOT / f).rglob("*.md"))])
SOURCES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "targets").rglob("*.py")])
FILES = [p for f in FOLDERS for p in (ROOT / f).rglob("*") if "__pycache__" not in p.parts]
NAMES = {p.name for p in [*FILES, *ROOT.iterdir()]}
LINES = {"AGENTS.md": 60, "HARNESS.md": 120, "README.md": 90, "program.md": 60}
CALL = re.compile(r"(?:^|(?<=[`/ ]))autoresearch((?: +(?:\"[^\"]*\"|[^\s`|;&\"]+))*)")
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)")


def _generator() -> Any:
    path = ROOT / "scripts" / "generate_docs.py"
    spec = importlib.util.spec_from_file_location("generate_docs", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = _generator()
APP = GENERATOR.command()


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def code(text: str) -> Iterator[str]:
    """What a page shows as code: spans in back-ticks, and the lines of fenced blocks."""
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced:
            yield line.strip()
        else:
            yield from re.findall(r"`([^`]+)`", line)


def calls(text: str) -> Iterator[list[str]]:
    """The arguments of every `autoresearch ...` shown."""
    for shown in code(text):
        if shown.startswith(("autoresearch ", "./scripts/autoresearch ")):
            yield from (shlex.split(m.group(1)) for m in CALL.finditer(shown))


def wrong(arguments: list[str]) -> str:
    """Why a shown command would be refused as usage; empty when it would not."""
    options = {name: p for p in APP.params for name in p.opts}
    verb, command, words = "", APP, iter(arguments)
    for word in words:
        if word.startswith("-") and word != "--help":
            if word not in options:
                return f"{verb or 'autoresearch'} has no option {word}"
            if not options[word].is_flag:
                next(words, None)
        elif not verb and word not in ("<verb>", "--help"):
            if word not in APP.commands:
                return f"there is no command {word}"
            verb, command = word, APP.commands[word]
            options = {name: p for p in command.params for name in p.opts}
    return ""


def test_the_command_page_is_current() -> None:
    told = "run `.venv/bin/python scripts/generate_docs.py`"
    assert (ROOT / "docs" / "cli.md").read_text() == GENERATOR.page(), told


@pytest.mark.parametrize("verb", APP.commands)
def test_every_command_has_json_and_an_example(verb: str) -> None:
    command = APP.commands[verb]
    assert any("--json" in p.opts for p in command.params)
    program, *arguments = shlex.split(GENERATOR.example(command))
    assert program == "autoresearch" and arguments[0] == verb
    assert wrong(arguments) == ""


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_names_commands_that_exist(page: Path) -> None:
    assert [told for call in calls(page.read_text()) if (told := wrong(call))] == []


@pytest.mark.parametrize("page", SOURCES, ids=name)
def test_advice_in_the_code_names_commands_that_exist(page: Path) -> None:
    text = page.read_text()
    shown = re.findall(r"`autoresearch ([a-z][a-z-]*)", text)
    assert set(shown) <= set(APP.commands)
    assert [p for p in re.findall(r"\bdocs/[a-z/-]+\.md", text) if not (ROOT / p).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_links_to_what_exists(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text()):
        there = (page.parent / path) if path else page
        assert there.exists(), path
        if anchor:
            assert anchor[1:] in _anchors(there.read_text()), anchor


def _anchors(text: str) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_names_files_that_exist(page: Path) -> None:
    for word in {word for shown in code(page.read_text()) for word in shown.split()}:
        path = re.sub(r"[:(].*|[,.]$", "", word)
        if re.search(r"[<>*{}@|]|NNNN|cNN|sNN", path):
            continue
        if path.split("/")[0] in FOLDERS and "/" in path:
            assert (ROOT / path).exists(), path
        elif re.fullmatch(r"[\w-]+\.(py|md|toml)", path):
            assert path in NAMES, path


@pytest.mark.parametrize(("page", "limit"), LINES.items())
def test_a_page_stays_short(page: str, limit: int) -> None:
    assert len((ROOT / page).read_text().splitlines()) < limit


DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))


def test_every_decision_is_listed() -> None:
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text()
    assert [p.name for p in DECISIONS if f"]({p.name})" not in listed] == []


def test_every_page_is_linked_from_another() -> None:
    linked = {
        (page.parent / path).resolve()
        for page in PAGES
        for path, _ in LINK.findall(page.read_text())
        if path and (page.parent / path) != page
    }
    assert [p.name for p in (ROOT / "docs").glob("*.md") if p not in linked] == []


def test_the_map_of_parts_names_every_package() -> None:
    packages = {p.parent.name for p in (ROOT / "src" / "autoresearch").glob("*/__init__.py")}
    section = (ROOT / "docs/architecture.md").read_text().partition("## Parts\n")[2]
    rows = re.findall(r"^\| (`[^|]+) \|", section.partition("\n## ")[0], re.MULTILINE)
    assert packages - {part for row in rows for part in re.findall(r"`(\w+)`", row)} == set()


@pytest.mark.parametrize("page", DECISIONS, ids=name)
def test_a_decision_is_one_short_page(page: Path) -> None:
    text = page.read_text()
    assert len(text.splitlines()) <= 40
    assert text.startswith(f"# {page.name[:4]}: ")
    for head in ("Context", "Decision", "Evidence", "Reopen when"):
        assert f"## {head}\n" in text, head


def test_agents_find_the_page_under_either_name() -> None:
    assert (ROOT / "CLAUDE.md").read_text() == "@AGENTS.md\n"


def test_the_contract_tells_every_verdict_with_its_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d) \|", (ROOT / "HARNESS.md").read_text(), re.MULTILINE)
    assert {verdict: int(number) for verdict, number in rows} == EXIT_CODES


def test_the_contract_tells_every_key_of_the_block() -> None:
    section = (ROOT / "HARNESS.md").read_text().partition("## The block")[2]
    cells = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    told = [key for cell in cells for key in re.findall(r"`(\w+)`", cell)]
    shown = re.findall(r"^(\w+):", (ROOT / "tests/golden/block.txt").read_text(), re.MULTILINE)
    assert sorted(told) == sorted(shown)


def test_the_format_tells_every_column_and_field() -> None:
    text = (ROOT / "docs" / "format.md").read_text()
    for part, names in (
        ("## results.tsv", table.HEADER.split()),
        ("## A ledger line", Trial.__dataclass_fields__),
    ):
        section = text.partition(f"{part}\n")[2].partition("\n## ")[0]
        assert set(names) <= set(re.findall(r"`(\w+)`", section)), part


def test_the_readme_names_the_test_command() -> None:
    assert "./scripts/test" in (ROOT / "README.md").read_text()
    assert "scripts/test" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ("`autoresearch audit --fresh-clone`", "audit has no option --fresh-clone"),
        ("`autoresearch sing pq-l2`", "there is no command sing"),
        ("```\n./scripts/autoresearch --root X trial pq-l2 -m 'a b'\n```", ""),
        ('`autoresearch trial pq-l2 -m "why this is faster"`', ""),
        ("`autoresearch status --policy`, and text after it", ""),
    ],
)
def test_the_checks_see_what_is_wrong(shown: str, told: str) -> None:
    (arguments,) = calls(shown)
    assert wrong(arguments) == told
