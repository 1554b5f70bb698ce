// Drafts of generate and sample: who makes them, and what came of them.
#pragma once
#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fauna/decode/speculate/speculate.hpp>
#include <tools/src/draft_names.hpp>
#include <tools/src/eagle_layer.hpp>
#include <tools/src/engine.hpp>
#include <tools/src/settings.hpp>

namespace tool {

/// A Reader of whichever model as a value, for what takes a fauna::TextReader.
class AnyReader {
 public:
  AnyReader(Engine& e, int context, int chunk) : reader_(e.reader(context, chunk)) {}
  explicit AnyReader(std::unique_ptr<Reader> reader) : reader_(std::move(reader)) {}
  int vocab() const { return reader_->vocab(); }
  int context() const { return reader_->context(); }
  int width() const { return reader_->width(); }
  const float* logits(const int* ids, int n, int wanted, int stays) { return reader_->logits(ids, n, wanted, stays); }
  int tree_room(int n) const { return reader_->tree_room(n); }
  const float* tree_logits(const int* ids, int n, fauna::DraftTree const& tree) {
    return reader_->tree_logits(ids, n, tree);
  }
  void keep(std::vector<int> const& path) { reader_->keep(path); }
  const float* hidden(int row) const { return reader_->hidden(row); }
  const float* head(const float* rows, int n) { return reader_->head(rows, n); }
  fauna::Exits exits() const { return reader_->exits(); }
  const float* early(const int* ids, int n, int stays, int layers) { return reader_->early(ids, n, stays, layers); }
  int depths() const { return reader_->depths(); }
  const float* further(int depth, int first, const float* h, const int* tokens, int rows) {
    return reader_->further(depth, first, h, tokens, rows);
  }
  int table_width() const { return reader_->table_width(); }
  int layers() const { return reader_->layers(); }
  void remember_all(std::vector<int> const& layers = {}) { reader_->remember_all(layers); }
  int features() const { return reader_->features(); }
  const float* feature(int row) const { return reader_->feature(row); }
  int known(const int* ids, int n) const { return reader_->known(ids, n); }
  const float* embed(const int* ids, int n) { return reader_->embed(ids, n); }

 private:
  std::unique_ptr<Reader> reader_;
};

/// The text in a slot, for drafters alone: fauna::SlotReader as a Reader.
class TextInSlot final : public Reader {
 public:
  TextInSlot(Slots& slots, int slot) : reader_(slots, slot) {}
  int vocab() const override { return reader_.vocab(); }
  int context() const override { return reader_.context(); }
  const float* logits(const int*, int, int, int) override { return nullptr; }  // who has the slots reads the text
  int width() const override { return reader_.width(); }
  const float* hidden(int row) const override { return reader_.hidden(row); }
  const float* head(const float* rows, int n) override { return reader_.head(rows, n); }
  fauna::Exits exits() const override { return reader_.exits(); }
  const float* early(const int* ids, int n, int stays, int layers) override {
    return reader_.early(ids, n, stays, layers);
  }
  int depths() const override { return reader_.depths(); }
  const float* further(int depth, int first, const float* h, const int* tokens, int rows) override {
    return reader_.further(depth, first, h, tokens, rows);
  }
  int table_width() const override { return reader_.table_width(); }
  int layers() const override { return reader_.layers(); }
  void remember_all(std::vector<int> const& layers) override { reader_.remember_all(layers); }
  int features() const override { return reader_.features(); }
  const float* feature(int row) const override { return reader_.feature(row); }
  int known(const int* ids, int n) const override { return reader_.known(ids, n); }
  const float* embed(const int* ids, int n) override { return reader_.embed(ids, n); }

 private:
  fauna::SlotReader<Slots> reader_;
};

/// Slots of whichever model as a value: fauna::TextSlots.
class AnySlots {
 public:
  /// For `count` texts of up to `context` tokens, of which a step reads at most `rows`.
  AnySlots(Engine& e, int count, int context, int rows)
      : slots_(e.slots(count, context, rows, true)), vocab_(e.vocab()), context_(context), count_(count) {}
  int vocab() const { return vocab_; }
  int context() const { return context_; }
  int count() const { return count_; }
  bool step(std::vector<fauna::Continuation>& texts, int chunk, std::function<void(int, const float*)> const& next) {
    return slots_->step(texts, chunk, next);
  }
  void copy(int from, int to) { slots_->copy(from, to); }
  int take_back(int slot, int rows) { return slots_->take_back(slot, rows); }
  int tree_room(int n) const { return slots_->tree_room(n); }
  void keep(int slot, int from, std::vector<int> const& path) { slots_->keep(slot, from, path); }
  void remember() { slots_->remember({}); }
  /// The text in a slot, which drafters read; they must not outlive the slots.
  AnyReader reader(int slot) { return AnyReader(std::make_unique<TextInSlot>(*slots_, slot)); }

 private:
  std::unique_ptr<Slots> slots_;
  int vocab_, context_, count_;
};

/// The pool in a file, or where there is none an empty one.
inline fauna::PoolDrafter pool_in(std::string const& file, std::uint64_t vocabulary) {
  return fauna::exists(file) ? fauna::PoolDrafter::from_file(file, vocabulary) : fauna::PoolDrafter(18, vocabulary);
}

/// A drafter of any kind: fauna::Drafter.
class AnyDrafter {
 public:
  /// What --draft says, for `target`; or by `model`, of texts of up to `context` tokens. vocabulary: a hash of what the
  /// ids mean.
  AnyDrafter(std::string const& draft, AnyReader* target, Engine* model, int context, int chunk,
             std::uint64_t vocabulary = 0) {
    const auto by_model = [&] {
      return fauna::DraftModel(AnyReader(*model, std::min(context, model->context()), chunk));
    };
    if (const std::string file = pool_of(draft); !file.empty()) {
      const auto pool = std::make_shared<fauna::PoolDrafter>(pool_in(file, vocabulary));
      save_ = [pool, file] { pool->save(file); };
      take(pool);
    } else if (is_exit(draft)) {
      take(std::make_shared<fauna::EarlyExit<AnyReader>>(*target, exit_of(draft)));
    } else if (draft == "mtp") {
      take(std::make_shared<fauna::MtpHeads<AnyReader>>(*target));
    } else if (model == nullptr) {
      take(std::make_shared<fauna::NgramDrafter>());
    } else if (!behind("ngram+", draft).empty()) {
      take(
          std::make_shared<fauna::Mixed<fauna::NgramDrafter, decltype(by_model())>>(fauna::NgramDrafter(), by_model()));
    } else {
      take(std::make_shared<decltype(by_model())>(by_model()));
    }
  }
  /// One of several that share a pool.
  explicit AnyDrafter(fauna::PoolDrafter& pool) { take(std::make_shared<fauna::SharedPool>(pool)); }
  AnyDrafter(AnyDrafter const&) = delete;  // a drafter follows one text
  AnyDrafter(AnyDrafter&&) = default;
  AnyDrafter& operator=(AnyDrafter&&) = default;
  template <class F> void propose(std::vector<int>& text, int most, F&& draw) { propose_(text, most, draw); }
  /// What it has learnt goes to its file, if it has one.
  void save() const {
    if (save_) save_();
  }

 private:
  using Draw = std::function<int(const float*)>;
  template <class D> void take(std::shared_ptr<D> const& drafter) {
    propose_ = [drafter](std::vector<int>& text, int most, Draw const& draw) { drafter->propose(text, most, draw); };
  }
  std::function<void(std::vector<int>&, int, Draw const&)> propose_;
  std::function<void()> save_;
};

/// A drafter whose drafts branch: fauna::TreeDrafter.
class AnyTree {
 public:
  /// ngram-tree or lookahead:N,W,G, for a model of this vocabulary.
  AnyTree(std::string const& draft, int vocab) {
    if (is_lookahead(draft)) take(fauna::Lookahead(vocab, lookahead_of(draft)));
    else take(fauna::NgramTree());
  }
  /// What a smaller model says, in a shape.
  AnyTree(AnyReader model, fauna::DraftTree const& shape) { take(fauna::ModelTree(std::move(model), shape)); }
  template <class D> static AnyTree of(D drafter) {
    AnyTree tree;
    tree.take(std::move(drafter));
    return tree;
  }
  template <class F> void propose_tree(std::vector<int>& text, fauna::DraftTree& tree, int most, F&& draw) {
    propose_(text, tree, most, draw);
  }
  void see(fauna::DraftTree const& tree, const float* logits) {
    if (see_) see_(tree, logits);
  }

 private:
  using Draw = std::function<int(const float*, fauna::Law&, fauna::Drafted const&)>;
  AnyTree() = default;
  template <class D> void take(D drafter) {
    const auto d = std::make_shared<D>(std::move(drafter));
    propose_ = [d](std::vector<int>& text, fauna::DraftTree& tree, int most, Draw const& draw) {
      d->propose_tree(text, tree, most, draw);
    };
    if constexpr (requires(fauna::DraftTree const& t) { d->see(t, nullptr); })
      see_ = [d](fauna::DraftTree const& tree, const float* logits) { d->see(tree, logits); };
  }
  std::function<void(std::vector<int>&, fauna::DraftTree&, int, Draw const&)> propose_;
  std::function<void(fauna::DraftTree const&, const float*)> see_;
};

/// medusa:FILE or eagle:FILE: drafters for texts of one model, which have its weights together and must not outlive it.
class TreesOfRows {
 public:
  /// shape: of Medusa's trees, where it is given.
  TreesOfRows(std::string const& draft, int nodes, int threads, fauna::DraftTree const* shape)
      : draft_(draft), nodes_(nodes), threads_(threads) {
    if (shape != nullptr) shape_ = *shape;
  }
  AnyTree operator()(AnyReader& target) {
    if (const std::string eagle = behind("eagle:", draft_); !eagle.empty()) {
      if (!eagle_) eagle_.emplace(eagle, threads_, target.context());
      return AnyTree::of(fauna::Eagle2(target, eagle_->another(), nodes_));
    }
    if (!medusa_) medusa_ = fauna::MedusaWeights::from_file(behind("medusa:", draft_), target.width(), target.vocab());
    if (!shape_) shape_ = fauna::MedusaHeads<AnyReader>::usual_tree(medusa_->heads, nodes_);
    return AnyTree::of(fauna::MedusaHeads(target, *shape_, &*medusa_));
  }

 private:
  std::string draft_;
  int nodes_, threads_;
  std::optional<fauna::DraftTree> shape_{};
  std::optional<AnyEagle> eagle_{};
  std::optional<fauna::MedusaWeights> medusa_{};
};

/// What came of the drafts of some texts, beside plain decoding. Times are of texts alone, without their prompts.
class DraftStats {
 public:
  DraftStats(std::string const& draft, fauna::keeps kept) : shaped_(takes_shape(draft)), kept_(kept) {}
  void add(fauna::DraftCounts const& c, double seconds, long plain_tokens, double plain_seconds, bool same) {
    counts_ += c;
    seconds_ += seconds, plain_ += plain_seconds, plain_tokens_ += plain_tokens;
    same_ = same_ && same;
  }
  /// `length`: what was measured meanwhile.
  void print(fauna::DraftLength const& length) const {
    const auto share = [](long a, long b) { return b > 0 ? static_cast<double>(a) / static_cast<double>(b) : 0; };
    auto const& [steps, tokens, drafted, seen, accepted, offered, right] = counts_;
    std::fprintf(stderr, "fauna: %ld tokens in %ld steps: %.2f a step; %ld tokens were drafted\n", tokens, steps,
                 counts_.tokens_per_step(), drafted);
    std::fprintf(stderr, "fauna: accepted where all before were, by place in the draft:");
    for (std::size_t i = 0; i < seen.size(); ++i)
      std::fprintf(stderr, " %.0f %% of %ld%s", 100 * share(accepted[i], seen[i]), seen[i],
                   i + 1 < seen.size() ? "," : "\n");
    if (shaped_ && offered.size() > 1) {
      std::fprintf(stderr, "fauna: right by rank among a place's candidates: --draft-tree");
      for (std::size_t r = 0; r < offered.size(); ++r)
        std::fprintf(stderr, "%c%.3f", r > 0 ? ',' : ' ', share(right[r], offered[r]));
      std::fprintf(stderr, "\n");
    }
    if (const double one = length.seconds(1); one > 0) {
      std::fprintf(stderr, "fauna: a pass over one row takes %.3f ms; over", 1e3 * one);
      for (int rows = 2; rows <= length.most() + 1; ++rows)
        if (length.measured(rows)) std::fprintf(stderr, " %d rows %.2f times that,", rows, length.seconds(rows) / one);
      std::fprintf(stderr, " a drafted token %.3f times\n", length.draft_seconds() / one);
    }
    const char* const text = kept_ == fauna::keeps::law       ? "a text by the same law"
                             : kept_ == fauna::keeps::nothing ? "a text by another law"
                             : same_                          ? "the same text"
                                                              : "BUT ANOTHER TEXT";
    std::fprintf(stderr, "fauna: %.3f ms a token, %.2f times as fast as plain decoding (%.3f ms), %s\n",
                 1e3 * seconds_ / static_cast<double>(tokens),
                 plain_ / static_cast<double>(plain_tokens_) * static_cast<double>(tokens) / seconds_,
                 1e3 * plain_ / static_cast<double>(plain_tokens_), text);
  }

 private:
  bool shaped_;  ///< what it measures is of use
  fauna::keeps kept_;
  fauna::DraftCounts counts_{};
  long plain_tokens_ = 0;
  double seconds_ = 0, plain_ = 0;
  bool same_ = true;
};

}  // namespace tool
