// Anything may stand in a file: the reader of SentencePiece's models answers with a tokenizer that cuts and joins any
// text, or with an error. Most inputs are built: a valid model, with up to three faults.
#include <fauna/text/bpe.hpp>

#include "inputs.hpp"

using namespace fauna;
using fuzz::below, fuzz::pick, fuzz::Random;

namespace {

std::string varint(std::uint64_t n) {
  std::string s;
  for (; n > 127; n >>= 7) s += static_cast<char>(n | 128U);
  return s + static_cast<char>(n);
}
template <class T> std::string raw(T x) { return {reinterpret_cast<const char*>(&x), sizeof x}; }

std::string input_of(Random& random) {
  constexpr std::uint64_t numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 255, 1 << 20, 0x7fffffff, 1ULL << 63, ~0ULL};
  std::size_t faults = below(random, 4);
  const auto faulty = [&](std::uint64_t n) {
    if (faults > 0 && below(random, 24) == 0) {
      --faults;
      n = pick(random, numbers);
    }
    return n;
  };
  const auto number = [&](unsigned field, std::uint64_t n) { return varint(faulty(field << 3)) + varint(faulty(n)); };
  const auto bytes = [&](unsigned field, std::string const& b) {
    return varint(faulty(field << 3 | 2U)) + varint(faulty(b.size())) + b;
  };
  constexpr const char* texts[] = {"a",
                                   "b",
                                   "ab",
                                   "ba",
                                   "aba",
                                   "\xe2\x96\x81",
                                   ("\xe2\x96\x81"
                                    "a"),
                                   "a\xe2\x96\x81",
                                   "\xc3\xa9",
                                   "\xff",
                                   "",
                                   "<0x41>",
                                   "\xe2\x96\x81\xe2\x96\x81",
                                   "aa",
                                   "abab",
                                   "a b"};
  const auto piece = [&](std::string const& text, unsigned type) {
    const float score =
        below(random, 9) == 0 ? 0.0F / static_cast<float>(below(random, 2)) : -static_cast<float>(below(random, 6));
    return bytes(1, bytes(1, text) + varint(2 << 3 | 5U) + raw(score) + number(3, type));
  };
  std::string file = piece("<unk>", 2);
  const std::size_t first = below(random, std::size(texts));
  for (std::size_t n = below(random, 12), i = 0; i < n; ++i)
    file += piece(texts[(first + i) % std::size(texts)],
                  static_cast<unsigned>(1 + (below(random, 3) == 0 ? below(random, 5) : 0)));
  const bool fallback = below(random, 8) == 0;
  for (unsigned b = 0; fallback && b < 256; ++b) {
    constexpr char hex[] = "0123456789ABCDEF";
    file += bytes(1, bytes(1, std::string("<0x") + hex[b >> 4] + hex[b & 15] + '>') + number(3, 6));
  }
  file += bytes(2, number(3, 1 + below(random, 2)) + number(35, fallback));
  std::string rules = number(3, below(random, 2)) + number(4, below(random, 2)) + number(5, below(random, 4) > 0);
  if (below(random, 2) == 0) {
    // A trie: "a" becomes "b". The root leads to 'a' at 97, that to the value at 97 ^ 1.
    std::vector<std::uint32_t> units(256);
    units[0] = static_cast<std::uint32_t>(faulty(0));
    units[97] = static_cast<std::uint32_t>(faulty(1U << 10 | 256U | 97U));
    units[96] = static_cast<std::uint32_t>(faulty(0x80000000U));
    std::string blob = raw(static_cast<std::uint32_t>(faulty(1024)));
    for (const std::uint32_t u : units) blob += raw(u);
    rules += bytes(2, blob + std::string("b\0", faulty(2) == 2 ? 2 : 1));
  }
  file += bytes(3, rules);
  if (faults > 0) file.resize(file.size() - below(random, file.size()));
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const Bpe read(read_sentencepiece({reinterpret_cast<const char*>(data), size}, "model"));
    for (const char* text : {"", "a", "abababa b", "  \xe2\x96\x81\xc3\xa9  x"})
      for (const int id : read.encode(text))
        if (!read.has(id)) std::abort();
    std::vector<int> all;
    for (int id = 0; id < read.vocab(); ++id) all.push_back(id);
    for (const bool skip : {true, false}) {
      const std::string text = read.decode(all, skip);
      if (text.size() > 8 * size) std::abort();
    }
  } catch (error const&) {}
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  return fuzz::mutate(data, size, most, seed, input_of);
}
