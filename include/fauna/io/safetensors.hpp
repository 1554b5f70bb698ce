// safetensors: tensors by name in one file, or in the shards of an index; read and written. The file is mapped; nothing
// is copied. What the numbers are is the business of whoever loads them. The format is in io/safetensors_header.hpp.
#pragma once
#include <fauna/core/dtype.hpp>
#include <fauna/io/file.hpp>
#include <fauna/io/quants.hpp>
#include <fauna/io/safetensors_header.hpp>
#include <fauna/io/scaled.hpp>
#include <fauna/io/sharded.hpp>

namespace fauna::inline v0 {

/// The tensors of a file, of an index with its shards, or of a directory that has either.
class SafeTensors : public Sharded {
 public:
  using Metadata = safetensors_detail::Metadata;

  SafeTensors() = default;
  /// Maps the files and reads their headers. A directory is read as its model.safetensors, or else as its
  /// model.safetensors.index.json; shards stand beside their index. Throws, naming the file and the tensor, where a
  /// file is missing or cut short or is not in the format, a name comes twice, or an index and its shards disagree.
  explicit SafeTensors(std::string const& path) : Sharded("safetensors", path) {
    open("model.safetensors", [this](std::string const& file) { open_file(file); });
  }

  Metadata const& metadata() const { return metadata_; }

 private:
  void open_file(std::string const& path) {
    const std::string_view bytes = map(path);
    safetensors_detail::parse(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), path, tensors_,
                              metadata_);
  }

  Metadata metadata_;
};

/// What the format calls numbers of a type.
template <class T> inline constexpr const char* float_dtype = nullptr;
template <> inline constexpr const char* float_dtype<double> = "F64";
template <> inline constexpr const char* float_dtype<float> = "F32";
template <> inline constexpr const char* float_dtype<f16> = "F16";
template <> inline constexpr const char* float_dtype<bf16> = "BF16";

/// n numbers of a tensor, from element `from` on, as f32 or f64; F64, F32, F16 and BF16, at any address, and the blocks
/// of quants.hpp, and what scaled.hpp joins.
template <class T> void read_floats(SafeTensor const& t, std::size_t from, std::size_t n, T* to) {
  if (n == 0) return;  // memcpy wants addresses even for nothing
  if (t.dtype == float_dtype<T>) {
    std::memcpy(to, t.data + from * sizeof(T), n * sizeof(T));
    return;
  }
  const auto each = [&]<class F>(F) {
    if (t.dtype != float_dtype<F>) return false;
    const std::byte* at = t.data + from * sizeof(F);
    for (std::size_t i = 0; i < n; ++i, at += sizeof(F)) {
      F x;
      std::memcpy(&x, at, sizeof x);
      to[i] = static_cast<T>(x);
    }
    return true;
  };
  if (is_scaled(t.dtype)) return scaled_detail::read(t, from, n, to);
  if (const BlockFormat* blocks = block_format(t.dtype)) return read_blocks(*blocks, t.data, from, n, to);
  if (!each(bf16{}) && !each(f16{}) && !each(0.0F) && !each(0.0))
    fail("safetensors", t.name + " is of dtype " + t.dtype, "F64, F32, F16 or BF16");
}

/// The first bytes of a file, up to the data: the header with its length. Sorts the tensors into the order of their
/// data: by the size of their elements, largest first, then by name. The data start at a multiple of 8 bytes. T is a
/// SafeTensor; `path` names the file in errors.
template <class T>
std::string safetensors_header(std::string const& path, std::vector<T>& tensors,
                               safetensors_detail::Metadata const& metadata) {
  namespace d = safetensors_detail;
  d::sort(tensors, [](SafeTensor const& a, SafeTensor const& b) {
    const std::size_t x = d::bits_of(a.dtype), y = d::bits_of(b.dtype);
    return x != y ? x > y : a.name < b.name;
  });
  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (std::size_t i = 0; i < metadata.size(); ++i) {
      if (i > 0) header += ',';
      header += json_quoted(metadata[i].first) + ':' + json_quoted(metadata[i].second);
    }
    header += '}';
  }
  std::size_t at = 0;
  for (auto const& t : tensors) {
    const std::size_t bits = d::bits_of(t.dtype);
    if (bits == 0 || d::product(t.elements(), bits, t.name) != 8 * t.bytes)
      fail("safetensors", t.name + " of " + t.text() + " with " + std::to_string(t.bytes) + " bytes",
           "a dtype of the format, and the bytes of its shape");
    if (header.size() > 1) header += ',';
    header += json_quoted(t.name) + ":{\"dtype\":\"" + t.dtype + "\",\"shape\":[";
    for (std::size_t i = 0; i < t.shape.size(); ++i) {
      if (i > 0) header += ',';  // not "," + ...: g++ 12 warns of it
      header += std::to_string(t.shape[i]);
    }
    header += "],\"data_offsets\":[" + std::to_string(at) + ',' + std::to_string(at + t.bytes) + "]}";
    at += t.bytes;
  }
  header += '}';
  std::vector<std::string_view> names{"__metadata__"};
  for (auto const& t : tensors) names.emplace_back(t.name);
  d::no_name_twice(names, path + " would have the tensor ");
  names.clear();
  for (auto const& m : metadata) names.emplace_back(m.first);
  d::no_name_twice(names, path + " would have the metadata ");
  JsonReader(header, path + "'s names").skip();  // they may be anything but bad UTF-8
  while (header.size() % 8 != 0) header += ' ';
  const std::uint64_t size = header.size();
  if (size > d::longest_header)
    fail("safetensors", "a header of " + std::to_string(size) + " bytes",
         "at most " + std::to_string(d::longest_header));
  return std::string(reinterpret_cast<const char*>(&size), 8) + header;
}

/// Writes a file under a temporary name and renames it. `bytes(t)` gives a tensor's bytes when their turn has come, for
/// tensors that are made while they are written. Throws for a tensor whose dtype the format does not have or whose
/// bytes are not those of its shape, for a name that comes twice or is not UTF-8, and where the disk refuses; what
/// stood at `path` is then as it was.
template <class T, class Bytes>
void write_safetensors(std::string const& path, std::vector<T> tensors, safetensors_detail::Metadata const& metadata,
                       Bytes&& bytes) {
  const std::string header = safetensors_header(path, tensors, metadata);
  NewFile out(path);
  out.write(header.data(), header.size());
  for (auto const& t : tensors) out.write(bytes(t), t.bytes);
  out.commit();
}
/// What write_safetensors would write to `path`.
template <class T, class Bytes>
std::string safetensors_bytes(std::string const& path, std::vector<T> tensors,
                              safetensors_detail::Metadata const& metadata, Bytes&& bytes) {
  const std::string header = safetensors_header(path, tensors, metadata);
  std::size_t size = header.size();
  for (auto const& t : tensors) size += t.bytes;
  std::string file;
  file.reserve(size);
  file += header;
  for (auto const& t : tensors) file.append(static_cast<const char*>(static_cast<const void*>(bytes(t))), t.bytes);
  return file;
}
/// write_safetensors of tensors whose `data` are there already.
inline void write_safetensors(std::string const& path, std::vector<SafeTensor> tensors,
                              safetensors_detail::Metadata const& metadata = {}) {
  write_safetensors(path, static_cast<std::vector<SafeTensor>&&>(tensors), metadata,
                    [](SafeTensor const& t) { return t.data; });
}

}  // namespace fauna::inline v0
