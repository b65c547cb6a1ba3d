"""A build backend (PEP 660) whose wheels are links to a folder of sources, in two forms.

What `pip install --editable` leaves in site-packages is one of these, whoever made it: a .pth file
that names the folder, or one that imports a finder, which knows the files.
"""

import os
import pathlib
import zipfile

FINDER = """
import importlib.util, sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        file = {files!r}.get(name)
        package = [{folder!r}] if file and file.endswith("__init__.py") else None
        return file and importlib.util.spec_from_file_location(
            name, file, submodule_search_locations=package)

sys.meta_path.append(Finder)
"""


def build_editable(
    wheel_directory: str, config_settings: object = None, metadata_directory: object = None
) -> str:
    folder = pathlib.Path("package").absolute()
    if os.environ["EDITABLE_FORM"] == "folder":
        contents = {"editable.pth": f"{folder.parent}\n"}
    else:
        files = {f"package.{file.name.partition('.')[0]}": str(file) for file in folder.iterdir()}
        files["package"] = files.pop("package.__init__")
        contents = {
            "editable.pth": "import _editable_finder\n",
            "_editable_finder.py": FINDER.format(files=files, folder=str(folder)),
        }
    information = "editable-1.0.dist-info"
    contents |= {
        f"{information}/METADATA": "Metadata-Version: 2.1\nName: editable\nVersion: 1.0\n",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{information}/RECORD"
    contents[record] = "".join(f"{name},,\n" for name in [*contents, record])
    name = "editable-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as wheel:
        for file, text in contents.items():
            wheel.writestr(file, text)
    return name
