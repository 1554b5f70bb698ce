// From a grammar to an automaton that reads bytes.
//   Thompson 1968, "Regular expression search algorithm": an expression as states with empty steps between them
//   Rabin & Scott 1959, "Finite automata and their decision problems", section 5: sets of them as states of one that
//   is deterministic; here built when a text first comes there, so that it never has to be built whole
// A rule that is used inside another is a call: a place is a state with a stack of where to go on after each call, so
// that recursion is exact, down to `deepest` calls inside each other; one that ends its rule is no call, but a jump.
// Places from which no text can come to its end within that depth are left out of every set, which makes it true that
// each set but the empty one can be ended.
#pragma once
#include <bitset>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fauna/text/grammar/expression.hpp>

namespace fauna::inline v0::grammar {

using Bytes = std::bitset<256>;

/// Not for several threads at once: reading builds it.
class Automaton {
 public:
  static constexpr int none = -1;     ///< no text that the grammar allows goes on so
  static constexpr int deepest = 64;  ///< calls of rules inside each other

  /// Throws where the grammar has no text at all that is made of `bytes`, or is too large.
  explicit Automaton(Grammar const& g, Bytes const& bytes = Bytes().set()) {
    add({.is = step::end});
    for (Expression const& e : g.rules) starts_.push_back(emit(e, 0));
    find_needs(bytes);
    find_classes();
    stacks_.push_back({});
    place({starts_[0], 0});
    start_ = set_of_places();
    if (start_ == none)
      fail("grammar", "no text is allowed", "one that can be written with the vocabulary, and comes to an end");
  }

  Automaton(Automaton const&) = delete;
  Automaton& operator=(Automaton const&) = delete;

  int start() const { return start_; }
  /// The state after a byte, or none.
  int next(int state, unsigned char byte) {
    const std::size_t i = static_cast<std::size_t>(state) * classes_ + class_[byte];
    return next_[i] != unknown ? next_[i] : next_[i] = read(state, byte);
  }
  int next(int state, std::string_view bytes) {
    for (const char c : bytes)
      if ((state = next(state, static_cast<unsigned char>(c))) == none) return none;
    return state;
  }
  /// May the text end here?
  bool accepts(int state) const { return sets_[static_cast<std::size_t>(state)]->front().state == 0; }
  /// Must it?
  bool ends(int state) const { return accepts(state) && sets_[static_cast<std::size_t>(state)]->size() == 1; }
  bool matches(std::string_view text) {
    const int at = next(start_, text);
    return at != none && accepts(at);
  }
  /// So many states have been built.
  int states() const { return static_cast<int>(sets_.size()); }

 private:
  static constexpr int unknown = -2, never = deepest + 1;
  static constexpr std::size_t most_steps = 1U << 18U, most_sets = 1U << 17U, most_places = 1U << 23U;

  enum class step : unsigned char { bytes, either, call, end };
  struct State {
    step is;
    unsigned char first = 0, last = 0;  ///< of bytes
    int to = 0, other = 0;              ///< other: of either; the rule of a call
  };
  struct Place {
    int state, stack;
    bool operator==(Place const&) const = default;
    bool operator<(Place const& o) const { return state != o.state ? state < o.state : stack < o.stack; }
  };
  struct Stack {
    int back = 0, below = 0, depth = 0;
  };

  static std::size_t at(int i) { return static_cast<std::size_t>(i); }

  int add(State s) {
    states_.push_back(s);
    return static_cast<int>(states_.size()) - 1;
  }
  int bytes(unsigned first, unsigned last, int then) {
    return add({step::bytes, static_cast<unsigned char>(first), static_cast<unsigned char>(last), then});
  }
  int either(int a, int b) { return a < 0 ? b : b < 0 ? a : add({.is = step::either, .to = a, .other = b}); }

  /// The state before an expression after which comes `then`; the states after it are there first.
  int emit(Expression const& e, int then) {
    if (++steps_ > most_steps || states_.size() > most_steps)
      fail("grammar", "more than " + std::to_string(most_steps) + " states", "a smaller one",
           "large numbers of repetitions cost as much as what is repeated, so many times");
    using kind = Expression::kind;
    switch (e.is) {
      case kind::characters: return e.in_string ? string_characters(e.ranges, then) : plain(e.ranges, then);
      case kind::sequence:
        for (std::size_t i = e.parts.size(); i-- > 0;) then = emit(e.parts[i], then);
        return then;
      case kind::choice: {
        int start = none;
        for (std::size_t i = e.parts.size(); i-- > 0;) start = either(emit(e.parts[i], then), start);
        return start < 0 ? nothing() : start;
      }
      case kind::rule: return add({.is = step::call, .to = then, .other = e.rule});
      case kind::repeat: break;
    }
    int start = then;
    if (e.most == Expression::unbounded) {
      start = add({.is = step::either, .other = then});
      states_[at(start)].to = emit(e.parts[0], start);
    } else {
      for (int i = e.least; i < e.most; ++i) start = either(emit(e.parts[0], start), then);
    }
    for (int i = 0; i < e.least; ++i) start = emit(e.parts[0], start);
    return start;
  }
  int nothing() { return bytes(1, 0, 0); }

  /// One of these characters in UTF-8.
  int plain(std::vector<Range> const& ranges, int then) {
    int start = none;
    for (Range const& r : ranges)
      // Of one length in bytes each, and without surrogates.
      for (const auto& [first, last] : {Range{0, 0x7f}, Range{0x80, 0x7ff}, Range{0x800, 0xd7ff}, Range{0xe000, 0xffff},
                                        Range{0x10000, last_character}}) {
        const char32_t from = r.first > first ? r.first : first, to = r.last < last ? r.last : last;
        if (from <= to) start = either(utf8(from, to, then), start);
      }
    return start < 0 ? nothing() : start;
  }
  /// Characters from..to, which have as many bytes as each other: where their leading bytes differ, those between the
  /// first and the last have any bytes after them.
  int utf8(char32_t from, char32_t to, int then) {
    std::string a, b;
    append_code_point(a, from);
    append_code_point(b, to);
    return utf8(a, b, then);
  }
  int utf8(std::string_view a, std::string_view b, int then) {
    const auto first = [](std::string_view s) { return unsigned{static_cast<unsigned char>(s[0])}; };
    const unsigned low = first(a), high = first(b);
    const std::string_view rest_a = a.substr(1), rest_b = b.substr(1);
    if (rest_a.empty()) return bytes(low, high, then);
    if (low == high) return bytes(low, low, utf8(rest_a, rest_b, then));
    const std::string least(rest_a.size(), '\x80'), most(rest_a.size(), '\xbf');
    const bool cut_low = rest_a != least, cut_high = rest_b != most;
    int start = none;
    if (cut_high) start = bytes(high, high, utf8(least, rest_b, then));
    if (low + cut_low <= high - cut_high)
      start = either(bytes(low + cut_low, high - cut_high, utf8(least, most, then)), start);
    if (cut_low) start = either(bytes(low, low, utf8(rest_a, most, then)), start);
    return start;
  }
  /// One of these characters between the quotes of a JSON string: as itself, or the shortest escape where it needs one.
  int string_characters(std::vector<Range> const& ranges, int then) {
    std::vector<Range> free;
    int start = none;
    for (Range const& r : ranges) {
      for (const auto& [first, last] : {Range{0x20, 0x21}, Range{0x23, 0x5b}, Range{0x5d, last_character}}) {
        const char32_t from = r.first > first ? r.first : first, to = r.last < last ? r.last : last;
        if (from <= to) free.push_back({from, to});
      }
      for (const char32_t c : {U'"', U'\\'})
        if (r.first <= c && c <= r.last) start = either(escape(static_cast<char>(c), then), start);
      for (char32_t c = r.first; c < 0x20 && c <= r.last; ++c) start = either(control(c, then), start);
    }
    return free.empty() ? (start < 0 ? nothing() : start) : either(plain(free, then), start);
  }
  int byte(char c, int then) {
    const auto u = static_cast<unsigned char>(c);
    return bytes(u, u, then);
  }
  int escape(char c, int then) { return byte('\\', byte(c, then)); }
  int control(char32_t c, int then) {
    constexpr std::string_view from = "\b\f\n\r\t", to = "bfnrt";
    if (const std::size_t i = from.find(static_cast<char>(c)); i != std::string_view::npos) return escape(to[i], then);
    constexpr char hex[] = "0123456789abcdef";
    return escape('u', byte('0', byte('0', byte(hex[c >> 4U], byte(hex[c & 15U], then)))));
  }

  /// needs_[s]: how many calls inside each other it takes, at least, from s to the end of its rule.
  void find_needs(Bytes const& usable) {
    needs_.assign(states_.size(), never);
    needs_[0] = 0;
    const auto some = [&](State const& s) {
      for (unsigned b = s.first; b <= s.last; ++b)
        if (usable[b]) return true;
      return false;
    };
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t i = 1; i < states_.size(); ++i) {
        State const& s = states_[i];
        int need = needs_[at(s.to)];
        if (s.is == step::bytes && need < needs_[i] && !some(s)) continue;
        if (s.is == step::either) need = need < needs_[at(s.other)] ? need : needs_[at(s.other)];
        if (s.is == step::call) {
          const int inside = needs_[at(starts_[at(s.other)])] + (s.to == 0 ? 0 : 1);
          need = need > inside ? need : inside;
        }
        if (need >= needs_[i]) continue;
        needs_[i] = need;
        changed = true;
      }
    }
  }
  /// Bytes that no state tells apart.
  void find_classes() {
    Bytes begins;
    begins.set(0);
    for (State const& s : states_)
      if (s.is == step::bytes && s.first <= s.last) {
        begins.set(s.first);
        if (s.last < 255) begins.set(s.last + 1U);
      }
    for (std::size_t b = 0; b < 256; ++b) {
      classes_ += begins[b] ? 1 : 0;
      class_[b] = static_cast<unsigned char>(classes_ - 1);
    }
  }

  int read(int state, unsigned char byte) {
    for (Place const& p : *sets_[at(state)]) {
      State const& s = states_[at(p.state)];
      if (s.is == step::bytes && s.first <= byte && byte <= s.last) place({s.to, p.stack});
    }
    return set_of_places();
  }
  /// Adds a place, and with it all that empty steps lead to, to the set that is being built.
  void place(Place from) {
    todo_.push_back(from);
    while (!todo_.empty()) {
      const Place p = todo_.back();
      todo_.pop_back();
      const int depth = stacks_[at(p.stack)].depth;
      if (depth + needs_[at(p.state)] > deepest) continue;
      if (!seen_.insert(static_cast<std::uint64_t>(p.state) << 32U | static_cast<std::uint32_t>(p.stack)).second)
        continue;
      if (seen_.size() > most_steps) too_large();
      State const& s = states_[at(p.state)];
      if (s.is == step::either) {
        todo_.push_back({s.to, p.stack});
        todo_.push_back({s.other, p.stack});
      } else if (s.is == step::call) {
        todo_.push_back({starts_[at(s.other)], s.to == 0 ? p.stack : called(s.to, p.stack)});
      } else if (s.is == step::end && p.stack != 0) {
        todo_.push_back({stacks_[at(p.stack)].back, stacks_[at(p.stack)].below});
      } else {
        places_.insert(p);
      }
    }
  }
  int called(int back, int below) {
    const auto [found, fresh] = stack_of_.try_emplace({back, below}, static_cast<int>(stacks_.size()));
    if (fresh) stacks_.push_back({back, below, stacks_[at(below)].depth + 1});
    return found->second;
  }
  /// The state for the places gathered.
  int set_of_places() {
    seen_.clear();
    if (places_.empty()) return none;
    const auto [found, fresh] = set_of_.try_emplace({places_.begin(), places_.end()}, states());
    places_.clear();
    if (!fresh) return found->second;
    all_places_ += found->first.size();
    if (sets_.size() == most_sets || all_places_ > most_places) too_large();
    sets_.push_back(&found->first);
    next_.resize(next_.size() + classes_, unknown);
    return found->second;
  }
  [[noreturn]] static void too_large() {
    fail("grammar", "it has come to more than " + std::to_string(most_sets) + " states", "a smaller grammar");
  }

  std::vector<State> states_;  ///< the first ends a rule
  std::vector<int> starts_;    ///< of rules
  std::vector<int> needs_;
  std::size_t steps_ = 0, classes_ = 0, all_places_ = 0;
  unsigned char class_[256] = {};
  std::vector<Stack> stacks_;  ///< the first is empty
  std::map<std::pair<int, int>, int> stack_of_;
  std::map<std::vector<Place>, int> set_of_;
  std::vector<std::vector<Place> const*> sets_;
  std::vector<int> next_;  ///< [states, classes]
  int start_ = none;
  std::vector<Place> todo_;
  std::set<Place> places_;  ///< of the set that is being built, by state: the end comes first
  std::unordered_set<std::uint64_t> seen_;
};

}  // namespace fauna::inline v0::grammar
