// What a rendering has beside its values: where it stands, for errors, and how much it may still do.
#pragma once
#include <cstdlib>
#include <ctime>
#include <initializer_list>

#include <fauna/text/template/value.hpp>

namespace fauna::inline v0::jinja {

/// An error in a template, or of one: `what()` is `[template] NAME:LINE:COLUMN: found, expected EXPECTED: hint`.
struct template_error : error {
  template_error(std::string const& text, std::size_t at_line, std::size_t at_column, std::string own_words)
      : error(text), line(at_line), column(at_column), said(std::move(own_words)) {}
  std::size_t line, column;  ///< from 1; a column is a byte
  std::string said;          ///< without name and place: what the template itself says where it refuses
};

/// The text of a template and what it is called in errors.
struct Source {
  std::string text{}, name{};

  [[noreturn]] void fail(std::size_t at, std::string const& found, std::string const& expected = {},
                         std::string const& hint = {}) const {
    std::size_t line = 1, column = 1;
    for (std::size_t i = 0; i < at && i < text.size(); ++i) {
      ++column;
      if (text[i] == '\n') ++line, column = 1;
    }
    std::string m = "[template] " + name + ':' + std::to_string(line) + ':' + std::to_string(column) + ": " + found;
    if (!expected.empty()) m += ", expected " + expected;
    if (!hint.empty()) m += ": " + hint;
    throw template_error(m, line, column, found);
  }
};

/// What a rendering may take, so that every template ends.
struct Limits {
  std::uint64_t steps = 8000000;   ///< nodes evaluated, values made, 64 bytes of text each
  int depth = 400;                 ///< calls and blocks inside each other
  std::size_t bytes = 64U << 20U;  ///< of the result
};

class Context {
 public:
  Context(Source const& source, Heap& to, Limits limits, std::tm const& time)
      : heap(to), now(time), source_(source), limits_(limits), left_(limits.steps) {}

  Heap& heap;
  std::tm now;
  std::size_t at = 0;  ///< the place in the source of what is being evaluated

  [[noreturn]] void fail(std::string const& found, std::string const& expected = {},
                         std::string const& hint = {}) const {
    source_.fail(at, found, expected, hint);
  }
  /// Throws where the template has done what it may.
  void spend(std::size_t steps) {
    if (steps > left_) fail("more than " + std::to_string(limits_.steps) + " steps", "a template that ends sooner");
    left_ -= steps;
  }
  void spend_bytes(std::size_t bytes) { spend(1 + bytes / 64); }
  void require_room(Text const& out) const {
    if (out.size() > limits_.bytes) fail("more than " + std::to_string(limits_.bytes) + " bytes of text", "fewer");
  }
  /// Lives as long as something is inside something.
  class Deeper {
   public:
    explicit Deeper(Context& c) : c_(c) {
      if (++c.depth_ > c.limits_.depth) {
        --c.depth_;
        c.fail("more than " + std::to_string(c.limits_.depth) + " calls inside each other", "fewer");
      }
    }
    Deeper(Deeper const&) = delete;
    Deeper& operator=(Deeper const&) = delete;
    ~Deeper() { --c_.depth_; }

   private:
    Context& c_;
  };

  // Values that are made, and paid for.
  Value text(Text t) {
    spend_bytes(t.size());
    return Value(heap.text(std::move(t)));
  }
  Value text(std::string_view s) {
    spend_bytes(s.size());
    return Value(heap.text(s));
  }
  Value list(std::vector<Value> items, shape as = shape::list) {
    spend(2 + items.size());
    return Value(heap.list(std::move(items), as));
  }
  Value undefined(std::string const& what) {
    spend(1);
    return Value::undefined(heap.text(what));
  }

 private:
  Source const& source_;
  Limits limits_;
  std::uint64_t left_;
  int depth_ = 0;
};

/// Arguments of a call.
struct Arguments {
  std::vector<Value> positional{};
  std::vector<std::pair<std::string_view, Value>> named{};

  /// The i-th, or undefined where there are fewer.
  Value operator[](std::size_t i) const { return i < positional.size() ? positional[i] : Value(); }
};

}  // namespace fauna::inline v0::jinja
