// Cache<M, B>: what sequences carry from call to call, as a value: their keys and values, their recurrent states, or
// both. It can be copied, whole or sequence by sequence, marked, taken back to a mark, written out and read back.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <fauna/backend/memory.hpp>
#include <fauna/core/batch.hpp>
#include <fauna/core/concepts.hpp>

namespace fauna::inline v0 {

/// The states of `sequences` sequences of up to `context` rows each, no more than the model was made for; sequence s of
/// a batch uses slot s. E: what states are stored as.
template <ModelPart M, Backend B, class E = typename B::scalar> class Cache {
 public:
  using model = M;
  using element = E;
  using Region = typename memory<B>::region;
  static constexpr bool remote = memory<B>::remote;  ///< is the memory a device's?
  /// Where each sequence stood, or a single one, and what recurrent states were.
  struct Mark {
    std::vector<int> lengths{};
    std::vector<E> recurrent{};  ///< piece by piece
    bool operator==(Mark const&) const = default;
  };

  Cache() = default;
  /// A context need not be given where the state of a sequence is of one size.
  explicit Cache(int sequences, int context = context_of<M>)
      : shape_{.sequences = sequences, .context = context},
        lengths_(static_cast<std::size_t>(sequences), 0),
        reached_(lengths_) {
    if (sequences < 1 || context < 1)
      fail("cache", std::to_string(sequences) + " sequences of " + std::to_string(context) + " rows",
           "at least one of each");
    if (context > context_of<M>)
      fail("cache", std::to_string(context) + " rows a sequence",
           "no more than the model's context of " + std::to_string(context_of<M>));
    if (context == unbounded && !ConstantState<M>)
      fail("cache", "no context", "the rows of a sequence at most: the model has keys and values of each");
    memory_ = Region(state_bytes<M, E>(shape_));
    place();
  }
  Cache(Cache const& o)
      : shape_(o.shape_), lengths_(o.lengths_), reached_(o.reached_), memory_(state_bytes<M, E>(o.shape_)) {
    place();
    if (memory_.bytes() == 0) return;
    const OnHost<B, std::byte> from(o.bytes(), state_bytes<M, E>(shape_));
    memory<B>::write(bytes(), from.data(), state_bytes<M, E>(shape_));
  }
  Cache(Cache&& o) noexcept = default;
  Cache& operator=(Cache o) noexcept {
    shape_ = o.shape_;
    lengths_ = static_cast<std::vector<int>&&>(o.lengths_);
    reached_ = static_cast<std::vector<int>&&>(o.reached_);
    shortest_ = o.shortest_;
    memory_ = static_cast<Region&&>(o.memory_);
    state_ = o.state_;
    return *this;
  }

  int sequences() const { return shape_.sequences; }
  int context() const { return shape_.context; }
  /// Rows that a sequence has so far, and room for more.
  int length(int sequence) const { return lengths_[static_cast<std::size_t>(sequence)]; }
  int room(int sequence) const { return context() - length(sequence); }
  const int* lengths() const { return lengths_.data(); }
  auto& state() { return state_; }

  /// Rows of a batch have been added. Done by the model.
  void advance(Batch const& b) {
    for (int s = 0; s < b.sequences; ++s) {
      const auto q = static_cast<std::size_t>(s);
      lengths_[q] += b.last(s) - b.first(s);
      if (lengths_[q] > reached_[q]) reached_[q] = lengths_[q];
    }
  }
  /// Forgets everything, or one sequence: it starts from nothing.
  void clear() {
    for (int s = 0; s < sequences(); ++s) clear(s);
  }
  void clear(int sequence) {
    check(sequence);
    lengths_[static_cast<std::size_t>(sequence)] = reached_[static_cast<std::size_t>(sequence)] = 0;
    std::vector<E> nothing;
    each_recurrent([&](auto& v, int rows) {
      const auto part = v.middle_rows(sequence * rows, rows);
      nothing.resize(part.size());
      memory<B>::write(part.data(), nothing.data(), part.size());
    });
  }
  /// Can any sequence be taken back to any of its rows, by counting alone?
  bool cuts() const { return !has_recurrent() && shortest_ == unbounded; }
  /// Takes a sequence back to its first `rows` rows, where that can be done without a mark: the rest is forgotten.
  /// False where it cannot, and nothing changes.
  bool cut(int sequence, int rows) {
    check(sequence);
    if (rows < 0 || rows > length(sequence))
      fail("cache", "a cut to " + std::to_string(rows) + " rows", "0 to " + std::to_string(length(sequence)));
    if (rows == 0) clear(sequence);
    else if (rows < length(sequence) && (has_recurrent() || !can_rewind(sequence, rows))) return false;
    lengths_[static_cast<std::size_t>(sequence)] = rows;
    return true;
  }
  /// For many sequences of which most are short: no page of the system is larger than need be, so that memory becomes
  /// real as rows are written and not by megabytes around them. To be called before there are any.
  void in_small_pages() const {
    if constexpr (!memory<B>::remote) memory_.in_small_pages();
  }
  /// Gives the memory of rows that a sequence had, and has no more, back to the system, in whole pages. It holds what
  /// it held. Where the device has the memory, nothing is done.
  void trim(int sequence) const {
    check(sequence);
    if constexpr (!memory<B>::remote) {
      const int n = length(sequence);
      M::visit_state(
          [&](StatePiece p, auto& v) {
            const int places = p.places(context());
            for (int r = 0; p.grows && n < places && r < p.rows; ++r) {
              const auto rest = v.middle_rows((sequence * p.rows + r) * places + n, places - n);
              const auto from = reinterpret_cast<const std::byte*>(rest.data()) - bytes();
              memory_.discard(static_cast<std::size_t>(from), static_cast<std::size_t>(from) + rest.size() * sizeof(E));
            }
          },
          state_);
    }
  }
  /// Sequence `from` of this cache becomes sequence `to` of another one, which must have room for its rows; or the
  /// first `rows` of them alone, in a cache that cuts.
  void copy(int from, Cache& other, int to, int rows = unbounded) const {
    check(from);
    other.check(to);
    if (rows < 0 || (rows < length(from) && !cuts()))
      fail("cache", "a copy of " + std::to_string(rows) + " of " + std::to_string(length(from)) + " rows",
           "all of them, or of keys and values alone, without windows, some");
    const int n = rows < length(from) ? rows : length(from);
    if (n > other.context())
      fail("cache", "a sequence of " + std::to_string(n) + " rows",
           "no more than the other cache's context of " + std::to_string(other.context()));
    int reached = n;  // the other cache lacks what this one has lost
    M::visit_state(
        [&](StatePiece p, auto& mine, auto& its) {
          if (!p.grows) return move_rows(mine, from * p.rows, its, to * p.rows, p.rows);
          const int here = p.places(context()), there = p.places(other.context()), fewer = here < there ? here : there,
                    lost = reached_[static_cast<std::size_t>(from)] - here;
          if (lost > 0 && lost + there > reached) reached = lost + there;
          for (int a = n > fewer ? n - fewer : 0, b; a < n; a = b) {
            b = a + here - a % here < n ? a + here - a % here : n;
            if (a + there - a % there < b) b = a + there - a % there;
            for (int r = 0; r < p.rows; ++r)
              move_rows(mine, (from * p.rows + r) * here + a % here, its, (to * p.rows + r) * there + a % there, b - a);
          }
        },
        state_, other.state_);
    other.lengths_[static_cast<std::size_t>(to)] = n;
    other.reached_[static_cast<std::size_t>(to)] = reached;
  }

  Mark mark() const {
    Mark m{lengths_, {}};
    each_recurrent([&](auto& v, int) {
      const OnHost<B, E> host(v.data(), v.size());
      m.recurrent.insert(m.recurrent.end(), host.data(), host.data() + v.size());
    });
    return m;
  }
  /// The same of one sequence. m: a mark that is no longer needed, whose memory is used again.
  Mark mark(int sequence, Mark m = {}) const {
    check(sequence);
    m.lengths.assign(1, length(sequence));
    m.recurrent.clear();
    each_recurrent([&](auto& v, int rows) {
      const auto part = v.middle_rows(sequence * rows, rows);
      const OnHost<B, E> host(part.data(), part.size());
      m.recurrent.insert(m.recurrent.end(), host.data(), host.data() + part.size());
    });
    return m;
  }
  /// Can a sequence be taken back to `length` rows? Where a window's ring has gone round, that is no further than
  /// `rewindable` rows behind the most that it had; to nothing always.
  bool can_rewind(int sequence, int length) const {
    const int reached = reached_[static_cast<std::size_t>(sequence)];
    return length == 0 || reached <= shortest_ || reached - length <= rewindable;
  }
  /// Goes back to a mark of this cache: later rows are forgotten. Of keys and values only how many there are is
  /// forgotten, so a mark holds until its sequence has been taken back below it; recurrent states are written back.
  /// Throws, and changes nothing, where can_rewind says no.
  void rewind(Mark const& to) {
    check_size(to, sequences());
    for (int s = 0; s < sequences(); ++s) check(s, to.lengths[static_cast<std::size_t>(s)]);
    for (int s = 0; s < sequences(); ++s) go_back(s, to.lengths[static_cast<std::size_t>(s)]);
    const E* from = to.recurrent.data();
    each_recurrent([&](auto& v, int) {
      memory<B>::write(v.data(), from, v.size());
      from += v.size();
    });
  }
  /// One sequence goes back to a mark of its own, and the others stay where they are.
  void rewind(int sequence, Mark const& to) {
    check(sequence);
    check_size(to, 1);
    const E* from = to.recurrent.data();
    rewind(sequence, to.lengths[0], [&](auto const& part) {
      memory<B>::write(part.data(), from, part.size());
      from += part.size();
    });
  }
  /// The same to its first `rows` rows, where put(part) writes what each recurrent part of its state was.
  template <class F> void rewind(int sequence, int rows, F&& put) {
    check(sequence);
    check(sequence, rows);
    go_back(sequence, rows);
    each_part(sequence, put);
  }
  /// f(part) for each part of a sequence's recurrent state.
  template <class F> void each_part(int sequence, F&& f) {
    each_recurrent([&](auto& v, int rows) { f(v.middle_rows(sequence * rows, rows)); });
  }

  /// Of a sequence's rows from `from` on, those in `rows`, which ascend, become rows from, from + 1, ..., and the
  /// others are forgotten: the branch of a tree that stays. Keys were rotated by the places that rows had in their
  /// branch.
  void keep(int sequence, int from, std::vector<int> const& rows) {
    static_assert(state_bytes<M>(Shape{.sequences = 1, .context = 0}) == 0,
                  "fauna: keep: the model has a state of one size beside its rows, in which no branch can be told from "
                  "another: rewind to a mark, and read the branch again");
    check(sequence);
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (rows[i] < (i == 0 ? from : rows[i - 1] + 1) || rows[i] >= length(sequence) || from < 0)
        fail("cache", "row " + std::to_string(rows[i]) + " of a branch",
             "ascending rows of the " + std::to_string(length(sequence)) + " held, from " + std::to_string(from) +
                 " on");
    M::visit_state(
        [&](StatePiece p, auto& v) {
          const int places = p.places(context());
          for (int r = 0; r < p.rows; ++r)
            for (std::size_t i = 0; i < rows.size(); ++i)
              if (const int to = from + static_cast<int>(i), at = (sequence * p.rows + r) * places; to != rows[i])
                move_rows(v, at + rows[i] % places, v, at + to % places, 1);
        },
        state_);
    lengths_[static_cast<std::size_t>(sequence)] = from + static_cast<int>(rows.size());
  }

  /// All of it as bytes, for a file or another process of the same model and backend, from the same compiler.
  std::string serialise() const {
    std::string out;
    const auto put = [&out](const void* p, std::size_t n) { out.append(static_cast<const char*>(p), n); };
    const std::uint64_t head[] = {of_type(), static_cast<std::uint64_t>(shape_.sequences),
                                  static_cast<std::uint64_t>(shape_.context), state_bytes<M, E>(shape_)};
    put(head, sizeof head);
    for (auto const* counts : {&lengths_, &reached_}) put(counts->data(), counts->size() * sizeof(int));
    if (head[3] > 0) put(OnHost<B, std::byte>(bytes(), head[3]).data(), head[3]);
    return out;
  }
  /// Throws for bytes that serialise() of this type did not write.
  static Cache deserialise(std::string const& in) {
    std::uint64_t head[4] = {};
    if (in.size() >= sizeof head) std::memcpy(head, in.data(), sizeof head);
    // Each sequence has a length there, and each of its rows a state where that grows, or as many as a window has: no
    // size below can overflow.
    const std::uint64_t rows = BoundedState<M> && head[2] > rewindable ? rewindable : head[2];
    const bool sane = head[0] == of_type() && head[1] >= 1 && head[1] <= in.size() && head[2] >= 1 &&
                      head[2] <= static_cast<std::uint64_t>(context_of<M>) &&
                      (ConstantState<M> || rows <= in.size() / head[1]);
    if (!sane)
      fail("cache", std::to_string(in.size()) + " bytes that are no cache of this model and backend",
           "those that serialise() gave");
    const Shape shape{.sequences = static_cast<int>(head[1]), .context = static_cast<int>(head[2])};
    const std::size_t lengths = static_cast<std::size_t>(head[1]) * sizeof(int), counts = 2 * lengths,
                      states = state_bytes<M, E>(shape);
    if (head[3] != states || in.size() != sizeof head + counts + states)
      fail("cache", std::to_string(in.size()) + " bytes, states of " + std::to_string(head[3]),
           std::to_string(sizeof head + counts + states) + " bytes, states of " + std::to_string(states),
           "was it written by another model?");
    Cache c(shape.sequences, shape.context);
    std::memcpy(c.lengths_.data(), in.data() + sizeof head, lengths);
    std::memcpy(c.reached_.data(), in.data() + sizeof head + lengths, lengths);
    for (std::size_t s = 0; s < c.lengths_.size(); ++s)
      if (c.lengths_[s] < 0 || c.lengths_[s] > c.reached_[s] || c.reached_[s] > shape.context)
        fail("cache", "a sequence of " + std::to_string(c.lengths_[s]) + " rows, once " + std::to_string(c.reached_[s]),
             "0 to " + std::to_string(shape.context));
    if (states > 0)
      memory<B>::write(c.bytes(), reinterpret_cast<const std::byte*>(in.data() + sizeof head + counts), states);
    return c;
  }

 private:
  bool has_recurrent() const {
    bool any = false;
    each_recurrent([&any](auto&, int) { any = true; });
    return any;
  }
  /// f(view, rows of a sequence) for each piece of the state that does not grow.
  template <class F> void each_recurrent(F&& f) const {
    M::visit_state(
        [&f](StatePiece p, auto& v) {
          if (!p.grows) f(v, p.rows);
        },
        state_);
  }
  template <class V, class O> static void move_rows(V const& from, int at, O& to, int there, int rows) {
    const auto a = from.middle_rows(at, rows), b = to.middle_rows(there, rows);
    const OnHost<B, E> host(a.data(), a.size());
    memory<B>::write(b.data(), host.data(), a.size());
  }
  void check(int sequence) const {
    if (sequence < 0 || sequence >= sequences())
      fail("cache", "sequence " + std::to_string(sequence), "0 to " + std::to_string(sequences() - 1));
  }
  void check_size(Mark const& to, int of) const {
    if (to.lengths.size() != static_cast<std::size_t>(of))
      fail("cache", "a mark of " + std::to_string(to.lengths.size()) + " sequences", std::to_string(of));
  }
  /// Can a sequence go back to a mark at this row?
  void check(int sequence, int row) const {
    const auto q = static_cast<std::size_t>(sequence);
    const auto mark = [&] { return "a mark at row " + std::to_string(row) + " of sequence " + std::to_string(q); };
    if (row < 0 || row > lengths_[q])
      fail("cache", mark(), "0 to " + std::to_string(lengths_[q]) + ", what it holds now");
    if (!can_rewind(sequence, row))
      fail("cache", mark(),
           "row " + std::to_string(reached_[q] - rewindable) + " or later, or 0: of its " +
               std::to_string(reached_[q]) + " rows a window's keys can forget " + std::to_string(rewindable),
           "clear it and read the text again");
  }
  void go_back(int sequence, int row) {
    const auto q = static_cast<std::size_t>(sequence);
    lengths_[q] = row;
    if (row == 0) reached_[q] = 0;
  }
  /// A hash of the type's name, which spells the model's whole configuration and the backend's policy.
  static constexpr std::uint64_t of_type() { return text_hash(__PRETTY_FUNCTION__); }
  std::byte* bytes() const { return static_cast<std::byte*>(memory_.data()); }
  void place() {
    Arena a = memory_.arena();
    M::plan_state(state_, shape_, a);
    M::visit_state(
        [this](StatePiece p, auto&) {
          const int places = p.places(context());
          if (p.grows && places < context() && places < shortest_) shortest_ = places;
        },
        state_);
  }

  Shape shape_{};
  std::vector<int> lengths_, reached_;  ///< rows; and the most since a sequence was empty
  int shortest_ = unbounded;            ///< places of the shortest ring
  Region memory_;
  typename M::template State<E> state_{};
};

}  // namespace fauna::inline v0
