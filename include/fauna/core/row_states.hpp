// A state after each row of a call, and not after the last alone: so that a draft of which some rows stay leaves its
// state behind without being read again. What is kept for it is copies of the state, or what its op was given of each
// row, from which the op itself makes the state again.
#pragma once
#include <cstring>
#include <new>
#include <type_traits>
#include <vector>

#include <fauna/core/arena.hpp>
#include <fauna/core/batch.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// Rows of a sequence in one call that mixers in chunks still read one by one (ops/ssd).
inline constexpr int stepped_rows = 15;

/// Who keeps states by row (Batch::row_states), in the host's memory.
struct RowStates {
  /// What stands at `part` becomes what it was after these n of its sequence's rows, counted from 0 in the call, of
  /// which each continues the one before; of none: what entered. kept: as room gave it, or a copy of that.
  using Back = void (*)(std::byte* kept, void* part, const int* rows, int n);
  /// room(user, sequence, part, bytes, back): memory for what is kept of a sequence's part of a state, which stands at
  /// `part`, and what goes back by it; null where nothing is wanted of that sequence. Aligned as an arena's.
  std::byte* (*room)(void* user, int sequence, const void* part, std::size_t bytes, Back back) = nullptr;
  void* user = nullptr;
  bool factors = false;  ///< what ops were given, where blocks have that to keep; else states
};

/// A state of `rows` rows for each sequence.
template <class V> struct StatePart {
  V view;
  int rows = 1;
};
template <class V> StatePart(V, int = 1) -> StatePart<V>;

/// What an op makes of rows for a state: fold(batch, in, state, y) is the op on one row, whose inputs `in` are rows of
/// these views, in their order, one null where its view is null; y [1, width] is thrown away. F holds pointers and
/// numbers alone, to what lives as long as the model.
template <class F, class S, int K> struct Factors {
  F fold;
  int width;
  Matrix<const S> in[K];
};
template <class S, class F, class... V> Factors<F, S, sizeof...(V)> factors(F fold, int width, V const&... in) {
  return {fold, width, {Matrix<const S>(in)...}};
}
template <class S> using FactorRow = const Matrix<const S>*;

namespace row_states_detail {

/// Of a batch one sequence, or of that some rows: the others have none in this call.
class SomeRows {
 public:
  explicit SomeRows(Batch const& whole)
      : whole_(whole),
        offsets_(static_cast<std::size_t>(whole.sequences) + 1),
        past_(static_cast<std::size_t>(whole.sequences)) {}
  /// Rows [from, to), as if those before them had been read by another call.
  Batch operator()(int sequence, int from, int to) {
    for (int s = 0; s <= whole_.sequences; ++s) offsets_[static_cast<std::size_t>(s)] = s <= sequence ? from : to;
    past_[static_cast<std::size_t>(sequence)] = whole_.before(sequence) + from - whole_.first(sequence);
    Batch b = whole_;
    b.length = 0;
    b.offsets = offsets_.data();
    b.past = past_.data();
    b.row_states = nullptr;
    return b;
  }

 private:
  Batch const& whole_;
  std::vector<int> offsets_, past_;
};

/// A part of a state as it entered, and as each row left it: behind `alignment` bytes, which say how large it is.
class Copies {
 public:
  Copies(RowStates const& who, int sequence, std::byte* part, std::size_t bytes, int rows)
      : part_(part),
        kept_(who.room(who.user, sequence, part, alignment + (static_cast<std::size_t>(rows) + 1) * bytes, back)),
        bytes_(bytes) {
    if (kept_) std::memcpy(kept_, &bytes, sizeof bytes);
  }
  explicit operator bool() const { return kept_ != nullptr; }
  /// Copy 0 is what entered, copy i + 1 what row i left.
  void keep(int i) const { std::memcpy(copy(kept_, i, bytes_), part_, bytes_); }
  void put_back(int i) const { std::memcpy(part_, copy(kept_, i, bytes_), bytes_); }

 private:
  static std::byte* copy(std::byte* kept, int i, std::size_t bytes) {
    return kept + alignment + static_cast<std::size_t>(i) * bytes;
  }
  static void back(std::byte* kept, void* part, const int* rows, int n) {
    std::size_t bytes;
    std::memcpy(&bytes, kept, sizeof bytes);
    std::memcpy(part, copy(kept, n == 0 ? 0 : rows[n - 1] + 1, bytes), bytes);
  }

  std::byte *part_, *kept_;
  std::size_t bytes_;
};

/// A part of a state as it entered, and what its op was given of each row.
template <class F, class S, int K> class Folded {
  static_assert(std::is_trivially_copyable_v<F>, "fauna: factors: an op that holds more than pointers and numbers");

 public:
  Folded(Factors<F, S, K> const& f, Matrix<S> state, int rows)
      : fold_(f.fold), height_(state.rows()), columns_(state.cols()), rows_(rows), width_(f.width) {
    for (int k = 0; k < K; ++k) inputs_[k] = f.in[k] ? f.in[k].cols() : 0;
  }
  std::size_t bytes() const {
    Arena a;
    (void)place(a);
    return a.high_water();
  }
  static void back(std::byte* kept, void* part, const int* rows, int n) {
    Folded const& own = *std::launder(reinterpret_cast<Folded*>(kept));
    Arena a(kept, own.bytes());
    const Places at = own.place(a);
    const Matrix<S> state(static_cast<S*>(part), own.height_, own.columns_), y(at.y, 1, own.width_);
    std::memcpy(part, at.entering, state.size() * sizeof(S));
    for (int i = 0; i < n; ++i) {
      Matrix<const S> in[K];
      for (int k = 0; k < K; ++k)
        if (own.inputs_[k] > 0) in[k] = Matrix<const S>(at.input(k, rows[i], own.inputs_[k]), 1, own.inputs_[k]);
      own.fold_(Batch::uniform(1, 1), in, state, y);
    }
  }
  /// Rows first, first + 1, ... of a call, before they move the state on.
  void keep(std::byte* kept, Factors<F, S, K> const& f, Matrix<S> state, int first) const {
    ::new (kept) Folded(*this);
    Arena a(kept, bytes());
    const Places at = place(a);
    std::memcpy(at.entering, state.data(), state.size() * sizeof(S));
    for (int k = 0; k < K; ++k)
      for (int r = 0; inputs_[k] > 0 && r < rows_; ++r)
        std::memcpy(at.input(k, r, inputs_[k]), f.in[k].row(first + r),
                    static_cast<std::size_t>(inputs_[k]) * sizeof(S));
  }

 private:
  struct Places {
    S *entering, *in[K], *y;
    S* input(int k, int row, int columns) const { return in[k] + static_cast<std::ptrdiff_t>(row) * columns; }
  };
  Places place(Arena& a) const {
    const auto take = [&a](int rows, int columns) {
      return a.take<S>(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
    };
    (void)a.take<Folded>(1);
    Places p;
    p.entering = take(height_, columns_);
    for (int k = 0; k < K; ++k) p.in[k] = take(rows_, inputs_[k]);
    p.y = take(1, width_);
    return p;
  }

  F fold_;
  int height_, columns_, rows_, width_, inputs_[K];
};

}  // namespace row_states_detail

/// f(batch) moves the given parts of a state on. Where somebody keeps states by row, it is called for one row after
/// another, of a tree with the state that the row continues, and what it leaves is copied. Sequences are one document
/// each then. f goes by the batch's sequences, and takes a sequence of no rows as one that is not there.
template <class F, class... V> void by_row(Batch const& batch, F&& f, StatePart<V> const&... parts) {
  if (batch.row_states == nullptr || !(parts.view && ...)) return f(batch);
  row_states_detail::SomeRows some(batch);
  for (int q = 0; q < batch.sequences; ++q) {
    const int first = batch.first(q), last = batch.last(q);
    if (first == last) continue;
    const auto kept_of = [&](auto const& p) {
      const auto own = p.view.middle_rows(q * p.rows, p.rows);
      return row_states_detail::Copies(*batch.row_states, q, reinterpret_cast<std::byte*>(own.data()),
                                       own.size() * sizeof(*own.data()), last - first);
    };
    const row_states_detail::Copies all[] = {kept_of(parts)...};
    if (!all[0]) {
      f(some(q, first, last));
      continue;
    }
    for (auto const& k : all) k.keep(0);
    for (int r = first; r < last; ++r) {
      const int from = batch.continues(q, r), copy = from < first ? 0 : from - first + 1;
      if (copy != r - first)
        for (auto const& k : all) k.put_back(copy);
      Batch one = some(q, r, r + 1);
      one.parent = nullptr;
      f(one);
      for (auto const& k : all) k.keep(r - first + 1);
    }
  }
}

/// The same of one part, where a keeper of states by row may have them as factors: f reads the rows as it would for
/// nobody, and the state that entered is kept beside what `given` has of them.
template <class F, class V, class O, class S, int K>
void by_row(Batch const& batch, F&& f, StatePart<V> const& part, Factors<O, S, K> const& given) {
  if (batch.row_states == nullptr || !batch.row_states->factors || !part.view) return by_row(batch, f, part);
  row_states_detail::SomeRows some(batch);
  for (int q = 0; q < batch.sequences; ++q) {
    const int first = batch.first(q), last = batch.last(q);
    if (first == last) continue;
    const Matrix<S> own = part.view.middle_rows(q * part.rows, part.rows);
    using Folded = row_states_detail::Folded<O, S, K>;
    const Folded folded(given, own, last - first);
    std::byte* const kept = batch.row_states->room(batch.row_states->user, q, own.data(), folded.bytes(), Folded::back);
    if (kept) folded.keep(kept, given, own, first);
    // The bits of one row after another: a mixer in chunks reads a tree so, and few rows.
    const int most = kept && !batch.parent ? stepped_rows : last - first;
    for (int r = first; r < last; r += most) f(some(q, r, last - r < most ? last : r + most));
  }
}

}  // namespace fauna::inline v0
