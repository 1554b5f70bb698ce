#!/usr/bin/env python3
"""Writes the tables of include/fauna/text that depend on a version of Unicode, and what tests/text/test_nfc.cpp expects:

    python tools/oracles/unicode.py include/fauna/text tests/golden

unicode.hpp has the class of every code point as the reference tokenizer sees it, asked of the regular expressions inside the
`tokenizers` package rather than of the Unicode files, whose version may be another. nfc_tables.hpp has what normalization form C
takes, from Python's unicodedata; nfc.json is what unicodedata makes of every character and of ten thousand strings.
"""

import json
import pathlib
import sys
import unicodedata

import tokenizers
from bpe import Draw, scalar
from tokenizers import Regex, pre_tokenizers

SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
OTHER, LETTER, NUMBER, SPACE, DIGIT_ONLY = range(5)
HANGUL = range(0xAC00, 0xD7A4)
STRINGS = 10_000

UNICODE_HPP = """// What the regular expressions of byte-level tokenizers ask of a character. Written by tools/oracles/unicode.py from
// the answers of the Python package tokenizers {version}: edit that, not this.
#pragma once
#include <fauna/text/code_points.hpp>

namespace fauna::inline v0 {{

/// \\p{{L}}, \\p{{N}}, \\s, or none of them. `digit_only` is what the reference's Digits step takes for a number and its
/// regular expressions do not: the two follow different versions of Unicode.
enum class char_class : std::uint8_t {{ other, letter, number, space, digit_only }};

// clang-format off
inline constexpr std::uint32_t char_class_changes[] = {{
{changes}
}};
// clang-format on
inline constexpr auto char_classes = code_point_table<3>(char_class_changes);

/// The class of a code point, which must be below 0x110000.
constexpr char_class class_of(char32_t c) {{ return static_cast<char_class>(char_classes[c]); }}

}}  // namespace fauna::inline v0
"""

NFC_TABLES_HPP = """// The tables behind text/nfc.hpp, of Unicode {version}. Written by tools/oracles/unicode.py from Python's unicodedata: edit
// that, not this.
#pragma once
#include <fauna/text/code_points.hpp>

namespace fauna::inline v0::normalize {{

// clang-format off
inline constexpr std::uint32_t class_changes[] = {{
{classes}
}};

/// Canonical decompositions by one step, Hangul's aside, in ascending order: a character, the two that it stands for,
/// or one and 0.
inline constexpr std::uint32_t decompositions[][3] = {{
{decompositions}
}};

/// Those of them that composition takes back, as their places there, in ascending order of the two characters. The
/// others stand for one character, or are excluded from composition.
inline constexpr std::uint16_t compositions[] = {{
{compositions}
}};
// clang-format on

/// 0: a character that ends what may change together. It is in form C, its combining class is 0, and nothing before it
/// composes with it. 255: of combining class 0 as well, but not so. Others: the combining class.
inline constexpr auto classes = code_point_table<8>(class_changes);

}}  // namespace fauna::inline v0::normalize
"""


def removed(step):
    """The code points that a pre-tokenizer, set to remove what it matches, removes from a text of all of them."""
    kept = set()
    for _, (begin, end) in step.pre_tokenize_str("".join(map(chr, SCALARS))):
        kept.update(range(begin, end))
    return [c for i, c in enumerate(SCALARS) if i not in kept]


def digits():
    """Those that Digits cuts out of a row of letters."""
    row = "a" + "a".join(map(chr, SCALARS)) + "a"
    pieces = pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str(row)
    return [ord(piece) for piece, _ in pieces if len(piece) == 1 and piece != "a"]


def char_classes():
    table = bytearray(0x110000)
    for name, pattern in ((LETTER, r"\p{L}+"), (NUMBER, r"\p{N}+"), (SPACE, r"\s+")):
        for c in removed(pre_tokenizers.Split(Regex(pattern), "removed")):
            assert table[c] == OTHER, hex(c)
            table[c] = name
    individual = digits()
    assert all(c in set(individual) for c in SCALARS if table[c] == NUMBER)
    for c in individual:
        if table[c] != NUMBER:
            assert table[c] == OTHER, hex(c)
            table[c] = DIGIT_ONLY
    return table


def nfc(text):
    return unicodedata.normalize("NFC", text)


def nfd(text):
    return unicodedata.normalize("NFD", text)


def decompositions():
    """(character, first, second or 0) for every character with a canonical decomposition but the Hangul syllables."""
    rows = []
    for c in SCALARS:
        mapping = unicodedata.decomposition(chr(c))
        if mapping and not mapping.startswith("<"):
            first, *second = (int(part, 16) for part in mapping.split())
            assert len(second) <= 1 and (not second or nfd(chr(second[0])) == chr(second[0]))
            rows.append((c, first, second[0] if second else 0))
    return rows


def compositions(rows):
    """Which of those rows composition takes back, in the order of the two characters."""
    return sorted((i for i, row in enumerate(rows) if nfc(chr(row[0])) == chr(row[0])), key=lambda i: rows[i][1:])


def joins(rows):
    """What composes with a character before it."""
    return {rows[i][2] for i in compositions(rows)} | set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))


def normalization_classes(rows):
    """As NFC_TABLES_HPP says; a character is judged by what it decomposes to, too."""
    table = bytearray(0x110000)
    joining = joins(rows)
    for c in SCALARS:
        full = nfd(chr(c))
        inert = nfc(chr(c)) == chr(c) and ord(full[0]) not in joining and not unicodedata.combining(full[0])
        assert unicodedata.combining(chr(c)) < 255 and (inert or c >= 0x300)  # nfc.hpp passes over what is below
        table[c] = 0 if inert else unicodedata.combining(chr(c)) or 255
    return table


def changes(table, bits):
    return [c << bits | table[c] for c in range(0x110000) if c == 0 or table[c] != table[c - 1]]


def lines(numbers):
    made, line = [], "   "
    for number in (f" {n}," for n in numbers):
        if len(line) + len(number) > 120:
            made.append(line)
            line = "   "
        line = line + number
    return "\n".join([*made, line])


def string(i, golden):
    """String i, out of what the golden file lists: characters or what they decompose to, what joins, marks; the accents of
    Latin and Greek, of several classes, which compose and block each other; and any character at all."""
    draw = Draw(i)
    parts = []
    for _ in range(1 + draw(6)):
        kind = draw(8)
        if kind < 3:
            parts.append(golden["characters"][draw(len(golden["characters"]))][1 if kind < 2 else 0])
        elif kind < 5:
            parts.append(chr(0x300 + draw(0x70)))
        elif kind < 7:
            among = golden["joins" if kind < 6 else "marks"]
            parts.append(among[draw(len(among))])
        else:
            parts.append(scalar(draw, 0x110000))
    return "".join(parts)


def golden(rows):
    result = {
        "unicode": unicodedata.unidata_version,
        "characters": [[chr(c), nfd(chr(c)), nfc(chr(c))] for c, _, _ in rows],
        "joins": [chr(c) for c in [*sorted(joins(rows)), *range(0x1100, 0x1113), *HANGUL[::500], *HANGUL[:: 28 * 31]]],
        "marks": [chr(c) for c in SCALARS if unicodedata.combining(chr(c))],
    }
    result["strings"] = [nfc(string(i, result)) for i in range(STRINGS)]
    return result


def write(path, text, what):
    path.write_text(text)
    print(f"{path}: {what}, {len(text.encode())} bytes")


def main():
    headers, goldens = map(pathlib.Path, sys.argv[1:])
    table = char_classes()
    counts = [table.count(c) for c in range(5)]
    text = UNICODE_HPP.format(version=tokenizers.__version__, changes=lines(changes(table, 3)))
    write(headers / "unicode.hpp", text, f"letters, numbers, spaces, digit-only: {counts[1:]}")
    rows = decompositions()
    back, classes = compositions(rows), normalization_classes(rows)
    text = NFC_TABLES_HPP.format(
        version=unicodedata.unidata_version,
        classes=lines(changes(classes, 8)),
        decompositions=lines(f"{{{c},{first},{second}}}" for c, first, second in rows),
        compositions=lines(back),
    )
    write(headers / "nfc_tables.hpp", text, f"{len(rows)} decompositions, {len(back)} of them taken back")
    expected = golden(rows)
    text = json.dumps(expected, ensure_ascii=False, separators=(",", ":")) + "\n"
    write(goldens / "nfc.json", text, f"{len(expected['characters'])} characters, {len(expected['strings'])} strings")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main()
