"""The facade loads what is asked for, and nothing before."""

import subprocess
import sys
from pathlib import Path

import pytest

import autoresearch


def test_a_target_can_be_declared_without_numba():
    code = "import sys, autoresearch as ar; ar.Op; ar.Target; ar.draw"
    code += "; sys.exit('numba' in sys.modules)"
    source = Path(autoresearch.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=source, check=False).returncode == 0


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'oracles'"):
        _ = autoresearch.oracles
    assert "Target" in dir(autoresearch)
