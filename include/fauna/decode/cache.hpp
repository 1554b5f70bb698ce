// Cache<M, B>: what sequences carry from call to call, as a value: their keys and values. It can be copied, marked,
// taken back to a mark, written out and read back.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <fauna/backend/memory.hpp>
#include <fauna/core/batch.hpp>
#include <fauna/core/concepts.hpp>

namespace fauna::inline v0 {

/// The states of `sequences` sequences of up to `context` rows each, no more than the model was made for; sequence s of
/// a batch uses slot s.
template <LanguageModel M, Backend B> class Cache {
  static_assert(state_bytes<M>(Shape{.context = 0}) == 0,
                "fauna: a state that does not grow with the context cannot be taken back by forgetting rows");

 public:
  using scalar = typename B::scalar;
  using Region = typename memory<B>::region;
  /// Where each sequence stood.
  using Mark = std::vector<int>;

  Cache() = default;
  Cache(int sequences, int context)
      : shape_{.sequences = sequences, .context = context}, lengths_(static_cast<std::size_t>(sequences), 0) {
    if (sequences < 1 || context < 1)
      fail("cache", std::to_string(sequences) + " sequences of " + std::to_string(context) + " rows",
           "at least one of each");
    if constexpr (requires { M::config.context; })
      if (context > M::config.context)
        fail("cache", std::to_string(context) + " rows a sequence",
             "no more than the model's context of " + std::to_string(M::config.context));
    memory_ = Region(state_bytes<M, scalar>(shape_));
    place();
  }
  Cache(Cache const& o) : shape_(o.shape_), lengths_(o.lengths_), memory_(state_bytes<M, scalar>(o.shape_)) {
    place();
    if (memory_.bytes() == 0) return;
    const OnHost<B, std::byte> from(o.bytes(), state_bytes<M, scalar>(shape_));
    memory<B>::write(bytes(), from.data(), state_bytes<M, scalar>(shape_));
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
  /// Forgets everything, or one sequence.
  void clear() { rewind(Mark(lengths_.size(), 0)); }
  void clear(int sequence) {
    Mark to = lengths_;
    to[static_cast<std::size_t>(sequence)] = 0;
    rewind(to);
  }

  Mark mark() const { return lengths_; }
  /// Goes back to a mark of this cache: later rows are forgotten. A cache of keys and values only forgets how many, so
  /// a mark holds until its sequence has been taken back below it.
  void rewind(Mark const& to) {
    if (to.size() != lengths_.size())
      fail("cache", "a mark of " + std::to_string(to.size()) + " sequences", std::to_string(lengths_.size()));
    for (std::size_t s = 0; s < to.size(); ++s) {
      if (to[s] < 0 || to[s] > lengths_[s])
        fail("cache", "a mark at row " + std::to_string(to[s]) + " of sequence " + std::to_string(s),
             "0 to " + std::to_string(lengths_[s]) + ", what it holds now");
      lengths_[s] = to[s];
    }
  }

  /// All of it as bytes, for a file or another process of the same model and backend, from the same compiler.
  std::string serialise() const {
    std::string out;
    const auto put = [&out](const void* p, std::size_t n) { out.append(static_cast<const char*>(p), n); };
    const std::uint64_t head[] = {of_type(), static_cast<std::uint64_t>(shape_.sequences),
                                  static_cast<std::uint64_t>(shape_.context), state_bytes<M, scalar>(shape_)};
    put(head, sizeof head);
    put(lengths_.data(), lengths_.size() * sizeof(int));
    if (head[3] > 0) put(OnHost<B, std::byte>(bytes(), head[3]).data(), head[3]);
    return out;
  }
  /// Throws for bytes that serialise() of this type did not write.
  static Cache deserialise(std::string const& in) {
    std::uint64_t head[4] = {};
    if (in.size() >= sizeof head) std::memcpy(head, in.data(), sizeof head);
    // Each sequence has a length there, and each of its rows a state if the model has any: no size below can overflow.
    constexpr bool stateless = state_bytes<M, scalar>(Shape{.sequences = 1, .context = 1}) == 0;
    const bool sane = head[0] == of_type() && head[1] >= 1 && head[1] <= in.size() && head[2] >= 1 &&
                      head[2] <= 1U << 30 && (stateless || head[2] <= in.size() / head[1]);
    if (!sane)
      fail("cache", std::to_string(in.size()) + " bytes that are no cache of this model and backend",
           "those that serialise() gave");
    const Shape shape{.sequences = static_cast<int>(head[1]), .context = static_cast<int>(head[2])};
    const std::size_t lengths = static_cast<std::size_t>(head[1]) * sizeof(int), states = state_bytes<M, scalar>(shape);
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
  typename M::template State<scalar> state_{};
};

}  // namespace fauna::inline v0
