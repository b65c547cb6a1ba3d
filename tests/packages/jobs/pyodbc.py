"""The driver manager's answers; there is no database here."""

import pyodbc


def work() -> object:
    assert pyodbc.drivers() == pyodbc.drivers()
    states = []
    for _ in range(20):
        try:
            pyodbc.connect("DRIVER=none such;SERVER=nowhere", timeout=1)
        except pyodbc.Error as error:
            states.append(error.args[0])
    return set(states) == {"IM002"} or sorted(set(states)), pyodbc.paramstyle
