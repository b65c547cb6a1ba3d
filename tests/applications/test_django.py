"""Django by ASGI and WSGI, on SQLite and PostgreSQL: admin, forms, streams, transactions."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import postgres
import pytest
import requests
from served import FOLDERS, served, until, withstands
from servers import ServerProcess

SET_UP = """
import django
django.setup()
from django.core.management import call_command
from django.contrib.auth.models import User
call_command("migrate", run_syncdb=True, verbosity=0)
from django_site.models import Author, Counter
User.objects.create_superuser("root", "", "secret")
Author.objects.create(name="Ada")
Counter.objects.create(name="hits")
Counter.objects.create(name="load")
"""


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with postgres.postgresql() as folder:
        yield folder


@pytest.fixture(
    scope="module",
    params=["sqlite-asgi", "sqlite-wsgi", "postgresql-checked", "postgresql-validated"],
)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    kind, _, interface = request.param.partition("-")
    if kind == "sqlite":
        place = str(tmp_path_factory.mktemp("django") / "database")
    else:
        missing = postgres.missing()
        if missing:
            pytest.skip(missing)
        place = request.getfixturevalue("postgresql")
        subprocess.run(["psql", "-h", place, "-U", "postgres", "-q", "-c", RESET], check=True)
    environment = {
        "APP_DATABASE": f"{kind}:{place}",
        "DJANGO_SETTINGS_MODULE": "django_app",
        "PYTHONPATH": os.pathsep.join(map(str, FOLDERS)),
    }
    subprocess.run([sys.executable, "-c", SET_UP], check=True, env=os.environ | environment)
    # wsgiref's validator is a function that can be called in any way.
    options = {"interface": "wsgi"} if interface == "validated" else {}
    with served(f"django_app:{interface}", environment=environment, **options) as up:
        yield up


RESET = "drop schema public cascade; create schema public"


@pytest.fixture
def client(server: ServerProcess) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def token(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found is not None, page
    return found[1]


def test_request(client: requests.Session, server: ServerProcess) -> None:
    found = client.get(f"{server.url}/?a=b%20c").json()
    found.pop("token")
    assert found == {
        "path": "/?a=b%20c",
        "secure": False,
        "host": f"127.0.0.1:{server.port}",
        "client": "127.0.0.1",
    }
    assert client.get(f"{server.url}/loop").json() == {"running": True}
    assert client.get(f"{server.url}/", headers={"Host": "other"}).status_code == 400
    assert client.get(f"{server.url}/nowhere").status_code == 404


def test_admin(client: requests.Session, server: ServerProcess) -> None:
    """Log in by its form, add an author, find it in the list; all need the CSRF token."""
    login = f"{server.url}/admin/login/"
    page = client.get(f"{server.url}/admin/")
    assert page.url == f"{login}?next=/admin/"
    fields = {"username": "root", "password": "wrong", "next": "/admin/"}
    assert client.post(login, fields, headers={"Cookie": ""}).status_code == 403
    page = client.post(login, fields | {"csrfmiddlewaretoken": token(page.text)})
    assert "Please enter the correct" in page.text
    fields["password"] = "secret"
    page = client.post(login, fields | {"csrfmiddlewaretoken": token(page.text)})
    assert page.url == f"{server.url}/admin/" and "Site administration" in page.text
    for _ in range(6):  # the session is in every worker
        page = client.get(f"{server.url}/admin/django_site/author/add/")
        assert "Add author" in page.text
    page = client.post(page.url, {"name": "Grace", "csrfmiddlewaretoken": token(page.text)})
    assert "was added successfully" in page.text
    found = client.get(f"{server.url}/admin/django_site/author/?q=grac")
    assert "Grace" in found.text and ">Ada<" not in found.text


def test_form(client: requests.Session, server: ServerProcess) -> None:
    page = client.get(f"{server.url}/add").text
    assert client.post(f"{server.url}/add", {"title": "t"}).status_code == 403
    fields = {"csrfmiddlewaretoken": token(page), "author": "1", "title": "Ünder", "pages": "x"}
    assert "Enter a whole number" in client.post(f"{server.url}/add", fields).text
    done = client.post(f"{server.url}/add", fields | {"pages": "77"})
    assert done.json() == [["Ünder", 77]]
    assert client.get(f"{server.url}/async_books/Ada").json() == [["Ünder", 77]]
    assert client.get(f"{server.url}/statistics").json()["Ada"] == [1, 77]


def test_transactions(client: requests.Session, server: ServerProcess) -> None:
    for number in range(1, 13):
        assert client.post(f"{server.url}/rolled_back/hits").text == "rolled back"
        assert client.post(f"{server.url}/count/hits").text == str(number)


@pytest.mark.parametrize("path", ["stream", "async_stream"])
def test_streams(client: requests.Session, server: ServerProcess, path: str) -> None:
    for count in (0, 1, 3000):
        found = client.get(f"{server.url}/{path}/{count}")
        assert found.text.split() == [str(number) for number in range(count)]


def test_files(client: requests.Session, server: ServerProcess) -> None:
    source = Path(__file__).parent / "apps" / "django_site" / "urls.py"
    assert client.get(f"{server.url}/source").content == source.read_bytes()
    content = os.urandom(4 << 20)  # more than Django keeps in memory
    found = client.post(f"{server.url}/upload", files={"file": ("a.bin", content)}).json()
    digest = hashlib.sha256(content).hexdigest()
    assert found == {"name": "a.bin", "size": len(content), "hash": digest}


def test_sessions_and_failures(client: requests.Session, server: ServerProcess) -> None:
    assert [client.get(f"{server.url}/session").text for _ in range(8)] == list("12345678")
    assert client.get(f"{server.url}/fails").status_code == 500
    until("the traceback", lambda: "LookupError: fails on purpose" in server.stderr())


def test_many_clients(server: ServerProcess) -> None:
    counted = 0

    def ask(connection: HTTPConnection, number: int) -> None:
        nonlocal counted
        which = number % 4
        if which == 0:
            connection.request("POST", "/count/load", b"")
            response = connection.getresponse()
            assert int(response.read()) > 0
            counted += 1
        elif which == 1:
            path = "stream" if number % 8 == 1 else "async_stream"
            connection.request("GET", f"/{path}/{number % 200}")
            lines = connection.getresponse().read().split()
            assert [int(line) for line in lines] == list(range(number % 200))
        elif which == 2:
            body = json.dumps([number] * (number % 3000)).encode()
            connection.request("PUT", "/echo", body)
            found = json.load(connection.getresponse())
            assert found == {"method": "PUT", "got": [number] * (number % 3000)}
        else:
            connection.request("GET", f"/?{number}")
            assert json.load(connection.getresponse())["path"] == f"/?{number}"

    withstands(server, ask)
    # Nothing that was counted is lost, with so many transactions at once.
    assert server.get("/count/load", "POST")[1] == str(counted + 1).encode()
