#!/usr/bin/env python3
"""Writes include/fauna/text/unicode.hpp: the class of every code point as the reference tokenizer sees it, asked of the regular
expressions inside the `tokenizers` package rather than of the Unicode files, whose version may be another.

    python tools/oracles/unicode.py include/fauna/text/unicode.hpp
"""

import pathlib
import sys

import tokenizers
from tokenizers import Regex, pre_tokenizers

SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
OTHER, LETTER, NUMBER, SPACE, DIGIT_ONLY = range(5)

HEAD = """// What the regular expressions of byte-level tokenizers ask of a character. Written by tools/oracles/unicode.py from
// the answers of the Python package tokenizers {version}: edit that, not this.
#pragma once
#include <array>
#include <cstdint>

#include <fauna/core/version.hpp>

namespace fauna::inline v0 {{

/// \\p{{L}}, \\p{{N}}, \\s, or none of them. `digit_only` is what the reference's Digits step takes for a number and its
/// regular expressions do not: the two follow different versions of Unicode.
enum class char_class : std::uint8_t {{ other, letter, number, space, digit_only }};

/// Where the class changes: code point * 8 + the class from there on.
// clang-format off
inline constexpr std::uint32_t char_class_changes[] = {{
"""

TAIL = """};
// clang-format on

/// For each 256 code points, the change in force at the first of them.
inline constexpr auto char_class_blocks = [] {
  std::array<std::uint16_t, 0x1100> blocks{};
  std::uint16_t at = 0;
  for (std::uint32_t block = 0; block < blocks.size(); ++block) {
    while (at + 1U < std::size(char_class_changes) && char_class_changes[at + 1U] >> 3 <= block * 256) ++at;
    blocks[block] = at;
  }
  return blocks;
}();

/// The class of a code point, which must be below 0x110000.
constexpr char_class class_of(char32_t c) {
  const auto code = static_cast<std::uint32_t>(c);
  std::size_t low = char_class_blocks[code >> 8];
  std::size_t high = code >> 8 < 0x10ffU ? char_class_blocks[(code >> 8) + 1] : std::size(char_class_changes) - 1;
  while (low < high) {  // the last change at or before c
    const std::size_t middle = (low + high + 1) / 2;
    if (char_class_changes[middle] >> 3 <= code) low = middle;
    else high = middle - 1;
  }
  return static_cast<char_class>(char_class_changes[low] & 7U);
}

}  // namespace fauna::inline v0
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


def classes():
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


def main():
    table = classes()
    changes = [8 * c + table[c] for c in range(0x110000) if c == 0 or table[c] != table[c - 1]]
    lines, line = [], "   "
    for number in (f" {n}," for n in changes):
        if len(line) + len(number) > 120:
            lines.append(line)
            line = "   "
        line = line + number
    text = HEAD.format(version=tokenizers.__version__) + "\n".join([*lines, line]) + "\n" + TAIL
    pathlib.Path(sys.argv[1]).write_text(text)
    counts = [table.count(c) for c in range(5)]
    print(f"{sys.argv[1]}: {len(changes)} changes; letters, numbers, spaces, digit-only: {counts[1:]}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
