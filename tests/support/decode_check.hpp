// What decoding promises of every language model: bits that depend on a sequence's own tokens alone, however they are
// read, and texts longer than the context.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include <fauna/backend/cpu.hpp>
#include <fauna/decode/generate.hpp>
#include <fauna/decode/loaded.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

#include "random.hpp"
#include "sizes.hpp"

namespace test {

/// A model whose likeliest token changes from step to step: its matrices are far larger than they are initially, and
/// its norms turn signs. In numbers that bf16 holds, so that packing loses nothing.
template <class M, class B> fauna::Trained<M, B> lively(int threads) {
  fauna::Trained<M, B> m(fauna::seed{3}, threads);
  Random random(7);
  for (fauna::Parameter const& p : m.parameters()) {
    const float scale = p.rank == 2 ? 2.0F : fauna::matches("*bias", p.name) ? 0.1F : 1.0F;
    for (std::size_t i = 0; i < p.size(); ++i)
      m.value(p).data()[i] = static_cast<float>(fauna::bf16(scale * random.uniform()));
  }
  return m;
}
template <class M> std::vector<int> some_tokens(int n, std::uint64_t stream) {
  return Random(stream).integers(n, 0, M::vocab - 1);
}

template <class T> using CacheOf = fauna::Cache<typename T::model, typename T::backend>;

/// The logits of every row of one sequence [rows, vocab], in one pass without a cache.
template <class T> std::vector<float> at_once(T& model, std::vector<int> const& ids) {
  const int n = static_cast<int>(ids.size()), vocab = T::model::vocab;
  std::vector<float> y(ids.size() * static_cast<std::size_t>(vocab));
  model.prepare_inference({.sequences = 1, .length = n});
  model.logits(fauna::Batch::uniform(1, n, ids.data()), fauna::logit_rows::all,
               fauna::Matrix<float>(y.data(), n, vocab));
  return y;
}
/// The same through a cache, `chunk` rows at a time.
template <class T> std::vector<float> in_chunks(T& model, CacheOf<T>& cache, std::vector<int> const& ids, int chunk) {
  const int n = static_cast<int>(ids.size()), vocab = T::model::vocab;
  std::vector<float> y(ids.size() * static_cast<std::size_t>(vocab));
  model.prepare_inference({.sequences = 1, .length = chunk, .context = cache.context()});
  for (int from = 0; from < n; from += chunk) {
    const int rows = std::min(chunk, n - from);
    model.logits(cache, fauna::Batch::uniform(1, rows, ids.data() + from), fauna::logit_rows::all,
                 fauna::Matrix<float>(y.data() + static_cast<std::ptrdiff_t>(from) * vocab, rows, vocab));
  }
  return y;
}
/// The logits of the last row of each sequence [sequences, vocab], which then all have `ids` more rows in the cache.
template <class T> std::vector<float> last_rows(T& model, CacheOf<T>& cache, std::vector<std::vector<int>> const& ids) {
  const int n = static_cast<int>(ids.size()), vocab = T::model::vocab;
  std::vector<int> tokens, offsets{0};
  int longest = 0;
  for (auto const& some : ids) {
    tokens.insert(tokens.end(), some.begin(), some.end());
    offsets.push_back(static_cast<int>(tokens.size()));
    longest = std::max(longest, static_cast<int>(some.size()));
  }
  fauna::Batch b = fauna::Batch::uniform(n, 1, tokens.data());
  if (longest > 1) {
    b = fauna::Batch{};
    b.sequences = n;
    b.rows = offsets.back();
    b.offsets = offsets.data();
    b.tokens = tokens.data();
  }
  std::vector<float> y(ids.size() * static_cast<std::size_t>(vocab));
  model.prepare_inference({.sequences = n, .length = longest, .context = cache.context()});
  model.logits(cache, b, fauna::logit_rows::last, fauna::Matrix<float>(y.data(), n, vocab));
  return y;
}

/// All rows at once, and in chunks down to a token at a time: the same bits, from weights as they were trained and
/// packed, for any number of threads.
template <class M, class P> void check_chunks() {
  using B = fauna::Cpu<P>;
  // few rows, blocks of keys, and the most that generate reads at once; the rows are several of each
  const auto chunks = sizes({1, 16, 17, 64, 512}, {1, 16, 17, 64});
  const int rows = size(530, 70);
  const auto ids = some_tokens<M>(rows, 1);
  std::vector<float> want;
  const auto check = [&](auto&& model) {
    const auto whole = at_once(model, ids);
    if (want.empty()) want = whole;
    CHECK(whole == want);
    for (const int chunk : chunks) {
      CAPTURE(chunk);
      CacheOf<std::remove_reference_t<decltype(model)>> cache(1, rows);
      CHECK(in_chunks(model, cache, ids, chunk) == want);
      CHECK(cache.length(0) == rows);
      CHECK(cache.room(0) == 0);
    }
  };
  for (const int threads : sizes({1, 2, 3}, {1, 2})) {
    CAPTURE(threads);
    auto trained = lively<M, B>(threads);
    check(trained);
    check(fauna::Loaded<M, B>(trained.weights(), threads));
  }
}

/// Back to a mark, over other rows: the bits of a cache that never left.
template <class M, class P> void check_rewind() {
  using B = fauna::Cpu<P>;
  fauna::Loaded<M, B> model(lively<M, B>(1).weights(), 2);
  fauna::Cache<M, B> cache(2, 200);
  const auto wrong = some_tokens<M>(40, 3), right = some_tokens<M>(60, 4);
  last_rows(model, cache, {some_tokens<M>(130, 1), some_tokens<M>(70, 2)});  // marks inside blocks of 64 keys
  const auto mark = cache.mark();
  const auto go_on = [&](fauna::Cache<M, B>& c) {
    std::vector<float> all;
    for (const int id : right) {
      const auto y = last_rows(model, c, {{id}, {id}});
      all.insert(all.end(), y.begin(), y.end());
    }
    return all;
  };
  auto stayed = cache;
  const auto want = go_on(stayed);
  for (int again = 0; again < 2; ++again) {
    last_rows(model, cache, {wrong, {wrong.begin(), wrong.begin() + 9}});
    cache.rewind(mark);
    CHECK(cache.mark() == mark);
    CHECK(go_on(cache) == want);
    cache.rewind(mark);
  }
  cache.clear(0);  // the other sequence stays
  last_rows(model, cache, {some_tokens<M>(130, 1), {}});
  CHECK(go_on(cache) == want);
}

/// In a batch of 1 to 16 sequences of different lengths: each one's logits, and its greedy text, are those it has
/// alone.
template <class M, class P> void check_batches() {
  using B = fauna::Cpu<P>;
  fauna::Loaded<M, B> model(lively<M, B>(1).weights(), 2);
  const int most = 16, steps = 6, context = 64;
  std::vector<std::vector<int>> prompts, more, texts;
  std::vector<std::vector<float>> logits;
  fauna::GenerateOptions o{.tokens = 20,
                           .temperature = 0,
                           .context = context,
                           .at_end = fauna::context_end::slide};  // some texts outgrow the context
  for (int s = 0; s < most; ++s) {
    const auto stream = static_cast<std::uint64_t>(s);
    prompts.push_back(some_tokens<M>(1 + s * 29 % 53, 10 + stream));
    more.push_back(some_tokens<M>(steps, 50 + stream));
    texts.push_back(generate_tokens(model, prompts.back(), o, [](int) {}));
    fauna::Cache<M, B> cache(1, context);
    logits.push_back(last_rows(model, cache, {prompts.back()}));
    const auto stepped = in_chunks(model, cache, more.back(), 1);
    logits.back().insert(logits.back().end(), stepped.begin(), stepped.end());
  }
  for (int n = 1; n <= most; n = size(n + 1, 4 * n)) {
    CAPTURE(n);
    const std::vector<std::vector<int>> some(prompts.begin(), prompts.begin() + n);
    fauna::Cache<M, B> cache(n, context);
    for (int i = 0; i <= steps; ++i) {
      auto ids = some;
      if (i > 0)
        for (int s = 0; s < n; ++s)
          ids[static_cast<std::size_t>(s)] = {more[static_cast<std::size_t>(s)][static_cast<std::size_t>(i - 1)]};
      const auto y = last_rows(model, cache, ids);
      for (int s = 0; s < n; ++s)
        CHECK(std::equal(y.begin() + s * M::vocab, y.begin() + (s + 1) * M::vocab,
                         logits[static_cast<std::size_t>(s)].begin() + i * M::vocab));
    }
    o.chunk = n % 2 == 0 ? 7 : 512;
    CHECK(generate_batch(model, some, o, [](int, int) {}) ==
          std::vector<std::vector<int>>(texts.begin(), texts.begin() + n));
  }
}

/// A greedy text as it is defined: each token is the likeliest after the last `context` tokens, read anew, without a
/// cache, with a penalty for every token that the text has already.
template <class T>
std::vector<int> defined_text(T& model, std::vector<int> ids, int tokens, int context, float penalty) {
  for (int i = 0; i < tokens; ++i) {
    const auto window = static_cast<std::ptrdiff_t>(std::min(ids.size(), static_cast<std::size_t>(context)));
    const auto y = at_once(model, {ids.end() - window, ids.end()});
    std::vector<float> last(y.end() - T::model::vocab, y.end());
    for (int id = 0; id < T::model::vocab; ++id)
      if (auto& l = last[static_cast<std::size_t>(id)]; std::count(ids.begin(), ids.end(), id) > 0)
        l = l > 0 ? l / penalty : l * penalty;
    ids.push_back(static_cast<int>(std::max_element(last.begin(), last.end()) - last.begin()));
  }
  return ids;
}

/// Texts of more than three windows of `context` tokens, and the other two choices at the end of the context.
template <class M, class P> void check_windows(int context) {
  using B = fauna::Cpu<P>;
  using fauna::context_end, fauna::error;
  auto trained = lively<M, B>(2);
  fauna::Loaded<M, B> model(trained.weights(), 2);
  const int tokens = 3 * context + 7, own = M::config.context;
  std::vector<std::vector<int>> prompts;
  for (const int n : {1, context - 1, context, context + 1, 2 * context + 3})
    prompts.push_back(some_tokens<M>(n, static_cast<std::uint64_t>(n)));
  for (const float penalty : sizes({1.0F, 1.3F}, {1.3F})) {
    CAPTURE(penalty);
    std::vector<std::vector<int>> want;
    for (auto const& prompt : prompts) want.push_back(defined_text(trained, prompt, tokens, context, penalty));
    int changes = 0;  // a text that stands still would be the same for any window
    for (auto const& text : want) {
      const auto end = text.end();
      for (auto at = end - context; at != end; ++at) changes += *at != at[-1];
    }
    CHECK(changes > context);

    fauna::GenerateOptions o{.tokens = tokens,
                             .temperature = 0,
                             .repetition_penalty = penalty,
                             .context = context < own ? context : 0,
                             .at_end = context_end::slide};
    for (const int chunk : sizes({1, 7, 512}, {7, 512})) {
      CAPTURE(chunk);
      o.chunk = chunk;
      auto heard = prompts;
      CHECK(generate_batch(model, prompts, o,
                           [&](int s, int id) { heard[static_cast<std::size_t>(s)].push_back(id); }) == want);
      CHECK(heard == want);
    }

    o.at_end = context_end::stop;  // the last token is drawn from a full context
    const std::vector<std::vector<int>> fit(prompts.begin(), prompts.begin() + 3);
    auto stopped = generate_batch(model, fit, o, [](int, int) {});
    for (std::size_t s = 0; s < fit.size(); ++s)
      CHECK(stopped[s] == std::vector<int>(want[s].begin(), want[s].begin() + context + 1));
    o.at_end = context_end::refuse;
    o.tokens = 2;
    CHECK(generate_batch(model, {fit[0], fit[1]}, o, [](int, int) {}) ==
          std::vector<std::vector<int>>{{want[0].begin(), want[0].begin() + 3},
                                        {want[1].begin(), want[1].begin() + context + 1}});
    const auto none = [](int, int) { FAIL("a token was drawn"); };
    CHECK_THROWS_WITH_AS(generate_batch(model, fit, o, none), doctest::Contains("2 more"), error);
    for (const context_end end : {context_end::stop, context_end::refuse}) {
      o.at_end = end;
      CHECK_THROWS_WITH_AS(generate_batch(model, {fit[0], prompts[3]}, o, none),
                           doctest::Contains(("a prompt of " + std::to_string(context + 1)).c_str()), error);
    }
  }
}

}  // namespace test
