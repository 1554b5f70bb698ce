// A text that is written with drafts, step by step, whoever reads its rows: alone (speculate.hpp) or with others
// (batch.hpp). propose() puts a draft behind it, a pass of the target reads that, and accept() takes what stays.
#pragma once
#include <fauna/decode/speculate/acceptance.hpp>
#include <fauna/decode/speculate/drafter.hpp>
#include <fauna/decode/speculate/length.hpp>
#include <fauna/decode/speculate/rewind.hpp>
#include <fauna/decode/speculate/tree.hpp>

namespace fauna::inline v0 {

/// When drafts are as long as a DraftLength says: never, so that it is only told; where a rule keeps the ids; always,
/// so that the ids of other rules follow from what was measured, and no longer from the seed alone.
enum class adapt : int { never, where_ids_stay, always };

struct SpeculateOptions {
  GenerateOptions text{};
  int draft = 4;                  ///< tokens of a draft at most (γ); 0: plain decoding
  DraftLength* length = nullptr;  ///< is told what each step came to, and says how long the next draft is; null: γ
  adapt adapts = adapt::where_ids_stay;
  int nodes = 16;                       ///< of a draft that branches, at most
  rewinds rewind = rewinds::automatic;  ///< how a recurrent state goes back; the ids do not depend on it
  /// Tokens of the next draft at most, by a rule that keeps so much.
  int next_draft(keeps kept) const {
    const bool asks = length != nullptr && (adapts == adapt::always || (adapts != adapt::never && kept == keeps::ids));
    return asks && length->next() < draft ? length->next() : draft;
  }
};

/// What came of drafts.
struct DraftCounts {
  long steps = 0, tokens = 0;            ///< passes of the target, and tokens of the text
  long drafted = 0;                      ///< tokens proposed
  std::vector<long> seen{}, accepted{};  ///< by place in the draft: how often all before it stayed, and it did too
  std::vector<long> offered{}, right{};  ///< by rank among a place's candidates: how often there was one, and it stayed
  /// τ: tokens a step. 1 is plain decoding.
  double tokens_per_step() const { return steps > 0 ? static_cast<double>(tokens) / static_cast<double>(steps) : 0; }
  bool operator==(DraftCounts const&) const = default;
  /// Those of another text too.
  DraftCounts& operator+=(DraftCounts const& o) {
    steps += o.steps, tokens += o.tokens, drafted += o.drafted;
    if (seen.size() < o.seen.size()) seen.resize(o.seen.size()), accepted.resize(o.seen.size());
    for (std::size_t i = 0; i < o.seen.size(); ++i) seen[i] += o.seen[i], accepted[i] += o.accepted[i];
    if (offered.size() < o.offered.size()) offered.resize(o.offered.size()), right.resize(o.offered.size());
    for (std::size_t r = 0; r < o.offered.size(); ++r) offered[r] += o.offered[r], right[r] += o.right[r];
    return *this;
  }
};
struct Speculated {
  std::vector<int> ids{};  ///< of prompt and text, as generate_tokens gives them
  DraftCounts counts{};
};

/// Drafts of either kind.
template <class D>
concept Proposes = Drafter<D> || TreeDrafter<D>;

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

/// Throws for prompts and options that cannot be, of a target with this vocabulary and context.
template <Acceptance A>
void check(std::vector<std::vector<int>> const& prompts, SpeculateOptions const& options, A const& a, int vocab,
           int context) {
  generate_detail::check(prompts, options.text, vocab, context);
  a.check(options.text);
  if (options.draft < 0 || options.draft >= context)
    fail("speculate", "drafts of " + std::to_string(options.draft) + " tokens",
         "0 to " + std::to_string(context - 1) + ", in a context of " + std::to_string(context));
  if (options.nodes < 0 || options.nodes > DraftTree::most_nodes)
    fail("speculate", "trees of " + std::to_string(options.nodes) + " nodes",
         "0 to " + std::to_string(DraftTree::most_nodes));
}
/// Throws for a drafter that knows another vocabulary.
template <Proposes D> void check(D& drafter, int vocab) {
  if constexpr (requires { drafter.vocab(); })
    if (drafter.vocab() != vocab)
      fail("speculate", "a draft model with a vocabulary of " + std::to_string(drafter.vocab()),
           "the target's " + std::to_string(vocab));
}

/// The beginning of text number `sequence` of those that the options ask for.
inline Continuation begin(std::vector<int> const& prompt, GenerateOptions const& o, std::size_t sequence) {
  Continuation text;
  text.ids = prompt;
  text.prompt = prompt.size();
  text.key = text_key(o.seed, o.sample + sequence);
  text.adapter = o.adapter;
  text.done = o.tokens == 0;
  return text;
}

}  // namespace speculate_detail

/// A text on its way. `text`, which others may see, has between propose() and accept() the draft behind its ids, and
/// wants the logits of so many rows more; its `read` is what of the rows read so far stays. All that a token is drawn
/// from is the text's own.
template <Acceptance A> class DraftedText {
 public:
  /// What check() accepts; everything is referred to.
  DraftedText(Continuation& text, SpeculateOptions const& options, A const& a, int vocab, int context)
      : text_(&text),
        options_(&options),
        rule_(&a),
        sampler_(options.text.vocab > 0 && options.text.vocab < vocab ? options.text.vocab : vocab,
                 generate_detail::sampling(options.text)),
        vocab_(vocab),
        context_(context),
        all_(text.prompt + static_cast<std::size_t>(options.text.tokens)) {
    counts_.seen.resize(static_cast<std::size_t>(options.draft));
    counts_.accepted.resize(counts_.seen.size());
    text.ids.reserve(all_ + static_cast<std::size_t>(options.draft));
  }

  /// Does the next step begin here?
  bool rests() const { return !text_->done && !drafted_; }
  /// Of the draft now behind the text: its nodes, and whether it branches.
  DraftTree const& draft() const { return tree_; }
  bool branches() const { return !tree_.is_chain(); }
  DraftCounts const& counts() const { return counts_; }

  /// Has a draft of up to `most` tokens behind the text, or one that branches of as many levels, and no more nodes than
  /// tree_room(rows of the text); where the context is full the window slides on, or the text is done.
  template <Proposes D, class Room> void propose(D& drafter, int most, Room&& tree_room) {
    GenerateOptions const& o = options_->text;
    std::vector<int>& ids = text_->ids;
    const std::size_t committed = ids.size();
    if (committed - text_->from > static_cast<std::size_t>(context_)) {
      if (o.at_end != context_end::slide) {
        text_->done = true;
        return;
      }
      text_->from = committed - static_cast<std::size_t>(context_);
      text_->read = 0;
    }
    // No further than the text may go: the last token is drawn and never read.
    const int held = static_cast<int>(committed - text_->from), left = static_cast<int>(all_ - committed) - 1;
    if (most > left) most = left;
    if (most > context_ - held) most = context_ - held;
    tree_ = {};
    if constexpr (TreeDrafter<D>) {
      if (most > 0)
        drafter.propose_tree(ids, tree_, most, [&](const float* logits, Law& q, Drafted const& earlier) {
          return rule_->draft(drawing(logits), q, earlier);
        });
      ids.resize(committed);
      const int room = tree_room(held), free = context_ - held;
      const int nodes = options_->nodes < room ? options_->nodes : room;
      speculate_detail::cut(tree_, most, nodes < free ? nodes : free, vocab_, o);
      ids.insert(ids.end(), tree_.tokens.begin(), tree_.tokens.end());
      if (branches()) text_->parents = tree_.parents;
    } else if (most > 0) {
      tree_.laws.resize(static_cast<std::size_t>(most) + 1);
      drafter.propose(ids, most, [&](const float* logits) {
        const std::size_t place = ids.size() - committed;
        return rule_->draft(drawing(logits), tree_.laws[place < tree_.laws.size() ? place : tree_.laws.size() - 1], {});
      });
      speculate_detail::cut(ids, committed, most, vocab_, o);
      for (std::size_t i = committed; i < ids.size(); ++i) tree_.chain(ids[i]);
    }
    text_->wanted = 1 + static_cast<int>(ids.size() - committed);
    drafted_ = true;
  }

  /// logits [1 + nodes, vocab] of the text's last row, and of each node of the draft: the text takes what stays and the
  /// token behind it, and goes on or is done. see(id) with each; it may return false to end the text. The nodes that
  /// stay, from the first on, until the next step.
  template <class F> std::vector<int> const& accept(const float* logits, F&& see) {
    return accept_by(
        [&](int node, Drafted const& drafted) {
          return rule_->next(drawing(logits + static_cast<std::ptrdiff_t>(node + 1) * vocab_), drafted);
        },
        see);
  }
  /// The same of what plain decoding draws at each of these places [1 + nodes], by a rule that keeps that.
  template <class F> std::vector<int> const& accept_drawn(const int* tokens, F&& see) {
    return accept_by([tokens](int node, Drafted const&) { return tokens[node + 1]; }, see);
  }
  /// Are tokens drawn without filters, as ops/draw_tokens does?
  bool drawn_plainly() const {
    GenerateOptions const& o = options_->text;
    const bool all = sampler_.vocab() == vocab_ && o.repetition_penalty == 1 && o.rule == nullptr;
    return all && (o.temperature == 0 || ((o.top_k == 0 || o.top_k >= vocab_) && o.top_p == 1 && o.min_p == 0));
  }

 private:
  /// next(node, its children): the token behind a node, -1 for the text's last row.
  template <class Next, class F> std::vector<int> const& accept_by(Next&& next, F&& see) {
    std::vector<int>& ids = text_->ids;
    ids.resize(ids.size() + 1 - static_cast<std::size_t>(text_->wanted));
    text_->wanted = 1;
    text_->parents.clear();
    text_->read = static_cast<int>(ids.size() - text_->from);
    drafted_ = false;
    ++counts_.steps;
    counts_.drafted += tree_.size();
    path_.clear();
    for (int node = DraftTree::root; !text_->done;) {
      siblings_.clear();
      for (int i = node + 1; i < tree_.size(); ++i)
        if (tree_.parent(i) == node) siblings_.push_back(tree_.token(i));
      const int id = next(node, {siblings_.data(), static_cast<int>(siblings_.size()), tree_.law(node)});
      if (!siblings_.empty()) ++counts_.seen[path_.size()];
      if (counts_.offered.size() < siblings_.size()) {
        counts_.offered.resize(siblings_.size());
        counts_.right.resize(siblings_.size());
      }
      for (std::size_t r = 0; r < siblings_.size(); ++r) ++counts_.offered[r];
      std::size_t rank = 0;  // of siblings that are the same, the first counts
      while (rank < siblings_.size() && siblings_[rank] != id) ++rank;
      if (rank < siblings_.size()) ++counts_.right[rank];
      node = tree_.find(id, node);
      ids.push_back(id);
      ++counts_.tokens;
      text_->done = ids.size() == all_ || generate_detail::ended(options_->text, ids);
      if (!generate_detail::goes_on(see, id)) text_->done = true;
      if (node == DraftTree::root) break;
      ++counts_.accepted[path_.size()];
      path_.push_back(node);
    }
    text_->read += static_cast<int>(path_.size());
    return path_;
  }

  Drawing drawing(const float* logits) {
    auto const& ids = text_->ids;
    return {.sampler = sampler_, .logits = logits, .key = text_->key, .text = ids.data(), .position = ids.size()};
  }

  Continuation* text_;
  SpeculateOptions const* options_;
  A const* rule_;
  Sampler sampler_;
  int vocab_, context_;
  std::size_t all_;  ///< ids of prompt and text at most
  DraftCounts counts_{};
  DraftTree tree_{};
  bool drafted_ = false;  ///< between propose() and accept()
  std::vector<int> siblings_{}, path_{};
};

}  // namespace fauna::inline v0
