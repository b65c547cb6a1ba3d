"""Tables, computing, Parquet and IPC there and back, a Python function as a kernel."""

import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet as pq


def work() -> object:
    table = pa.table({"a": list(range(5000)), "s": [f"s{i % 10}" for i in range(5000)]})
    file = io.BytesIO()
    pq.write_table(table, file)
    assert pq.read_table(io.BytesIO(file.getvalue())) == table
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    with pa.ipc.open_stream(sink.getvalue()) as reader:
        assert reader.read_all() == table
    text = pa.csv.read_csv(io.BytesIO(b"a,b\n1,x\n2,y\n"))
    groups = table.group_by("s").aggregate([("a", "sum")]).sort_by("s")
    objects = pa.array([{"x": [1, 2], "y": {"z": None}}] * 3).to_pylist()
    return (
        pc.sum(table["a"]).as_py(),
        groups["a_sum"][3].as_py(),
        text["b"].to_pylist(),
        repr(objects[0]),
    )
