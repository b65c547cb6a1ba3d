"""Texts that are alike, one by one and on its own threads."""

from rapidfuzz import distance, fuzz, process


def work() -> object:
    words = ["apple", "banana", "apply", "maple"] * 50
    table = process.cdist(words, words, workers=2)
    edits = distance.Levenshtein.editops("kitten", "sitting").as_list()
    best = process.extract("appel", words, scorer=fuzz.WRatio, processor=str.lower, limit=1)
    return int(table.sum()), edits, best
