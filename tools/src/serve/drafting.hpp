// Who drafts for the texts in a scheduler's slots: a drafter for each, of chains or of trees, with what all of them
// share.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fauna/decode/speculate/text.hpp>
#include <tools/src/draft_names.hpp>
#include <tools/src/drafts.hpp>
#include <tools/src/engine.hpp>

namespace tool::serve {

/// What --draft says (draft_names.hpp), the engine of the model that drafts, if one does, and how long drafts are at
/// most.
struct Drafts {
  std::string how{};  ///< empty: nobody
  Engine* model = nullptr;
  int most = 0;                        ///< tokens, one behind another
  int nodes = 12;                      ///< of a draft that branches
  int threads = 1;                     ///< of what drafts beside the engines
  fauna::PoolDrafter* pool = nullptr;  ///< of all texts, with pool:FILE
};

class Drafters {
 public:
  /// Of `count` texts of up to `context` tokens, text s in slot s. Everything is referred to.
  Drafters(Drafts const& drafts, Slots& slots, int count, int context, int chunk)
      : drafts_(drafts), context_(context), chunk_(chunk) {
    if (drafts.how.empty()) return;
    const bool of_rows = is_tree_of_rows(drafts.how);
    if (of_rows) slots.remember({});
    readers_.reserve(static_cast<std::size_t>(count));
    for (int s = 0; s < count; ++s) readers_.emplace_back(std::make_unique<TextInSlot>(slots, s));
    if (of_rows) rows_.emplace(drafts.how, drafts.nodes, drafts.threads, nullptr);
    for (AnyReader& reader : readers_)
      if (of_rows) trees_.push_back((*rows_)(reader));
      else if (is_tree_of_text(drafts.how)) trees_.emplace_back(drafts.how, reader.vocab());
      else chains_.push_back(chain(reader));
  }

  bool any() const { return !readers_.empty(); }
  bool branch() const { return !trees_.empty(); }
  /// What a slot holds has come from another one. MTP's layers have keys and values there.
  void moved(int slot) {
    if (drafts_.how == "mtp") chains_[at(slot)] = chain(readers_[at(slot)]);
  }
  /// Up to `most` tokens behind those of a slot's text, or up to `nodes` in `most` levels, that can be the text's:
  /// below `vocab`, and none behind one of `stops`. guess(logits): the token that belongs at the end of `ids`. Where it
  /// throws, they may be more than they were.
  template <class F>
  fauna::DraftTree propose(int slot, std::vector<int>& ids, int most, int nodes, int vocab,
                           std::vector<int> const& stops, F&& guess) {
    const std::size_t written = ids.size();
    fauna::GenerateOptions ends;
    ends.stop_ids = stops;
    fauna::DraftTree tree;
    if (branch()) {
      trees_[at(slot)].propose_tree(
          ids, tree, most, [&](const float* logits, fauna::Law&, fauna::Drafted const&) { return guess(logits); });
      fauna::speculate_detail::cut(tree, most, nodes, vocab, ends);
    } else {
      chains_[at(slot)].propose(ids, most, guess);
      fauna::speculate_detail::cut(ids, written, most, vocab, ends);
      for (std::size_t i = written; i < ids.size(); ++i) tree.chain(ids[i]);
    }
    ids.resize(written);
    return tree;
  }
  /// logits [1 + nodes, vocab] of a text's last token, and of what was drafted behind it and read.
  void see(int slot, fauna::DraftTree const& tree, const float* logits) {
    if (branch()) trees_[at(slot)].see(tree, logits);
  }

 private:
  static std::size_t at(int slot) { return static_cast<std::size_t>(slot); }
  AnyDrafter chain(AnyReader& reader) const {
    if (drafts_.pool != nullptr) return AnyDrafter(*drafts_.pool);
    return AnyDrafter(drafts_.how, &reader, drafts_.model, context_, chunk_);
  }

  Drafts drafts_;
  int context_, chunk_;
  std::vector<AnyReader> readers_{};  ///< by slot, as these
  std::optional<TreesOfRows> rows_{};
  std::vector<AnyDrafter> chains_{};
  std::vector<AnyTree> trees_{};  ///< or these
};

}  // namespace tool::serve
