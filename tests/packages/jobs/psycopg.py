"""Statements, adapting, composing SQL, a refused connection; the other side is a fake."""

import psycopg
from psycopg import sql

from jobs._postgres import Server


def work() -> object:
    assert psycopg.pq.__impl__ == "binary"
    with Server() as server:
        address = f"host=127.0.0.1 port={server.port} user=u dbname=d sslmode=disable"
        with psycopg.connect(address, autocommit=True) as connection:
            found = [connection.execute("select answer").fetchone()[0] for _ in range(50)]
            binary = connection.execute("select %s", ["x"], binary=True).fetchall()
            query = sql.SQL("select {} from {}").format(
                sql.Literal(["a'b", None]), sql.Identifier("t")
            )
            text = query.as_string(connection)
    try:
        psycopg.connect(address)
    except psycopg.OperationalError:
        return sum(found), binary, text
    raise AssertionError("the server is gone")
