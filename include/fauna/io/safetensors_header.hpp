// safetensors, the first part of a file: what it says of its tensors, read strictly.
//   8 bytes  N, little-endian | N bytes  a JSON object, padded with spaces | data
//   name -> {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end)}, counted from the start of the data;
//   "__metadata__" -> {string: string}
// The ranges fill the data without hole or overlap, sizes agree with shapes, no name comes twice.
#pragma once
#include <bit>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fauna/io/json.hpp>

namespace fauna::inline v0 {

static_assert(std::endian::native == std::endian::little, "fauna: safetensors are little-endian");

/// A tensor in a file, or one to be written to it: little-endian, the last dimension contiguous. It does not own
/// `data`, which a SafeTensors gives for as long as it exists, at any alignment.
struct SafeTensor {
  std::string name{}, dtype{};  ///< dtype as the format spells it: "F32", "BF16", ...
  std::vector<std::size_t> shape{};
  const std::byte* data = nullptr;  ///< [bytes]
  std::size_t bytes = 0;
  std::vector<SafeTensor> parts{};  ///< of numbers that several tensors make: the others (io/scaled.hpp)

  std::size_t elements() const {
    std::size_t n = 1;
    for (const std::size_t d : shape) n *= d;
    return n;
  }
  /// "F32 [2, 3]"
  std::string text() const {
    std::string s = dtype + " [";
    for (std::size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
    return s + "]";
  }
};

namespace safetensors_detail {

inline constexpr std::uint64_t longest_header = 100'000'000;
using Metadata = std::vector<std::pair<std::string, std::string>>;

/// Bits of an element; 0 for a name that the format does not have.
inline std::size_t bits_of(std::string_view dtype) {
  struct Known {
    std::string_view name;
    std::size_t bits;
  };
  constexpr Known known[] = {{"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
                             {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
                             {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
                             {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
                             {"I64", 64},        {"U64", 64}};
  for (auto const& k : known)
    if (k.name == dtype) return k.bits;
  return 0;
}

template <class T, class Before> void sort(std::vector<T>& v, Before before) {  // a heap: <algorithm> costs more
  const auto sink = [&](std::size_t root, std::size_t n) {
    for (std::size_t child = 2 * root + 1; child < n; child = 2 * root + 1) {
      if (child + 1 < n && before(v[child], v[child + 1])) ++child;
      if (!before(v[root], v[child])) return;
      std::swap(v[root], v[child]);
      root = child;
    }
  };
  for (std::size_t root = v.size() / 2; root-- > 0;) sink(root, v.size());
  for (std::size_t n = v.size(); n > 1;) {
    std::swap(v[0], v[--n]);
    sink(0, n);
  }
}

inline void no_name_twice(std::vector<std::string_view>& names, std::string const& what) {
  sort(names, [](std::string_view a, std::string_view b) { return a < b; });
  for (std::size_t i = 1; i < names.size(); ++i)
    if (names[i] == names[i - 1]) fail("safetensors", what + std::string(names[i]) + " twice", "it once");
}

/// a * b, or an error about `what`.
inline std::size_t product(std::size_t a, std::size_t b, std::string const& what) {
  if (a != 0 && b > ~std::size_t{0} / a)
    fail("safetensors", what + " has more elements than can be counted", "a real shape");
  return a * b;
}

struct Range {
  std::size_t begin = 0, end = 0, index = 0;
};

inline void read_entry(JsonReader& in, std::string const& where, SafeTensor& t, Range& range) {
  bool dtype = false, shape = false, offsets = false;
  in.enter_object();
  for (std::string key; in.next_key(key);) {
    bool* const had = key == "dtype" ? &dtype : key == "shape" ? &shape : key == "data_offsets" ? &offsets : nullptr;
    if (had == nullptr) fail("safetensors", where + " has a field " + key, "dtype, shape and data_offsets");
    if (*had) fail("safetensors", where + " has " + key + " twice", "it once");
    *had = true;
    const auto size = [&] {
      const long long n = in.integer();
      if (n < 0) fail("safetensors", where + " has " + key + " of " + std::to_string(n), "0 or more");
      return static_cast<std::size_t>(n);
    };
    if (key == "dtype") {
      t.dtype = in.string();
    } else if (key == "shape") {
      in.enter_array();
      while (in.next_item()) t.shape.push_back(size());
    } else {
      std::size_t at[2] = {}, n = 0;
      in.enter_array();
      for (; in.next_item(); ++n) {
        const std::size_t v = size();
        if (n < 2) at[n] = v;
      }
      if (n != 2) fail("safetensors", where + " has " + std::to_string(n) + " data_offsets", "2");
      range.begin = at[0];
      range.end = at[1];
    }
  }
  if (!dtype || !shape || !offsets)
    fail("safetensors",
         where + " has no " +
             (!dtype   ? "dtype"
              : !shape ? "shape"
                       : "data_offsets"),
         "all three fields");
  const std::size_t bits = bits_of(t.dtype);
  if (bits == 0) fail("safetensors", where + " is of dtype " + t.dtype, "one of the format, such as F32 or BF16");
  if (range.begin > range.end)
    fail("safetensors", where + " lies at [" + std::to_string(range.begin) + ", " + std::to_string(range.end) + ")",
         "a range that ends after it begins");
  std::size_t n = 1;
  for (const std::size_t d : t.shape) n = product(n, d, where);
  n = product(n, bits, where);
  if (n % 8 != 0) fail("safetensors", where + " takes " + std::to_string(n) + " bits", "whole bytes");
  t.bytes = range.end - range.begin;
  if (n / 8 != t.bytes)
    fail("safetensors", where + " of " + t.text() + " has " + std::to_string(t.bytes) + " bytes",
         std::to_string(n / 8));
}

/// Reads one file's bytes. `source` names it in errors. Tensors come in the order of their data.
inline void parse(const std::byte* file, std::size_t size, std::string const& source, std::vector<SafeTensor>& tensors,
                  Metadata& metadata) {
  const auto expect = [&source](bool ok, std::string const& found, std::string const& expected) {
    if (!ok) fail("safetensors", source + ' ' + found, expected, "was it copied or downloaded in full?");
  };
  expect(size >= 8, "has " + std::to_string(size) + " bytes", "at least 8");
  std::uint64_t header = 0;
  std::memcpy(&header, file, 8);
  expect(header <= longest_header, "says that its header has " + std::to_string(header) + " bytes",
         "at most " + std::to_string(longest_header));
  expect(header <= size - 8,
         "says that its header has " + std::to_string(header) + " bytes and has " + std::to_string(size) + " in all",
         "a whole header");
  const std::string_view text(reinterpret_cast<const char*>(file) + 8, static_cast<std::size_t>(header));
  expect(!text.empty() && text[0] == '{', "has a header that does not start with '{'", "a JSON object");

  const std::size_t first = tensors.size(), first_entry = metadata.size();
  std::vector<Range> ranges;
  JsonReader in(text, source);
  bool had_metadata = false;
  in.enter_object();
  for (std::string key; in.next_key(key);) {
    if (key == "__metadata__") {
      expect(!had_metadata, "has __metadata__ twice", "it once");
      had_metadata = true;
      in.enter_object();
      for (std::string name; in.next_key(name);) {
        metadata.emplace_back(name, in.string());
      }
      continue;
    }
    SafeTensor t;
    Range range;
    t.name = key;
    read_entry(in, source + ": " + key, t, range);
    range.index = tensors.size() - first;
    tensors.push_back(static_cast<SafeTensor&&>(t));
    ranges.push_back(range);
  }
  in.end();
  std::vector<std::string_view> keys;
  for (std::size_t i = first_entry; i < metadata.size(); ++i) keys.push_back(metadata[i].first);
  no_name_twice(keys, source + " has the metadata ");

  sort(ranges, [](Range const& a, Range const& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end != b.end ? a.end < b.end : a.index < b.index;
  });
  const std::size_t data = size - 8 - static_cast<std::size_t>(header);
  std::size_t at = 0;
  std::vector<SafeTensor> ordered;
  for (auto const& r : ranges) {
    SafeTensor& t = tensors[first + r.index];
    if (r.begin != at)
      fail("safetensors", source + ": " + t.name + " starts at byte " + std::to_string(r.begin) + " of the data",
           "byte " + std::to_string(at) + ", where the one before it ends");
    at = r.end;
    expect(at <= data,
           "has " + std::to_string(data) + " bytes of data, and " + t.name + " ends at " + std::to_string(at),
           "all of its data");
    t.data = file + (size - data) + r.begin;
    ordered.push_back(static_cast<SafeTensor&&>(t));
  }
  expect(at == data, "has " + std::to_string(data) + " bytes of data, " + std::to_string(at) + " of them in tensors",
         "no byte that belongs to no tensor");
  for (std::size_t i = 0; i < ordered.size(); ++i) tensors[first + i] = static_cast<SafeTensor&&>(ordered[i]);
}

}  // namespace safetensors_detail

}  // namespace fauna::inline v0
