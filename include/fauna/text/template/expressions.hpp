// Expressions of templates, by recursive descent over jinja2's grammar:
//   choice := either ['if' either ['else' choice]]...     either := both ['or' both]...      both := not ['and' not]...
//   not := 'not' not | comparison                         comparison := sum [(== != < <= > >= in, not in) sum]...
//   sum := joint [(+ -) joint]...    joint := product [~ product]...    product := power [(* / // %) power]...
//   power := unary [** unary]...     unary := (- +) unary | primary, then .name [index] (call) |filter is test
#pragma once
#include <array>

#include <fauna/text/template/filters.hpp>
#include <fauna/text/template/lexer.hpp>
#include <fauna/text/template/node.hpp>
#include <fauna/text/template/tests.hpp>

namespace fauna::inline v0::jinja {

/// Token by token through a template, with the nodes that come of it.
class Expressions {
 protected:
  Expressions(Source const& source, std::deque<Node>& nodes, Heap& heap)
      : source_(source), nodes_(nodes), heap_(heap), tokens_(Lexer::read(source)) {}

  Token const& now() const { return tokens_[at_]; }
  Token const& following() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  void step() { at_ += at_ + 1 < tokens_.size(); }
  bool is(token t, std::string_view text) const { return now().is == t && now().text == text; }
  bool is_sign(std::string_view s) const { return is(token::sign, s); }
  bool is_name(std::string_view s) const { return is(token::name, s); }
  bool skip_sign(std::string_view s) { return is_sign(s) && (step(), true); }
  bool skip_name(std::string_view s) { return is_name(s) && (step(), true); }
  [[noreturn]] void wrong(std::string const& expected) const {
    Token const& t = now();
    const bool quoted = t.is == token::name || t.is == token::sign || t.is == token::integer || t.is == token::real;
    source_.fail(t.at,
                 quoted                     ? "'" + t.text + "'"
                 : t.is == token::string    ? "a string"
                 : t.is == token::end       ? "the end of the template"
                 : t.is == token::block_end ? "%}"
                                            : "}}",
                 expected);
  }
  void need_sign(std::string_view s) {
    if (!skip_sign(s)) wrong("'" + std::string(s) + "'");
  }
  std::string need_name(std::string const& what) {
    if (now().is != token::name) wrong(what);
    std::string name = now().text;
    step();
    return name;
  }
  Node* make(op is, std::size_t at, std::vector<Node const*> parts = {}) {
    Node& n = nodes_.emplace_back();
    n.is = is;
    n.at = at;
    n.parts = std::move(parts);
    return &n;
  }
  Node* constant(Value v, std::size_t at) {
    Node* n = make(op::constant, at);
    n->constant = v;
    return n;
  }
  /// Lives as long as something is read inside something.
  class Deeper {
   public:
    explicit Deeper(Expressions& e) : e_(e) {
      if (++e.depth_ > 150) e.source_.fail(e.now().at, "more than 150 things inside each other", "fewer");
    }
    Deeper(Deeper const&) = delete;
    Deeper& operator=(Deeper const&) = delete;
    ~Deeper() { --e_.depth_; }

   private:
    Expressions& e_;
  };

  Node const* expression() {
    const Deeper deeper(*this);
    Node const* n = either();
    while (is_name("if")) {
      const std::size_t at = now().at;
      step();
      Node const* condition = either();
      Node const* otherwise = skip_name("else") ? expression() : nullptr;
      n = make(op::choice, at, {condition, n, otherwise});
    }
    return n;
  }
  enum class part { target, expression, no_choice };
  /// Parts with commas between them are a tuple. `ends`: a name that cannot begin one more.
  Node const* tuple(bool parentheses, part of, std::string_view ends = {}) {
    const std::size_t at = now().at;
    const auto ended = [&] {
      return now().is == token::variable_end || now().is == token::block_end || is_sign(")") ||
             (!ends.empty() && is_name(ends));
    };
    std::vector<Node const*> parts;
    bool is_tuple = false;
    while (!ended()) {
      parts.push_back(of == part::target ? target() : of == part::expression ? expression() : either());
      if (!skip_sign(",")) break;
      is_tuple = true;
    }
    if (!is_tuple && parts.size() == 1) return parts[0];
    if (!is_tuple && !parentheses) wrong("an expression");
    return make(op::tuple, at, std::move(parts));
  }
  /// A name, one of a namespace, or a tuple of such.
  Node const* target() {
    const std::size_t at = now().at;
    if (skip_sign("(")) {
      const Deeper deeper(*this);
      Node const* n = tuple(true, part::target);
      need_sign(")");
      return n;
    }
    const std::string name = need_name("a name to assign to");
    for (const char* constant : {"true", "false", "none", "True", "False", "None"})
      if (name == constant) source_.fail(at, "an assignment to " + name, "a name");
    Node* n = make(op::name, at);
    n->name = name;
    if (!skip_sign(".")) return n;
    Node* attribute = make(op::attribute, at, {n});
    attribute->name = need_name("a name");
    return attribute;
  }

  /// (a, b, name=c, *d, **e): into a call, filter or test.
  void arguments(Node& n) {
    need_sign("(");
    const Deeper deeper(*this);
    while (!is_sign(")")) {
      const bool named = now().is == token::name && following().is == token::sign && following().text == "=";
      if (skip_sign("*")) {
        n.star = expression();
      } else if (skip_sign("**")) {
        n.stars = expression();
      } else if (named) {
        std::string name = need_name("a name");
        step();
        n.named.emplace_back(std::move(name), expression());
      } else {
        if (!n.named.empty() || n.star != nullptr || n.stars != nullptr) wrong("a named argument");
        n.parts.push_back(expression());
      }
      if (!skip_sign(",") && !is_sign(")")) wrong("',' or ')'");
    }
    step();
  }
  /// `| name(arguments)`, of `of`, which is null at the head of a filter block.
  Node* filter(Node const* of) {
    const std::size_t at = now().at;
    Node* n = make(op::filter, at, {of});
    n->name = need_name("the name of a filter");
    n->builtin = find_filter(n->name);
    if (n->builtin == nullptr) source_.fail(at, "an unknown filter, " + n->name, "one of " + filter_names());
    if (is_sign("(")) arguments(*n);
    return n;
  }

  std::vector<Node*> macros_{};  ///< that are being read

 private:
  Node const* either() {
    Node const* n = both();
    for (std::size_t at = now().at; skip_name("or"); at = now().at) n = make(op::either, at, {n, both()});
    return n;
  }
  Node const* both() {
    Node const* n = negation();
    for (std::size_t at = now().at; skip_name("and"); at = now().at) n = make(op::both, at, {n, negation()});
    return n;
  }
  Node const* negation() {
    const std::size_t at = now().at;
    if (!skip_name("not")) return comparison();
    const Deeper deeper(*this);
    return make(op::negation, at, {negation()});
  }
  Node const* comparison() {
    Node const* first = sum();
    Node* n = nullptr;
    for (;;) {
      std::string sign;
      const std::size_t at = now().at;
      for (const std::string_view s : {"==", "!=", "<", "<=", ">", ">="})
        if (is_sign(s)) sign = s;
      if (!sign.empty()) step();
      else if (skip_name("in")) sign = "in";
      else if (is_name("not") && following().is == token::name && following().text == "in") {
        step();
        step();
        sign = "not in";
      } else {
        return n == nullptr ? first : n;
      }
      if (n == nullptr) n = make(op::compare, at, {first});
      n->signs.push_back(sign);
      n->parts.push_back(sum());
    }
  }
  /// operand [sign operand]..., from the left
  template <std::size_t N>
  Node const* binary(std::array<std::pair<std::string_view, op>, N> const& signs,
                     Node const* (Expressions::*operand)()) {
    Node const* n = (this->*operand)();
    for (;;) {
      const std::size_t at = now().at;
      const auto* found = signs.begin();
      while (found != signs.end() && !is_sign(found->first)) ++found;
      if (found == signs.end()) return n;
      step();
      n = make(found->second, at, {n, (this->*operand)()});
    }
  }
  Node const* sum() {
    using P = std::pair<std::string_view, op>;
    return binary(std::array{P{"+", op::add}, P{"-", op::subtract}}, &Expressions::joint);
  }
  Node const* joint() {
    Node const* first = product();
    if (!is_sign("~")) return first;
    Node* n = make(op::concatenate, now().at, {first});
    while (skip_sign("~")) n->parts.push_back(product());
    return n;
  }
  Node const* product() {
    using P = std::pair<std::string_view, op>;
    return binary(std::array{P{"*", op::multiply}, P{"/", op::divide}, P{"//", op::floor_divide}, P{"%", op::modulo}},
                  &Expressions::powers);
  }
  Node const* powers() {
    using P = std::pair<std::string_view, op>;
    return binary(std::array{P{"**", op::power}}, &Expressions::filtered);
  }
  Node const* filtered() { return unary(true); }
  Node const* unary(bool filters) {
    const std::size_t at = now().at;
    Node const* n = nullptr;
    if (is_sign("-") || is_sign("+")) {
      const Deeper deeper(*this);
      const op sign = is_sign("-") ? op::minus : op::plus;
      step();
      n = make(sign, at, {unary(false)});
    } else {
      n = primary();
    }
    n = postfix(n);
    while (filters) {
      if (skip_sign("|")) n = filter(n);
      else if (is_name("is")) n = test(n);
      else if (is_sign("(")) n = call(n);
      else break;
    }
    return n;
  }
  Node const* primary() {
    Token const& t = now();
    const std::size_t at = t.at;
    switch (t.is) {
      case token::name: {
        step();
        if (t.text == "true" || t.text == "True") return constant(Value(true), at);
        if (t.text == "false" || t.text == "False") return constant(Value(false), at);
        if (t.text == "none" || t.text == "None") return constant(Value::none(), at);
        for (Node* m : macros_) {
          m->takes_more = m->takes_more || t.text == "varargs";
          m->takes_named = m->takes_named || t.text == "kwargs";
          m->calls = m->calls || t.text == "caller";
        }
        Node* n = make(op::name, at);
        n->name = t.text;
        return n;
      }
      case token::string: {
        std::string s;
        for (; now().is == token::string; step()) s += now().text;
        return constant(Value(heap_.text(s)), at);
      }
      case token::integer: {
        std::int64_t n = 0;
        if (!number_text::parse(t.text, n)) source_.fail(at, t.text, "a whole number of at most 63 bits");
        step();
        return constant(Value(n), at);
      }
      case token::real: {
        double x = 0;
        if (!number_text::parse(t.text, x)) source_.fail(at, t.text, "a number that a double can be");
        step();
        return constant(Value(x), at);
      }
      default: break;
    }
    if (skip_sign("(")) {
      Node const* n = tuple(true, part::expression);
      need_sign(")");
      return n;
    }
    if (skip_sign("[")) {
      Node* n = make(op::list, at);
      while (!is_sign("]")) {
        n->parts.push_back(expression());
        if (!skip_sign(",") && !is_sign("]")) wrong("',' or ']'");
      }
      step();
      return n;
    }
    if (!skip_sign("{")) wrong("an expression");
    Node* n = make(op::dict, at);
    while (!is_sign("}")) {
      n->parts.push_back(expression());
      need_sign(":");
      n->parts.push_back(expression());
      if (!skip_sign(",") && !is_sign("}")) wrong("',' or '}'");
    }
    step();
    return n;
  }
  Node const* postfix(Node const* n) {
    for (;;) {
      const std::size_t at = now().at;
      if (is_sign("(")) {
        n = call(n);
      } else if (skip_sign(".")) {
        if (now().is == token::integer) {
          n = make(op::item, at, {n, primary()});
          continue;
        }
        Node* a = make(op::attribute, at, {n});
        a->name = need_name("a name or a number");
        n = a;
      } else if (skip_sign("[")) {
        n = make(op::item, at, {n, subscript()});
        need_sign("]");
      } else {
        return n;
      }
    }
  }
  /// An index, or from:to:step.
  Node const* subscript() {
    const std::size_t at = now().at;
    Node const* first = is_sign(":") ? nullptr : expression();
    if (!skip_sign(":")) return first;
    const auto next = [this] { return is_sign(":") || is_sign("]") ? nullptr : expression(); };
    Node const* to = next();
    Node const* by = skip_sign(":") ? next() : nullptr;
    return make(op::slice, at, {first, to, by});
  }
  Node const* call(Node const* of) {
    Node* n = make(op::call, now().at, {of});
    arguments(*n);
    return n;
  }
  /// `is [not] name`, with arguments in brackets, or one without.
  Node const* test(Node const* of) {
    step();
    const std::size_t at = now().at;
    const bool negated = skip_name("not");
    const std::size_t named_at = now().at;
    Node* n = make(op::test, at, {of});
    n->name = need_name("the name of a test");
    n->builtin = find_test(n->name);
    if (n->builtin == nullptr) source_.fail(named_at, "an unknown test, " + n->name, "one of " + test_names());
    const token t = now().is;
    const bool literal = t == token::string || t == token::integer || t == token::real || is_sign("[") || is_sign("{");
    if (is_sign("(")) arguments(*n);
    else if (literal || (t == token::name && !is_name("else") && !is_name("or") && !is_name("and"))) {
      if (is_name("is")) wrong("one test, not a chain of them");
      if (!is_name("if") && !is_name("in") && !is_name("not")) n->parts.push_back(postfix(primary()));
    }
    return negated ? make(op::negation, at, {n}) : n;
  }

  Source const& source_;
  std::deque<Node>& nodes_;
  Heap& heap_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace fauna::inline v0::jinja
