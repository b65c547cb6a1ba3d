"""The short form of tests/stress/frozen.py; ALLCORES_STRESS_SECONDS=60 for the long one."""

import pytest
import stress


@pytest.mark.stress
def test_every_operation_from_all_interpreters_at_once() -> None:
    stress.run("frozen.py", patience=5)
