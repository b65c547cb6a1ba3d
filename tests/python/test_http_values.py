"""Mappings, query strings and cookies of HTTP."""

import copy
import http.cookies
import pickle
import string
import urllib.parse
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allcores._cookies import parse_cookie, set_cookie_header
from allcores._forms import parse_form_body, parse_query
from allcores._multidict import Headers, MultiDict

URLENCODED = "application/x-www-form-urlencoded"


text = st.text(st.characters(exclude_categories=["Cs"]))
pairs = st.lists(st.tuples(text, text), max_size=20)


class TestMultiDict:
    def test_is_a_mapping_of_first_values(self):
        values = MultiDict([("a", "1"), ("b", "2"), ("a", "3")])
        assert isinstance(values, Mapping)
        assert values["a"] == "1"
        assert values.get("b") == "2"
        assert values.get("c") is None
        assert values.get("c", "x") == "x"
        assert list(values) == ["a", "b"]
        assert list(values.items()) == [("a", "1"), ("b", "2")]
        assert len(values) == 2
        assert "a" in values
        assert "c" not in values
        assert 5 not in values
        with pytest.raises(KeyError, match="'c'"):
            values["c"]

    def test_all_values(self):
        values = MultiDict([("a", "1"), ("b", "2"), ("a", "3")])
        assert values.getlist("a") == ["1", "3"]
        assert values.getlist("c") == []
        assert values.multi_items() == [("a", "1"), ("b", "2"), ("a", "3")]

    def test_cannot_be_changed(self):
        values = MultiDict([("a", "1")])
        values.getlist("a").append("2")
        values.multi_items().clear()
        assert values.getlist("a") == ["1"]
        assert values.multi_items() == [("a", "1")]
        with pytest.raises(TypeError):
            values["a"] = "2"
        with pytest.raises(TypeError):
            hash(values)

    def test_equality(self):
        values = MultiDict([("a", "1"), ("b", "2")])
        assert values == MultiDict([("b", "2"), ("a", "1")])
        assert values == {"a": "1", "b": "2"}
        assert values != MultiDict([("a", "1"), ("b", "2"), ("a", "3")])
        assert MultiDict([("a", "1"), ("a", "2")]) != {"a": "1"}
        assert values != [("a", "1"), ("b", "2")]

    def test_from_mappings_repr_and_copies(self):
        values = MultiDict([("a", "1"), ("a", "2")])
        assert repr(values) == "MultiDict([('a', '1'), ('a', '2')])"
        assert MultiDict(values).multi_items() == values.multi_items()
        assert MultiDict({"a": "1"}) == {"a": "1"}
        assert MultiDict() == {}
        for same in (pickle.loads(pickle.dumps(values)), copy.deepcopy(values)):
            assert same == values
            assert same.multi_items() == values.multi_items()

    @given(pairs)
    def test_agrees_with_a_dict_of_lists(self, some):
        values, expected = MultiDict(some), {}
        for name, value in some:
            expected.setdefault(name, []).append(value)
        assert dict(values) == {name: each[0] for name, each in expected.items()}
        assert {name: values.getlist(name) for name in values} == expected


class TestHeaders:
    def test_ignores_case(self):
        headers = Headers([("Host", "h"), ("Accept", "a"), ("ACCEPT", "b")])
        assert headers["hOsT"] == "h"
        assert headers.get("HOST") == "h"
        assert headers.get("x") is None
        assert headers.get("x", "y") == "y"
        assert headers.getlist("accept") == ["a", "b"]
        assert "HOST" in headers
        assert "x" not in headers
        assert None not in headers
        assert list(headers) == ["host", "accept"]
        assert headers.multi_items()[0] == ("Host", "h")
        with pytest.raises(KeyError, match="'X-Y'"):
            headers["X-Y"]

    def test_equality_ignores_case(self):
        headers = Headers([("Host", "h")])
        assert headers == Headers([("HOST", "h")])
        assert headers == {"HOST": "h"}
        assert headers == MultiDict([("hosT", "h")])
        assert headers != {"host": "H"}


class TestQuery:
    @pytest.mark.parametrize(
        ("raw", "expected"),
        [
            (b"", []),
            (b"a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
            (b"a", [("a", "")]),
            (b"=1", [("", "1")]),
            (b"&&a=1&&", [("a", "1")]),
            (b"a=b=c", [("a", "b=c")]),
            (b"a=b+c%2B&d+e=%26%3D", [("a", "b c+"), ("d e", "&=")]),
            (b"a=1;b=2", [("a", "1;b=2")]),
            (b"q=%E2%82%AC&r=%E2%82&s=%&t=%zz", [("q", "€"), ("r", "�"), ("s", "%"), ("t", "%zz")]),
            (b"\xff=\xc3\xa9", [("�", "é")]),
            (b"a=%E2\x82%AC&b=%\xc3%a9&c=\xe9+", [("a", "€"), ("b", "%é"), ("c", "� ")]),
        ],
    )
    def test_table(self, raw, expected):
        assert parse_query(raw).multi_items() == expected
        assert parse_form_body(URLENCODED, raw).multi_items() == expected

    @given(pairs)
    def test_reads_what_the_standard_library_writes(self, some):
        assert parse_query(urllib.parse.urlencode(some)).multi_items() == some
        assert parse_query(urllib.parse.urlencode(some).encode()).multi_items() == some

    @given(st.binary(max_size=200))
    def test_reads_anything_as_the_standard_library_does(self, raw):
        expected = urllib.parse.parse_qsl(
            raw.decode("latin-1"), keep_blank_values=True, encoding="latin-1"
        )
        # The same pairs before they are decoded; UTF-8 is the difference.
        decoded = [
            (
                a.encode("latin-1").decode(errors="replace"),
                b.encode("latin-1").decode(errors="replace"),
            )
            for a, b in expected
        ]
        assert parse_query(raw).multi_items() == decoded

    def test_limit(self):
        assert len(parse_query(b"a=1&b=2&&", most_fields=2)) == 2
        with pytest.raises(ValueError, match="more than 2 fields"):
            parse_query(b"a=1&b=2&c=3", most_fields=2)
        assert len(parse_query("&".join(map(str, range(1000))))) == 1000
        with pytest.raises(ValueError, match="more than 1000 fields"):
            parse_query("&".join(map(str, range(1001))))


class TestCookies:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("", {}),
            ("a=1", {"a": "1"}),
            ("a=1; b=2", {"a": "1", "b": "2"}),
            ("a=1;b=2;;  c = 3 ", {"a": "1", "b": "2", "c": "3"}),
            ("a=", {"a": ""}),
            ("a=b=c", {"a": "b=c"}),
            ('a="1 2"; b="; c="', {"a": "1 2", "b": '"', "c": '"'}),
            ('a={"x":[1,2]}', {"a": '{"x":[1,2]}'}),
            ("a; =b; c=1", {"c": "1"}),
            ("a=1; a=2", {"a": "1"}),
            ("$Version=1; a/b@c=1", {"$Version": "1", "a/b@c": "1"}),
            ("a=\xc3\xa9", {"a": "é"}),
            ("a=\xe9", {"a": "é"}),
            ("a=%3B", {"a": "%3B"}),
        ],
    )
    def test_table(self, value, expected):
        assert parse_cookie(value) == expected

    token = st.text(
        string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=40
    )
    octets = st.text([c for c in map(chr, range(33, 127)) if c not in '",;\\'], max_size=100)

    @given(st.dictionaries(token, octets, max_size=10))
    def test_round_trip(self, cookies):
        sent = "; ".join(
            set_cookie_header(name, value, secure=True).partition(";")[0]
            for name, value in cookies.items()
        )
        assert parse_cookie(sent) == cookies

    @given(st.text())
    def test_reads_anything(self, value):
        for name, text in parse_cookie(value).items():
            assert name
            assert ";" not in name + text

    def test_field(self):
        assert set_cookie_header("a", "1") == "a=1; Path=/; SameSite=Lax"
        assert set_cookie_header("a", "", path=None, samesite=None) == "a="
        assert (
            set_cookie_header(
                "__Secure-a",
                "1",
                max_age=timedelta(hours=1, milliseconds=5),
                expires=datetime(1994, 11, 6, 10, 49, 37, tzinfo=timezone(timedelta(hours=2))),
                path="/x y",
                domain=".example.org",
                secure=True,
                httponly=True,
                samesite="none",
                partitioned=True,
            )
            == "__Secure-a=1; Max-Age=3600; Expires=Sun, 06 Nov 1994 08:49:37 GMT; Path=/x y; "
            "Domain=example.org; SameSite=None; Secure; HttpOnly; Partitioned"
        )
        assert "Max-Age=0" in set_cookie_header("a", "", max_age=0)

    def test_the_standard_library_reads_it(self):
        morsel = http.cookies.SimpleCookie(
            set_cookie_header("a", "1/x", max_age=5, secure=True, httponly=True, domain="a.b")
        )["a"]
        assert (morsel.value, morsel["max-age"], morsel["domain"]) == ("1/x", "5", "a.b")
        assert (morsel["secure"], morsel["httponly"], morsel["samesite"]) == (True, True, "Lax")

    @pytest.mark.parametrize(
        ("name", "value", "attributes"),
        [
            ("", "1", {}),
            ("a b", "1", {}),
            ("a=b", "1", {}),
            ("a;", "1", {}),
            ("é", "1", {}),
            ("a\n", "1", {}),
            ("a", "1;Domain=evil", {}),
            ("a", "1\r\nX: y", {}),
            ("a", "1\n", {}),
            ("a", "a b", {}),
            ("a", 'a"b', {}),
            ("a", "a,b", {}),
            ("a", "a\\b", {}),
            ("a", "é", {}),
            ("a", "\0", {}),
            ("a", "x" * 4096, {}),
            ("a", "1", {"path": "x"}),
            ("a", "1", {"path": ""}),
            ("a", "1", {"path": "/;Secure"}),
            ("a", "1", {"path": "/\r\nX: y"}),
            ("a", "1", {"path": "/\n"}),
            ("a", "1", {"domain": ""}),
            ("a", "1", {"domain": "a b"}),
            ("a", "1", {"domain": "a;b"}),
            ("a", "1", {"domain": "a..b"}),
            ("a", "1", {"domain": "a\n"}),
            ("a", "1", {"domain": "a." * 200 + "a"}),
            ("a", "1", {"max_age": 1.5}),
            ("a", "1", {"max_age": "1; Secure"}),
            ("a", "1", {"expires": datetime(2026, 1, 1)}),
            ("a", "1", {"samesite": "lax; Secure"}),
            ("a", "1", {"samesite": "None"}),
            ("a", "1", {"partitioned": True}),
            ("__Secure-a", "1", {}),
            ("__host-a", "1", {}),
            ("__Host-a", "1", {"secure": True, "path": "/x"}),
            ("__Host-a", "1", {"secure": True, "domain": "a"}),
        ],
    )
    def test_what_a_cookie_cannot_carry(self, name, value, attributes):
        with pytest.raises(ValueError, match=r"^set_cookie: "):
            set_cookie_header(name, value, **attributes)

    @given(st.text(), st.text(), st.text(), st.text())
    def test_nothing_breaks_out(self, name, value, path, domain):
        try:
            field = set_cookie_header(name, value, path=path, domain=domain, samesite=None)
        except ValueError:
            return
        assert field.count(";") == 2
        assert field.isprintable()

    def test_dates_before_1000_and_in_utc(self):
        field = set_cookie_header("a", "1", expires=datetime(999, 1, 2, tzinfo=UTC))
        assert "Expires=Wed, 02 Jan 0999 00:00:00 GMT" in field
