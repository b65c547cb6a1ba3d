"""The short form of tests/stress/messages.py; ALLCORES_STRESS_SECONDS=600 for the long one."""

import pytest
import stress


@pytest.mark.stress
def test_random_graphs_between_interpreters() -> None:
    stress.run("messages.py")
