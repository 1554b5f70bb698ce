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
template <LanguageModel M, Backend B, class E = typename B::scalar> class Cache {
 public:
  using model = M;
  using element = E;
  using Region = typename memory<B>::region;
  /// Where each sequence stood, and what its recurrent states were.
  struct Mark {
    std::vector<int> lengths{};
    std::vector<E> recurrent{};  ///< of all sequences, piece by piece
    bool operator==(Mark const&) const = default;
  };

  Cache() = default;
  /// A context need not be given where the state of a sequence is of one size.
  explicit Cache(int sequences, int context = context_of<M>)
      : shape_{.sequences = sequences, .context = context}, lengths_(static_cast<std::size_t>(sequences), 0) {
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
  Cache(Cache const& o) : shape_(o.shape_), lengths_(o.lengths_), memory_(state_bytes<M, E>(o.shape_)) {
    place();
    if (memory_.bytes() == 0) return;
    const OnHost<B, std::byte> from(o.bytes(), state_bytes<M, E>(shape_));
    memory<B>::write(bytes(), from.data(), state_bytes<M, E>(shape_));
  }
  Cache(Cache&& o) noexcept = default;
  Cache& operator=(Cache o) noexcept {
    shape_ = o.shape_;
    lengths_ = static_cast<std::vector<int>&&>(o.lengths_);
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
    for (int s = 0; s < b.sequences; ++s) lengths_[static_cast<std::size_t>(s)] += b.last(s) - b.first(s);
  }
  /// Forgets everything, or one sequence: it starts from nothing.
  void clear() {
    for (int s = 0; s < sequences(); ++s) clear(s);
  }
  void clear(int sequence) {
    check(sequence);
    lengths_[static_cast<std::size_t>(sequence)] = 0;
    std::vector<E> nothing;
    each_recurrent([&](auto& v, int rows) {
      const auto part = v.middle_rows(sequence * rows, rows);
      nothing.resize(part.size());
      memory<B>::write(part.data(), nothing.data(), part.size());
    });
  }
  /// Sequence `from` of this cache becomes sequence `to` of another one, which must have room for its rows.
  void copy(int from, Cache& other, int to) const {
    check(from);
    other.check(to);
    const int n = length(from);
    if (n > other.context())
      fail("cache", "a sequence of " + std::to_string(n) + " rows",
           "no more than the other cache's context of " + std::to_string(other.context()));
    M::visit_state(
        [&](StatePiece p, auto& mine, auto& its) {
          if (!p.grows) return move_rows(mine, from * p.rows, its, to * p.rows, p.rows);
          for (int r = 0; r < p.rows; ++r)
            move_rows(mine, (from * p.rows + r) * context(), its, (to * p.rows + r) * other.context(), n);
        },
        state_, other.state_);
    other.lengths_[static_cast<std::size_t>(to)] = n;
  }

  Mark mark() const {
    Mark m{lengths_, {}};
    each_recurrent([&](auto& v, int) {
      const OnHost<B, E> host(v.data(), v.size());
      m.recurrent.insert(m.recurrent.end(), host.data(), host.data() + v.size());
    });
    return m;
  }
  /// Goes back to a mark of this cache: later rows are forgotten. Of keys and values only how many there are is
  /// forgotten, so a mark holds until its sequence has been taken back below it; recurrent states are written back.
  void rewind(Mark const& to) {
    if (to.lengths.size() != lengths_.size())
      fail("cache", "a mark of " + std::to_string(to.lengths.size()) + " sequences", std::to_string(lengths_.size()));
    for (std::size_t s = 0; s < lengths_.size(); ++s)
      if (to.lengths[s] < 0 || to.lengths[s] > lengths_[s])
        fail("cache", "a mark at row " + std::to_string(to.lengths[s]) + " of sequence " + std::to_string(s),
             "0 to " + std::to_string(lengths_[s]) + ", what it holds now");
    lengths_ = to.lengths;
    const E* at = to.recurrent.data();
    each_recurrent([&](auto& v, int) {
      memory<B>::write(v.data(), at, v.size());
      at += v.size();
    });
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
          for (int r = 0; r < p.rows; ++r)
            for (std::size_t i = 0; i < rows.size(); ++i)
              if (const int to = from + static_cast<int>(i), at = (sequence * p.rows + r) * context(); to != rows[i])
                move_rows(v, at + rows[i], v, at + to, 1);
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
    put(lengths_.data(), lengths_.size() * sizeof(int));
    if (head[3] > 0) put(OnHost<B, std::byte>(bytes(), head[3]).data(), head[3]);
    return out;
  }
  /// Throws for bytes that serialise() of this type did not write.
  static Cache deserialise(std::string const& in) {
    std::uint64_t head[4] = {};
    if (in.size() >= sizeof head) std::memcpy(head, in.data(), sizeof head);
    // Each sequence has a length there, and each of its rows a state where that grows: no size below can overflow.
    const bool sane = head[0] == of_type() && head[1] >= 1 && head[1] <= in.size() && head[2] >= 1 &&
                      head[2] <= static_cast<std::uint64_t>(context_of<M>) &&
                      (ConstantState<M> || head[2] <= in.size() / head[1]);
    if (!sane)
      fail("cache", std::to_string(in.size()) + " bytes that are no cache of this model and backend",
           "those that serialise() gave");
    const Shape shape{.sequences = static_cast<int>(head[1]), .context = static_cast<int>(head[2])};
    const std::size_t lengths = static_cast<std::size_t>(head[1]) * sizeof(int), states = state_bytes<M, E>(shape);
    if (head[3] != states || in.size() != sizeof head + lengths + states)
      fail("cache", std::to_string(in.size()) + " bytes, states of " + std::to_string(head[3]),
           std::to_string(sizeof head + lengths + states) + " bytes, states of " + std::to_string(states),
           "was it written by another model?");
    Cache c(shape.sequences, shape.context);
    std::memcpy(c.lengths_.data(), in.data() + sizeof head, lengths);
    for (const int n : c.lengths_)
      if (n < 0 || n > shape.context)
        fail("cache", "a sequence of " + std::to_string(n) + " rows", "0 to " + std::to_string(shape.context));
    if (states > 0)
      memory<B>::write(c.bytes(), reinterpret_cast<const std::byte*>(in.data() + sizeof head + lengths), states);
    return c;
  }

 private:
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
  /// A hash of the type's name, which spells the model's whole configuration and the backend's policy.
  static constexpr std::uint64_t of_type() { return text_hash(__PRETTY_FUNCTION__); }
  std::byte* bytes() const { return static_cast<std::byte*>(memory_.data()); }
  void place() {
    Arena a = memory_.arena();
    M::plan_state(state_, shape_, a);
  }

  Shape shape_{};
  std::vector<int> lengths_;
  Region memory_;
  typename M::template State<E> state_{};
};

}  // namespace fauna::inline v0
