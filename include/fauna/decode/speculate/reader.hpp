// A text before a model. The cache follows the text: it reads what it has not read, in blocks whose rows all give
// logits, and comes back from tokens that the text did not keep.
#pragma once
#include <string>
#include <vector>

#include <fauna/decode/cache.hpp>

namespace fauna::inline v0 {

/// Gives the logits of the last rows of a text; what of the text is known already, and what has to be taken back, is
/// its own affair.
template <class R>
concept TextReader = requires(R& r, const int* ids, int n) {
  { r.vocab() } -> std::convertible_to<int>;
  { r.context() } -> std::convertible_to<int>;
  { r.logits(ids, n, n, n) } -> std::convertible_to<const float*>;
};

/// Does a state forget rows by counting them? Keys and values do, of windows the last `rewindable` rows: further back,
/// the text is read again. What has one size for all rows is copied before rows
/// that may not stay, put back, and the rows that stayed are read again.
template <class M> inline constexpr bool forgets_rows = state_bytes<M>(Shape{.sequences = 1, .context = 0}) == 0;

/// One text, before a Trained or Loaded model that others may use beside it.
template <class T> class Reader {
  using model = typename T::model;

 public:
  /// context: rows at most. chunk: rows that one call reads at most, where no logits of them are wanted.
  Reader(T& m, int context, int chunk = 512)
      : model_(&m), cache_(1, context), chunk_(chunk < context ? chunk : context) {
    if (chunk < 1) fail("reader", "chunks of " + std::to_string(chunk) + " rows", "at least 1");
  }

  int vocab() const { return model::vocab; }
  int context() const { return cache_.context(); }
  /// Rows that the cache holds of the text now.
  int length() const { return cache_.length(0); }
  Cache<model, typename T::backend>& cache() { return cache_; }

  /// The logits [wanted, vocab] of the last `wanted` of n ids, until the next call. The first `stays` ids are of the
  /// text for good; later ones are drafts, and the next call may have others in their place.
  const float* logits(const int* ids, int n, int wanted, int stays) {
    take_back(same(ids, n - wanted));
    // Rows that are read again go along with those that are wanted while they are few: weights are read once for both.
    constexpr int few = 16;
    const int together = wanted == 1 ? chunk_ : wanted > few ? wanted : few;
    while (n - length() > together) {
      const int rows = n - wanted - length();
      read(ids, rows < chunk_ ? rows : chunk_, stays, logit_rows::none);
    }
    const int rows = n - length();
    if (wanted == 1) return read(ids, rows, stays, logit_rows::last);
    return read(ids, rows, stays, logit_rows::all) + static_cast<std::ptrdiff_t>(rows - wanted) * model::vocab;
  }

 private:
  /// How many of the first `most` ids have been read as they are.
  int same(const int* ids, int most) const {
    int n = 0;
    while (n < most && n < length() && read_[static_cast<std::size_t>(n)] == ids[n]) ++n;
    return n;
  }
  /// To the first n rows, or fewer: those that are missing then are read again.
  void take_back(int n) {
    if (n == length()) return;
    if (forgets_rows<model> && cache_.can_rewind(0, n)) {
      cache_.rewind({.lengths = {n}});
    } else if (!mark_.lengths.empty() && mark_.lengths[0] <= n && cache_.can_rewind(0, mark_.lengths[0])) {
      cache_.rewind(mark_);
    } else {
      cache_.clear();
      mark_ = {};
    }
    read_.resize(static_cast<std::size_t>(length()));
  }
  const float* read(const int* ids, int rows, int stays, logit_rows which) {
    if (rows > prepared_) {
      prepared_ = rows;
      model_->prepare_inference({.sequences = 1, .length = rows, .context = context()});
    }
    if constexpr (!forgets_rows<model>) {
      const bool marked = !mark_.lengths.empty() && mark_.lengths[0] == length();
      if (!marked && length() <= stays && length() + rows > stays) mark_ = cache_.mark();
    }
    const int wanted = which == logit_rows::all ? rows : which == logit_rows::last ? 1 : 0;
    logits_.resize(static_cast<std::size_t>(wanted) * static_cast<std::size_t>(model::vocab));
    const int* from = ids + length();
    model_->logits(cache_, Batch::uniform(1, rows, from), which, Matrix<float>(logits_.data(), wanted, model::vocab));
    read_.insert(read_.end(), from, from + rows);
    return logits_.data();
  }

  T* model_;
  Cache<model, typename T::backend> cache_;
  typename Cache<model, typename T::backend>::Mark mark_{};
  std::vector<int> read_{};  ///< the ids whose rows the cache holds
  std::vector<float> logits_{};
  int chunk_, prepared_ = 0;
};

}  // namespace fauna::inline v0
