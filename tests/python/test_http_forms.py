"""Forms of HTTP: multipart/form-data, well formed and not."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allcores._forms import Form, UploadedFile, parse_form_body

MULTIPART = "multipart/form-data; boundary=B"


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
