// Speculative decoding (Stern et al. 2018; Leviathan et al. 2023; Chen et al. 2023): a drafter proposes some tokens,
// the target reads them all at once, and the text takes what the target would have said anyway. docs/speculation.md has
// the rules, why they are exact, and what pays.
//   text t_1 … t_n, draft d_1 … d_γ:  one pass over t_n d_1 … d_γ gives the logits of γ + 1 places. The rule says the
//   token x_i of place i; while x_i = d_i the logits of place i + 1 are those of the text, and the first other token
//   ends the block. A draft may be a tree, of which a path stays.
#pragma once
#include <fauna/decode/speculate/acceptance.hpp>
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
#include <fauna/decode/speculate/rejection.hpp>
#include <fauna/decode/speculate/sequoia.hpp>
#include <fauna/decode/speculate/typical.hpp>
#include <fauna/io/clock.hpp>

namespace fauna::inline v0 {

/// When drafts are as long as a DraftLength says: never, so that it is only told; where a rule keeps the ids; always,
/// so that the ids of other rules follow from what was measured, and no longer from the seed alone.
enum class adapt : int { never, where_ids_stay, always };

struct SpeculateOptions {
  GenerateOptions text{};
  int draft = 4;                  ///< tokens of a draft at most (γ); 0: plain decoding
  DraftLength* length = nullptr;  ///< is told what each step came to, and says how long the next draft is; null: γ
  adapt adapts = adapt::where_ids_stay;
  int nodes = 16;  ///< of a draft that branches, at most
};

/// What came of drafts.
struct DraftCounts {
  long steps = 0, tokens = 0;            ///< passes of the target, and tokens of the text
  long drafted = 0;                      ///< tokens proposed
  std::vector<long> seen{}, accepted{};  ///< by place in the draft: how often all before it stayed, and it did too
  std::vector<long> offered{},
      right{};  ///< by rank among candidates of a place: how often there was one, and it stayed
  /// τ: tokens a step. 1 is plain decoding.
  double tokens_per_step() const { return steps > 0 ? static_cast<double>(tokens) / static_cast<double>(steps) : 0; }
};
struct Speculated {
  std::vector<int> ids{};  ///< of prompt and text, as generate_tokens gives them
  DraftCounts counts{};
};

namespace speculate_detail {

/// Of what was proposed behind `committed` tokens, what can be read and is of use: up to `most`, of the target's
/// vocabulary, and up to the first token that ends the text.
inline void cut(std::vector<int>& text, std::size_t committed, int most, int vocab, GenerateOptions const& o) {
  std::size_t n = committed;
  const std::size_t end = committed + static_cast<std::size_t>(most);
  for (bool last = false; n < text.size() && n < end && !last; ++n) {
    if (text[n] < 0 || text[n] >= vocab) break;
    last = generate_detail::stops(o, text[n]);
  }
  text.resize(n);
}

/// The same of a tree, whose nodes number `nodes` at most.
inline void cut(DraftTree& tree, int most, int nodes, int vocab, GenerateOptions const& o) {
  tree.filter(nodes, [&](int i) {
    const int before = tree.parent(i);
    return tree.token(i) >= 0 && tree.token(i) < vocab && tree.depth(i) <= most &&
           (before == DraftTree::root || !generate_detail::stops(o, tree.token(before)));
  });
}

}  // namespace speculate_detail

/// Drafts of either kind.
template <class D>
concept Proposes = Drafter<D> || TreeDrafter<D>;

/// Continues a prompt by up to options.text.tokens tokens, with all that generate_tokens has, and calls see(id) with
/// each; see may return false to end the text. What is kept of generate_tokens' text A says: its ids, or its law.
/// target: a model, or a Reader, whose context is then the text's.
template <TextReader R, Proposes D, Acceptance A, class F>
Speculated speculate(R& target, D& drafter, std::vector<int> const& prompt, SpeculateOptions const& options, A const& a,
                     F&& see) {
  GenerateOptions const& o = options.text;
  const int context = target.context(), own = target.vocab();
  generate_detail::check({prompt}, o, own, context);
  a.check(o);
  if (options.draft < 0 || options.draft >= context)
    fail("speculate", "drafts of " + std::to_string(options.draft) + " tokens",
         "0 to " + std::to_string(context - 1) + ", in a context of " + std::to_string(context));
  if (options.nodes < 0 || options.nodes > DraftTree::most_nodes)
    fail("speculate", "trees of " + std::to_string(options.nodes) + " nodes",
         "0 to " + std::to_string(DraftTree::most_nodes));
  if constexpr (requires { drafter.vocab(); })
    if (drafter.vocab() != own)
      fail("speculate", "a draft model with a vocabulary of " + std::to_string(drafter.vocab()),
           "the target's " + std::to_string(own));

  const int vocab = o.vocab > 0 && o.vocab < own ? o.vocab : own;
  Sampler sampler(vocab, generate_detail::sampling(o));
  const Key key = text_key(o.seed, o.sample);
  Speculated out{.ids = prompt};
  std::vector<int>& ids = out.ids;  // no structured binding: clang 14 captures none
  DraftCounts& counts = out.counts;
  counts.seen.resize(static_cast<std::size_t>(options.draft));
  counts.accepted.resize(counts.seen.size());
  const std::size_t all = prompt.size() + static_cast<std::size_t>(o.tokens);
  ids.reserve(all + static_cast<std::size_t>(options.draft));
  const bool asks = options.length != nullptr && !TreeDrafter<D> && options.adapts != adapt::never &&
                    (options.adapts == adapt::always || a.kept == keeps::ids);
  const auto now = [&] { return options.length != nullptr ? seconds_now() : 0; };
  DraftTree tree;
  std::vector<int> siblings, path;
  std::size_t from = 0;
  for (bool done = o.tokens == 0; !done;) {
    const std::size_t committed = ids.size();
    if (committed - from > static_cast<std::size_t>(context)) {
      if (o.at_end != context_end::slide) break;
      from = committed - static_cast<std::size_t>(context);
    }
    // No further than the text may go: the last token is drawn and never read.
    const int held = static_cast<int>(committed - from), left = static_cast<int>(all - committed) - 1;
    int most = options.draft < left ? options.draft : left;
    if (asks && options.length->next() < most) most = options.length->next();
    if (most > context - held) most = context - held;
    const auto drawing = [&](const float* logits) {
      return Drawing{.sampler = sampler, .logits = logits, .key = key, .text = ids.data(), .position = ids.size()};
    };
    const double start = now();
    tree = {};
    if constexpr (TreeDrafter<D>) {
      if (most > 0)
        drafter.propose_tree(ids, tree, most, [&](const float* logits, Law& q, Drafted const& earlier) {
          return a.draft(drawing(logits), q, earlier);
        });
      ids.resize(committed);
      const int room = target.tree_room(held), free = context - held;
      const int nodes = options.nodes < room ? options.nodes : room;
      speculate_detail::cut(tree, most, nodes < free ? nodes : free, own, o);
    } else if (most > 0) {
      tree.laws.resize(static_cast<std::size_t>(most) + 1);
      drafter.propose(ids, most, [&](const float* logits) {
        const std::size_t place = ids.size() - committed;
        return a.draft(drawing(logits), tree.laws[place < tree.laws.size() ? place : tree.laws.size() - 1], {});
      });
      speculate_detail::cut(ids, committed, most, own, o);
      for (std::size_t i = committed; i < ids.size(); ++i) tree.chain(ids[i]);
    }
    const int draft = tree.size();
    const double drafted_at = now();
    const float* logits = nullptr;
    const bool branches = !tree.is_chain();
    if constexpr (TreeDrafter<D>) {
      if (branches) logits = target.tree_logits(ids.data() + from, held, tree);
    }
    if (!branches) {
      ids.resize(committed);
      ids.insert(ids.end(), tree.tokens.begin(), tree.tokens.end());
      logits = target.logits(ids.data() + from, held + draft, 1 + draft, held);
    }
    ids.resize(committed);
    if constexpr (requires { drafter.see(tree, logits); }) drafter.see(tree, logits);
    const double read_at = now();
    ++counts.steps;
    counts.drafted += draft;
    path.clear();
    for (int node = DraftTree::root; !done;) {
      siblings.clear();
      for (int i = node + 1; i < draft; ++i)
        if (tree.parent(i) == node) siblings.push_back(tree.token(i));
      const int id = a.next(drawing(logits + static_cast<std::ptrdiff_t>(node + 1) * own),
                            {siblings.data(), static_cast<int>(siblings.size()), tree.law(node)});
      if (!siblings.empty()) ++counts.seen[path.size()];
      if (counts.offered.size() < siblings.size()) {
        counts.offered.resize(siblings.size());
        counts.right.resize(siblings.size());
      }
      for (std::size_t r = 0; r < siblings.size(); ++r) {
        ++counts.offered[r];
        counts.right[r] += siblings[r] == id;
      }
      node = tree.find(id, node);
      ids.push_back(id);
      ++counts.tokens;
      done = ids.size() == all || generate_detail::ended(o, ids);
      if (!generate_detail::goes_on(see, id)) done = true;
      if (node == DraftTree::root) break;
      ++counts.accepted[path.size()];
      path.push_back(node);
    }
    if constexpr (TreeDrafter<D>) {
      if (branches) target.keep(path);
    }
    // The first pass reads the prompt too, and one of a text that slides its whole window.
    const bool tells = counts.steps > 1 && from == 0;
    if (options.length != nullptr && !TreeDrafter<D>)
      options.length->add({.drafted = draft,
                           .accepted = static_cast<int>(path.size()),
                           .draft_seconds = drafted_at - start,
                           .pass_seconds = tells ? read_at - drafted_at : 0});
  }
  return out;
}
template <class T, Proposes D, Acceptance A, class F>
requires(!TextReader<T>) Speculated speculate(T& target, D& drafter, std::vector<int> const& prompt,
                                              SpeculateOptions const& options, A const& a, F&& see) {
  Reader<T> reader(target, generate_detail::longest(options.text, context_of<typename T::model>), options.text.chunk);
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
};
template <class T, class D> Speculative(T&, D&) -> Speculative<T, D>;
template <class T, class D> Speculative(T&, D&, int) -> Speculative<T, D>;

template <class T, class D, class A, class F>
std::vector<int> generate_tokens(Speculative<T, D, A>& s, std::vector<int> const& prompt, GenerateOptions const& o,
                                 F&& see) {
  const SpeculateOptions how{.text = o, .draft = s.draft, .length = s.length, .adapts = s.adapts, .nodes = s.nodes};
  Speculated text = speculate(s.target, s.drafter, prompt, how, s.acceptance, see);
  s.counts = static_cast<DraftCounts&&>(text.counts);
  return static_cast<std::vector<int>&&>(text.ids);
}

}  // namespace fauna::inline v0
