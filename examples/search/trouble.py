"""What goes wrong for reasons that the user can do something about: one line, no traceback."""


class Trouble(Exception):
    """Its text is the whole message; the program prints it and ends with `status`."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def reason(error: OSError) -> str:
    """What the system says, in its own words, without number and path."""
    return (error.strerror or str(error)).lower()
