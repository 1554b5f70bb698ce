// What a cache of many long sequences takes of the machine's memory: what they hold.
#include <doctest/doctest.h>
#include <fauna/backend/cpu.hpp>
#include <fauna/decode/cache.hpp>
#include <fauna/io/process.hpp>
#include <fauna/models/llama.hpp>

#include <algorithm>
#include <vector>

namespace test_cache_memory {

using namespace fauna;

namespace {

constexpr int context = 1 << 18;
using Long = Llama<LlamaConfig{.layers = 2,
                               .heads = 2,
                               .kv_heads = 2,
                               .head_size = 16,
                               .width = 32,
                               .hidden = 32,
                               .context = context,
                               .vocab = 8}>;
using LongCache = Cache<Long, Cpu<>>;
constexpr std::size_t page = 4096, rows_of_a_token = 2 * 2 * 2,  // layers, keys and values, heads
    token_bytes = rows_of_a_token * 16 * sizeof(float);

/// f(rows [from, to) of a sequence) for each head of each piece of the state.
template <class F> void each_rows(LongCache& cache, int sequence, int from, int to, F&& f) {
  Long::visit_state(
      [&](StatePiece p, auto& v) {
        for (int h = 0; h < p.rows; ++h)
          f(v.middle_rows((sequence * p.rows + h) * p.places(context) + from, to - from));
      },
      cache.state());
}
/// Rows [from, to) of a sequence, its next ones, become what no other sequence has.
void write(LongCache& cache, int sequence, int from, int to) {
  each_rows(cache, sequence, from, to,
            [&](auto const& rows) { std::fill_n(rows.data(), rows.size(), static_cast<float>(1 + sequence)); });
  std::vector<int> offsets(static_cast<std::size_t>(cache.sequences()) + 1, 0);
  std::fill(offsets.begin() + sequence + 1, offsets.end(), to - from);
  Batch b;
  b.sequences = cache.sequences();
  b.rows = to - from;
  b.offsets = offsets.data();
  cache.advance(b);
}
/// Are all rows that a sequence has what was written?
bool whole(LongCache& cache, int sequence) {
  bool right = true;
  each_rows(cache, sequence, 0, cache.length(sequence), [&](auto const& rows) {
    auto* const end = rows.data() + rows.size();
    right = right && std::count(rows.data(), end, static_cast<float>(1 + sequence)) == end - rows.data();
  });
  return right;
}

}  // namespace

TEST_CASE("many slots of a long context take what they hold, and give back what they hold no more") {
  constexpr int slots = 16, tokens = 1 << 15;
  LongCache cache(slots, context);
  cache.in_small_pages();
  const std::size_t before = resident_bytes();
  if (before == 0) return;  // no /proc
  const auto more = [before] { return resident_bytes() - std::min(before, resident_bytes()); };
  constexpr std::size_t reserved = slots * std::size_t{context} * token_bytes, noise = std::size_t{4} << 20;
  static_assert(reserved == std::size_t{2} << 30);
  for (int s = 0; s < slots; ++s) write(cache, s, 0, 3);
  CHECK(more() <= slots * rows_of_a_token * page + noise);
  write(cache, 1, 3, tokens);
  CHECK(more() >= tokens * token_bytes);
  CHECK(more() <= (tokens * token_bytes) + slots * rows_of_a_token * page + noise);
  CHECK(cache.cut(1, 1000));
  cache.trim(1);
  CHECK(more() <= 1000 * token_bytes + 2 * slots * rows_of_a_token * page + noise);
  for (int s = 0; s < slots; ++s) CHECK(whole(cache, s));
  write(cache, 1, 1000, tokens);
  CHECK(whole(cache, 1));
  cache.clear(1);
  cache.trim(1);
  CHECK(more() <= slots * rows_of_a_token * page + noise);
  CHECK_THROWS_AS(cache.trim(slots), error);
}

}  // namespace test_cache_memory
