// Writes GGUF, version 3 (io/gguf.hpp has the format), as ggml's own writer does: keys and tensors in the order in
// which they are given, each tensor, the last one too, filled up with zeros to a multiple of general.alignment.
#pragma once
#include <type_traits>

#include <fauna/io/gguf.hpp>

namespace fauna::inline v0 {

/// Keys and their values. What C++ calls a type says which of the format's it is: `put("a.b", std::uint32_t{3})`.
/// Texts are written as they are.
class GgufMetadata {
 public:
  template <class T> void put(std::string_view key, T value) {
    begin(key, type_of<T>());
    if constexpr (std::is_convertible_v<T, std::string_view>) text(value);
    else raw(value);
    if constexpr (std::is_same_v<T, std::uint32_t>)
      if (key == alignment_key) alignment_ = value;
    if (key == alignment_key && (!std::is_same_v<T, std::uint32_t> || alignment_ < 8 || alignment_ & (alignment_ - 1)))
      fail("gguf", "an alignment of this", "a power of two, at least 8, as u32");
  }
  /// An array.
  template <class T> void put(std::string_view key, std::vector<T> const& values) {
    if (key == alignment_key) fail("gguf", "an array for " + std::string(key), "u32");
    begin(key, Gguf::type_array);
    raw(type_of<T>());
    raw(static_cast<std::uint64_t>(values.size()));
    for (auto&& v : values)
      if constexpr (std::is_convertible_v<T, std::string_view>) text(v);
      else raw(static_cast<T>(v));
  }

  /// A value of another file, as Gguf::encoded gives it.
  void put_encoded(std::string_view key, std::string_view value) {
    if (key == alignment_key) fail("gguf", "another file's " + std::string(key), "one of this file's own");
    begin(key);
    bytes_ += value;
  }

  std::string const& bytes() const { return bytes_; }
  std::size_t keys() const { return names_.size(); }
  std::uint32_t alignment() const { return alignment_; }

  template <class T> static constexpr std::uint32_t type_of() {
    if constexpr (std::is_convertible_v<T, std::string_view>) return Gguf::type_string;
    else if constexpr (std::is_same_v<T, bool>) return Gguf::type_bool;
    else if constexpr (std::is_same_v<T, float>) return Gguf::type_f32;
    else if constexpr (std::is_same_v<T, double>) return Gguf::type_f64;
    else if constexpr (std::is_same_v<T, std::uint64_t>) return Gguf::type_u64;
    else if constexpr (std::is_same_v<T, std::int64_t>) return Gguf::type_i64;
    else if constexpr (std::is_same_v<T, std::uint32_t>) return Gguf::type_u32;
    else if constexpr (std::is_same_v<T, std::int32_t>) return Gguf::type_i32;
    else if constexpr (std::is_same_v<T, std::uint16_t>) return Gguf::type_u16;
    else if constexpr (std::is_same_v<T, std::int16_t>) return Gguf::type_i16;
    else if constexpr (std::is_same_v<T, std::uint8_t>) return Gguf::type_u8;
    else {
      static_assert(std::is_same_v<T, std::int8_t>, "fauna: GGUF has no values of this type");
      return Gguf::type_i8;
    }
  }

 private:
  static constexpr std::string_view alignment_key = "general.alignment";

  void begin(std::string_view key, std::uint32_t type) {
    begin(key);
    raw(type);
  }
  void begin(std::string_view key) {
    bool plain = !key.empty() && key.size() <= 65535;
    for (const char c : key) plain = plain && c > ' ' && c < '\x7f';
    if (!plain) fail("gguf", "the key '" + std::string(key) + '\'', "ASCII without spaces, 1 to 65535 bytes");
    for (std::string const& known : names_)
      if (known == key) fail("gguf", "the key " + known + " twice", "it once");
    names_.emplace_back(key);
    text(key);
  }
  template <class T> void raw(T const& value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void text(std::string_view s) {
    raw(static_cast<std::uint64_t>(s.size()));
    bytes_ += s;
  }

  std::string bytes_;
  std::vector<std::string> names_;
  std::uint32_t alignment_ = 32;
};

namespace gguf_detail {

/// The number of a tensor's type.
inline std::uint32_t number_of(SafeTensor const& t) {
  for (Gguf::Plain const& p : Gguf::plain)
    if (t.dtype == p.name) return p.type;
  if (BlockFormat const* f = block_format(t.dtype)) return f->gguf;
  fail("gguf", t.name + " is of dtype " + t.dtype, "a type that GGUF has");
}

/// The bytes that numbers of its type and shape take.
inline std::size_t bytes_of(SafeTensor const& t) {
  BlockFormat const* const f = block_format(t.dtype);
  std::size_t n = f == nullptr ? safetensors_detail::bits_of(t.dtype) / 8 : f->bytes;
  for (std::size_t i = 0; i < t.shape.size(); ++i) {
    const bool row = i + 1 == t.shape.size() && f != nullptr;
    if (t.shape[i] == 0 || (row && t.shape[i] % f->elements != 0))
      fail("gguf", t.name + ' ' + t.text(),
           f == nullptr ? "no size of 0" : "rows of whole blocks of " + std::to_string(f->elements));
    n = safetensors_detail::product(n, row ? t.shape[i] / f->elements : t.shape[i], t.name);
  }
  return n;
}

inline std::size_t filled_up(std::size_t n, std::size_t alignment) { return (n + alignment - 1) & ~(alignment - 1); }

}  // namespace gguf_detail

/// The first bytes of a file, up to the data. T is a SafeTensor; `path` names the file in errors.
template <class T>
std::string gguf_header(std::string const& path, std::vector<T> const& tensors, GgufMetadata const& metadata) {
  std::string header;
  const auto raw = [&header](auto value) { header.append(reinterpret_cast<const char*>(&value), sizeof value); };
  raw(Gguf::magic);
  raw(std::uint32_t{3});
  raw(static_cast<std::uint64_t>(tensors.size()));
  raw(static_cast<std::uint64_t>(metadata.keys()));
  header += metadata.bytes();
  std::vector<std::string_view> names;
  std::uint64_t at = 0;
  for (SafeTensor const& t : tensors) {
    constexpr std::size_t longest = 63;  // ggml's GGML_MAX_NAME, with the zero at its end
    if (t.name.empty() || t.name.size() > longest)
      fail("gguf", path + " would have the tensor '" + t.name + '\'', "a name of 1 to 63 bytes");
    if (t.shape.empty() || t.shape.size() > 4) fail("gguf", t.name + ' ' + t.text(), "1 to 4 dimensions");
    const std::uint32_t type = gguf_detail::number_of(t);
    if (const std::size_t bytes = gguf_detail::bytes_of(t); bytes != t.bytes)
      fail("gguf", t.name + ' ' + t.text() + " with " + std::to_string(t.bytes) + " bytes", std::to_string(bytes));
    names.emplace_back(t.name);
    raw(static_cast<std::uint64_t>(t.name.size()));
    header += t.name;
    raw(static_cast<std::uint32_t>(t.shape.size()));
    for (std::size_t i = t.shape.size(); i-- > 0;) raw(static_cast<std::uint64_t>(t.shape[i]));
    raw(type);
    raw(at);
    at = gguf_detail::filled_up(at + t.bytes, metadata.alignment());
  }
  safetensors_detail::no_name_twice(names, path + " would have the tensor ");
  header.resize(gguf_detail::filled_up(header.size(), metadata.alignment()));
  return header;
}

/// Writes a file under a temporary name and renames it. `bytes(t)` gives a tensor's bytes when their turn has come, for
/// tensors that are made while they are written. Throws for a tensor of a type that GGUF does not have, or whose bytes
/// are not those of its shape, for a name that comes twice, and where the disk refuses; what stood at `path` is then as
/// it was.
template <class T, class Bytes>
void write_gguf(std::string const& path, GgufMetadata const& metadata, std::vector<T> const& tensors, Bytes&& bytes) {
  const std::string header = gguf_header(path, tensors, metadata), zeros(metadata.alignment(), '\0');
  NewFile out(path);
  out.write(header.data(), header.size());
  for (T const& t : tensors) {
    out.write(bytes(t), t.bytes);
    out.write(zeros.data(), gguf_detail::filled_up(t.bytes, metadata.alignment()) - t.bytes);
  }
  out.commit();
}
/// The same for tensors whose `data` are there already.
inline void write_gguf(std::string const& path, GgufMetadata const& metadata, std::vector<SafeTensor> const& tensors) {
  write_gguf(path, metadata, tensors, [](SafeTensor const& t) { return t.data; });
}

}  // namespace fauna::inline v0
