// GGUF files as bytes, for tests and the fuzz target.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace gguf {

template <class T> std::string raw(T x) {
  std::string bytes(sizeof x, '\0');
  std::memcpy(bytes.data(), &x, sizeof x);
  return bytes;
}
inline std::string text(std::string const& s) { return raw(std::uint64_t{s.size()}) + s; }

enum type : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

inline std::string key(std::string const& name, type t, std::string const& value) {
  return text(name) + raw(t) + value;
}
inline std::string list(std::string const& name, type t, std::uint64_t count, std::string const& values) {
  return key(name, array, raw(t) + raw(count) + values);
}
inline std::string texts(std::string const& name, std::vector<std::string> const& all) {
  std::string values;
  for (auto const& s : all) values += text(s);
  return list(name, string, all.size(), values);
}
/// `sizes` as the file has them: the last dimension first.
inline std::string tensor(std::string const& name, std::uint32_t type, std::vector<std::uint64_t> const& sizes,
                          std::uint64_t offset) {
  std::string s = text(name) + raw(static_cast<std::uint32_t>(sizes.size()));
  for (const std::uint64_t n : sizes) s += raw(n);
  return s + raw(type) + raw(offset);
}
inline std::string padded(std::string s, std::size_t to = 32) {
  s.resize((s.size() + to - 1) / to * to);
  return s;
}
/// The keys that say how rows of heads lie in an architecture's file.
inline std::string heads(std::string const& architecture, int queries, int keys) {
  return key("general.architecture", string, text(architecture)) +
         key(architecture + ".attention.head_count", i32, raw(queries)) +
         key(architecture + ".attention.head_count_kv", i32, raw(keys));
}
constexpr std::uint64_t heads_keys = 3;
inline std::string header(std::uint64_t tensors, std::uint64_t keys, std::uint32_t version = 3) {
  return "GGUF" + raw(version) + raw(tensors) + raw(keys);
}

}  // namespace gguf
