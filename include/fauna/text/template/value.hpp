// Values of templates: Python's, as far as chat templates use them. A value is a few bytes; what is larger lies in a
// heap that lives as long as a rendering, and never changes, but for namespaces.
#pragma once
#include <deque>
#include <unordered_map>
#include <utility>

#include <fauna/io/json.hpp>
#include <fauna/text/template/text.hpp>

namespace fauna::inline v0::jinja {

enum class kind : unsigned char {
  undefined,
  none,
  boolean,
  integer,
  real,
  text,
  list,
  dict,
  names,
  loop,
  macro,
  function
};
constexpr const char* name_of(kind k) {
  constexpr const char* names[] = {"undefined", "none",   "a boolean",   "an integer", "a float", "a string",
                                   "a list",    "a dict", "a namespace", "a loop",     "a macro", "a function"};
  return names[static_cast<int>(k)];
}

struct List;
struct Dict;
struct Names;
struct Loop;
struct Macro;
struct Function;

struct Value {
  kind is = kind::undefined;
  union {
    bool flag;
    std::int64_t whole;
    double real;
    Text const* text;  ///< of undefined: what is, in words; or null
    List const* list;
    Dict const* dict;
    Names* names;
    Loop* loop;
    Macro const* macro;
    Function const* function;
  };

  constexpr Value() : text(nullptr) {}
  explicit constexpr Value(bool b) : is(kind::boolean), flag(b) {}
  explicit constexpr Value(std::int64_t n) : is(kind::integer), whole(n) {}
  explicit constexpr Value(double x) : is(kind::real), real(x) {}
  explicit constexpr Value(Text const* t) : is(kind::text), text(t) {}
  explicit constexpr Value(List const* l) : is(kind::list), list(l) {}
  explicit constexpr Value(Dict const* d) : is(kind::dict), dict(d) {}
  explicit constexpr Value(Names* n) : is(kind::names), names(n) {}
  explicit constexpr Value(Loop* l) : is(kind::loop), loop(l) {}
  explicit constexpr Value(Macro const* m) : is(kind::macro), macro(m) {}
  explicit constexpr Value(Function const* f) : is(kind::function), function(f) {}
  static constexpr Value none() {
    Value v;
    v.is = kind::none;
    return v;
  }
  static constexpr Value undefined(Text const* what) {
    Value v;
    v.text = what;
    return v;
  }
  constexpr bool whole_number() const { return is == kind::integer || is == kind::boolean; }
  constexpr bool number() const { return whole_number() || is == kind::real; }
  constexpr std::int64_t as_whole() const { return is == kind::boolean ? std::int64_t{flag} : whole; }
  constexpr double as_real() const { return is == kind::real ? real : static_cast<double>(as_whole()); }
};

/// Python's sequences and what only iterates. A generator, which filters such as `map` give, can be gone through once,
/// has no length and is always true.
enum class shape : unsigned char { list, tuple, generator, keys, values, items, range };
struct List {
  std::vector<Value> items{};
  shape as = shape::list;
  mutable bool spent = false;
};

/// In the order of insertion. Keys that are strings are found by hash.
struct Dict {
  std::vector<std::pair<Value, Value>> entries{};
  std::unordered_map<std::string_view, std::size_t> places{};

  Value const* find(std::string_view key) const {
    const auto at = places.find(key);
    return at == places.end() ? nullptr : &entries[at->second].second;
  }
  /// A string as the key; the last value of a key counts. The key's text must outlive the dict.
  void set(Text const* key, Value v) {
    const auto [at, fresh] = places.try_emplace(key->bytes, entries.size());
    if (fresh) entries.emplace_back(Value(key), v);
    else entries[at->second].second = v;
  }
};

/// What namespace() makes: the one thing that a template may change.
struct Names {
  std::vector<std::pair<std::string, Value>> entries{};
  Value* find(std::string_view name) {
    for (auto& e : entries)
      if (e.first == name) return &e.second;
    return nullptr;
  }
};

/// `loop`, in a for.
struct Loop {
  std::vector<Value> const* items;
  std::size_t index = 0;
  bool has_changed = false;
  std::vector<Value> last{};  ///< what changed() saw
};

struct Node;
struct Scope;
/// A macro with the scope that it was written in; or the body of a call block.
struct Macro {
  Node const* node;
  Scope* scope;
};
struct Builtin;
/// A global function, or a method with its object.
struct Function {
  Builtin const* what;
  Value self{};
};

/// Names of a block, before those of what surrounds it.
struct Scope {
  Scope const* around = nullptr;
  std::vector<std::pair<std::string_view, Value>> entries{};

  Value const* find(std::string_view name) const {
    for (Scope const* s = this; s != nullptr; s = s->around)
      for (auto const& e : s->entries)
        if (e.first == name) return &e.second;
    return nullptr;
  }
  void set(std::string_view name, Value v) {
    for (auto& e : entries)
      if (e.first == name) return void(e.second = v);
    entries.emplace_back(name, v);
  }
};

/// Where values lie. They are freed with it.
class Heap {
 public:
  Text const* text(Text t) { return &texts_.emplace_back(std::move(t)); }
  Text const* text(std::string_view s, char with = own) {
    Text t;
    t.add(s, with);
    return text(std::move(t));
  }
  List const* list(std::vector<Value> items, shape as = shape::list) {
    return &lists_.emplace_back(List{std::move(items), as});
  }
  Dict* dict() { return &dicts_.emplace_back(); }
  Names* names() { return &names_.emplace_back(); }
  Loop* loop(std::vector<Value> const* items) { return &loops_.emplace_back(Loop{items}); }
  Macro const* macro(Node const* node, Scope* scope) { return &macros_.emplace_back(Macro{node, scope}); }
  Function const* function(Builtin const* what, Value self) { return &functions_.emplace_back(Function{what, self}); }
  Scope* scope(Scope const* around) { return &scopes_.emplace_back(Scope{around}); }

 private:
  std::deque<Text> texts_{};
  std::deque<List> lists_{};
  std::deque<Dict> dicts_{};
  std::deque<Names> names_{};
  std::deque<Loop> loops_{};
  std::deque<Macro> macros_{};
  std::deque<Function> functions_{};
  std::deque<Scope> scopes_{};
};

/// The next value of a JSON text. Strings get the mark `with`: somebody else wrote them. What stands under one of the
/// keys `role` and `type` and is one of their usual words is the template's to spell.
inline Value read_json(JsonReader& in, Heap& heap, char with = foreign) {
  switch (in.peek()) {
    case json::object: {
      Dict* d = heap.dict();
      in.enter_object();
      for (std::string key; in.next_key(key);) {
        Text const* k = heap.text(key, with);
        if (with == own || in.peek() != json::string || (key != "role" && key != "type")) {
          d->set(k, read_json(in, heap, with));
          continue;
        }
        constexpr std::string_view usual[] = {"system",   "developer", "user",          "assistant", "tool",
                                              "function", "ipython",   "tool_response", "text",      "object",
                                              "string",   "number",    "integer",       "boolean",   "array"};
        const std::string s = in.string();
        bool known = false;
        for (const std::string_view u : usual) known = known || s == u;
        d->set(k, Value(heap.text(s, known ? char{own} : with)));
      }
      return Value(d);
    }
    case json::array: {
      std::vector<Value> items;
      in.enter_array();
      while (in.next_item()) items.push_back(read_json(in, heap, with));
      return Value(heap.list(std::move(items)));
    }
    case json::string: return Value(heap.text(in.string(), with));
    case json::boolean: return Value(in.boolean());
    case json::null: in.null(); return Value::none();
    case json::number: break;
  }
  return in.whole_next() ? Value(static_cast<std::int64_t>(in.integer())) : Value(in.number());
}

}  // namespace fauna::inline v0::jinja
