#!/usr/bin/env python3
"""Writes tests/golden/regex.json: [[expression, texts that Python's re matches as a whole, texts that it does not], ...],
and expressions that are refused there as [expression, null]; with re.ASCII, for random expressions and texts.

    tools/oracles/regexes.py
"""
import json
import pathlib
import random
import re
import warnings

FILE = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/regex.json"
LETTERS = ["a", "b", "c", "1", "-", " ", "\n", "é", "€", "😀", "ÿ", "\u0800", "\ud7ff", "\uffff", '"', "\\", "]", "}", "_", "\t"]
ATOMS = ["a", "b", "c", "1", "é", "€", "😀", ".", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", "[abc]", "[^a]", "[a-c1]", "[^€]",
         "[é-€]", "[à-\ufffd]", "[^ -~]", r"[\d\-a]", r"[^\w]", "[]a]", "[a-]", r"[\]^]", r"\.", r"\\", r"\n", r"\x61", r"\u20ac",
         "[\u0800-😀]", "[€-\U0010ffff]", r"[\x80-\u07ff]", "}", "]", " ", '"']
WRONG = ["(", ")", "a)", "(a", "[", "[a", "[^", "*", "+a", "?", "a**", "a{2}{3}", "(*a)", "|*", "a{3,2}", "[b-a]", r"[\d-z]", r"[a-\d]",
         "\\", r"\x6", r"\u12", "(?:a", "(?<a"]
TIMES = ["?", "*", "+", "{2}", "{1,3}", "{,2}", "{2,}", "*?", "+?", "??", "{1,2}?", "{0}"]
draw = random.Random(7)


def expression(depth):
    def piece():
        kind = draw.random()
        if depth == 0 or kind < 0.6:
            e = draw.choice(ATOMS)
        else:
            e = draw.choice(["(", "(?:", "(?P<n%d>" % draw.randrange(10**6)]) + expression(depth - 1) + ")"
        return e + (draw.choice(TIMES) if draw.random() < 0.35 else "")
    return "|".join("".join(piece() for _ in range(draw.randrange(0 if depth < 2 else 1, 4))) for _ in range(draw.choice([1, 1, 1, 2, 3])))


def texts(pattern):
    """Those that match and those that do not: random ones, and neighbours of those that match."""
    matches, others = set(), set()
    pool = ["".join(draw.choice(LETTERS) for _ in range(draw.randrange(6))) for _ in range(250)] + [""]
    for round in range(3):
        for text in pool:
            (matches if pattern.fullmatch(text) else others).add(text)
        pool = []
        for text in sorted(matches):
            for _ in range(8):
                at = draw.randrange(len(text) + 1)
                pool.append(text[:at] + draw.choice(["", draw.choice(LETTERS)]) + text[at + draw.randrange(2):])
    return [draw.sample(sorted(s), min(5, len(s))) for s in (matches, others)]


def main():
    warnings.simplefilter("ignore", FutureWarning)
    rows = []
    for _ in range(400):
        e = expression(2)
        rows.append([e, *texts(re.compile(e, re.ASCII))])
    for e in WRONG:
        try:
            re.compile(e)
        except re.error:
            rows.append([e, None])
        else:
            raise AssertionError(e)
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    FILE.write_text(f"[{lines}]\n")


main()
