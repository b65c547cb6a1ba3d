"""Files in memory, with chunks, compression, attributes and strings."""

import io

import h5py
import numpy as np


def work() -> object:
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        data = file.create_dataset("group/a", data=np.arange(10_000).reshape(100, 100), chunks=True)
        data.attrs["unit"] = "m"
        file.create_dataset("z", data=np.ones(5000), compression="gzip")
        file["text"] = ["one", "two"]
    with h5py.File(memory, "r") as file:
        names: list[str] = []
        file.visit(names.append)
        return (
            int(file["group/a"][3:5, 7].sum()),
            file["group/a"].attrs["unit"],
            float(file["z"][:].sum()),
            file["text"].asstr()[1],
            names,
        )
