// Which tokens may come next, so that a text stays one that a grammar allows.
//   Willard & Louf 2023, "Efficient guided generation for large language models", section 3: a mask for each state of
//   the automaton; here it is made when a text first comes there
// Tokens are bytes, so one may end within a character and the next go on with it. All texts of all tokens are a trie,
// of which a state walks the part that is alive.
#pragma once
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fauna/text/grammar/automaton.hpp>

namespace fauna::inline v0::grammar {

/// Bit i % 64 of word i / 64: may token i come?
using Mask = std::vector<std::uint64_t>;

inline bool allows(Mask const& mask, int id) {
  return (mask[static_cast<std::size_t>(id) / 64] >> (static_cast<unsigned>(id) % 64U) & 1U) != 0;
}
/// -inf for the tokens of logits[vocab] that may not come.
inline void forbid(Mask const& mask, float* logits, int vocab) {
  constexpr float never = -std::numeric_limits<float>::infinity();
  for (int from = 0; from < vocab; from += 32) {
    const auto word = static_cast<std::uint32_t>(mask[static_cast<std::size_t>(from) / 64] >> (from % 64));
    float* const row = logits + from;
    if (word == ~std::uint32_t{0}) continue;
    if (vocab - from >= 32) {
      for (unsigned i = 0; i < 32; ++i) row[i] = (word >> i & 1U) != 0 ? row[i] : never;  // a vector's work
    } else {
      for (int i = 0; i < vocab - from; ++i) row[i] = (word >> i & 1U) != 0 ? row[i] : never;
    }
  }
}

/// The tokens of a vocabulary by their bytes.
class TokenTrie {
 public:
  /// texts[i]: what token i adds to a text. A token that adds nothing is in no mask.
  explicit TokenTrie(std::vector<std::string> texts) : texts_(std::move(texts)) {
    struct Child {
      int first = -1, next = -1;  // of its children; of its siblings, which come in order of bytes
      unsigned char byte = 0;
      std::vector<int> ids{};
    };
    std::vector<Child> tree(1);
    for (std::size_t id = 0; id < texts_.size(); ++id) {
      std::string const& text = texts_[id];
      if (text.size() == 1) bytes_.set(static_cast<unsigned char>(text[0]));
      std::size_t at = 0;
      for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        int before = -1, child = tree[at].first;
        for (; child >= 0 && tree[static_cast<std::size_t>(child)].byte < byte;
             child = tree[static_cast<std::size_t>(child)].next)
          before = child;
        if (child < 0 || tree[static_cast<std::size_t>(child)].byte != byte) {
          const auto fresh = static_cast<int>(tree.size());
          tree.push_back({.next = child, .byte = byte});
          (before < 0 ? tree[at].first : tree[static_cast<std::size_t>(before)].next) = fresh;
          child = fresh;
        }
        at = static_cast<std::size_t>(child);
      }
      if (!text.empty()) tree[at].ids.push_back(static_cast<int>(id));
    }
    // In preorder: who is dead is passed over with all below.
    std::vector<int> path;   // to the node that was written last
    std::vector<int> nodes;  // where those are
    for (int at = tree[0].first; at >= 0;) {
      Child const& c = tree[static_cast<std::size_t>(at)];
      path.push_back(at);
      nodes.push_back(static_cast<int>(nodes_.size()));
      if (path.size() > depth_) depth_ = path.size();
      nodes_.push_back({c.byte, static_cast<unsigned>(path.size()), 0, static_cast<int>(ids_.size())});
      ids_.insert(ids_.end(), c.ids.begin(), c.ids.end());
      for (at = c.first; at < 0 && !path.empty(); path.pop_back(), nodes.pop_back()) {
        nodes_[static_cast<std::size_t>(nodes.back())].skip = static_cast<int>(nodes_.size());
        at = tree[static_cast<std::size_t>(path.back())].next;
      }
    }
    nodes_.push_back({0, 0, 0, static_cast<int>(ids_.size())});
  }

  int vocab() const { return static_cast<int>(texts_.size()); }
  std::string_view text(int id) const { return texts_[static_cast<std::size_t>(id)]; }
  /// Those that are a token by themselves.
  Bytes const& bytes() const { return bytes_; }

  /// Sets the bits of all tokens that an automaton can read from a state.
  void walk(Automaton& a, int state, Mask& mask) const {
    std::vector<int> states(depth_ + 1, state);  // after so many bytes
    for (std::size_t i = 0; i + 1 < nodes_.size();) {
      Node const& n = nodes_[i];
      const int next = a.next(states[n.depth - 1], n.byte);
      if (next == Automaton::none) {
        i = static_cast<std::size_t>(n.skip);
        continue;
      }
      states[n.depth] = next;
      ++i;
      for (int k = n.ids; k < nodes_[i].ids; ++k) {
        const auto id = static_cast<unsigned>(ids_[static_cast<std::size_t>(k)]);
        mask[id / 64] |= std::uint64_t{1} << (id % 64);
      }
    }
  }

 private:
  struct Node {
    unsigned char byte;
    unsigned depth;
    int skip;  ///< the next node that is not below this one
    int ids;   ///< where its ids begin; those of the next node end them
  };
  std::vector<std::string> texts_;
  std::vector<Node> nodes_;
  std::vector<int> ids_;
  std::size_t depth_ = 0;
  Bytes bytes_;
};

/// A grammar over a vocabulary. Not for several threads at once. A text is a state, an int: it begins at start(), and
/// goes on by next() with tokens that mask() has.
class TokenGrammar {
 public:
  /// `ends`: tokens that end a text, allowed where it may end. The trie is referred to. Throws where no text can be
  /// written with the vocabulary's bytes.
  TokenGrammar(Grammar const& g, TokenTrie const& trie, std::vector<int> ends)
      : automaton_(g, trie.bytes()), trie_(trie), ends_(std::move(ends)) {}

  int start() const { return automaton_.start(); }
  /// The state after a token of the state's mask that is no end.
  int next(int state, int id) {
    const int to = after(state, id);
    if (to == Automaton::none) fail("grammar", "token " + std::to_string(id), "one that the mask allows");
    return to;
  }
  /// The same for any token, and none after one that the mask does not allow, or an end.
  int after(int state, int id) {
    const bool some = id >= 0 && id < trie_.vocab() && !trie_.text(id).empty();
    return some ? automaton_.next(state, trie_.text(id)) : Automaton::none;
  }
  bool accepts(int state) const { return automaton_.accepts(state); }
  /// Is the text at its end, so that nothing else may come?
  bool ends(int state) const { return automaton_.ends(state); }

  /// Valid until the next call. A state's mask is made once, and made again only where all have taken much memory.
  Mask const& mask(int state) {
    const auto found = masks_.find(state);
    if (found != masks_.end()) return found->second;
    const std::size_t words = (static_cast<std::size_t>(trie_.vocab()) + 63) / 64;
    if (masks_.size() * words * sizeof(std::uint64_t) > most_bytes) masks_.clear();
    Mask& mask = masks_[state];
    mask.assign(words, 0);
    trie_.walk(automaton_, state, mask);
    if (accepts(state))
      for (const int id : ends_)
        if (id >= 0 && id < trie_.vocab())
          mask[static_cast<std::size_t>(id) / 64] |= std::uint64_t{1} << (static_cast<unsigned>(id) % 64U);
    return mask;
  }

 private:
  static constexpr std::size_t most_bytes = std::size_t{64} << 20U;

  Automaton automaton_;
  TokenTrie const& trie_;
  std::vector<int> ends_;
  std::unordered_map<int, Mask> masks_;
};

}  // namespace fauna::inline v0::grammar
