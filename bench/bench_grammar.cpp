// mask_us: microseconds for the mask of a vocabulary of 50,000 random tokens at each state of a text of JSON, and for
// forbidding what it has not, once the text has been read before; mask_first_us: the same the first time. Means over
// the text, medians over its readings.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include <fauna/core/rng.hpp>
#include <fauna/io/clock.hpp>
#include <fauna/text/grammar/json_schema.hpp>
#include <fauna/text/grammar/mask.hpp>

#include "support/peak.hpp"

namespace {

namespace grammar = fauna::grammar;

/// Every byte, and strings of 2 to 9 letters, digits and signs.
std::vector<std::string> vocabulary(int n) {
  const std::string some = "etaoin shrdlcumwfgypbvk\"{}[]:,.0123456789\\\n\xc3\xa9";
  std::vector<std::string> texts;
  for (int b = 0; b < 256; ++b) texts.emplace_back(1, static_cast<char>(b));
  for (std::uint64_t i = 0; texts.size() < static_cast<std::size_t>(n); ++i) {
    const fauna::Philox a = fauna::Key{1}.words(2 * i), b = fauna::Key{1}.words(2 * i + 1);
    std::string t;
    for (unsigned k = 0; k < 2 + b[3] % 8; ++k) t += some[((k < 4 ? a[k % 4] : a[k % 4] >> 16U)) % some.size()];
    texts.push_back(t);
  }
  return texts;
}

void mask_us(benchmark::State& state) {
  const grammar::TokenTrie trie(vocabulary(50000));
  const std::string text =
      R"({"name": "a \"text\" of some length", "tags": ["one", "two"], "size": -12.5e3, "inner": {"x": 1}})";
  const auto g = grammar::json_schema(R"({"type": "object", "properties": {"name": {"type": "string"},
    "tags": {"type": "array", "items": {"type": "string", "maxLength": 20}}, "size": {"type": "number"}, "inner": {}}})");
  std::vector<float> logits(50000);
  std::vector<double> first, warm;
  for (auto _ : state) {
    grammar::TokenGrammar tokens(g, trie, {0});
    for (int round = 0; round < 20; ++round) {
      int at = tokens.start();
      const double from = fauna::seconds_now();
      for (const char c : text) {
        grammar::forbid(tokens.mask(at), logits.data(), 50000);
        at = tokens.next(at, static_cast<unsigned char>(c));
      }
      (round == 0 ? first : warm).push_back((fauna::seconds_now() - from) / static_cast<double>(text.size()) * 1e6);
      benchmark::DoNotOptimize(logits.data());
    }
  }
  state.counters["mask_us"] = bench::median(warm);
  state.counters["mask_first_us"] = bench::median(first);
}
BENCHMARK(mask_us)->Iterations(5);

}  // namespace
