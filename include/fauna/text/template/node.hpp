// The tree of a template.
#pragma once
#include <fauna/text/template/builtin.hpp>

namespace fauna::inline v0::jinja {

enum class op : unsigned char {
  // expressions
  constant,
  name,
  list,
  tuple,
  dict,
  attribute,
  item,
  slice,
  call,
  filter,
  test,
  negation,
  minus,
  plus,
  add,
  subtract,
  multiply,
  divide,
  floor_divide,
  modulo,
  power,
  concatenate,
  compare,
  both,
  either,
  choice,
  // statements
  output,
  loop,
  branch,
  set,
  set_block,
  macro,
  call_block,
  filter_block,
  with,
  leave,
  next,
  generation
};

struct Node {
  op is = op::constant;
  std::size_t at = 0;
  Value constant{};
  std::string name{};                ///< of a name, attribute, filter, test or macro
  std::vector<Node const*> parts{};  ///< operands; of a call, filter or test: what it is of (or null), then arguments
  std::vector<std::pair<std::string, Node const*>> named{};  ///< arguments; a macro's parameters with defaults or null
  Node const *star = nullptr, *stars = nullptr;              ///< *arguments, **arguments
  Node const* target = nullptr;                              ///< of set and loop
  Builtin const* builtin = nullptr;
  std::vector<Node const*> body{}, otherwise{};
  std::vector<std::string> signs{};                             ///< of a comparison
  bool takes_more = false, takes_named = false, calls = false;  ///< a macro uses varargs, kwargs, caller
};

}  // namespace fauna::inline v0::jinja
