"""CPython's own tests, run in an interpreter of ours: what passes in main passes there.

Modules that need an extension of CPython's tests which refuses other interpreters than main
(`_testcapi`) are left out.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

MODULES = [
    "test_dict",
    "test_list",
    "test_tuple",
    "test_set",
    "test_struct",
    "test_collections",
]

PROGRAM = """
import sys

import allcores

def failures(name):
    import importlib, io, unittest
    module = importlib.import_module("test." + name)
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    result = unittest.TextTestRunner(io.StringIO()).run(suite)
    unfortunate = [(each.id(), text) for each, text in result.failures + result.errors]
    return (result.testsRun, len(result.skipped), tuple(unfortunate))

with allcores.Interpreter() as worker:
    count, skipped, there = worker.call(failures, sys.argv[1])
assert count - skipped > 30, (count, skipped)
here = dict(failures(sys.argv[1])[2]) if there else {}
for name, text in there:
    if name not in here:
        sys.exit(text)
"""


@pytest.mark.skipif(
    importlib.util.find_spec("test") is None or importlib.util.find_spec("test.test_dict") is None,
    reason="CPython's tests are not installed (for 3.14: libpython3.14-testsuite)",
)
@pytest.mark.parametrize("module", MODULES)
def test_what_passes_in_main_passes_in_a_worker(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", PROGRAM, module],
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
