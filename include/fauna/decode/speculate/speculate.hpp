// Speculative decoding (Stern et al. 2018; Leviathan et al. 2023; Chen et al. 2023): a drafter proposes some tokens,
// the target reads them all at once, and the text takes what the target would have said anyway. docs/speculation.md has
// the rules, why they are exact, and what pays.
//   text t_1 … t_n, draft d_1 … d_γ:  one pass over t_n d_1 … d_γ gives the logits of γ + 1 places. The rule says the
//   token x_i of place i; while x_i = d_i the logits of place i + 1 are those of the text, and the first other token
//   ends the block. A draft may be a tree, of which a path stays.
#pragma once
#include <fauna/decode/speculate/acceptance.hpp>
#include <fauna/decode/speculate/batch.hpp>
#include <fauna/decode/speculate/draft_model.hpp>
#include <fauna/decode/speculate/drafter.hpp>
#include <fauna/decode/speculate/eagle.hpp>
#include <fauna/decode/speculate/early_exit.hpp>
#include <fauna/decode/speculate/greedy.hpp>
#include <fauna/decode/speculate/length.hpp>
#include <fauna/decode/speculate/lookahead.hpp>
#include <fauna/decode/speculate/match.hpp>
#include <fauna/decode/speculate/medusa.hpp>
#include <fauna/decode/speculate/mixed.hpp>
#include <fauna/decode/speculate/model_tree.hpp>
#include <fauna/decode/speculate/mtp.hpp>
#include <fauna/decode/speculate/ngram.hpp>
#include <fauna/decode/speculate/ngram_tree.hpp>
#include <fauna/decode/speculate/point_mass.hpp>
#include <fauna/decode/speculate/pool.hpp>
#include <fauna/decode/speculate/reader.hpp>
#include <fauna/decode/speculate/rejection.hpp>
#include <fauna/decode/speculate/rewind.hpp>
#include <fauna/decode/speculate/sequoia.hpp>
#include <fauna/decode/speculate/text.hpp>
#include <fauna/decode/speculate/typical.hpp>
#include <fauna/io/clock.hpp>

namespace fauna::inline v0 {

/// Continues a prompt by up to options.text.tokens tokens, with all that generate_tokens has, and calls see(id) with
/// each; see may return false to end the text. What is kept of generate_tokens' text A says: its ids, or its law.
/// target: a model, or a Reader, whose context is then the text's.
template <TextReader R, Proposes D, Acceptance A, class F>
Speculated speculate(R& target, D& drafter, std::vector<int> const& prompt, SpeculateOptions const& options, A const& a,
                     F&& see) {
  const int vocab = target.vocab();
  speculate_detail::check({prompt}, options, a, vocab, target.context());
  speculate_detail::check(drafter, vocab);
  Continuation text = speculate_detail::begin(prompt, options.text, 0);
  DraftedText drafted(text, options, a, vocab, target.context());
  const bool measures = options.length != nullptr && !TreeDrafter<D>;
  const auto now = [&] { return measures ? seconds_now() : 0; };
  while (!text.done) {
    const double start = now();
    const int most = measures ? options.next_draft(a.kept) : options.draft;
    drafted.propose(drafter, most, [&](int rows) {
      if constexpr (TreeDrafter<D>) return target.tree_room(rows);
      else return rows;
    });
    if (text.done) break;
    const double drafted_at = now();
    const int* const ids = text.ids.data() + text.from;
    const int rows = static_cast<int>(text.ids.size() - text.from);
    const bool branches = drafted.branches();
    const int stays = rows + 1 - text.wanted;
    constexpr bool watches = requires(const float* logits) { drafter.see(drafted.draft(), logits); };
    double read_at = 0;
    auto const& path = [&]() -> std::vector<int> const& {
      if constexpr (DrawsThere<R> && !TreeDrafter<D> && !watches)
        if (a.kept == keeps::ids && drafted.drawn_plainly()) {
          const std::size_t position = text.ids.size() + 1 - static_cast<std::size_t>(text.wanted);
          const int* tokens = target.draws(ids, rows, text.wanted, stays, options.text.temperature, text.key, position);
          read_at = now();
          return drafted.accept_drawn(tokens, see);
        }
      const float* logits = nullptr;
      if constexpr (TreeDrafter<D>) {
        if (branches) logits = target.tree_logits(ids, stays, drafted.draft());
      }
      if (!branches) logits = target.logits(ids, rows, text.wanted, stays);
      if constexpr (watches) drafter.see(drafted.draft(), logits);
      read_at = now();
      return drafted.accept(logits, see);
    }();
    if constexpr (TreeDrafter<D>) {
      if (branches) target.keep(path);
    }
    // The first pass reads the prompt too, and one of a text that slides its whole window.
    const bool tells = drafted.counts().steps > 1 && text.from == 0;
    if (measures)
      options.length->add({.drafted = drafted.draft().size(),
                           .accepted = static_cast<int>(path.size()),
                           .draft_seconds = drafted_at - start,
                           .pass_seconds = tells ? read_at - drafted_at : 0});
  }
  return {.ids = static_cast<std::vector<int>&&>(text.ids), .counts = drafted.counts()};
}
template <class T, Proposes D, Acceptance A, class F>
requires(!TextReader<T>) Speculated speculate(T& target, D& drafter, std::vector<int> const& prompt,
                                              SpeculateOptions const& options, A const& a, F&& see) {
  Reader<T> reader(target, generate_detail::longest(options.text, context_of<typename T::model>), options.text.chunk,
                   options.text.adapter, options.rewind);
  return speculate(reader, drafter, prompt, options, a, see);
}
template <class T, Proposes D, Acceptance A = Match>
Speculated speculate(T& target, D& drafter, std::vector<int> const& prompt, SpeculateOptions const& options = {},
                     A const& a = {}) {
  return speculate(target, drafter, prompt, options, a, [](int) {});
}

/// Measures passes over few rows at the end of a text that has more, for a length that has measured none: the fastest
/// of some, since whoever else has the processor makes passes slower and none faster.
template <TextReader R> void measure(R& reader, std::vector<int> const& ids, DraftLength& length) {
  constexpr int times = 4;
  const int most = length.most() + 1, n = static_cast<int>(ids.size()), base = n - most;
  if (base < 1 || n > reader.context()) return;
  reader.logits(ids.data(), base, 1, base);
  for (const int rows : {most, 2, 1}) {  // from the longest down: no later pass reads again what one before it did
    double fastest = 0;
    for (int i = 0; i < times && rows <= most; ++i) {
      const double start = seconds_now();
      reader.logits(ids.data(), base + rows, rows, base);
      const double took = seconds_now() - start;
      if (i == 0 || took < fastest) fastest = took;
    }
    length.pass(rows, fastest);
  }
}

/// A target with its drafter as one model, for generate and generate_text: stop texts, pieces as they come.
template <class T, Proposes D, Acceptance A = Match> struct Speculative {
  T& target;
  D& drafter;
  int draft = 4;         ///< tokens of a draft at most, of a tree its depth
  DraftCounts counts{};  ///< of the last text
  A acceptance{};
  DraftLength* length = nullptr;  ///< as SpeculateOptions has it
  adapt adapts = adapt::where_ids_stay;
  int nodes = 16;
  rewinds rewind = rewinds::automatic;
};
template <class T, class D> Speculative(T&, D&) -> Speculative<T, D>;
template <class T, class D> Speculative(T&, D&, int) -> Speculative<T, D>;

template <class T, class D, class A, class F>
std::vector<int> generate_tokens(Speculative<T, D, A>& s, std::vector<int> const& prompt, GenerateOptions const& o,
                                 F&& see) {
  const SpeculateOptions how{
      .text = o, .draft = s.draft, .length = s.length, .adapts = s.adapts, .nodes = s.nodes, .rewind = s.rewind};
  Speculated text = speculate(s.target, s.drafter, prompt, how, s.acceptance, see);
  s.counts = static_cast<DraftCounts&&>(text.counts);
  return static_cast<std::vector<int>&&>(text.ids);
}

}  // namespace fauna::inline v0
