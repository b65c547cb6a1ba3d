"""Queries through the driver manager: SQLite's driver, converters in Python, errors, threads."""

import concurrent.futures
import pathlib
import tempfile

import pyodbc

DRIVER = next((name for name in pyodbc.drivers() if "sqlite3" in name.lower()), None)
if DRIVER is None:
    raise ImportError("the system has no driver of SQLite for ODBC")
ROWS = 200


def connect(database: str) -> pyodbc.Connection:
    return pyodbc.connect(f"DRIVER={{{DRIVER}}};Database={database};Timeout=60000")


def queries(database: str) -> object:
    with connect(database) as connection:
        connection.add_output_converter(pyodbc.SQL_DOUBLE, lambda raw: ("double", len(raw)))
        cursor = connection.cursor()
        cursor.execute("create table t (id integer primary key, name text, half double, raw blob)")
        rows = [(i, f"näme {i}", i / 2, bytes([i % 256])) for i in range(ROWS)]
        cursor.executemany("insert into t values (?, ?, ?, ?)", rows)
        connection.commit()
        cursor.execute("delete from t")
        connection.rollback()
        found = cursor.execute("select id, name, half, raw from t where id >= ?", 3).fetchall()
        names = [each[0] for each in cursor.description]
        assert len(found) == ROWS - 3
        try:
            cursor.execute("insert into t values (1, '', 0, null)")
        except pyodbc.Error as error:
            wrong = type(error).__name__, error.args[0]
        (total,) = cursor.execute("select sum(id) from t").fetchone()
        return tuple(found[0]), found[-1].name, names, total, wrong


def work() -> object:
    with tempfile.TemporaryDirectory() as folder:
        files = [str(pathlib.Path(folder, f"{i}.db")) for i in range(4)]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            results = {repr(result) for result in pool.map(queries, files)}
    try:
        pyodbc.connect("DRIVER=none such;SERVER=nowhere", timeout=1)
    except pyodbc.Error as error:
        return sorted(results), error.args[0]
    raise AssertionError("there is no such driver")
