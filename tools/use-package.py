"""Run by tools/check-package with the Python of an installed allcores: is it whole?"""

import importlib
import importlib.metadata
import importlib.resources
import pkgutil
import subprocess
import sys

import allcores
import allcores._core

place = sys.argv[1]
for module in (allcores, allcores._core):
    assert module.__file__ is not None and module.__file__.startswith(place), module.__file__
assert importlib.metadata.version("allcores") == allcores.__version__
assert importlib.resources.files("allcores").joinpath("py.typed").is_file()
assert importlib.resources.files("allcores").joinpath("_core.pyi").is_file()
for name in allcores.__all__:
    getattr(allcores, name)
for found in pkgutil.walk_packages(allcores.__path__, "allcores."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
licenses = [p for p in importlib.metadata.files("allcores") or [] if p.name == "LICENSE"]
assert licenses, "the wheel has no LICENSE"
command = [f"{sys.prefix}/bin/allcores", "check", "json"]
subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
version = sys.version.split()[0]
print(f"allcores {allcores.__version__} on {version}: {len(allcores.__all__)} public names")
