// Several texts before a model, each in a slot of one cache: a call of the model reads rows of all of them.
#pragma once
#include <fauna/decode/cache.hpp>
#include <fauna/decode/exits.hpp>
#include <fauna/decode/speculate/step.hpp>

namespace fauna::inline v0 {

/// Reads texts side by side, text s in slot s, and takes a slot back from rows that its text did not keep.
template <class S>
concept TextSlots = requires(S& s, std::vector<Continuation>& all, void (*next)(int, const float*)) {
  { s.vocab() } -> std::convertible_to<int>;
  { s.context() } -> std::convertible_to<int>;
  { s.count() } -> std::convertible_to<int>;
  s.step(all, unbounded, next);
  s.copy(0, 0);
  { s.take_back(0, 0) } -> std::convertible_to<int>;
  { s.tree_room(0) } -> std::convertible_to<int>;
  s.keep(0, 0, all[0].parents);
};

/// Slots of a Loaded model that others may use beside it, on a backend whose memory is the host's.
template <class T> class Slots {
 public:
  /// context: rows of a text at most. rows: of them, what a step reads at most. takes_back: keeps what take_back()
  /// needs of states that forget no rows, a copy of a slot's before it reads a draft.
  Slots(T& m, int sequences, int context, int rows, bool takes_back = true)
      : model_(&m), cache_(sequences, context), takes_back_(takes_back && !cache_.cuts()) {
    if (takes_back_) marks_.resize(static_cast<std::size_t>(sequences));
    m.prepare_inference({.sequences = sequences, .length = rows < context ? rows : context, .context = context});
  }

  int vocab() const { return T::model::vocab; }
  int context() const { return cache_.context(); }
  int count() const { return cache_.sequences(); }
  /// Rows that a slot has of its text.
  int length(int slot) const { return cache_.length(slot); }
  /// speculate_step for texts that may be fewer than the slots, those of the first.
  template <class F> bool step(std::vector<Continuation>& all, int chunk, F&& next) {
    for (std::size_t s = 0; takes_back_ && s < all.size(); ++s)
      if (reads_draft(all[s])) mark(static_cast<int>(s));
    return speculate_step(*model_, cache_, all, chunk, memory_, next);
  }
  /// The slot forgets its text.
  void clear(int slot) {
    cache_.clear(slot);
    forget_mark(slot);
  }
  /// Cache's: no more memory than rows take, from before the first; and back with what a slot has no more.
  void in_small_pages() const { cache_.in_small_pages(); }
  void trim(int slot) const { cache_.trim(slot); }
  /// Slot `to` becomes what `from` is, or where slots cut the first `rows` rows of that.
  void copy(int from, int to, int rows = unbounded) {
    cache_.copy(from, cache_, to, rows);
    forget_mark(to);
  }
  /// Cache's: may a slot go back to any of its rows, and has it gone back?
  bool cuts() const { return cache_.cuts(); }
  bool cut(int slot, int rows) {
    if (rows == 0) forget_mark(slot);
    return cache_.cut(slot, rows);
  }
  /// Nodes of a tree behind n ids at most.
  static int tree_room(int n) { return speculate_detail::tree_room<typename T::model>(n); }
  /// Of the tree whose rows a slot has behind its first `from` rows, a path of nodes stays, from its root on. Where the
  /// state forgets no rows it is the state of no path, and take_back() is to follow.
  void keep(int slot, int from, std::vector<int> const& path) {
    if constexpr (forgets_rows<typename T::model>) {
      std::vector<int> rows;
      rows.reserve(path.size());
      for (const int node : path) rows.push_back(from + node);
      cache_.keep(slot, from, rows);
    }
  }
  /// Takes a slot back to its first `rows` rows, or where its state cannot, to what it was before it last read a draft,
  /// or to nothing. The rows that it then has: those that are missing are to be read again.
  int take_back(int slot, int rows) {
    if (cut(slot, rows)) return rows;
    const int marked = takes_back_ ? marked_at(slot) : unbounded;
    if (marked <= rows && cache_.can_rewind(slot, marked)) cache_.rewind(slot, marks_[static_cast<std::size_t>(slot)]);
    else clear(slot);
    return cache_.length(slot);
  }

 private:
  using Kept = Cache<typename T::model, typename T::backend>;

  static bool reads_draft(Continuation const& s) { return !s.done && s.wanted > 1 && s.pending() <= s.most; }
  int marked_at(int slot) const {
    auto const& of_slot = marks_[static_cast<std::size_t>(slot)];
    return of_slot.lengths.empty() ? unbounded : of_slot.lengths[0];
  }
  /// Where a slot was taken back to its mark, that still holds.
  void mark(int slot) {
    auto& of_slot = marks_[static_cast<std::size_t>(slot)];
    if (marked_at(slot) != length(slot)) of_slot = cache_.mark(slot, static_cast<typename Kept::Mark&&>(of_slot));
  }
  /// What was marked of a slot is of another text.
  void forget_mark(int slot) {
    if (takes_back_) marks_[static_cast<std::size_t>(slot)].lengths.clear();
  }

  T* model_;
  Kept cache_;
  bool takes_back_;
  std::vector<typename Kept::Mark> marks_{};  ///< of slots, before each last read a draft which cannot be cut off
  StepMemory memory_{};
};

}  // namespace fauna::inline v0
