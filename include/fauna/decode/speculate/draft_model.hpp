// A smaller model that guesses what a larger one will say (Leviathan et al. 2023, "Fast inference from transformers via
// speculative decoding"; Chen et al. 2023, "Accelerating large language model decoding with speculative sampling").
#pragma once
#include <fauna/decode/speculate/reader.hpp>

namespace fauna::inline v0 {

/// Drafts with a model of the target's vocabulary, of any family. It follows the text as a target does: drafts that
/// were not accepted are taken back from its cache, and one that was accepted but not read is read with the next
/// proposal.
template <TextReader R> class DraftModel {
 public:
  explicit DraftModel(R reader) : reader_(static_cast<R&&>(reader)) {}
  template <class T>
  requires std::same_as<R, Reader<T>>
  explicit DraftModel(T& model, int context = context_of<typename T::model>) : reader_(model, context) {}

  int vocab() const { return reader_.vocab(); }
  R& reader() { return reader_; }

  /// A text that is longer than the context is followed from its last half context on.
  template <class F> void propose(std::vector<int>& text, int most, F&& draw) {
    const std::size_t committed = text.size(), context = static_cast<std::size_t>(reader_.context()),
                      rows = committed + static_cast<std::size_t>(most), half = context > 1 ? context / 2 : 1;
    if (rows <= context) from_ = 0;
    else if (from_ >= committed || rows - from_ > context) from_ = committed > half ? committed - half : 0;
    for (int i = 0; i < most && text.size() - from_ <= context; ++i) {
      const int n = static_cast<int>(text.size() - from_);
      text.push_back(draw(reader_.logits(text.data() + from_, n, 1, static_cast<int>(committed - from_))));
    }
  }

 private:
  R reader_;
  std::size_t from_ = 0;  ///< of the text, what the reader has as its first token
};
template <class T, class = typename T::model> DraftModel(T&) -> DraftModel<Reader<T>>;
template <class T, class = typename T::model> DraftModel(T&, int) -> DraftModel<Reader<T>>;

}  // namespace fauna::inline v0
