"""What several files of tests of sharing begin with."""

import pytest
import share_objects
from share_objects import make

from allcores import Interpreter


@pytest.fixture(scope="module")
def worker():
    with Interpreter("owner") as made:
        made.call(share_objects.set_name, "owner")
        yield made
        assert made.destroy() is True


@pytest.fixture
def counter(worker):
    return worker.call(make, "Counter", 5)
