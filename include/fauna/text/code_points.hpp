// A property of code points, as a table of where it changes.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

/// How many of the first i below n have below(i), which must hold for those first ones and for no other.
template <class F> constexpr std::size_t count_below(std::size_t n, F&& below) {
  std::size_t low = 0;
  while (low < n) {
    const std::size_t middle = (low + n) / 2;
    if (below(middle)) low = middle + 1;
    else n = middle;
  }
  return low;
}

/// The value of a property for any code point below 0x110000. `changes` ascend from code point 0, each of them
/// code point << bits | the value from there on.
template <int bits, std::size_t n> class CodePointTable {
 public:
  constexpr explicit CodePointTable(std::uint32_t const (&changes)[n]) : changes_(changes) {
    std::uint16_t at = 0;
    for (std::uint32_t block = 0; block < blocks_.size(); ++block) {
      while (at + 1U < n && changes[at + 1U] >> bits <= block << 8) ++at;
      blocks_[block] = at;
    }
  }
  constexpr std::uint32_t operator[](char32_t c) const {
    const auto code = static_cast<std::uint32_t>(c);
    const std::size_t first = blocks_[code >> 8];
    const std::size_t last = code >> 8 < 0x10ffU ? blocks_[(code >> 8) + 1] : n - 1;
    const std::size_t more =
        count_below(last - first, [&](std::size_t i) { return changes_[first + 1 + i] >> bits <= code; });
    return changes_[first + more] & ((1U << bits) - 1);
  }

 private:
  std::uint32_t const (&changes_)[n];
  std::array<std::uint16_t, 0x1100> blocks_{};  // for each 256 code points, the change in force at the first of them
};
template <int bits, std::size_t n>
constexpr CodePointTable<bits, n> code_point_table(std::uint32_t const (&changes)[n]) {
  return CodePointTable<bits, n>(changes);
}

}  // namespace fauna::inline v0
