// Every word of a text that grows, in states whose number is at most twice the text's length (Blumer et al. 1985, "The
// smallest automaton recognizing the subwords of a text"): finds the longest suffix that the text had before without
// looking through the text.
//   state     the words that end at the same places; len: of the longest of them
//   link      the state of that word's longest suffix that ends at more places
#pragma once
#include <cstdint>
#include <vector>

#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

/// Suffixes of up to `longest` tokens, each with the latest place at which it ended before. A token takes O(longest).
class SuffixAutomaton {
 public:
  /// The longest suffix that the text had before: its length, and where it ended at the latest, counted from 1; 0:
  /// none.
  struct Match {
    int length = 0, end = 0;
  };

  explicit SuffixAutomaton(int longest) : longest_(longest), table_(64, -1) { states_.emplace_back(); }

  int size() const { return size_; }
  Match match() const { return match_; }

  void push(int token) {
    const int whole = add_state({.len = ++size_, .latest = 0});
    int p = last_;
    for (; p >= 0 && edge(p, token) < 0; p = states_[at(p)].link) add_edge(p, token, whole);
    if (p < 0) {
      states_[at(whole)].link = 0;
    } else {
      const int q = edges_[at(edge(p, token))].to;
      states_[at(whole)].link = states_[at(p)].len + 1 == states_[at(q)].len ? q : split(p, token, q);
    }
    last_ = whole;
    follow(token);
  }

 private:
  struct State {
    int len = 0, link = -1, first = -1;  ///< first: of its edges
    int latest = 0;                      ///< where its words ended last, known for words of up to `longest` tokens
  };
  struct Edge {
    int from, token, to, next;  ///< next: of the same state
  };

  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  int add_state(State const& s) {
    states_.push_back(s);
    return static_cast<int>(states_.size()) - 1;
  }
  /// The words of q that end where p's do with the token behind them, in a state of their own.
  int split(int p, int token, int q) {
    const int part =
        add_state({.len = states_[at(p)].len + 1, .link = states_[at(q)].link, .latest = states_[at(q)].latest});
    for (int e = states_[at(q)].first; e >= 0; e = edges_[at(e)].next)
      add_edge(part, edges_[at(e)].token, edges_[at(e)].to);
    for (; p >= 0; p = states_[at(p)].link) {
      const int e = edge(p, token);
      if (e < 0 || edges_[at(e)].to != q) break;
      edges_[at(e)].to = part;
    }
    return states_[at(q)].link = part;
  }
  /// Goes to the state of the last `longest` tokens; from there down the first state that was met before is the match.
  void follow(int token) {
    settle();
    state_ = edges_[at(edge(state_, token))].to;
    if (length_ < longest_) ++length_;
    settle();
    match_ = {};
    for (int s = state_; s > 0; s = states_[at(s)].link) {
      State& v = states_[at(s)];
      if (match_.length == 0 && v.latest > 0) match_ = {v.len < length_ ? v.len : length_, v.latest};
      v.latest = size_;
    }
  }
  /// A split may have moved the last tokens to a part of their state.
  void settle() {
    while (state_ > 0 && states_[at(states_[at(state_)].link)].len >= length_) state_ = states_[at(state_)].link;
  }

  // Edges by (state, token), in a table that is never more than half full.
  std::size_t slot(int from, int token) const {
    const std::uint64_t h =
        (std::uint64_t{static_cast<std::uint32_t>(from)} << 32 | static_cast<std::uint32_t>(token)) *
        0x9E3779B97F4A7C15ULL;
    return static_cast<std::size_t>(h >> 20) & (table_.size() - 1);
  }
  int edge(int from, int token) const {
    for (std::size_t i = slot(from, token);; i = (i + 1) & (table_.size() - 1)) {
      const int e = table_[i];
      if (e < 0 || (edges_[at(e)].from == from && edges_[at(e)].token == token)) return e;
    }
  }
  void add_edge(int from, int token, int to) {
    edges_.push_back({from, token, to, states_[at(from)].first});
    states_[at(from)].first = static_cast<int>(edges_.size()) - 1;
    if (2 * edges_.size() > table_.size()) {
      table_.assign(2 * table_.size(), -1);
      for (std::size_t e = 0; e < edges_.size(); ++e) enter(static_cast<int>(e));
    } else {
      enter(static_cast<int>(edges_.size()) - 1);
    }
  }
  void enter(int e) {
    std::size_t i = slot(edges_[at(e)].from, edges_[at(e)].token);
    while (table_[i] >= 0) i = (i + 1) & (table_.size() - 1);
    table_[i] = e;
  }

  int longest_, size_ = 0;
  int last_ = 0;                ///< the state of the whole text
  int state_ = 0, length_ = 0;  ///< of its last tokens, up to `longest`
  Match match_{};
  std::vector<State> states_{};
  std::vector<Edge> edges_{};
  std::vector<int> table_;
};

}  // namespace fauna::inline v0
