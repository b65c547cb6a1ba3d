"""Statements, adapting in Python, a refused connection; the other side is a fake."""

import psycopg2
import psycopg2.extensions
import psycopg2.extras

from jobs._postgres import Server


class Point:
    def __init__(self, x: int) -> None:
        self.x = x


def adapt_point(point: Point) -> object:
    return psycopg2.extensions.AsIs(f"point({point.x})")


psycopg2.extensions.register_adapter(Point, adapt_point)


def work() -> object:
    with Server() as server:
        address = f"host=127.0.0.1 port={server.port} user=u dbname=d sslmode=disable"
        connection = psycopg2.connect(address)
        connection.autocommit = True
        with connection.cursor(cursor_factory=psycopg2.extras.DictCursor) as cursor:
            found = []
            for i in range(50):
                cursor.execute("select %s, %s, %s", (Point(i), "a'b", [1, None]))
                found.append(cursor.fetchone()["answer"])
            text = cursor.query
        connection.close()
    try:
        psycopg2.connect(address)
    except psycopg2.OperationalError:
        return sum(found), text
    raise AssertionError("the server is gone")
