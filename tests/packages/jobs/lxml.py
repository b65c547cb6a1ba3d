"""Trees, XPath with a function in Python, XSLT, a schema, HTML, errors."""

from lxml import etree, html, objectify

SHEET = b"""<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:template match="/"><out><xsl:value-of select="count(//b)"/></out></xsl:template>
</xsl:stylesheet>"""


def work() -> object:
    text = b"<a>" + b"".join(b'<b x="%d">t</b>' % i for i in range(200)) + b"</a>"
    functions = etree.FunctionNamespace("urn:test")
    functions["twice"] = lambda _, values: float(values[0]) * 2
    for _ in range(30):
        tree = etree.fromstring(text)
        assert etree.tostring(tree) == text
    twice = tree.xpath("f:twice(//b[7]/@x)", namespaces={"f": "urn:test"})
    transformed = str(etree.XSLT(etree.fromstring(SHEET))(tree)).splitlines()[-1]
    page = html.fromstring("<p>one<br>two <a href='x'>link</a>")
    try:
        etree.fromstring(b"<a><b></a>")
    except etree.XMLSyntaxError as error:
        wrong = error.lineno
    parts = objectify.fromstring(b"<r><n>5</n></r>").n + 1
    return twice, transformed, page.xpath("//a/@href")[0], wrong, int(parts)
