// Anything may stand in a file: the reader of GGUF answers with keys and tensors that lie in the file, or with an
// error. Most inputs are built: a valid file, or a model in two parts, with up to three faults. Of two parts an input
// has the length of the first as a u32 behind `two_parts`, then both.
#include <fauna/io/gguf.hpp>
#include <fauna/io/safetensors.hpp>

#include "../support/gguf.hpp"
#include "inputs.hpp"

using namespace fauna;
using fuzz::below, fuzz::pick, fuzz::Random;

namespace {

constexpr std::string_view two_parts = "TWO ";

std::string input_of(Random& random) {
  constexpr std::uint64_t numbers[] = {0,   1,       2,          3,          5,          9,          13,
                                       255, 1 << 20, 0x7fffffff, 0xffffffff, 1ULL << 61, 1ULL << 63, ~0ULL};
  std::size_t faults = below(random, 4);
  const auto faulty = [&](std::uint64_t n) {
    if (faults > 0 && below(random, 16) == 0) {
      --faults;
      n = pick(random, numbers);
    }
    return n;
  };
  const auto word = [&](std::uint64_t n) { return gguf::raw(static_cast<std::uint32_t>(faulty(n))); };
  const auto size = [&](std::uint64_t n) { return gguf::raw(faulty(n)); };
  const auto text = [&](std::string const& s) { return size(s.size()) + s; };
  const auto name = [&](std::size_t i) { return text(below(random, 12) == 0 ? "n" : "n" + std::to_string(i)); };
  const auto number = [&](std::string const& key, std::uint64_t n) { return text(key) + word(gguf::u32) + word(n); };
  constexpr std::size_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  const auto value = [&](std::uint32_t type) {
    return type == gguf::string ? text(std::string(below(random, 4), 'v')) : std::string(sizes[type], '\2');
  };
  struct Kind {
    std::uint32_t type;
    std::size_t elements, bytes;
  };
  constexpr Kind kinds[] = {{0, 1, 4},   {1, 1, 2},   {30, 1, 2},  {28, 1, 8}, {2, 32, 18},
                            {3, 32, 20}, {6, 32, 22}, {7, 32, 24}, {8, 32, 34}};
  // Tensors `first` to `first + tensors` and, of a model in parts, the keys that say so.
  const auto file_of = [&](std::size_t first, std::size_t tensors, std::vector<std::string> const& of_parts) {
    const std::size_t keys = below(random, 5);
    std::string file = word(0x46554747) + word(2 + below(random, 2)) + size(tensors) + size(keys + 1 + of_parts.size());
    const std::uint64_t alignment = 8U << below(random, 4);
    file += number("general.alignment", alignment);
    for (std::string const& key : of_parts) file += key;
    for (std::size_t k = 0; k < keys; ++k) {
      auto type = static_cast<std::uint32_t>(below(random, 13));
      file += name(k) + word(type);
      if (type != gguf::array) {
        file += value(type);
        continue;
      }
      do type = static_cast<std::uint32_t>(below(random, 13));
      while (type == gguf::array);
      const std::size_t count = below(random, 4);
      file += word(type) + size(count);
      for (std::size_t i = 0; i < count; ++i) file += value(type);
    }
    std::size_t data = 0;
    for (std::size_t t = 0; t < tensors; ++t) {
      const Kind kind = pick(random, kinds);
      const std::size_t dimensions = 1 + below(random, 4);
      std::size_t blocks = 1;
      std::string shape;
      for (std::size_t d = 0; d < dimensions; ++d) {
        const std::size_t n = 1 + below(random, 3);
        blocks *= n;
        shape += size(d == 0 ? n * kind.elements : n);
      }
      file += name(first + t) + word(dimensions) + shape + word(kind.type) + size(data);
      data = (data + blocks * kind.bytes + alignment - 1) / alignment * alignment;
    }
    file = gguf::padded(file, alignment) + std::string(data, '\3');
    if (faults > 0) file.resize(file.size() - below(random, file.size()));
    return file;
  };
  const std::size_t tensors = below(random, 4);
  if (below(random, 3) != 0) return file_of(0, tensors, {});
  std::string parts[2];
  for (std::size_t no = 0; no < 2; ++no)
    parts[no] = file_of(no == 0 ? 0 : tensors, no == 0 ? tensors : 1,
                        {number("split.no", no), number("split.count", 2), number("split.tensors.count", tensors + 1),
                         text("general.architecture") + word(gguf::string) + text(below(random, 8) == 0 ? "b" : "a")});
  return std::string(two_parts) + word(parts[0].size()) + parts[0] + parts[1];
}

/// Reads a value in every way: as one type, or refused.
void check_key(Gguf const& file, std::string_view key) {
  const auto reads = [](auto&& read) {
    try {
      read();
      return 1;
    } catch (error const&) {
      return 0;
    }
  };
  if (!file.has(key)) std::abort();
  const int ways = reads([&] { (void)file.integer(key); }) + reads([&] { (void)file.flag(key); }) +
                   reads([&] { (void)file.text(key); }) + reads([&] { (void)file.texts(key); }) +
                   reads([&] { (void)file.integers(key); }) + reads([&] { (void)file.numbers(key); });
  if (ways > 1) std::abort();
  (void)reads([&] { (void)file.number(key); });
  if (file.is_list(key) && reads([&] { (void)file.flags(key); }) + ways > 1) std::abort();
  if (file.encoded(key).size() < 4) std::abort();  // its type
}

/// Writes the file or the two parts of an input, and returns the path to read.
std::string const& written(TemporaryFolder const& folder, const std::uint8_t* data, std::size_t size) {
  static const std::string path = folder / "file", first = folder / "p-00001-of-00002.gguf",
                           second = folder / "p-00002-of-00002.gguf";
  const std::size_t start = two_parts.size() + 4;
  if (size < start || std::memcmp(data, two_parts.data(), two_parts.size()) != 0) {
    fuzz::put(path, data, size);
    return path;
  }
  std::uint32_t length;
  std::memcpy(&length, data + two_parts.size(), sizeof length);
  const std::size_t cut = std::min<std::size_t>(length, size - start);
  fuzz::put(first, data + start, cut);
  fuzz::put(second, data + start + cut, size - start - cut);
  return length % 2 == 0 ? first : second;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const TemporaryFolder folder = fuzz::folder();
  try {
    const Gguf read(written(folder, data, size));
    for (const std::string_view key : read.keys()) check_key(read, key);
    std::size_t bytes = 24;
    for (auto const& t : read.tensors()) {
      if (read.find(t.name) != &t) std::abort();
      std::vector<float> numbers(t.elements());  // a file of so many bytes has so many numbers
      if (has_floats(t.dtype)) read_floats(t, 0, numbers.size(), numbers.data());
      bytes += 24 + 8 * t.shape.size() + t.name.size() + t.bytes;
    }
    if (bytes > size) std::abort();  // no byte is in two tensors
  } catch (error const&) {}
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  return fuzz::mutate(data, size, most, seed, input_of);
}
