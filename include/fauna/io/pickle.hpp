// Pickles as PyTorch writes them (Python's pickletools.py says what each opcode does), read without running anything: a
// small stack machine builds a tree of values, in which a tensor is a description of where its numbers lie. What could
// make Python call a function is an error by name, but for the few names that stand for tensors and dictionaries.
#pragma once
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fauna/core/error.hpp>

namespace fauna::inline v0 {

struct PickleValue {
  enum kind { none, boolean, integer, number, text, tuple, list, dictionary, name, storage, tensor } is = none;
  long long value = 0;              ///< of a boolean or an integer
  std::string word{};               ///< a text; "module name"; of a storage its type, such as FloatStorage
  std::vector<std::size_t> items{}; /**< of a tuple or list; of a dictionary key, value, ...; of a storage its key and
                                       how many elements it has; of a tensor storage, offset, sizes, strides */
};

/// A pickle's values; items are indices into `values`.
class Pickle {
 public:
  /// Throws, naming `source`, for what no tensors and dictionaries are made of.
  Pickle(std::string_view bytes, std::string const& source) : in_(bytes), source_(source) {
    constexpr std::size_t longest = std::size_t{1} << 24;
    if (bytes.size() > longest)
      refuse("a pickle of " + std::to_string(bytes.size()) + " bytes", "at most " + std::to_string(longest));
    while (!done_) step();
  }

  std::vector<PickleValue> const& values() const { return values_; }
  PickleValue const& root() const { return values_[root_]; }
  PickleValue const& operator[](std::size_t i) const { return values_[i]; }

 private:
  using V = PickleValue;
  static constexpr std::size_t mark = ~std::size_t{0};

  [[noreturn]] void refuse(std::string const& found, std::string const& expected) const {
    fail("pickle", source_ + " has " + found, expected, "only tensors and dictionaries are read, and nothing is run");
  }
  void expect(bool ok, const char* what) const {
    if (!ok) refuse(what, "a pickle as torch.save writes it");
  }

  std::string_view take(std::size_t n) {
    expect(n <= in_.size(), "an end in the middle");
    const std::string_view bytes = in_.substr(0, n);
    in_.remove_prefix(n);
    return bytes;
  }
  template <class N> N number() {
    N n;
    std::memcpy(&n, take(sizeof n).data(), sizeof n);
    return n;
  }
  std::string line() {
    const std::size_t end = in_.find('\n');
    expect(end != std::string_view::npos && end < 256, "a name without an end");
    std::string s(take(end));
    take(1);
    return s;
  }

  void push(std::size_t i) { stack_.push_back(i); }
  void push(V v) {
    constexpr std::size_t most = std::size_t{1} << 22;
    if (values_.size() == most) refuse("more than " + std::to_string(most) + " values", "fewer");
    values_.push_back(std::move(v));
    push(values_.size() - 1);
  }
  std::size_t pop() {
    expect(!stack_.empty() && stack_.back() != mark, "an operation without operands");
    const std::size_t i = stack_.back();
    stack_.pop_back();
    return i;
  }
  V& top() {
    expect(!stack_.empty() && stack_.back() != mark, "an operation without operands");
    return values_[stack_.back()];
  }
  /// What lies above the last mark, which goes too.
  std::vector<std::size_t> pop_to_mark() {
    std::size_t from = stack_.size();
    while (from > 0 && stack_[from - 1] != mark) --from;
    expect(from > 0, "an end without a beginning");
    std::vector<std::size_t> items(stack_.begin() + static_cast<std::ptrdiff_t>(from), stack_.end());
    stack_.resize(from - 1);
    return items;
  }
  void push_tuple(std::size_t n) {
    V v{V::tuple};
    v.items.resize(n);
    while (n > 0) v.items[--n] = pop();
    push(static_cast<V&&>(v));
  }
  void push_integer(long long n) {
    V v{V::integer};
    v.value = n;
    push(static_cast<V&&>(v));
  }
  void add(std::vector<std::size_t> const& items, V::kind to) {
    V& v = top();
    expect(v.is == to && (to == V::list || items.size() % 2 == 0), "items of no list or dictionary");
    v.items.insert(v.items.end(), items.begin(), items.end());
  }
  void recall(std::uint32_t key) {
    const auto found = memo_.find(key);
    expect(found != memo_.end(), "a reference to nothing");
    push(found->second);
  }
  void remember(std::uint32_t key) {
    top();
    memo_[key] = stack_.back();
  }

  void step() {
    const unsigned op = number<std::uint8_t>();
    switch (op) {
      case 0x80: expect(number<std::uint8_t>() == 2, "another protocol than 2"); break;
      case '(': push(mark); break;
      case ')': push_tuple(0); break;
      case 0x85: push_tuple(1); break;
      case 0x86: push_tuple(2); break;
      case 0x87: push_tuple(3); break;
      case 't': {
        V v{V::tuple};
        v.items = pop_to_mark();
        push(static_cast<V&&>(v));
        break;
      }
      case ']': push(V{V::list}); break;
      case '}': push(V{V::dictionary}); break;
      case 'a': {
        const std::size_t item = pop();
        add({item}, V::list);
        break;
      }
      case 'e': add(pop_to_mark(), V::list); break;
      case 's': {
        const std::size_t value = pop(), key = pop();
        add({key, value}, V::dictionary);
        break;
      }
      case 'u': add(pop_to_mark(), V::dictionary); break;
      case 'N': push(V{V::none}); break;
      case 0x88:
      case 0x89:
        push(V{V::boolean});
        top().value = op == 0x88;
        break;
      case 'J': push_integer(number<std::int32_t>()); break;
      case 'K': push_integer(number<std::uint8_t>()); break;
      case 'M': push_integer(number<std::uint16_t>()); break;
      case 0x8a: push_integer(long_integer()); break;
      case 'G':
        take(8);
        push(V{V::number});
        break;
      case 'X': {
        V v{V::text};
        v.word = take(number<std::uint32_t>());
        push(static_cast<V&&>(v));
        break;
      }
      case 'q': remember(number<std::uint8_t>()); break;
      case 'r': remember(number<std::uint32_t>()); break;
      case 'h': recall(number<std::uint8_t>()); break;
      case 'j': recall(number<std::uint32_t>()); break;
      case 'c': push_name(); break;
      case 'Q': push_storage(); break;
      case 'R': call(); break;
      case 'b': {  // a state dictionary's _metadata: versions of modules
        const bool plain = values_[pop()].is == V::dictionary;
        expect(plain && top().is == V::dictionary, "an object with a state");
        break;
      }
      case '.':
        root_ = pop();
        expect(stack_.empty(), "more than one value");
        done_ = true;
        break;
      default: {
        constexpr char hex[] = "0123456789abcdef";
        refuse(std::string("the opcode 0x") + hex[op >> 4] + hex[op & 15U], "one of those that torch.save writes");
      }
    }
  }

  /// Little-endian, two's complement.
  long long long_integer() {
    const std::string_view bytes = take(number<std::uint8_t>());
    expect(bytes.size() <= 8, "a number of more than 64 bits");
    unsigned long long n = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i)
      n |= static_cast<unsigned long long>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    if (!bytes.empty() && bytes.size() < 8 && (static_cast<unsigned char>(bytes.back()) & 0x80U) != 0)
      n |= ~0ULL << (8 * bytes.size());
    return static_cast<long long>(n);
  }

  void push_name() {
    const std::string module = line(), what = line();
    const bool known = (module == "collections" && what == "OrderedDict") ||
                       (module == "torch._utils" && (what == "_rebuild_tensor_v2" || what == "_rebuild_parameter")) ||
                       (module == "torch" && what.size() > 7 && what.substr(what.size() - 7) == "Storage");
    if (!known) refuse(module + '.' + what, "tensors and dictionaries");
    V v{V::name};
    v.word = module + ' ' + what;
    push(static_cast<V&&>(v));
  }
  /// ("storage", type, key, device, elements)
  void push_storage() {
    const V id = values_[pop()];
    const auto item = [&](std::size_t i, V::kind is) -> V const& {
      expect(id.is == V::tuple && id.items.size() == 5 && values_[id.items[i]].is == is, "a storage that is none");
      return values_[id.items[i]];
    };
    expect(item(0, V::text).word == "storage", "something stored that is no storage");
    item(2, V::text), item(4, V::integer);
    V v{V::storage};
    v.word = item(1, V::name).word;
    expect(v.word.substr(0, 6) == "torch ", "a storage of no type");
    v.word.erase(0, 6);
    v.items = {id.items[2], id.items[4]};
    push(static_cast<V&&>(v));
  }
  void call() {
    const V arguments = values_[pop()], function = values_[pop()];
    expect(function.is == V::name && arguments.is == V::tuple, "a call of no function");
    const auto given = [&](std::size_t i, V::kind is) {
      return i < arguments.items.size() && values_[arguments.items[i]].is == is;
    };
    if (function.word == "collections OrderedDict") {
      expect(arguments.items.empty(), "an OrderedDict made of something");
      push(V{V::dictionary});
    } else if (function.word == "torch._utils _rebuild_parameter") {
      expect(given(0, V::tensor), "a parameter of no tensor");
      push(arguments.items[0]);
    } else if (function.word == "torch._utils _rebuild_tensor_v2") {
      expect(given(0, V::storage) && given(1, V::integer) && given(2, V::tuple) && given(3, V::tuple),
             "a tensor of no storage, offset, size and stride");
      V v{V::tensor};
      v.items.assign(arguments.items.begin(), arguments.items.begin() + 4);
      push(static_cast<V&&>(v));
    } else {
      refuse("a call of " + function.word, "tensors and dictionaries");
    }
  }

  std::string_view in_;
  std::string source_;
  std::vector<V> values_;
  std::vector<std::size_t> stack_;
  std::unordered_map<std::uint32_t, std::size_t> memo_;
  std::size_t root_ = 0;
  bool done_ = false;
};

}  // namespace fauna::inline v0
