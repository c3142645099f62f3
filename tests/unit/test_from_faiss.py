"""The tutorial for users of faiss runs as it stands."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "from-faiss.md"


@pytest.mark.slow
def test_every_block_runs(tmp_path, monkeypatch):
    pytest.importorskip("faiss").omp_set_num_threads(1)  # its threads spin while others compute
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == PAGE.read_text().count("\n```") / 2 > 5
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), names)
