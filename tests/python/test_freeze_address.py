"""Frozen objects as addresses: how a reference to one crosses between interpreters."""

import pytest

from allcores import _core, freeze


@pytest.mark.parametrize("value", [None, 1, "text", [1], object(), print])
def test_ordinary_objects_have_no_frozen_address(value):
    assert _core.frozen_address(value) is None


@pytest.mark.parametrize("address", [0, 1, id(None), -1, 2**63, 2**64, 2**80])
def test_an_address_that_was_never_given_is_refused(address):
    with pytest.raises(ValueError, match="no frozen object"):
        _core.frozen_at(address)


def test_an_address_is_a_number():
    with pytest.raises(TypeError):
        _core.frozen_at("1")


def test_addresses():
    frozen = freeze([1.5, ["x"]])
    address = _core.frozen_address(frozen)
    assert address == id(frozen) and _core.frozen_at(address) is frozen
    with pytest.raises(ValueError, match="no frozen object"):
        _core.frozen_at(id(frozen[1]))
    with pytest.raises(ValueError, match="no frozen object"):
        _core.frozen_at(address + 8)
