// Evaluates a template's tree.
#pragma once
#include <fauna/text/template/functions.hpp>
#include <fauna/text/template/node.hpp>

namespace fauna::inline v0::jinja {

class Renderer {
 public:
  Renderer(Context& context, Scope* global) : c_(context), global_(global) {}

  Text all(std::vector<Node const*> const& body) {
    Text out;
    run(body, global_, out);
    return out;
  }

 private:
  enum class flow { on, next, leave };
  using Body = std::vector<Node const*>;

  // Statements.

  flow run(Body const& body, Scope* s, Text& out) {
    const Context::Deeper deeper(c_);
    for (Node const* n : body)
      if (const flow f = run(*n, s, out); f != flow::on) return f;
    return flow::on;
  }
  flow run(Node const& n, Scope* s, Text& out) {
    c_.at = n.at;
    c_.spend(1);
    switch (n.is) {
      case op::output: print(n, s, out); return flow::on;
      case op::branch: return branch(n, s, out);
      case op::loop: loop(n, s, out); return flow::on;
      case op::leave: return flow::leave;
      case op::next: return flow::next;
      case op::set: assign(*n.target, value(*n.parts[0], s), s); return flow::on;
      case op::macro: s->set(n.name, Value(c_.heap.macro(&n, s))); return flow::on;
      case op::with: {
        Scope* inner = scope(s);
        for (auto const& [name, v] : n.named) inner->set(name, value(*v, s));
        return run(n.body, inner, out);
      }
      default: captured(n, s, out); return flow::on;
    }
  }
  void print(Node const& n, Scope* s, Text& out) {
    const Value v = value(*n.parts[0], s);
    c_.at = n.at;
    if (v.is == kind::text) {
      c_.spend_bytes(v.text->size());
      out.add(*v.text);
    } else {
      out.add(written(c_, v));
    }
    c_.require_room(out);
  }
  /// Bodies whose text is something else's first.
  void captured(Node const& n, Scope* s, Text& out) {
    if (n.is == op::call_block) {
      const Value v = call(*n.target, s, Value(c_.heap.macro(&n, s)));
      out.add(written(c_, v));
      return;
    }
    Text inner;
    run(n.body, scope(s), inner);
    c_.at = n.at;
    if (n.is == op::generation) {
      inner.set(generated);
      out.add(inner);
      return;
    }
    Value v = c_.text(std::move(inner));
    if (n.parts[0] != nullptr) v = filtered(*n.parts[0], s, v);
    if (n.is == op::set_block) assign(*n.target, v, s);
    else out.add(written(c_, v));
  }
  flow branch(Node const& first, Scope* s, Text& out) {
    for (Node const* n = &first; n != nullptr; n = n->target) {
      if (truth(value(*n->parts[0], s))) return run(n->body, s, out);
      if (n->target == nullptr) return run(n->otherwise, s, out);
    }
    return flow::on;
  }
  void loop(Node const& n, Scope* s, Text& out) {
    const Value v = value(*n.parts[0], s);
    c_.at = n.at;
    std::vector<Value> all = items(c_, v);
    if (n.parts[1] != nullptr) {
      std::vector<Value> kept;
      for (const Value one : all) {
        Scope* inner = scope(s);
        assign(*n.target, one, inner);
        if (truth(value(*n.parts[1], inner))) kept.push_back(one);
      }
      all = std::move(kept);
    }
    List const* list = c_.list(std::move(all)).list;
    Loop* l = c_.heap.loop(&list->items);
    for (; l->index < list->items.size(); ++l->index) {
      Scope* inner = scope(s);
      inner->set("loop", Value(l));
      assign(*n.target, list->items[l->index], inner);
      if (run(n.body, inner, out) == flow::leave) break;
    }
    if (list->items.empty()) run(n.otherwise, s, out);
  }
  Scope* scope(Scope const* around) {
    c_.spend(4);
    return c_.heap.scope(around);
  }
  void assign(Node const& target, Value v, Scope* s) {
    c_.at = target.at;
    if (target.is == op::name) return s->set(target.name, v);
    if (target.is == op::attribute) {
      std::string const& name = target.parts[0]->name;
      Value const* names = s->find(name);
      if (names == nullptr || names->is != kind::names)
        c_.fail("an assignment to a part of " + name + ", which is " +
                    (names == nullptr ? "undefined" : name_of(names->is)),
                "a namespace");
      set_name(c_, *names->names, target.name, v);
      return;
    }
    const std::vector<Value> all = items(c_, v);
    if (all.size() != target.parts.size())
      c_.fail(std::to_string(all.size()) + " values for " + std::to_string(target.parts.size()) + " names", "as many");
    for (std::size_t i = 0; i < all.size(); ++i) assign(*target.parts[i], all[i], s);
  }

  // Expressions.

  Value value(Node const& n, Scope* s) {
    const Context::Deeper deeper(c_);
    c_.spend(1);
    c_.at = n.at;
    switch (n.is) {
      case op::constant: return n.constant;
      case op::name: return named(n, s);
      case op::attribute: {
        const Value of = value(*n.parts[0], s);
        c_.at = n.at;
        return attribute(c_, of, n.name);
      }
      case op::item: return indexed(n, s);
      case op::call: return call(n, s, {});
      case op::filter: return filtered(n, s, {});
      case op::test: return tested(n, s);
      case op::negation: return Value(!truth(value(*n.parts[0], s)));
      case op::both:
      case op::either: {
        const Value left = value(*n.parts[0], s);
        return truth(left) == (n.is == op::both) ? value(*n.parts[1], s) : left;
      }
      case op::choice:
        if (truth(value(*n.parts[0], s))) return value(*n.parts[1], s);
        if (n.parts[2] != nullptr) return value(*n.parts[2], s);
        return c_.undefined("what an inline if without else stands for");
      case op::compare: return compared(n, s);
      case op::list:
      case op::tuple:
      case op::dict:
      case op::concatenate: return made(n, s);
      default: return computed(n, s);
    }
  }
  Value named(Node const& n, Scope* s) {
    if (Value const* v = s->find(n.name)) return *v;
    if (Builtin const* f = find(functions::all, n.name)) return Value(c_.heap.function(f, {}));
    return c_.undefined("'" + n.name + "'");
  }
  Value indexed(Node const& n, Scope* s) {
    const Value of = value(*n.parts[0], s);
    Node const& at = *n.parts[1];
    if (at.is != op::slice) {
      const Value key = value(at, s);
      c_.at = n.at;
      return item(c_, of, key);
    }
    Value ends[3];
    for (std::size_t i = 0; i < 3; ++i) ends[i] = at.parts[i] == nullptr ? Value::none() : value(*at.parts[i], s);
    c_.at = n.at;
    return slice(c_, of, ends[0], ends[1], ends[2]);
  }
  Value compared(Node const& n, Scope* s) {
    Value left = value(*n.parts[0], s);
    for (std::size_t i = 0; i < n.signs.size(); ++i) {
      const Value right = value(*n.parts[i + 1], s);
      c_.at = n.at;
      std::string const& sign = n.signs[i];
      bool is = false;
      if (sign == "==" || sign == "!=") is = equal(c_, left, right) == (sign == "==");
      else if (sign == "in" || sign == "not in") is = contains(c_, right, left) == (sign == "in");
      else {
        const int order = compare(c_, left, right);
        is = sign == "<" ? order < 0 : sign == "<=" ? order <= 0 : sign == ">" ? order > 0 : order >= 0;
      }
      if (!is) return Value(false);
      left = right;
    }
    return Value(true);
  }
  Value made(Node const& n, Scope* s) {
    std::vector<Value> all;
    for (Node const* p : n.parts) all.push_back(value(*p, s));
    c_.at = n.at;
    if (n.is == op::list || n.is == op::tuple)
      return c_.list(std::move(all), n.is == op::list ? shape::list : shape::tuple);
    if (n.is == op::dict) {
      Dict* d = c_.heap.dict();
      for (std::size_t i = 0; i + 1 < all.size(); i += 2) set(c_, *d, all[i], all[i + 1]);
      return Value(d);
    }
    Text t;
    for (const Value v : all) t.add(written(c_, v));
    return c_.text(std::move(t));
  }
  Value computed(Node const& n, Scope* s) {
    const Value left = value(*n.parts[0], s);
    if (n.is == op::minus || n.is == op::plus) {
      c_.at = n.at;
      if (left.is == kind::undefined) refuse_undefined(c_, left);
      if (!left.number()) c_.fail(std::string("the sign of ") + name_of(left.is), "a number");
      return arithmetic(c_, n.is == op::minus ? '-' : '+',
                        left.is == kind::real ? Value(n.is == op::minus ? -0.0 : 0.0) : Value(std::int64_t{0}), left);
    }
    const Value right = value(*n.parts[1], s);
    c_.at = n.at;
    const char sign = n.is == op::add            ? '+'
                      : n.is == op::subtract     ? '-'
                      : n.is == op::multiply     ? '*'
                      : n.is == op::divide       ? '/'
                      : n.is == op::floor_divide ? 'f'
                      : n.is == op::modulo       ? '%'
                                                 : '^';
    return arithmetic(c_, sign, left, right);
  }

  // Calls.

  Arguments arguments(Node const& n, Scope* s) {
    Arguments a;
    for (std::size_t i = 1; i < n.parts.size(); ++i) a.positional.push_back(value(*n.parts[i], s));
    for (auto const& [name, v] : n.named) a.named.emplace_back(name, value(*v, s));
    if (n.star != nullptr)
      for (const Value v : items(c_, value(*n.star, s))) a.positional.push_back(v);
    if (n.stars != nullptr) {
      const Value more = value(*n.stars, s);
      if (more.is != kind::dict) c_.fail(std::string("** of ") + name_of(more.is), "a dict");
      for (auto const& [key, v] : more.dict->entries) a.named.emplace_back(text_of(c_, key, "a name").bytes, v);
    }
    c_.at = n.at;
    return a;
  }
  Value filtered(Node const& n, Scope* s, Value of) {
    const Context::Deeper deeper(c_);
    if (n.parts[0] != nullptr) of = n.parts[0]->is == op::filter ? filtered(*n.parts[0], s, of) : value(*n.parts[0], s);
    const Arguments a = arguments(n, s);
    return jinja::run(c_, *n.builtin, of, a);
  }
  Value tested(Node const& n, Scope* s) {
    const Value of = value(*n.parts[0], s);
    const Arguments a = arguments(n, s);
    return jinja::run(c_, *n.builtin, of, a);
  }
  /// A call; in a call block, `caller` is its body.
  Value call(Node const& n, Scope* s, Value caller) {
    const Value of = value(*n.parts[0], s);
    Arguments a = arguments(n, s);
    if (of.is == kind::macro) return call_macro(*of.macro, a, caller);
    if (caller.is == kind::macro) c_.fail("a call block of what is no macro", "a macro");
    if (of.is == kind::function) return jinja::run(c_, *of.function->what, of.function->self, a);
    if (of.is == kind::undefined) refuse_undefined(c_, of);
    c_.fail(std::string("a call of ") + name_of(of.is), "a macro, a method or a function");
  }
  Value call_macro(Macro const& m, Arguments const& a, Value caller) {
    const Context::Deeper deeper(c_);
    Node const& n = *m.node;
    Scope* s = scope(m.scope);
    const std::size_t at = c_.at;
    std::vector<Value> more(
        a.positional.begin() + static_cast<std::ptrdiff_t>(std::min(a.positional.size(), n.named.size())),
        a.positional.end());
    if (!more.empty() && !n.takes_more)
      c_.fail(std::to_string(a.positional.size()) + " arguments for the macro " + n.name,
              "at most " + std::to_string(n.named.size()));
    for (std::size_t i = 0; i < n.named.size(); ++i) {
      auto const& [name, otherwise] = n.named[i];
      Value v;
      bool given = i < a.positional.size();
      if (given) v = a.positional[i];
      for (auto const& [key, named_value] : a.named) {
        if (key != name) continue;
        if (given) c_.fail("the argument " + name + " of the macro " + n.name, "it once");
        v = named_value;
        given = true;
      }
      if (!given) v = otherwise != nullptr ? value(*otherwise, s) : c_.undefined("the parameter '" + name + "'");
      s->set(name, v);
    }
    Dict* rest = c_.heap.dict();
    for (auto const& [key, v] : a.named) {
      bool known = false;
      for (auto const& [name, otherwise] : n.named) known = known || key == name;
      if (known) continue;
      if (key == "caller") {
        caller = v;
        continue;
      }
      if (!n.takes_named)
        c_.fail("the argument " + std::string(key) + " of the macro " + n.name, "one of its parameters");
      rest->set(c_.text(key).text, v);
    }
    if (n.takes_more) s->set("varargs", c_.list(std::move(more), shape::tuple));
    if (n.takes_named) s->set("kwargs", Value(rest));
    if (caller.is == kind::macro) {
      if (!n.calls) c_.fail("a call block of the macro " + n.name, "one that uses caller()");
      s->set("caller", caller);
    } else if (n.calls && n.is == op::macro) {
      s->set("caller", c_.undefined("'caller', as no call block is there,"));
    }
    Text out;
    run(n.body, s, out);
    c_.at = at;
    return c_.text(std::move(out));
  }

  Context& c_;
  Scope* global_;
};

}  // namespace fauna::inline v0::jinja
