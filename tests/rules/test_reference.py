"""universal-waf and the reference agree; compare.py does the same for as many requests as one likes."""

import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture
def compare():
    sys.path.insert(0, str(HERE))
    spec = importlib.util.spec_from_file_location("compare", HERE / "compare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(HERE))


def test_the_module_and_the_reference_agree_on_every_verdict(compare, build):
    programs = [build / "bin" / name for name in compare.PROGRAMS]  # the sources on the host, and the module in the engine
    found = list(compare.differences(programs, documents=400, requests=8))
    assert not found, found[:2]
