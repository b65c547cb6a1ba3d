"""The short form of tests/stress/share.py; ALLCORES_STRESS_SECONDS=600 for the long one."""

import pytest
import stress


@pytest.mark.stress
def test_interpreters_call_each_other() -> None:
    stress.run("share.py")
