"""A build backend that only says what a source distribution itself says.

`pip download` asks for a distribution's metadata, and with that for its compiler and all else that
building needs. tools/packages puts this in the place of the real backend: it wants the tests.
"""

import pathlib
import shutil
import sys

__legacy__ = sys.modules[__name__]  # what pip asks of setuptools where no backend is named


def prepare_metadata_for_build_wheel(folder: str, settings: object = None) -> str:
    target = pathlib.Path(folder, "described.dist-info")
    target.mkdir()
    shutil.copy("PKG-INFO", target / "METADATA")
    return target.name


def build_wheel(folder: str, settings: object = None, metadata: object = None) -> str:
    raise NotImplementedError("nothing is built")
