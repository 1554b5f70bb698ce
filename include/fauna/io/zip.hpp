// What a ZIP archive holds, where its entries are stored as they are: the form in which PyTorch saves (PKWARE,
// "APPNOTE.TXT", 6.3.10, sections 4.3 and 4.5.3). Sizes and places are those of the central directory, with its 64-bit
// extensions; every one is checked against the file.
#pragma once
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/io/safetensors_header.hpp>

namespace fauna::inline v0 {

struct ZipEntry {
  std::string_view name, bytes;
};

namespace zip_detail {

/// A little-endian number of the file's bytes.
template <class N> N at(std::string_view file, std::size_t offset) {
  N n;
  std::memcpy(&n, file.data() + offset, sizeof n);
  return n;
}

struct Directory {
  std::uint64_t entries, size, offset;
};

/// From the record at the end of the file, and the longer one that it may stand for.
inline Directory directory(std::string_view file, std::string const& source) {
  constexpr std::size_t end_size = 22, locator_size = 20, long_size = 56;
  if (file.size() < end_size)
    fail("zip", source + " has " + std::to_string(file.size()) + " bytes", "at least " + std::to_string(end_size));
  std::size_t end = file.size() - end_size;
  const std::size_t least = end > 0xffff ? end - 0xffff : 0;  // the longest comment
  while (at<std::uint32_t>(file, end) != 0x06054b50 ||
         end + end_size + at<std::uint16_t>(file, end + 20) != file.size())
    if (end-- == least)
      fail("zip", source + " has no directory at its end", "a whole archive", "was it copied in full?");
  Directory d{at<std::uint16_t>(file, end + 10), at<std::uint32_t>(file, end + 12), at<std::uint32_t>(file, end + 16)};
  if (end >= locator_size && at<std::uint32_t>(file, end - locator_size) == 0x07064b50) {
    const auto longer = at<std::uint64_t>(file, end - locator_size + 8);
    end -= locator_size;
    if (longer > end || end - longer < long_size || at<std::uint32_t>(file, longer) != 0x06064b50)
      fail("zip", source + " has no 64-bit directory where it says", "a whole archive");
    d = {at<std::uint64_t>(file, longer + 32), at<std::uint64_t>(file, longer + 40),
         at<std::uint64_t>(file, longer + 48)};
    end = longer;
  }
  if (d.offset > end || d.size > end - d.offset)
    fail("zip", source + " has its directory outside the file", "a whole archive");
  return d;
}

}  // namespace zip_detail

/// Throws, naming the archive and the entry, for what is compressed or encrypted, lies outside the file, or comes
/// twice.
inline std::vector<ZipEntry> read_zip(std::string_view file, std::string const& source) {
  using zip_detail::at;
  constexpr std::size_t fixed = 46, local_fixed = 30;
  constexpr std::uint32_t elsewhere = 0xffffffff;  // in the 64-bit extension
  const auto d = zip_detail::directory(file, source);
  std::vector<ZipEntry> all;
  std::string_view left = file.substr(d.offset, d.size);
  for (std::uint64_t i = 0; i < d.entries; ++i) {
    const auto expect = [&](bool ok, std::string const& found, std::string const& expected) {
      if (!ok) fail("zip", source + ": entry " + std::to_string(i) + ' ' + found, expected);
    };
    expect(left.size() >= fixed && at<std::uint32_t>(left, 0) == 0x02014b50, "is not in the directory", "all entries");
    const std::size_t name_size = at<std::uint16_t>(left, 28), extra_size = at<std::uint16_t>(left, 30),
                      comment_size = at<std::uint16_t>(left, 32);
    expect(left.size() - fixed >= name_size + extra_size + comment_size, "is cut short", "a whole directory");
    const std::string_view name = left.substr(fixed, name_size);
    std::string_view extra = left.substr(fixed + name_size, extra_size);
    std::uint64_t stored = at<std::uint32_t>(left, 20), size = at<std::uint32_t>(left, 24),
                  offset = at<std::uint32_t>(left, 42);
    const bool plain = (at<std::uint16_t>(left, 8) & 1U) == 0 && at<std::uint16_t>(left, 10) == 0;
    left.remove_prefix(fixed + name_size + extra_size + comment_size);
    for (; extra.size() >= 4; extra.remove_prefix(4 + std::size_t{at<std::uint16_t>(extra, 2)})) {
      std::size_t n = at<std::uint16_t>(extra, 2);
      expect(extra.size() - 4 >= n, "has fields that end outside", "a whole directory");
      if (at<std::uint16_t>(extra, 0) != 1) continue;
      std::size_t from = 4;
      for (std::uint64_t* v : {&size, &stored, &offset}) {
        if (*v != elsewhere) continue;
        expect(n >= 8, "lacks a 64-bit field", "a whole directory");
        *v = at<std::uint64_t>(extra, from);
        from += 8;
        n -= 8;
      }
    }
    expect(plain && stored == size, "(" + std::string(name) + ") is compressed or encrypted", "stored as it is");
    expect(
        offset <= file.size() && file.size() - offset >= local_fixed && at<std::uint32_t>(file, offset) == 0x04034b50,
        "does not begin where the directory says", "a whole archive");
    const std::size_t local_name = at<std::uint16_t>(file, offset + 26),
                      local_extra = at<std::uint16_t>(file, offset + 28);
    const std::string_view after = file.substr(offset + local_fixed);
    expect(after.size() >= local_name + local_extra && after.substr(0, local_name) == name &&
               after.size() - local_name - local_extra >= size,
           "(" + std::string(name) + ") ends outside the file, or has two names", "a whole archive");
    all.push_back({name, after.substr(local_name + local_extra, size)});
  }
  std::vector<std::string_view> names;
  names.reserve(all.size());
  for (auto const& e : all) names.push_back(e.name);
  safetensors_detail::no_name_twice(names, source + " has the entry ");
  return all;
}

}  // namespace fauna::inline v0
