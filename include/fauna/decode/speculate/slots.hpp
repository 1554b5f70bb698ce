// Several texts before a model, each in a slot of one cache: a call of the model reads rows of all of them.
#pragma once
#include <cstring>
#include <string>
#include <vector>

#include <fauna/decode/cache.hpp>
#include <fauna/decode/exits.hpp>
#include <fauna/decode/speculate/remembered.hpp>
#include <fauna/decode/speculate/states_by_row.hpp>
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
  using model = typename T::model;
  using Kept = Cache<model, typename T::backend>;

 public:
  /// context: rows of a text at most. rows: of them, what a step reads at most. takes_back: keeps what take_back()
  /// needs of states that forget no rows, in the way that `how` says.
  Slots(T& m, int sequences, int context, int rows, bool takes_back = true, rewinds how = rewinds::automatic)
      : model_(&m), cache_(sequences, context), takes_back_(takes_back && !cache_.cuts()), how_(how) {
    StatesByRow<Kept>::check(how);
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
    const auto by_row = [&](int s) {
      Continuation const& text = all[static_cast<std::size_t>(s)];
      return reads_draft(text) && StatesByRow<Kept>::keeps(how_, text.pending(), !text.parents.empty());
    };
    bool any_by_row = false, drafts = false;
    for (int s = 0; s < static_cast<int>(all.size()); ++s) {
      Continuation const& text = all[static_cast<std::size_t>(s)];
      drafts = drafts || (!text.done && text.wanted > 1);
      if (!takes_back_) continue;
      if (by_row(s)) any_by_row = true, forget_mark(s);
      else if (how_ != rewinds::replay && reads_draft(text)) mark(s);
    }
    if (rows_.empty() && !drafts) return generate_step(*model_, cache_, all, chunk, memory_, next);
    const Tap<float> tap{see, this};
    return speculate_step(
        *model_, cache_, all, chunk, memory_, next,
        [&](Batch& batch) -> const Tap<float>* {
          if (any_by_row) states_.begin(how_, cache_, batch, by_row);
          between_.resize(static_cast<std::size_t>(batch.rows) * layers_.size() * static_cast<std::size_t>(width()));
          seen_ = 0;
          return layers_.empty() ? nullptr : &tap;
        },
        [&](Batch const& batch, Matrix<float> h) {
          if (!rows_.empty()) take_rows(batch, h);
        });
  }
  /// The slot forgets its text.
  void clear(int slot) {
    cache_.clear(slot);
    forget(slot);
  }
  /// Cache's: no more memory than rows take, from before the first; and back with what a slot has no more.
  void in_small_pages() const { cache_.in_small_pages(); }
  void trim(int slot) const { cache_.trim(slot); }
  /// Slot `to` becomes what `from` is, or where slots cut the first `rows` rows of that.
  void copy(int from, int to, int rows = unbounded) {
    cache_.copy(from, cache_, to, rows);
    forget(to);
    if (!rows_.empty()) {
      rows_[static_cast<std::size_t>(to)] = rows_[static_cast<std::size_t>(from)];
      rows_[static_cast<std::size_t>(to)].cut(length(to));
    }
  }
  /// Cache's: may a slot go back to any of its rows, and has it gone back?
  bool cuts() const { return cache_.cuts(); }
  bool cut(int slot, int rows) {
    if (rows == 0) forget(slot);
    return cache_.cut(slot, rows);
  }
  /// Nodes of a tree behind n ids at most.
  static int tree_room(int n) { return speculate_detail::tree_room<model>(n); }
  /// Of the tree whose rows a slot has behind its first `from` rows, a path of nodes stays, from its root on. Where the
  /// state forgets no rows and was not kept by row it is the state of no path, and take_back() is to follow.
  void keep(int slot, int from, std::vector<int> const& path) {
    if (!rows_.empty()) rows_[static_cast<std::size_t>(slot)].keep(from, path);
    if constexpr (forgets_rows<model>) {
      std::vector<int> rows;
      rows.reserve(path.size());
      for (const int node : path) rows.push_back(from + node);
      cache_.keep(slot, from, rows);
    } else if (const int last = path.empty() ? from : from + path.back() + 1; states_.nearest(slot, last) == last) {
      states_.put_back(cache_, slot, last, from + static_cast<int>(path.size()));
    }
  }
  /// Takes a slot back to its first `rows` rows, or where its state cannot, to what it was before it last read a draft,
  /// or to nothing. The rows that it then has: those that are missing are to be read again.
  int take_back(int slot, int rows) {
    if (cut(slot, rows)) return rows;
    if (const int known = states_.nearest(slot, rows); known >= 0 && cache_.can_rewind(slot, known)) {
      states_.put_back(cache_, slot, known, known);
      return known;
    }
    const int marked = takes_back_ ? marked_at(slot) : unbounded;
    if (marked <= rows && cache_.can_rewind(slot, marked)) cache_.rewind(slot, marks_[static_cast<std::size_t>(slot)]);
    else clear(slot);
    return cache_.length(slot);
  }

  // Of slots that remember rows, what drafters ask of a Reader with hidden rows (reader.hpp), for a slot's text.
  static constexpr int width() { return model::width; }
  static constexpr int table_width() { return model::table_width; }
  static constexpr int depths() { return static_cast<int>(model::depths); }
  static constexpr Exits exits() { return exits_of<model>(); }
  static constexpr int layers() {
    if constexpr (requires { model::config.layers; }) return model::config.layers;
    else return 0;
  }
  /// From now on all that the trunk gives is remembered, and what enters these layers. Slots forget their texts where
  /// that is more than before.
  void remember(std::vector<int> const& layers = {}) {
    if (!rows_.empty() && layers == layers_) return;
    for (const int l : layers)
      if (l < 1 || l >= this->layers())
        fail("slots", "what enters layer " + std::to_string(l),
             "1 to " + std::to_string(this->layers() - 1) + ", of the model's layers");
    layers_ = layers;
    rows_.assign(static_cast<std::size_t>(count()), RememberedRows(width(), features_between()));
    for (int s = 0; s < count(); ++s) clear(s);
  }
  const float* hidden(int slot, int row) const { return rows(slot).hidden(row); }
  int known(int slot, const int* ids, int n) const { return rows(slot).known(ids, n); }
  int features() const { return layers_.empty() ? width() : features_between(); }
  const float* feature(int slot, int row) const {
    return layers_.empty() ? hidden(slot, row) : rows(slot).feature(row);
  }
  const float* head(const float* rows, int n) {
    model_->prepare_inference({.sequences = 1, .length = n, .context = context()});
    const auto y = room(head_, n, model::vocab);
    model_->head(Matrix<const float>(rows, n, width()), y);
    return y.data();
  }
  const float* embed(const int* ids, int n) {
    model_->prepare_inference({.sequences = 1, .length = n, .context = context()});
    const auto y = room(table_, n, table_width());
    model_->embed(Batch::uniform(1, n, ids), y);
    return y.data();
  }
  /// Reader's early, of a slot's text, until the next call: take_back() is to follow. Null where the slot has not read
  /// all of the first `stays` ids but the last.
  const float* early(int slot, const int* ids, int n, int stays, int layers) {
    if (length(slot) < stays - 1) return nullptr;
    if (n == stays && !cut(slot, stays - 1)) return nullptr;
    const int had = length(slot), rows = n - had;
    model_->prepare_inference({.sequences = slot + 1, .length = rows, .context = context()});
    const auto y = room(head_, slot + 1, model::vocab);
    One one(slot, had, rows);
    model_->early_logits(cache_, one.batch(ids + had, memory_.adapters), layers / exits().round, y);
    return y.row(slot);
  }
  /// Rows first, first + 1, ... of a slot's text at a depth, as Lm::further has it.
  const float* further(int slot, int depth, int first, const float* h, const int* tokens, int rows) {
    model_->prepare_inference({.sequences = slot + 1, .length = rows, .context = context()});
    const auto y = room(further_, rows, width());
    One one(slot, first, rows);
    model_->further(cache_, one.batch(tokens, memory_.adapters), depth, one.past.data(),
                    Matrix<const float>(h, rows, width()), y);
    return y.data();
  }

 private:
  static bool reads_draft(Continuation const& s) { return !s.done && s.wanted > 1 && s.pending() <= s.most; }
  int marked_at(int slot) const {
    auto const& of_slot = marks_[static_cast<std::size_t>(slot)];
    return of_slot.lengths.empty() ? unbounded : of_slot.lengths[0];
  }
  /// Where a slot was taken back to its mark, that still holds.
  void mark(int slot) {
    auto& of_slot = marks_[static_cast<std::size_t>(slot)];
    states_.forget(slot);
    if (marked_at(slot) != length(slot)) of_slot = cache_.mark(slot, static_cast<typename Kept::Mark&&>(of_slot));
  }
  void forget_mark(int slot) {
    if (takes_back_) marks_[static_cast<std::size_t>(slot)].lengths.clear();
  }
  /// What is known of a slot is of another text.
  void forget(int slot) {
    forget_mark(slot);
    states_.forget(slot);
    if (!rows_.empty()) rows_[static_cast<std::size_t>(slot)].cut(0);
  }
  /// A batch of rows of one slot's text alone.
  struct One {
    std::vector<int> offsets, past;
    One(int slot, int first, int rows) : offsets(static_cast<std::size_t>(slot) + 2), past(offsets.size() - 1, first) {
      offsets.back() = rows;
    }
    /// adapters: of the slots' texts.
    Batch batch(const int* tokens, std::vector<int> const& adapters) const {
      Batch b = Batch::uniform(static_cast<int>(past.size()), 1, tokens);
      b.rows = offsets.back();
      b.length = 0;
      b.offsets = offsets.data();
      if (adapters.size() >= past.size()) b.adapters = adapters.data();
      return b;
    }
  };
  RememberedRows const& rows(int slot) const { return rows_[static_cast<std::size_t>(slot)]; }
  static Matrix<float> room(std::vector<float>& memory, int rows, int cols) {
    memory.resize(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols));
    return Matrix<float>(memory.data(), rows, cols);
  }
  int features_between() const { return static_cast<int>(layers_.size()) * width(); }
  void take_rows(Batch const& batch, Matrix<float> h) {
    if (seen_ < layers_.size())
      fail("slots", "a model whose layers do not end with what is called mlp", "one that shows what enters a layer");
    for (int s = 0; s < batch.sequences; ++s) {
      const int at = batch.first(s), n = batch.last(s) - at;
      const float* const between = between_.data() + static_cast<std::ptrdiff_t>(at) * features_between();
      if (n > 0) rows_[static_cast<std::size_t>(s)].add(length(s) - n, batch.tokens + at, n, h.row(at), between);
    }
  }
  /// Of a layer's last block, which adds to what it reads, the output: what enters the next layer.
  static void see(void* self, Path const& path, bool, Matrix<const float> v) {
    auto& own = *static_cast<Slots*>(self);
    if (path.text == nullptr || std::strcmp(path.text, "mlp") != 0 || path.parent == nullptr) return;
    for (std::size_t i = 0; i < own.layers_.size(); ++i) {
      if (path.parent->index + 1 != own.layers_[i]) continue;
      ++own.seen_;
      for (int r = 0; r < v.rows(); ++r)
        std::memcpy(own.between_.data() + (static_cast<std::size_t>(r) * own.layers_.size() + i) * width(), v.row(r),
                    static_cast<std::size_t>(width()) * sizeof(float));
    }
  }

  T* model_;
  Kept cache_;
  bool takes_back_;
  rewinds how_;
  StatesByRow<Kept> states_{};
  std::vector<typename Kept::Mark> marks_{};  ///< of slots, before each last read a draft which cannot be cut off
  StepMemory memory_{};
  std::vector<RememberedRows> rows_{};  ///< of slots
  std::vector<int> layers_{};           ///< of which they remember what enters them
  std::vector<float> between_{};        ///< that, of a call's rows
  std::size_t seen_ = 0;                ///< of these layers, in a call
  std::vector<float> head_{}, table_{}, further_{};
};

/// The text in one of such slots, for drafters that take a Reader: with hidden rows, after Slots::remember. The slots
/// are referred to.
template <class S> class SlotReader {
 public:
  SlotReader(S& slots, int slot) : slots_(&slots), slot_(slot) {}
  int vocab() const { return slots_->vocab(); }
  int context() const { return slots_->context(); }
  int width() const { return slots_->width(); }
  int table_width() const { return slots_->table_width(); }
  int depths() const { return slots_->depths(); }
  Exits exits() const { return slots_->exits(); }
  const float* early(const int* ids, int n, int stays, int layers) {
    return slots_->early(slot_, ids, n, stays, layers);
  }
  int layers() const { return slots_->layers(); }
  void remember_all(std::vector<int> const& layers = {}) { slots_->remember(layers); }
  const float* hidden(int row) const { return slots_->hidden(slot_, row); }
  int features() const { return slots_->features(); }
  const float* feature(int row) const { return slots_->feature(slot_, row); }
  int known(const int* ids, int n) const { return slots_->known(slot_, ids, n); }
  const float* head(const float* rows, int n) { return slots_->head(rows, n); }
  const float* embed(const int* ids, int n) { return slots_->embed(ids, n); }
  const float* further(int depth, int first, const float* h, const int* tokens, int rows) {
    return slots_->further(slot_, depth, first, h, tokens, rows);
  }

 private:
  S* slots_;
  int slot_;
};

}  // namespace fauna::inline v0
