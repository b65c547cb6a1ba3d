"""Every route of the running server, as a client sees it, against the search done here."""

import json
import threading
from typing import Any

import digits
import numpy
import pytest
from finder import Finder
from neighbours_process import Neighbours

import allcores

COUNT = 4000  # as in the fixture


@pytest.fixture(scope="module")
def pixels() -> Any:
    return numpy.frombuffer(digits.load(COUNT)["pixels"]).reshape(-1, 64)


def ask(server: Neighbours, point: Any, **fields: object) -> dict[str, Any]:
    query = "".join(f"&{name}={value}" for name, value in fields.items())
    text = ",".join(f"{value:g}" for value in point)
    answer, body = server.get(f"/nearest?point={text}{query}")
    assert answer.status == 200, body
    assert (answer.getheader("Content-Type") or "").startswith("application/json")
    found: dict[str, Any] = json.loads(body)
    return found


def test_the_points_are_viewed_and_never_copied() -> None:
    data = allcores.freeze(digits.load(500))
    finder = Finder(data["pixels"], data["labels"])
    assert allcores.is_frozen(data["pixels"])
    frozen = numpy.frombuffer(data["pixels"])
    assert numpy.shares_memory(finder.points, frozen)
    assert numpy.shares_memory(numpy.asarray(finder.tree.data), frozen)
    assert not finder.points.flags.writeable


def test_variations_of_the_digits() -> None:
    images, labels = digits.read()
    assert len(images) == len(labels) == digits.ORIGINALS
    assert set(labels) == set(range(10))
    loaded = digits.load(digits.ORIGINALS * 10)
    # The first digit in all its variations.
    points = numpy.frombuffer(loaded["pixels"]).reshape(10, digits.ORIGINALS, 8, 8)[:, 0]
    first = points[0]
    assert first.astype(int).tobytes() == numpy.frombuffer(images[0], "u1").astype(int).tobytes()
    assert first.max() <= digits.INK
    left, right, up, down = points[[1, 2, 3, 6]]
    assert (left[:, :-1] == first[:, 1:]).all() and not left[:, -1].any()
    assert (right[:, 1:] == first[:, :-1]).all() and not right[:, 0].any()
    assert (up[:-1] == first[1:]).all() and not up[-1].any()
    assert (down[1:] == first[:-1]).all() and not down[0].any()
    # And after all that, the fainter ones.
    assert (points[9] == first * 14 // 16).all()
    assert loaded["labels"] == labels * 10


def test_a_digit_is_its_own_neighbour(neighbours: Neighbours, pixels: Any) -> None:
    for row in (0, 17, 1796, 3999):
        found = ask(neighbours, pixels[row], count=3)
        assert len(found["neighbours"]) == 3
        assert (found["neighbours"][0]["row"], found["neighbours"][0]["distance"]) == (row, 0)
        assert found["digit"] == found["neighbours"][0]["digit"]
        assert found["share"] > 0.9


@pytest.mark.parametrize("way", ["tree", "product"])
def test_the_nearest_are_the_nearest(neighbours: Neighbours, pixels: Any, way: str) -> None:
    generator = numpy.random.default_rng(3)
    for count in (1, 5, 50):
        point = generator.uniform(0, 16, 64).round(2)
        distances = numpy.sqrt(((pixels - point) ** 2).sum(1))
        found = ask(neighbours, point, count=count, way=way)["neighbours"]
        assert [one["distance"] for one in found] == pytest.approx(
            numpy.sort(distances)[:count], abs=6e-4
        )
        assert [one["distance"] for one in found] == pytest.approx(
            distances[[one["row"] for one in found]], abs=6e-4
        )


def test_a_body_of_json(neighbours: Neighbours, pixels: Any) -> None:
    point = pixels[5].tolist()
    answer, body = neighbours.get(
        "/nearest", "POST", body=json.dumps({"point": point, "count": 7, "way": "product"})
    )
    assert answer.status == 200
    assert json.loads(body) == ask(neighbours, point, count=7, way="product")


GOOD = ",".join(["1"] * 64)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "point is missing: 64 numbers with commas between them"),
        ("?point=", "point: 64 numbers are needed, not 1"),
        ("?point=1,2,3", "point: 64 numbers are needed, not 3"),
        (f"?point={GOOD},1", "point: 64 numbers are needed, not 65"),
        (f"?point={GOOD[:-1]}x", "point: value 64 is not a number: 'x'"),
        (f"?point={GOOD[:-2]}", "point: 64 numbers are needed, not 63"),
        (f"?point={GOOD[:-1]}", "point: value 64 is not a number: ''"),
        (f"?point={GOOD[:-1]}17", "point: value 64 is not from 0 to 16: 17"),
        (f"?point=-1{GOOD[1:]}", "point: value 1 is not from 0 to 16: -1"),
        (f"?point=nan{GOOD[1:]}", "point: value 1 is not from 0 to 16: nan"),
        (f"?point=inf{GOOD[1:]}", "point: value 1 is not from 0 to 16: inf"),
        (f"?point={GOOD}&count=0", "count: 1 to 50 neighbours can be asked for, not 0"),
        (f"?point={GOOD}&count=51", "count: 1 to 50 neighbours can be asked for, not 51"),
        (f"?point={GOOD}&count=two", "count: a whole number is needed, not 'two'"),
        (f"?point={GOOD}&count=-1", "count: a whole number is needed, not '-1'"),
        (f"?point={GOOD}&count=%C2%B2", "count: a whole number is needed, not '²'"),
        (f"?point={GOOD}&way=magic", "way: tree or product is needed, not 'magic'"),
    ],
)
def test_queries_that_are_none(neighbours: Neighbours, query: str, message: str) -> None:
    answer, body = neighbours.get(f"/nearest{query}")
    assert (answer.status, body.decode()) == (400, message + "\n")


NO_LIST = 'the body must be an object with a list "point" of 64 numbers'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "the body is not JSON"),
        ("{", "the body is not JSON"),
        ("[]", NO_LIST),
        ("{}", NO_LIST),
        ('{"point": 5}', NO_LIST),
        ('{"point": "' + GOOD + '"}', NO_LIST),
        ('{"point": []}', "point: 64 numbers are needed, not 0"),
        ('{"point": [null' + GOOD[1:] + "]}", "point: value 1 is not a number"),
        ('{"point": [true' + GOOD[1:] + "]}", "point: value 1 is not a number"),
        ('{"point": [[1]' + GOOD[1:] + "]}", "point: value 1 is not a number"),
        ('{"point": [NaN' + GOOD[1:] + "]}", "point: value 1 is not from 0 to 16: nan"),
        ('{"point": [1e999' + GOOD[1:] + "]}", "point: value 1 is not from 0 to 16: inf"),
        ('{"point": [1' + "0" * 400 + GOOD[1:] + "]}", "point: value 1 is not a number: '1000"),
        ('{"point": [' + GOOD + '], "count": true}', "count: a whole number is needed, not 'True'"),
        ('{"point": [' + GOOD + '], "count": 1.5}', "count: a whole number is needed, not '1.5'"),
        ('{"point": [' + GOOD + '], "way": ["tree"]}', "way: tree or product is needed"),
    ],
)
def test_bodies_that_are_none(neighbours: Neighbours, body: str, message: str) -> None:
    answer, said = neighbours.get("/nearest", "POST", body=body)
    assert answer.status == 400
    assert said.decode().startswith(message)


def test_methods_and_paths(neighbours: Neighbours) -> None:
    assert neighbours.get("/nearest", "PUT")[0].status == 405
    assert neighbours.get("/nowhere")[0].status == 404
    assert neighbours.get(f"/digit/{COUNT}.svg")[0].status == 404
    assert neighbours.get("/?row=abc")[0].status == 400
    assert neighbours.get(f"/?row={COUNT}")[0].status == 404


def test_the_page(neighbours: Neighbours) -> None:
    answer, body = neighbours.get("/")
    page = body.decode()
    assert answer.status == 200 and "default-src 'self'" in str(answer.headers)
    assert page.count('type="checkbox"') == page.count("aria-label=") == 64
    assert "Nothing is drawn yet." in page and "{{" not in page
    page = neighbours.get("/?row=3")[1].decode()
    assert "It looks like a <strong>3</strong>" in page and " checked" in page
    page = neighbours.get("/?ink=12&ink=20&ink=28&ink=36&ink=44&ink=52&ink=999&ink=%22")[1].decode()
    assert page.count(" checked") == 6 and "It looks like a" in page
    for path in ("/style.css", "/draw.js", "/favicon.ico", "/digit/0.svg"):
        answer, body = neighbours.get(path)
        assert answer.status == 200 and body


def test_all_workers_at_once(neighbours: Neighbours, pixels: Any) -> None:
    expected = {row: ask(neighbours, pixels[row]) for row in range(8)}
    wrong: list[int] = []

    def ask_again(row: int) -> None:
        for way in ("tree", "product") * 10:
            if (
                ask(neighbours, pixels[row], way=way)["neighbours"][0]
                != (expected[row]["neighbours"][0])
            ):
                wrong.append(row)

    threads = [threading.Thread(target=ask_again, args=(row,)) for row in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
