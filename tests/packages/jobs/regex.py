"""Patterns that the standard library has not; replacing through a function."""

import regex


def work() -> object:
    for _ in range(200):
        found = regex.findall(r"\p{Lu}\w+", "One two Three ÄÖ four")
    nested = regex.match(r"\((?:[^()]|(?R))*\)", "(a(b)c)d")
    fuzzy = regex.search(r"(?:hello){e<=2}", "say helo there")
    replaced = regex.sub(r"\d+", lambda match: str(int(match[0]) * 2), "1 20 300")
    return found, nested.group(), fuzzy.group(), replaced, regex.splititer(",", "a,b").__next__()
