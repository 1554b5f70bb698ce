// Anything may stand in a file: the reader of safetensors answers with tensors that lie in the file, or with an error.
//
// An input is an index and a shard, `size of the index (4 bytes) | index | shard`, or, where the size is 0, a file
// alone. libFuzzer's mutations would nearly all break the JSON at once, so most inputs are built: a valid file, with
// one to three faults in its structure.
#include <algorithm>
#include <string_view>

#include <fauna/io/json.hpp>
#include <fauna/io/safetensors.hpp>

#include "inputs.hpp"

using namespace fauna;
using fuzz::below, fuzz::pick, fuzz::put, fuzz::Random;

namespace {

struct Entry {
  std::string name, dtype, shape, offsets;
  std::string text() const {
    return name + ":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + '}';
  }
};

std::string quoted(std::string const& s) { return '"' + s + '"'; }

/// A valid file of a few tensors, as parts that faults can be put into.
struct Parts {
  std::vector<Entry> entries;
  std::string metadata, data;
  long long extra_length = 0;

  std::string text(Random& random) const {
    std::string header = "{";
    if (!metadata.empty()) header += "\"__metadata__\":" + metadata + (entries.empty() ? "" : ",");
    for (std::size_t i = 0; i < entries.size(); ++i) header += (i ? "," : "") + entries[i].text();
    header += '}';
    if (below(random, 2) == 0) header.append((8 - header.size() % 8) % 8, ' ');
    const std::uint64_t n = header.size() + static_cast<std::uint64_t>(extra_length);
    return std::string(reinterpret_cast<const char*>(&n), 8) + header + data;
  }
};

Parts valid(Random& random) {
  struct Type {
    const char* name;
    std::size_t bits;
  };
  constexpr Type types[] = {{"F64", 64}, {"F32", 32}, {"F16", 16},    {"BF16", 16}, {"I64", 64},   {"U8", 8},
                            {"BOOL", 8}, {"C64", 64}, {"F8_E4M3", 8}, {"F4", 4},    {"F6_E2M3", 6}};
  Parts parts;
  std::size_t at = 0;
  for (std::size_t i = below(random, 5); i > 0; --i) {
    const Type type = pick(random, types);
    std::size_t elements = 1;
    std::string shape = "[";
    for (std::size_t d = below(random, 4); d > 0; --d) {
      const std::size_t n = type.bits < 8 ? 4 : below(random, 5);
      elements *= n;
      shape += (shape.size() > 1 ? "," : "") + std::to_string(n);
    }
    if (type.bits < 8 && shape.size() == 1) {
      shape += '8';
      elements = 8;
    }
    const std::size_t end = at + elements * type.bits / 8;
    parts.entries.push_back({quoted("t" + std::to_string(i)), quoted(type.name), shape + ']',
                             '[' + std::to_string(at) + ',' + std::to_string(end) + ']'});
    while (at < end) parts.data += static_cast<char>(at++ * 37);
  }
  if (below(random, 3) == 0) parts.metadata = R"({"format":"pt","k":"v"})";
  return parts;
}

void break_something(Parts& parts, Random& random) {
  constexpr const char* values[] = {"0",     "1",    "-1",   "1.0",  "1e2",  "4294967296", "9223372036854775807",
                                    "\"x\"", "null", "true", "[]",   "{}",   "[1,2]",      "18446744073709551616",
                                    "",      "[",    "\"",   "[0,]", "[[]]", "-",          "9223372036854775808"};
  constexpr const char* names[] = {"\"t1\"",
                                   "\"\"",
                                   "\"\\ud83e\\udd8a\"",
                                   "\"\\ud800\"",
                                   "\"\xc3\xa9\"",
                                   "\"\xff\"",
                                   "\"\\u00e9\\n\"",
                                   "\"__metadata__\"",
                                   "\"\\x\"",
                                   "\"a\nb\"",
                                   "\"\xe4\xb8\xad\"",
                                   "\"\xed\xa0\x80\"",
                                   "\"\xf0\x9f\xa6\x8a\"",
                                   "\"\xf4\x90\x80\x80\"",
                                   "\"\\u12",
                                   "\"\\udc00\"",
                                   "\"\\u4e2d\\ud800\\u0041\""};
  constexpr const char* shapes[] = {"[0]", "[]", "[4294967296,4294967296]", "[9223372036854775807,2]", "[3]", "[0,9]"};
  constexpr const char* offsets[] = {"[0,0]", "[4,0]", "[0]", "[0,1,2]", "[9223372036854775807,9223372036854775807]"};
  constexpr const char* metadata[] = {"{}", "{\"a\":1}", "[]", "{\"a\":\"b\",\"a\":\"c\"}", "{\"a\":{}}", "\"x\""};
  Entry none;
  Entry& e = parts.entries.empty() ? none : parts.entries[below(random, parts.entries.size())];
  switch (below(random, 12)) {
    case 0: e.name = pick(random, names); break;
    case 1: e.dtype = below(random, 2) == 0 ? "\"F33\"" : pick(random, values); break;
    case 2: e.shape = below(random, 2) == 0 ? pick(random, shapes) : pick(random, values); break;
    case 3: e.offsets = below(random, 2) == 0 ? pick(random, offsets) : pick(random, values); break;
    case 4: parts.metadata = pick(random, metadata); break;
    case 5: parts.data.resize(parts.data.size() + below(random, 3)); break;
    case 6: parts.data.resize(parts.data.size() - parts.data.size() / 2); break;
    case 7: parts.extra_length = static_cast<long long>(below(random, 64)) - 32; break;
    case 8: e.offsets += std::string(R"(,"dtype":)") + pick(random, values); break;
    case 9: e.shape += std::string(R"(,"strides":)") + pick(random, values); break;
    case 10: parts.entries.push_back(e); break;
    default: {  // deep, or with the white space of JSON between all parts
      if (below(random, 2) == 0) e.shape = std::string(below(random, 200), '[');
      else e.dtype = " \t\r\n" + e.dtype + " \n";
    }
  }
}

std::string index_of(Parts const& parts, Random& random) {
  constexpr const char* shards[] = {"\"shard\"", "\"../shard\"", "\"/shard\"", "\"..\"", "\"\"", "\"nowhere\"", "1"};
  constexpr const char* before[] = {"", R"("metadata":{"total_size":1,"list":[1,-2.5e-3,true,null,{"a":"b"}]},)",
                                    R"("weight_map":{},)", R"("metadata":[1,{,)"};
  std::string map;
  for (auto const& e : parts.entries) {
    if (below(random, 12) == 0) continue;
    const std::string shard = below(random, 12) == 0 ? pick(random, shards) : shards[0];
    map += (map.empty() ? "" : ",") + e.name + ':' + shard;
  }
  return '{' + std::string(pick(random, before)) + (below(random, 12) == 0 ? "\"no_map\":{" : "\"weight_map\":{") +
         map + "}}";
}

std::string input_of(Random& random) {
  Parts parts = valid(random);
  const std::string index = below(random, 3) == 0 ? index_of(parts, random) : "";
  for (std::size_t faults = below(random, 4); faults > 0; --faults) break_something(parts, random);
  const auto n = static_cast<std::uint32_t>(index.size());
  return std::string(reinterpret_cast<const char*>(&n), 4) + index + parts.text(random);
}

struct Place {
  TemporaryFolder folder = fuzz::folder();
  std::string shard = folder / "shard", written = folder / "written", index = folder / "model.safetensors.index.json";
};

/// What a reader may rely on for every file that was not refused. (The map ends with a page, so that reading past the
/// file's end shows up nowhere: places are compared with the file's size.)
void check(SafeTensors const& read, const std::uint8_t* shard, std::size_t size) {
  std::uint64_t header = 0;
  if (!read.tensors().empty()) std::memcpy(&header, shard, 8);
  std::size_t at = 0;
  for (auto const& t : read.tensors()) {
    if (t.data != read.tensors()[0].data + at) std::abort();
    at += t.bytes;
    if (8 + header + at > size) std::abort();
    if (t.dtype[0] == 'F' || t.dtype[0] == 'B') {
      std::vector<float> v(t.elements());
      try {
        read_floats(t, 0, v.size(), v.data());
      } catch (error const&) {  // F8 and BOOL are no floats here
      }
    }
  }
  if (at > 0 && 8 + header + at != size) std::abort();  // no byte is left over
  fuzz::check_tensors(read);
  for (std::string const& name : read.stale())
    if (read.find(name) != nullptr) std::abort();
}

/// What was read can be written, and is then read as the same.
void check_written(SafeTensors const& read, std::string const& path) {
  write_safetensors(path, read.tensors(), read.metadata());
  const SafeTensors again(path);
  if (again.tensors().size() != read.tensors().size() || again.metadata() != read.metadata()) std::abort();
  for (auto const& t : read.tensors()) {
    const SafeTensor* const w = again.find(t.name);
    if (w == nullptr || w->text() != t.text() || w->bytes != t.bytes) std::abort();
    if (t.bytes > 0 && std::memcmp(w->data, t.data, t.bytes) != 0) std::abort();
  }
}

/// Every value of a JSON text, read as what it says that it is.
void read_value(JsonReader& in) {
  switch (in.peek()) {
    case json::object:
      in.enter_object();
      for (std::string key; in.next_key(key);) read_value(in);
      break;
    case json::array:
      in.enter_array();
      while (in.next_item()) read_value(in);
      break;
    case json::string: (void)in.string(); break;
    case json::number:
      if (in.whole_next()) (void)in.integer();
      else (void)in.number();
      break;
    case json::boolean: (void)in.boolean(); break;
    case json::null: in.skip(); break;
  }
}
/// The first JSON text in an input, wherever it begins: a value, or an error behind which the reader stands in the
/// text.
void check_json(std::string_view text) {
  text.remove_prefix(std::min(text.find('{'), text.size()));
  JsonReader in(text, "an input");
  try {
    read_value(in);
  } catch (error const&) {}
  if (in.at() > text.size()) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_json({reinterpret_cast<const char*>(data), size});
  static const Place place;
  std::uint32_t n = 0;
  if (size < 4) return 0;
  std::memcpy(&n, data, 4);
  if (n > size - 4) return 0;
  put(place.shard, data + 4 + n, size - 4 - n);
  if (n > 0) put(place.index, data + 4, n);
  SafeTensors read;
  try {
    read = SafeTensors(n == 0 ? place.shard : n % 2 == 0 ? place.index : place.folder.path());
  } catch (error const&) {
    return 0;
  }
  check(read, data + 4 + n, size - 4 - n);
  check_written(read, place.written);
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  return fuzz::mutate(data, size, most, seed, input_of);
}
