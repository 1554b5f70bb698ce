// What speculation for several texts promises: each has the ids, the steps and the drafts that it has alone, whoever is
// beside it and however unequal they are.
#pragma once
#include "tree_check.hpp"

namespace test {

/// Texts together and each alone, with drafters make(s): the former.
template <class T, class A, class F>
std::vector<fauna::Speculated> check_together(T& target, std::vector<std::vector<int>> const& prompts,
                                              fauna::SpeculateOptions const& options, A const& a, F&& make) {
  using D = decltype(make(std::size_t{}));
  std::vector<D> drafters;
  for (std::size_t s = 0; s < prompts.size(); ++s) drafters.push_back(make(s));
  auto heard = prompts;
  auto got = speculate(target, drafters, prompts, options, a,
                       [&heard](int s, int id) { heard[static_cast<std::size_t>(s)].push_back(id); });
  REQUIRE(got.size() == prompts.size());
  for (std::size_t s = 0; s < got.size(); ++s) {
    CAPTURE(s);
    auto own = options;
    own.text.sample += s;
    D drafter = make(s);
    const auto alone = speculate(target, drafter, prompts[s], own, a);
    CHECK(got[s].ids == alone.ids);
    CHECK(heard[s] == alone.ids);
    CHECK(got[s].counts == alone.counts);
  }
  return got;
}
/// Plain decoding's texts, each with the noise that it has among others.
template <class T>
std::vector<std::vector<int>> each_alone(T& target, std::vector<std::vector<int>> const& prompts,
                                         fauna::GenerateOptions o) {
  std::vector<std::vector<int>> texts;
  for (auto const& prompt : prompts) {
    texts.push_back(plain(target, prompt, o));
    ++o.sample;
  }
  return texts;
}

/// Batches of 1 to 8 texts that differ in length, drafts and the place where they stop, drawn in every way: plain
/// decoding's ids, by every drafter. Each has a prompt of more than `rows` tokens.
template <class M, class D, class P> void check_batches_of_drafts(int rows = 0) {
  using B = fauna::Cpu<P>;
  fauna::Loaded<M, B> target(lively<M, B>(1).weights(), 2);
  fauna::Loaded<D, B> small(lively<D, B>(1).weights(), 1);
  const std::vector<int> lengths{7, 1, 30, 3, 17, 16, 2, 33};
  const int context = rows + 64;
  int uneven = 0, stopped = 0;
  for (auto o : ways(27)) {
    CAPTURE(o.temperature);
    CAPTURE(o.repetition_penalty);
    o.context = context;
    o.chunk = 5 + rows / 4;
    for (const int texts : sizes({1, 3, 8}, {1, 5})) {
      CAPTURE(texts);
      o.stop_ids.clear();
      std::vector<std::vector<int>> prompts;
      for (std::size_t q = 0; q < static_cast<std::size_t>(texts); ++q)
        prompts.push_back(some_tokens<M>(rows + lengths[q], q));
      auto want = each_alone(target, prompts, o);
      if (texts > 2) {  // ids that end some texts, each elsewhere
        o.stop_ids = {want[0][prompts[0].size() + 9], want[2][prompts[2].size() + 14]};
        const auto whole = want;
        want = each_alone(target, prompts, o);
        for (std::size_t s = 0; s < want.size(); ++s) stopped += want[s].size() < whole[s].size();
      }
      const auto scripted = [&](std::size_t s) {
        return Scripted{wrong_at_every(want[s], prompts[s].size(), 2 + static_cast<int>(s), M::vocab)};
      };
      for (const int gamma : sizes({0, 1, 5}, {4})) {
        CAPTURE(gamma);
        const auto with = [&](auto&& make) {
          const auto got = check_together(target, prompts, {.text = o, .draft = gamma}, fauna::Match{}, make);
          for (std::size_t s = 0; s < got.size(); ++s) {
            CHECK(got[s].ids == want[s]);
            uneven += s > 0 && got[s].counts.steps != got[s - 1].counts.steps;
          }
        };
        with(scripted);
        with([](std::size_t) { return fauna::NgramDrafter(4, 1); });
        with([](std::size_t s) { return Wild{.random = Random(s), .vocab = M::vocab}; });
        with([&](std::size_t) { return fauna::DraftModel(small, context); });
        with([&](std::size_t s) { return ScriptedTree{want[s], 2 + static_cast<int>(s), M::vocab}; });
        with([](std::size_t s) { return WildTree{.random = Random(s), .vocab = M::vocab}; });
      }
    }
  }
  CHECK(uneven > 20);
  CHECK(stopped > 5);
}

}  // namespace test
