"""A graph database with a function in Python. It sets RTLD_GLOBAL, which images have to outlive."""

import tempfile

import kuzu


def work() -> object:
    with tempfile.TemporaryDirectory() as folder:
        database = kuzu.Database(f"{folder}/graph", buffer_pool_size=64 << 20, max_db_size=1 << 30)
        connection = kuzu.Connection(database, num_threads=2)
        connection.create_function(
            "twice", lambda number: number * 2, [kuzu.Type.INT64], kuzu.Type.INT64
        )
        connection.execute("create node table Person(name string, age int64, primary key(name))")
        for i in range(10):
            connection.execute(f"create (:Person {{name: 'n{i}', age: {i}}})")
        query = "match (p:Person) where p.age > 6 return p.name, twice(p.age) order by p.age"
        rows = connection.execute(query).get_all()
        connection.close()
        database.close()
    return rows
