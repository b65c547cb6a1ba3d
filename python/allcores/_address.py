"""A client's address."""

from typing import NamedTuple


class Address(NamedTuple):
    """A client's address: numeric host and port."""

    host: str
    port: int
