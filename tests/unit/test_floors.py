"""Imports point down: the floors of the system, and the few places where a heavy library may load.

`FLOORS` is the only list; `scripts/size.py` reads it from here. A module imports only from floors
below its own. A tuple within a floor is a chain: each of its modules may also import from those
before it, and a package stands right behind the last of its parts. No cycle can pass such an order.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "autoresearch"

FLOORS = (
    (
        *("model", "errors", "policy"),
        (
            *("simd.names", "simd.kinds", "simd.target", "simd.emit", "simd.operators"),
            *("simd.memory", "simd.lanes", "simd.making", "simd.permute", "simd.across"),
            *("simd.masks", "simd.static"),
        ),
    ),
    (
        *("draw", "oracle", "block"),
        (
            *("data.caps", "data.checks", "data.source", "data.vecs", "data.npy", "data.lines"),
            "data.columns",
        ),
        (
            *("stats.quantile", "stats.spread", "stats.sequential", "stats.pairing"),
            *("stats.signflip", "stats.evalue", "stats.interval", "stats.sample"),
        ),
    ),
    (
        *("gate", "catalog"),
        (
            *("machine.files", "machine.identity", "machine.quiet", "machine.rates"),
            *("machine.roofline", "machine.doctor"),
        ),
        ("workspace.plumbing", "workspace.files"),
        (
            *("ledger.disk", "ledger.chain", "ledger.records", "ledger.pairs", "ledger.corpus"),
            *("ledger.journal", "ledger.summary", "ledger.table"),
        ),
        (
            *("runner.source", "runner.allowed", "runner.knobs", "runner.normal", "runner.entry"),
            *(
                "runner.screen",
                "runner.wire",
                "runner.layout",
                "runner.driver",
                "runner.shift",
                "runner.code",
            ),
            *("runner.sandbox.linux", "runner.sandbox.seccomp", "runner.sandbox.landlock"),
            *("runner.sandbox.watch", "runner.sandbox.jail", "runner.sandbox.acts"),
            *("runner.sandbox.remedy", "runner.sandbox.ladder", "runner.sandbox.__main__"),
            *("runner.lease", "runner.builds", "runner.worker", "runner.zygote", "runner.case"),
            *("runner.vault", "runner.judge", "runner.sealed", "runner.bench", "runner.pair"),
        ),
    ),
    (
        ("phases", "experiment"),
        ("prior.attempt", "prior.shape", "prior.past", "prior.warm", "prior.features")
        + ("prior.hints", "prior.process", "prior.ranking"),
        (
            "compiled",
            "kernels.plain",
            "kernels.promoted",
            "kernels",
            "product.amdahl",
            "product.record",
        )
        + ("product.judge",),
    ),
    (
        (
            *("session", "rows", "nulls", "audit", "check", "baseline", "calibrate", "trial"),
            *("demo", "peers.ratio", "peers.result", "peers.entrants", "peers.child"),
            *("peers.page", "peers.run", "prior.start", "prior.sweep"),
            *("product.pipeline", "product.pipelines.columns", "product.pipelines.texts"),
            *("product.pipelines.vectors", "product.pipelines", "product.store", "product.child"),
            *("product.bench", "product.answers", "product.measure", "product.ship"),
            *("product.arms", "product.run", "product.capsule", "product.promote", "product.page"),
        ),
        (
            *("replay.space", "replay.t4", "replay.strategies", "replay.scores", "replay.run"),
            *("replay.forked", "replay.journal", "replay.brute", "replay"),
        ),
        (
            *("plane.model", "plane.codec", "plane.plain", "plane.vector", "plane.device"),
            *("plane.cpu", "plane.cuda", "plane.witness", "plane.registry", "plane.dispatch"),
            *("index.arguments", "index.storage", "index.loops", "index.assign", "index.tables"),
            *("index.bounds", "index.scan", "index.engine", "index.ranges", "index.clusters"),
            *("index.lists", "index.flat", "index.probing", "index.inverted", "index.ivfflat"),
            *("index.quantizer", "index.coded", "index.ivfpq", "index.convert", "plane.contract"),
            *("index.rabitq", "index.files"),
            *("index", "plane.verdict", "plane.workload", "plane.accept", "plane"),
        ),
        *("checkup", "overview", "new"),
    ),
    (
        ("fleet.job", "fleet.post", "fleet.engine", "fleet.record", "fleet.run", "fleet"),
        (
            *("bench_index.model", "bench_index.grid", "bench_index.vectors"),
            *("bench_index.timing", "bench_index.waits", "bench_index.sides"),
            "bench_index.child",
            *("bench_index.ratio", "bench_index.process", "bench_index.origin"),
            *("bench_index.store", "bench_index.run", "bench_index.tables", "bench_index.chart"),
            *("bench_index.page", "bench_index.report", "bench_index"),
        ),
    ),
    (
        (
            *("cli.live", "cli.show", "cli.races", "cli.app", "cli.fleets", "cli.verbs"),
            *("cli.knowledge", "cli.product", "cli.indexes", "cli.replays", "cli.every"),
            "__main__",
        ),
    ),
)

HEAVY = {"numba", "llvmlite", "scipy", "sklearn", "matplotlib", "ray", "torch", "faiss", "pyarrow"}
# Loaded in processes of their own, or by the numba code of a target.
MAY_LOAD_HEAVY = {
    *("simd", "machine.rates", "runner.shift", "runner.worker", "runner.zygote"),
    *("product.child", "index.loops", "index.assign", "index.tables", "index.bounds"),
    "index.scan",
    *("plane.codec", "plane.plain", "plane.vector", "plane.device"),
}
FOR_TARGETS = {"autoresearch", "autoresearch.simd", "numpy", "numba", "__future__"}

CHAINS = [
    (level, (entry,) if isinstance(entry, str) else entry)
    for level, floor in enumerate(FLOORS)
    for entry in floor
]
LISTED = [name for _, chain in CHAINS for name in chain]


class Unlisted(Exception):
    """A module that FLOORS does not place."""


def modules(source: Path) -> dict[str, Path]:
    """Dotted name below the package -> file; the facade is `""`. Copies of kernels are none: their
    targets are checked."""
    found = {}
    for path in sorted(source.rglob("*.py")):
        if path.parent.parent.name == "kernels" and path.name != "__init__.py":
            continue
        parts = path.relative_to(source).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def place(module: str) -> tuple[int, int, float]:
    """(floor, chain, position in the chain)."""
    for number, (level, chain) in enumerate(CHAINS):
        inside = [n for n, name in enumerate(chain) if f"{name}.".startswith(f"{module}.")]
        if inside:
            return level, number, inside[-1] + (chain[inside[-1]] != module) * 0.5
    raise Unlisted(module)


def may_import(importer: str, imported: str) -> bool:
    (high, chain, later), (low, other, earlier) = place(importer), place(imported)
    return low < high or (chain == other and earlier < later)


def statements(tree: ast.Module, deep: bool) -> Iterator[ast.stmt]:
    """Statements of the module; `deep` adds those inside functions and classes."""
    if deep:
        yield from (node for node in ast.walk(tree) if isinstance(node, ast.stmt))
        return
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With):
            waiting += [child for child in ast.walk(node) if isinstance(child, ast.stmt)][1:]


def absolute(path: Path, deep: bool) -> set[str]:
    """What a file imports by absolute name."""
    names: set[str] = set()
    for node in statements(ast.parse(path.read_text()), deep):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or "")
    return names


def relative(module: str, path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of the package that a file imports, `""` for the facade."""
    home = module.split(".") if module else []
    home = home if path.name == "__init__.py" else home[:-1]
    found: set[str] = set()
    for node in statements(ast.parse(path.read_text()), deep=True):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = home[: len(home) - (node.level - 1)]
            base = ".".join([*above, *(node.module.split(".") if node.module else [])])
            inner = [f"{base}.{alias.name}".lstrip(".") for alias in node.names]
            found |= {name if name in known else base for name in inner}
    return found - {module}


def upward(source: Path) -> list[str]:
    """Every import of a module from its own floor or above, and every one of the facade."""
    known = modules(source)
    edges = [
        (module, imported)
        for module, path in known.items()
        if module
        for imported in sorted(relative(module, path, known))
    ]
    return [
        f"{module} imports {imported or 'the facade'}"
        for module, imported in edges
        if not imported or not may_import(module, imported)
    ]


def absolute_to_self(source: Path) -> list[str]:
    return [
        f"{module or 'the facade'} imports {name}"
        for module, path in modules(source).items()
        for name in sorted(absolute(path, deep=True))
        if name.split(".")[0] == "autoresearch"
    ]


def heavy(source: Path) -> list[str]:
    return [
        f"{module or 'the facade'} loads {name}"
        for module, path in modules(source).items()
        if module not in MAY_LOAD_HEAVY and module.split(".")[0] not in MAY_LOAD_HEAVY
        for name in sorted(absolute(path, deep=False))
        if name.split(".")[0] in HEAVY
    ]


def foreign(targets: Path) -> list[str]:
    """Imports of a target beyond the facade, numpy and numba; `peers.py` may load more, lazily."""
    return [
        f"{path.relative_to(targets)} imports {name}"
        for path in sorted(targets.glob("*/*.py"))
        for name in sorted(absolute(path, deep=path.name != "peers.py"))
        if name not in FOR_TARGETS and name.split(".")[0] not in {"numpy", "numba"}
    ]


def test_every_module_has_a_place():
    unplaced = []
    for module in filter(None, modules(SOURCE)):
        try:
            place(module)
        except Unlisted:
            unplaced.append(module)
    assert unplaced == [], "list them in FLOORS"


def test_nothing_is_listed_twice():
    assert len(LISTED) == len(set(LISTED))


def test_what_is_listed_exists():
    known = modules(SOURCE)
    copies = {f"kernels.{kind}" for kind in ("plain", "promoted")}  # folders of files in targets/
    assert {*LISTED, *MAY_LOAD_HEAVY} - {*known, *copies} == set()


def test_imports_point_down():
    assert upward(SOURCE) == []


def test_imports_are_relative():
    assert absolute_to_self(SOURCE) == []


def test_heavy_libraries_load_where_listed():
    assert heavy(SOURCE) == []


def test_targets_import_the_facade_numpy_and_numba():
    assert foreign(ROOT / "targets") == []


@pytest.mark.parametrize("module", ["autoresearch", "autoresearch.cli", "autoresearch.machine"])
def test_no_heavy_library_loads_with(module):
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "src")},
    )
    assert HEAVY & set(done.stdout.split()) == set()


class TestTheCheckItself:
    """Each rule, broken on purpose in a package made of files."""

    @pytest.fixture
    def package(self, tmp_path):
        def made(**files):
            for name, content in {"__init__": "", **files}.items():
                path = tmp_path / (name.replace("__in__", "/") + ".py")
                path.parent.mkdir(exist_ok=True)
                path.write_text(content)
            return tmp_path

        return made

    @pytest.mark.parametrize(
        ("files", "complaint"),
        [
            ({"gate": "from .model import Pair", "model": ""}, []),
            ({"model": "from .gate import decide", "gate": ""}, ["model imports gate"]),
            ({"gate": "from . import catalog", "catalog": ""}, ["gate imports catalog"]),
            ({"gate": "def f():\n from .trial import x", "trial": ""}, ["gate imports trial"]),
            ({"gate": "from . import VERSION"}, ["gate imports the facade"]),
            (
                {"ledger__in____init__": "from . import disk", "ledger__in__disk": ""},
                [],
            ),
            (
                {"ledger__in__disk": "from .chain import x", "ledger__in__chain": ""},
                ["ledger.disk imports ledger.chain"],
            ),
            (
                {"ledger__in__disk": "from . import x", "ledger__in____init__": ""},
                ["ledger.disk imports ledger"],
            ),
            (
                {"ledger__in__chain": "from .disk import x\nfrom ..model import y",
                 "ledger__in__disk": "", "model": ""},
                [],
            ),
            (
                {"ledger__in__chain": "from ..trial import x", "trial": ""},
                ["ledger.chain imports trial"],
            ),
        ],
    )  # fmt: skip
    def test_upward(self, package, files, complaint):
        assert upward(package(**files)) == complaint

    def test_unlisted(self, package):
        with pytest.raises(Unlisted):
            upward(package(shed="from .model import x", model=""))

    def test_absolute(self, package):
        source = package(gate="def f():\n    from autoresearch.model import Pair\n")
        assert absolute_to_self(source) == ["gate imports autoresearch.model"]

    def test_heavy(self, package):
        source = package(
            gate="try:\n    import numba.core\nexcept ImportError:\n    pass\n",
            trial="def f():\n    import numba\n",
            simd="import numba\n",
        )
        assert heavy(source) == ["gate loads numba.core"]

    def test_foreign(self, tmp_path):
        folder = tmp_path / "toy"
        folder.mkdir()
        (folder / "kernels.py").write_text("import os\nfrom numba import njit\n")
        (folder / "inputs.py").write_text("import autoresearch.ledger\nimport autoresearch as ar\n")
        (folder / "peers.py").write_text("def race():\n    import faiss\n")
        assert foreign(tmp_path) == [
            "toy/inputs.py imports autoresearch.ledger",
            "toy/kernels.py imports os",
        ]
