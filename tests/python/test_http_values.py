"""Mappings, query strings, cookies and forms of HTTP."""

import contextlib
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
from allcores._forms import Form, UploadedFile, parse_form_body, parse_query
from allcores._multidict import Headers, MultiDict

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=B"
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


def part(name, content, extra="", header=""):
    return (
        f'--B\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n{header}\r\n'.encode()
        + content
        + b"\r\n"
    )


END = b"--B--\r\n"


def browser_escape(name):
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


class TestMultipart:
    def test_text_and_files(self):
        body = (
            part("a", b"1")
            + part("a", "é\r\n--b".encode())
            + part("f", b"\x00\xff\r\n", '; filename="x.bin"', "Content-Type: image/png\r\n")
            + part("f", b"", '; filename="empty"')
            + part("none", b"", '; filename=""', "Content-Type: application/octet-stream\r\n")
            + END
        )
        form = parse_form_body(MULTIPART, body)
        assert form.multi_items() == [("a", "1"), ("a", "é\r\n--b")]
        assert form.files.multi_items() == [
            ("f", UploadedFile("x.bin", "image/png", b"\x00\xff\r\n")),
            ("f", UploadedFile("empty", "text/plain", b"")),
        ]
        assert form["a"] == "1"
        assert form.getlist("a") == ["1", "é\r\n--b"]
        assert "f" not in form
        assert "x.bin" in repr(form)
        assert "xff" not in repr(form)

    def test_equality(self):
        file = UploadedFile("x", "text/plain", b"1")
        assert Form([("a", "1")]) == {"a": "1"}
        assert Form([], [("f", file)]) == Form([], {"f": file})
        assert Form([], [("f", file)]) != Form()

    @pytest.mark.parametrize(
        "body",
        [
            END,
            b"--B--",
            b"--B--anything",
            b"preamble\r\n--B--\r\nepilogue",
            b"\r\n--B--",
        ],
    )
    def test_no_fields(self, body):
        assert parse_form_body(MULTIPART, body) == Form()

    @pytest.mark.parametrize(
        "body",
        [
            b"--B  \t\r\ncontent-disposition:form-data;name=a\r\n\r\n1\r\n--B--",
            b'--B\r\nCONTENT-DISPOSITION: Form-Data ; NAME="a" ; \r\nX: y\r\n\r\n1\r\n--B--',
            b'x\r\n--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B--\r\n--B\r\n',
            part("a", b"1", "", "Content-Transfer-Encoding: 8bit\r\n") + b"--B--",
        ],
    )
    def test_forms_of_one_field(self, body):
        assert parse_form_body(MULTIPART, body).multi_items() == [("a", "1")]

    @pytest.mark.parametrize(
        ("parameters", "expected"),
        [
            ('filename="a.txt"', "a.txt"),
            ("filename=a.txt", "a.txt"),
            ('filename="a\\"b"', 'a"b'),
            ('filename="a%22b%0D%0A%41"', 'a"b\r\n%41'),
            ('filename="C:\\dir\\a.txt"', "C:\\dir\\a.txt"),
            ('filename="é€.txt"', "é€.txt"),
            ('filename="../../etc/passwd"', "../../etc/passwd"),
            ('filename="a;b=c"', "a;b=c"),
            ("filename=\"x\"; filename*=UTF-8''%e2%82%ac", "€"),
            ("filename*=iso-8859-1'en'%E9; filename=x", "é"),
            ("filename=\"x\"; filename*=koi8-r''%E9", "x"),
        ],
    )
    def test_file_names(self, parameters, expected):
        form = parse_form_body(MULTIPART, part("f", b"1", "; " + parameters) + END)
        assert form.files["f"].filename == expected

    def test_a_part_without_content(self):
        body = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n--B--'
        assert parse_form_body(MULTIPART, body).multi_items() == [("a", "")]

    @pytest.mark.parametrize(
        ("content_type", "boundary"),
        [
            ('multipart/form-data; boundary="a b"', "a b"),
            ("Multipart/Form-Data;charset=utf-8; BOUNDARY=a", "a"),
            ("multipart/form-data; boundary=" + "x" * 70, "x" * 70),
            (
                "multipart/form-data; boundary=----WebKitFormBoundaryAb1",
                "----WebKitFormBoundaryAb1",
            ),
        ],
    )
    def test_boundaries(self, content_type, boundary):
        body = (part("a", b"1") + END).replace(b"--B", b"--" + boundary.encode())
        assert parse_form_body(content_type, body)["a"] == "1"

    @pytest.mark.parametrize(
        "content_type",
        [
            "",
            "text/plain",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            'multipart/form-data; boundary=""',
            "multipart/form-data; boundary=" + "x" * 71,
            'multipart/form-data; boundary="a "',
            'multipart/form-data; boundary="é"',
            'multipart/form-data; boundary="a',
            "multipart/form-data; boundary=a; boundary=b",
            "multipart/form-data; boundary=a b",
            "multipart/form-data boundary=a",
            "multipart/mixed; boundary=a",
        ],
    )
    def test_content_types_that_are_none(self, content_type):
        with pytest.raises(ValueError):
            parse_form_body(content_type, b"--a--")

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"", "boundary does not appear"),
            (b"a=1", "boundary does not appear"),
            (b"x--B--", "boundary does not appear"),
            (b"--B", "follows a boundary"),
            (b"--B-", "follows a boundary"),
            (b"--B\n", "follows a boundary"),
            (b"--Bx\r\n", "follows a boundary"),
            (b"--B\r\n", "header of a part does not end"),
            (b"--B\r\n\r\n", "last part does not end"),
            (b"--B\r\n\r\n1\r\n--B--", "no Content-Disposition"),
            (b"--B\r\nX: y\r\n\r\n1\r\n--B--", "no Content-Disposition"),
            (b"--B\r\nContent-Disposition: form-data\r\n\r\n1\r\n--B--", "no Content-Disposition"),
            (
                b"--B\r\nContent-Disposition: file; name=a\r\n\r\n1\r\n--B--",
                "no Content-Disposition",
            ),
            (b"--B\r\nContent-Disposition: form-data; name\r\n\r\n1\r\n--B--", "malformed param"),
            (
                b'--B\r\nContent-Disposition: form-data; name="a\r\n\r\n1\r\n--B--',
                "malformed param",
            ),
            (b"--B\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n1\r\n--B--", "twice"),
            (part("a", b"1", "", "Content-Disposition: form-data; name=b\r\n") + END, "twice"),
            (part("a", b"1", "", "X\r\n") + END, "malformed line"),
            (part("a", b"1", "", "X : y\r\n") + END, "malformed line"),
            (part("a", b"1", "", " folded: y\r\n") + END, "malformed line"),
            (part("a", b"1", "", "Content-Transfer-Encoding: base64\r\n") + END, "base64"),
            (part("a", b"1"), "last part does not end"),
            (part("a", b"1") + b"--B", "follows a boundary"),
            (part("a", b"1", "", "X: " + "y" * 8192 + "\r\n") + END, "8192 bytes"),
        ],
    )
    def test_malformed(self, body, message):
        with pytest.raises(ValueError, match=message):
            parse_form_body(MULTIPART, body)

    def test_limit(self):
        body = part("a", b"1") * 3 + END
        assert len(parse_form_body(MULTIPART, body, most_fields=3).getlist("a")) == 3
        with pytest.raises(ValueError, match="more than 2 fields"):
            parse_form_body(MULTIPART, body, most_fields=2)
        with pytest.raises(ValueError, match="more than 1000 fields"):
            parse_form_body(MULTIPART, part("a", b"1") * 1001 + END)

    # What the escapes of browsers can tell apart: they leave a "%" as it is.
    name = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="%\\"))

    @given(st.lists(st.tuples(name, st.none() | name.filter(bool), st.binary()), max_size=8))
    def test_round_trip(self, fields):
        body, texts, files = b"", [], []
        for name, filename, content in fields:
            if filename is None:
                content = content.decode("latin-1").encode()
                texts.append((name, content.decode()))
                body += part(browser_escape(name), content)
            else:
                files.append((name, UploadedFile(filename, "a/b", content)))
                extra = f'; filename="{browser_escape(filename)}"'
                body += part(browser_escape(name), content, extra, "Content-Type: a/b\r\n")
        if any(b"\r\n--B" in content for _, _, content in fields):
            return
        form = parse_form_body(MULTIPART, body + END)
        assert form.multi_items() == texts
        assert form.files.multi_items() == files

    pieces = st.sampled_from(
        [
            b"--B",
            b"--",
            b"\r\n",
            b"\r\n\r\n",
            b"B",
            b" ",
            b":",
            b";",
            b'"',
            b"\\",
            b"=",
            b"name",
            b"%22",
            b"Content-Disposition: form-data; name=a",
            b"filename*=utf-8''%ff",
            b"\xff",
            b"\0",
        ]
    )

    @given(st.lists(pieces, max_size=40).map(b"".join))
    def test_any_body_is_a_form_or_a_value_error(self, body):
        with contextlib.suppress(ValueError):
            assert isinstance(parse_form_body(MULTIPART, body), Form)

    @given(st.text())
    def test_any_content_type_is_known_or_a_value_error(self, content_type):
        with contextlib.suppress(ValueError):
            parse_form_body("multipart/form-data;" + content_type, b"--B--")
