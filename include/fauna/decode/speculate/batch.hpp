// Speculation for several texts at once: each has a drafter, drafts and an end of its own, and one pass of the target
// verifies all drafts of a step (Qian et al. 2024, "BASS: batched attention-optimized speculative sampling":
// ragged acceptance). A text goes on by as many tokens as it kept; who has ended drops out of the pass.
#pragma once
#include <fauna/decode/speculate/match.hpp>
#include <fauna/decode/speculate/slots.hpp>
#include <fauna/decode/speculate/text.hpp>

namespace fauna::inline v0 {

namespace speculate_detail {

/// Rows of a text that one step of several texts reads at most.
inline int most_rows(SpeculateOptions const& o) {
  const int block = o.draft + 1 > few ? o.draft + 1 : few;
  return o.text.chunk > block ? o.text.chunk : block;
}

/// Reads all but the last token of each prompt that stands several times: once, for the slots of all.
template <TextSlots S> void read_shared(S& target, std::vector<Continuation>& all, int chunk) {
  std::vector<std::size_t> first(all.size());
  std::vector<Continuation> shared(all.size());
  for (auto& prompt : shared) prompt.done = true;
  for (std::size_t s = 0; s < all.size(); ++s) {
    while (all[first[s]].ids != all[s].ids) ++first[s];
    const std::size_t rows = all[s].ids.size() - 1;
    if (first[s] == s || rows > static_cast<std::size_t>(target.context())) continue;
    Continuation& prompt = shared[first[s]];
    prompt.ids.assign(all[s].ids.begin(), all[s].ids.end() - 1);
    prompt.done = rows == 0;
  }
  for (std::size_t s = 0; s < all.size(); ++s)
    if (!shared[s].done) target.take_back(static_cast<int>(s), 0);
  while (target.step(shared, chunk, [](int, const float*) {})) {}
  for (std::size_t s = 0; s < all.size(); ++s) {
    if (shared[first[s]].done) continue;
    if (first[s] != s) target.copy(static_cast<int>(first[s]), static_cast<int>(s));
    all[s].read = shared[first[s]].read;
  }
}

}  // namespace speculate_detail

/// Continues each prompt by up to options.text.tokens tokens, text s with drafters[s] and as sample options.text.sample
/// + s, and calls see(s, id) with each; see may return false to end that text. A text has the ids that speculate gives
/// it alone, and as many steps: who is beside it changes nothing. Drafts are chains. A prompt that stands several times
/// is read once. Throws for another number of drafters, and for a DraftLength: what a pass takes is no text's own.
/// target: a Loaded model, or Slots, of which the first are then the texts'.
template <TextSlots S, class D, Acceptance A, class F>
std::vector<Speculated> speculate(S& target, std::vector<D>& drafters, std::vector<std::vector<int>> const& prompts,
                                  SpeculateOptions const& options, A const& a, F&& see) {
  static_assert(Drafter<D>, "fauna: speculate: several texts at once have drafts that are chains: a Drafter each");
  GenerateOptions const& o = options.text;
  const int vocab = target.vocab(), context = target.context();
  speculate_detail::check(prompts, options, a, vocab, context);
  if (drafters.size() != prompts.size())
    fail("speculate", std::to_string(drafters.size()) + " drafters for " + std::to_string(prompts.size()) + " prompts",
         "one for each: a drafter follows its text");
  if (prompts.size() > static_cast<std::size_t>(target.count()))
    fail("speculate", std::to_string(prompts.size()) + " prompts for " + std::to_string(target.count()) + " slots",
         "no more than there are slots");
  for (D& d : drafters) speculate_detail::check(d, vocab);
  if (options.length != nullptr)
    fail("speculate", "a length of drafts that follows from what passes take, for several texts", "a fixed one");

  std::vector<Continuation> all;
  all.reserve(prompts.size());
  for (auto const& prompt : prompts) all.push_back(speculate_detail::begin(prompt, o, all.size()));
  std::vector<DraftedText<A>> texts;
  for (auto& text : all) texts.emplace_back(text, options, a, vocab, context);
  const auto next = [&](int s, const float* logits) {
    texts[static_cast<std::size_t>(s)].accept(logits, [&](int id) { return generate_detail::goes_on(see, s, id); });
  };
  if (o.tokens > 0) speculate_detail::read_shared(target, all, o.chunk);
  do {
    for (std::size_t s = 0; s < all.size(); ++s) {
      if (texts[s].rests()) {
        texts[s].propose(drafters[s], options.draft, [](int) { return 0; });
        all[s].read = target.take_back(static_cast<int>(s), all[s].read);
      }
      all[s].most = speculate_detail::next_rows(all[s].pending(), all[s].wanted, o.chunk);
    }
  } while (target.step(all, unbounded, next));
  std::vector<Speculated> out;
  for (std::size_t s = 0; s < all.size(); ++s)
    out.push_back({.ids = static_cast<std::vector<int>&&>(all[s].ids), .counts = texts[s].counts()});
  return out;
}
template <class T, class D, Acceptance A, class F>
requires(!TextSlots<T>) std::vector<Speculated> speculate(T& target, std::vector<D>& drafters,
                                                          std::vector<std::vector<int>> const& prompts,
                                                          SpeculateOptions const& options, A const& a, F&& see) {
  const int texts = static_cast<int>(prompts.size());
  Slots<T> slots(target, texts > 0 ? texts : 1, generate_detail::longest(options.text, context_of<typename T::model>),
                 speculate_detail::most_rows(options));
  return speculate(slots, drafters, prompts, options, a, see);
}
template <class T, class D, Acceptance A = Match>
std::vector<Speculated> speculate(T& target, std::vector<D>& drafters, std::vector<std::vector<int>> const& prompts,
                                  SpeculateOptions const& options = {}, A const& a = {}) {
  return speculate(target, drafters, prompts, options, a, [](int, int) {});
}

}  // namespace fauna::inline v0
