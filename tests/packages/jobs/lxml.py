"""Trees, XPath and XSLT with functions in Python, resolvers, schemas, HTML, errors."""

import io

from lxml import etree, html, objectify

ROUNDS = 20

SHEET = b"""<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
  xmlns:f="urn:test" xmlns:str="http://exslt.org/strings" extension-element-prefixes="f str">
<xsl:import href="memory:imported"/>
<xsl:template match="/"><out>
  <xsl:value-of select="count(//b)"/>/<xsl:value-of select="f:twice(//b[4]/@x)"/>
  <f:mark/><xsl:value-of select="str:concat(document('memory:other')//c)"/>
  <xsl:call-template name="imported"/><xsl:message>said</xsl:message>
</out></xsl:template>
</xsl:stylesheet>"""
IMPORTED = """<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:template name="imported"><imported/></xsl:template></xsl:stylesheet>"""
SCHEMA = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="a">
<xs:complexType><xs:sequence><xs:element name="b" type="xs:int" maxOccurs="9"/></xs:sequence>
</xs:complexType></xs:element></xs:schema>"""
GRAMMAR = b"""<element name="a" xmlns="http://relaxng.org/ns/structure/1.0"
  datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">
<oneOrMore><element name="b"><data type="int"/></element></oneOrMore></element>"""
# A document that names another, which only the resolver knows.
NAMES = b'<!DOCTYPE a SYSTEM "memory:names"><a>&who;</a>'


class Memory(etree.Resolver):
    """What the documents name, without a file or a network."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def resolve(self, url: str, public_id: str | None, context: object) -> object:
        self.asked.append(url)
        known = {
            "memory:names": "<!ENTITY who 'me'>",
            "memory:imported": IMPORTED,
            "memory:other": "<d><c>1</c><c>2</c></d>",
        }
        return self.resolve_string(known[url], context) if url in known else None


class Mark(etree.XSLTExtension):
    def execute(self, context: object, node: object, source: object, parent: object) -> None:
        parent.append(etree.Element("marked"))  # type: ignore[attr-defined]


def twice(_: object, values: list[str]) -> float:
    return float(values[0]) * 2


def resolved() -> object:
    """Entities, an imported style sheet and document(), each by a resolver in Python."""
    memory = Memory()
    parser = etree.XMLParser(load_dtd=True, resolve_entities=True, no_network=True)
    parser.resolvers.add(memory)
    who = etree.fromstring(NAMES, parser).text
    sheet = etree.XSLT(etree.fromstring(SHEET, parser), extensions={("urn:test", "mark"): Mark()})
    tree = etree.fromstring(b"<a>" + b"".join(b'<b x="%d"/>' % i for i in range(7)) + b"</a>")
    made = "".join(str(sheet(tree)).split())
    return who, made, [entry.message for entry in sheet.error_log], memory.asked


def mistakes() -> object:
    """What is wrong with broken documents, whose errors libxml2 reports through callbacks."""
    found = []
    for text in (b"<a><b></a>", b"<a>&none;</a>", b"<a x='1' x='2'/>", b"<a>\xff</a>", b"<a"):
        try:
            etree.fromstring(text)
        except etree.XMLSyntaxError as error:
            found.append((error.code, error.position, error.msg))
    mended = etree.fromstring(b"<a><b>1<c></a>", etree.XMLParser(recover=True))
    found.append(etree.tostring(mended))
    wrong = etree.fromstring(b"<a><b>1</b><b>x</b></a>")
    for validator in (etree.XMLSchema, etree.RelaxNG):
        checks = validator(etree.fromstring(SCHEMA if validator is etree.XMLSchema else GRAMMAR))
        found.append((checks.validate(wrong), [entry.type_name for entry in checks.error_log]))
    for expression in ("//b[", "f:none()", "1 +"):
        try:
            wrong.xpath(expression)
        except etree.XPathError as error:
            found.append(str(error))
    try:
        etree.XSLT(
            etree.fromstring(
                b"<xsl:stylesheet xmlns:xsl='http://www.w3.org/1999/XSL/Tran"
                b"sform' version='1.0'><xsl:template/></xsl:stylesheet>"
            )
        )
    except etree.XSLTParseError as error:
        found.append(str(error))
    return found


def trees() -> object:
    text = b"<a>" + b"".join(b'<b x="%d">t</b>' % i for i in range(200)) + b"</a>"
    tree = etree.fromstring(text)
    assert etree.tostring(tree) == text
    twice_7 = tree.xpath("f:twice(//b[7]/@x)", namespaces={"f": "urn:test"})
    events = sum(1 for _ in etree.iterparse(io.BytesIO(text), events=("start", "end")))
    page = html.fromstring("<p>one<br>two <a href='x'>link</a>")
    parts = objectify.fromstring(b"<r><n>5</n></r>").n + 1
    canonical = etree.tostring(tree[3], method="c14n", with_tail=False)
    return twice_7, events, page.xpath("//a/@href")[0], int(parts), canonical


def work() -> object:
    functions = etree.FunctionNamespace("urn:test")
    functions["twice"] = twice
    results = {repr((resolved(), mistakes(), trees())) for _ in range(ROUNDS)}
    assert len(results) == 1, results
    return results
