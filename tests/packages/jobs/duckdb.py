"""SQL over Python's objects, a function in Python, transactions."""

import duckdb


def work() -> object:
    connection = duckdb.connect()
    connection.execute("create table t as select range as i, range % 7 as g from range(10000)")
    connection.create_function("plus", lambda x: x + 1, ["BIGINT"], "BIGINT")
    groups = connection.execute("select g, sum(i) from t group by g order by g").fetchall()
    calls = connection.execute("select sum(plus(i)) from t where i < 1000").fetchone()
    connection.begin()
    connection.execute("delete from t")
    connection.rollback()
    count = connection.execute("select count(*) from t").fetchone()
    connection.close()
    return groups[3], calls, count
