// Statements of templates: {% if %}, {% for %} and the others.
#pragma once
#include <initializer_list>

#include <fauna/text/template/expressions.hpp>

namespace fauna::inline v0::jinja {

class Parser : Expressions {
 public:
  /// The template as a list of nodes, which are put into `nodes`, and their constants into `heap`. Throws
  /// template_error.
  static std::vector<Node const*> read(Source const& source, std::deque<Node>& nodes, Heap& heap) {
    Parser p(source, nodes, heap);
    return p.statements({});
  }

 private:
  using Body = std::vector<Node const*>;
  using Names = std::initializer_list<std::string_view>;

  Parser(Source const& source, std::deque<Node>& nodes, Heap& heap)
      : Expressions(source, nodes, heap), source_(source), heap_(heap) {}

  /// Up to a tag that begins with one of the names, which is not passed over; without names, up to the end.
  Body statements(Names ends) {
    const Deeper deeper(*this);
    Body body;
    for (;;) {
      const std::size_t at = now().at;
      switch (now().is) {
        case token::end:
          if (ends.size() == 0) return body;
          wrong("{% " + std::string(*(ends.end() - 1)) + " %}");
        case token::data:
          body.push_back(make(op::output, at, {constant(Value(heap_.text(now().text)), at)}));
          step();
          break;
        case token::variable_begin:
          step();
          body.push_back(make(op::output, at, {tuple(false, part::expression)}));
          if (now().is != token::variable_end) wrong("an operator or }}");
          step();
          break;
        default:
          step();
          for (const std::string_view name : ends)
            if (is_name(name)) return body;
          statement(body, at);
      }
    }
  }
  void end_of_tag() {
    if (now().is != token::block_end) wrong("%}");
    step();
  }
  /// The body of a statement up to {% name %}.
  Body until(std::string_view name) {
    end_of_tag();
    Body body = statements({name});
    step();
    end_of_tag();
    return body;
  }

  void statement(Body& body, std::size_t at) {
    const std::size_t name_at = now().at;
    const std::string name = need_name("the name of a statement");
    if (name == "if") body.push_back(branch(at));
    else if (name == "for") body.push_back(loop(at));
    else if (name == "set") body.push_back(assignment(at));
    else if (name == "macro") body.push_back(macro(at));
    else if (name == "call") body.push_back(call_block(at));
    else if (name == "filter") body.push_back(filter_block(at));
    else if (name == "with") body.push_back(with(at));
    else if (name == "generation") {
      Node* n = make(op::generation, at);
      n->body = outside_loop([&] { return until("endgeneration"); });
      body.push_back(n);
    } else if (name == "break" || name == "continue") {
      if (loops_ == 0) source_.fail(name_at, name + " outside of a loop", "it inside");
      body.push_back(make(name == "break" ? op::leave : op::next, at));
      end_of_tag();
    } else {
      source_.fail(name_at, "the statement " + name,
                   "if, for, set, macro, call, filter, with, raw, break, continue or generation");
    }
  }
  Node* branch(std::size_t at) {
    Node* n = make(op::branch, at, {expression()});
    end_of_tag();
    n->body = statements({"elif", "else", "endif"});
    Node* last = n;  // elifs are a chain, not a tree in a tree
    while (is_name("elif")) {
      const std::size_t elif = now().at;
      step();
      Node* next = make(op::branch, elif, {expression()});
      end_of_tag();
      next->body = statements({"elif", "else", "endif"});
      last->target = next;
      last = next;
    }
    if (skip_name("else")) {
      end_of_tag();
      last->otherwise = statements({"endif"});
    }
    step();
    end_of_tag();
    return n;
  }
  Node* loop(std::size_t at) {
    Node* n = make(op::loop, at);
    n->target = tuple(false, part::target, "in");
    if (!skip_name("in")) wrong("'in'");
    n->parts.push_back(tuple(false, part::no_choice, "recursive"));  // `if` behind it is the loop's
    n->parts.push_back(skip_name("if") ? expression() : nullptr);
    if (is_name("recursive")) wrong("no recursive loop");
    end_of_tag();
    ++loops_;
    n->body = statements({"else", "endfor"});
    --loops_;
    if (skip_name("else")) {
      end_of_tag();
      n->otherwise = statements({"endfor"});
    }
    step();
    end_of_tag();
    return n;
  }
  Node* assignment(std::size_t at) {
    Node* n = make(op::set, at);
    n->target = tuple(false, part::target);
    if (skip_sign("=")) {
      n->parts.push_back(tuple(false, part::expression));
      end_of_tag();
      return n;
    }
    n->is = op::set_block;
    n->parts.push_back(filters());
    n->body = outside_loop([&] { return until("endset"); });
    return n;
  }
  /// `| a | b`, as what is of a null node; null without any.
  Node const* filters() {
    Node const* all = nullptr;
    while (skip_sign("|")) all = filter(all);
    return all;
  }
  /// (a, b=1)
  void parameters(Node& n) {
    need_sign("(");
    while (!is_sign(")")) {
      const std::size_t at = now().at;
      std::string name = need_name("the name of a parameter");
      Node const* otherwise = skip_sign("=") ? expression() : nullptr;
      if (otherwise == nullptr && !n.named.empty() && n.named.back().second != nullptr)
        source_.fail(at, "the parameter " + name + " without a value", "one, as those before it have");
      n.named.emplace_back(std::move(name), otherwise);
      if (!skip_sign(",") && !is_sign(")")) wrong("',' or ')'");
    }
    step();
  }
  Node* macro(std::size_t at) {
    Node* n = make(op::macro, at);
    n->name = need_name("the name of a macro");
    macros_.push_back(n);
    parameters(*n);
    n->body = outside_loop([&] { return until("endmacro"); });
    macros_.pop_back();
    return n;
  }
  Node* call_block(std::size_t at) {
    Node* n = make(op::call_block, at);
    n->name = "caller";
    if (is_sign("(")) parameters(*n);
    const std::size_t called = now().at;
    n->target = expression();
    if (n->target->is != op::call) source_.fail(called, "no call", "that of a macro");
    n->body = outside_loop([&] { return until("endcall"); });
    return n;
  }
  Node* filter_block(std::size_t at) {
    Node const* all = filter(nullptr);
    while (skip_sign("|")) all = filter(all);
    Node* n = make(op::filter_block, at, {all});
    n->body = outside_loop([&] { return until("endfilter"); });
    return n;
  }
  Node* with(std::size_t at) {
    Node* n = make(op::with, at);
    while (now().is == token::name) {
      std::string name = need_name("a name");
      need_sign("=");
      n->named.emplace_back(std::move(name), expression());
      if (!skip_sign(",")) break;
    }
    n->body = until("endwith");
    return n;
  }
  /// A body of its own, from which no loop around it can be left.
  template <class F> Body outside_loop(F&& read) {
    const int loops = loops_;
    loops_ = 0;
    Body body = read();
    loops_ = loops;
    return body;
  }

  Source const& source_;
  Heap& heap_;
  int loops_ = 0;
};

}  // namespace fauna::inline v0::jinja
