// What a training loop reads: a long row of token ids, and windows of it. The ids may stand in memory of any of the
// usual widths (bytes, uint16 and uint32 as nanoGPT's .bin files hold them), usually a mapped file.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/core/rng.hpp>

namespace fauna::inline v0 {

/// The target of a row that is not counted in a loss.
inline constexpr int no_target = -1;

/// A part of a row of tokens whose parts lie apart: where it is, and the place of its first token in the row.
struct TokenShard {
  const void* ids = nullptr;
  std::size_t begin = 0;
};

/// A read-only view of token ids in [0, vocab). `name` says which part of the data this is, in errors.
/// Examples (in_examples) are texts of one length each, one after another, where ~id stands for a token that is read
/// and is no target: a prompt, and what fills up an example.
class Tokens {
 public:
  Tokens() = default;
  template <class Id>
  Tokens(const Id* ids, std::size_t size, int vocab, const char* name = "text")
      : ids_(ids), size_(size), vocab_(vocab), width_(sizeof(Id)), name_(name) {
    static_assert(sizeof(Id) == 1 || sizeof(Id) == 2 || sizeof(Id) == 4, "fauna: token ids take 1, 2 or 4 bytes");
  }

  /// The tokens of shards, one behind the other; the last entry of `shards` only says where they end.
  template <class Id> static Tokens of(std::vector<TokenShard> const& shards, int vocab, const char* name) {
    Tokens t(static_cast<const Id*>(nullptr), shards.back().begin, vocab, name);
    t.shards_ = shards.data();
    t.count_ = shards.size() - 1;
    return t;
  }

  std::size_t size() const { return size_; }
  int vocab() const { return vocab_; }
  const char* name() const { return name_; }
  /// The tokens of an example; 0 for a running text.
  std::size_t example() const { return example_; }
  Tokens in_examples(int length) const {
    Tokens t = *this;
    t.example_ = static_cast<std::size_t>(length);
    return t;
  }
  /// Documents that are packed into examples: `starts` has for each token the place in its example at which its
  /// document begins.
  Tokens in_documents(const int* starts) const {
    Tokens t = *this;
    t.documents_ = starts;
    return t;
  }
  bool packed() const { return documents_ != nullptr; }
  /// Of packed documents: the place in its example at which the document of token i begins.
  int document(std::size_t i) const { return documents_[i]; }
  int operator[](std::size_t i) const {
    const void* ids = ids_;
    if (shards_ != nullptr) {
      i += first_;
      std::size_t low = 0, high = count_;  // shards_[low].begin <= i < shards_[high].begin
      while (high - low > 1) {
        const std::size_t middle = (low + high) / 2;
        (shards_[middle].begin <= i ? low : high) = middle;
      }
      ids = shards_[low].ids;
      i -= shards_[low].begin;
    }
    if (width_ == 1) return static_cast<const std::uint8_t*>(ids)[i];
    if (width_ == 2) return static_cast<const std::uint16_t*>(ids)[i];
    return static_cast<int>(static_cast<const std::uint32_t*>(ids)[i]);
  }
  /// Tokens [from, from + count).
  Tokens part(std::size_t from, std::size_t count, const char* name) const {
    Tokens t = *this;
    if (shards_ != nullptr) t.first_ += from;
    else t.ids_ = static_cast<const char*>(ids_) + from * width_;
    if (documents_ != nullptr) t.documents_ += from;
    t.size_ = count;
    t.name_ = name;
    return t;
  }

 private:
  const void* ids_ = nullptr;
  std::size_t size_ = 0;
  int vocab_ = 0;
  std::size_t width_ = 1;
  const char* name_ = "text";
  std::size_t example_ = 0;
  const int* documents_ = nullptr;
  const TokenShard* shards_ = nullptr;
  std::size_t count_ = 0, first_ = 0;  ///< shards; the place in them where this row begins
};

struct Split {
  Tokens train, val;
};

/// The first tenths of a text train and the rest validates: nanoGPT's split, floor(0.9 n) tokens and what is left.
inline Split split(Tokens all, double train_fraction = 0.9) {
  const auto n = static_cast<std::size_t>(static_cast<double>(all.size()) * train_fraction);
  return {all.part(0, n, "train"), all.part(n, all.size() - n, "val")};
}

/// Throws unless there is a window of `context` tokens with a next token for each.
inline void require_context(Tokens t, int context) {
  if (context < 1) fail("text", "a context of " + std::to_string(context) + " tokens", "at least 1");
  if (t.example() > 0 && t.example() != static_cast<std::size_t>(context) + 1)
    fail("text", "a context of " + std::to_string(context) + " tokens",
         std::to_string(t.example() - 1) + ", of examples with " + std::to_string(t.example()));
  if (t.size() <= static_cast<std::size_t>(context))
    fail("text", std::string("the ") + t.name() + " part has " + std::to_string(t.size()) + " tokens",
         "more than the context of " + std::to_string(context), "use a longer text or a shorter context");
}

/// tokens[i] = t[at + i] and targets[i] = t[at + i + 1], or no_target, for i in [0, context).
inline void window(Tokens t, std::size_t at, int context, int* tokens, int* targets) {
  int id = t[at];
  for (int i = 0; i < context; ++i) {
    tokens[i] = id < 0 ? ~id : id;
    id = t[at + static_cast<std::size_t>(i) + 1];
    targets[i] = id < 0 ? no_target : id;
  }
}

/// Those of its targets that are counted in a loss: of a running text, all.
inline int counted_targets(Tokens t, std::size_t at, int context) {
  if (t.example() == 0) return context;
  int n = 0;
  for (std::size_t i = 1; i <= static_cast<std::size_t>(context); ++i) n += t[at + i] >= 0;
  return n;
}

/// For that window of packed documents, whose first token becomes row `first` of a batch: each row's position in its
/// document, and the row at which that begins.
inline void window_documents(Tokens t, std::size_t at, int context, int first, int* positions, int* document_start) {
  for (int i = 0; i < context; ++i) {
    const int start = t.document(at + static_cast<std::size_t>(i));
    positions[i] = i - start;
    document_start[i] = first + start;
  }
}

/// Where one sequence of one step starts: uniform in [0, size - context), with replacement (nanoGPT's get_batch); of
/// examples, where one of them starts. A pure function of its arguments, so a resumed run sees the offsets that an
/// uninterrupted one would have seen.
inline std::size_t draw_offset(Tokens t, int context, Key key, std::uint64_t step, int sequence) {
  const Philox r = key.child(step).words(static_cast<std::uint64_t>(sequence));
  const std::uint64_t bits = (std::uint64_t{r[1]} << 32 | r[0]) >> 11;  // 53 bits: every text there is, evenly
  const std::size_t choices = t.example() > 0 ? t.size() / t.example() : t.size() - static_cast<std::size_t>(context);
  const auto chosen = static_cast<std::size_t>(static_cast<double>(bits) * 0x1p-53 * static_cast<double>(choices));
  return t.example() > 0 ? chosen * t.example() : chosen;
}

/// One batch: `sequences` windows at drawn offsets into tokens[sequences * context] and targets, the same shape. A part
/// of a batch begins with its sequence number `first`.
inline void draw_batch(Tokens t, Key key, std::uint64_t step, int sequences, int context, int* tokens, int* targets,
                       int first = 0) {
  require_context(t, context);
  for (int s = 0; s < sequences; ++s) {
    const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(s) * context;
    window(t, draw_offset(t, context, key, step, first + s), context, tokens + row, targets + row);
  }
}

/// The whole text as consecutive windows: window i starts at i * context. An incomplete last one is left out. Of
/// examples, each is a window.
inline std::size_t windows(Tokens t, int context) {
  require_context(t, context);
  return t.example() > 0 ? t.size() / t.example() : (t.size() - 1) / static_cast<std::size_t>(context);
}
inline std::size_t window_start(Tokens t, int context, std::size_t i) {
  return i * (t.example() > 0 ? t.example() : static_cast<std::size_t>(context));
}

}  // namespace fauna::inline v0
