"""The short form of tests/stress/dicts.py; ALLCORES_STRESS_SECONDS=600 for the long one."""

import pytest
import stress


@pytest.mark.stress
def test_interpreters_come_and_go() -> None:
    stress.run("dicts.py")
