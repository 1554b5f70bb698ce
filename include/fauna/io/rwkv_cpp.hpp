// Files of rwkv.cpp, which converts the author's checkpoints of RWKV (its docs/FILE_FORMAT.md), little-endian:
//   int32  magic 0x67676d66, version 100 or 101, vocabulary, width, layers, type of the numbers
//   then for each tensor  int32 dimensions, length of the name, type | int32 sizes, the last dimension first | name |
//   data
#pragma once
#include <fauna/io/tensor_file.hpp>

namespace fauna::inline v0 {

/// The tensors of a file in f32 or f16.
class RwkvCpp : public TensorFile {
 public:
  static constexpr std::uint32_t magic = 0x67676d66;

  /// Throws, naming the file and the tensor, for another format or version, quantised tensors, and what is cut short.
  explicit RwkvCpp(std::string const& path) : TensorFile(path) {
    std::string_view left = map(path);
    const auto expect = [](bool ok, std::string const& found, std::string const& expected) {
      if (!ok) fail("rwkv.cpp", found, expected);
    };
    const auto take = [&](std::size_t n, std::string const& of) {
      expect(n <= left.size(), path + " ends inside " + of, "a whole file");
      const std::string_view bytes = left.substr(0, n);
      left.remove_prefix(n);
      return bytes;
    };
    const auto number = [&](std::string const& of) {
      std::int32_t n = 0;
      std::memcpy(&n, take(sizeof n, of).data(), sizeof n);
      return n;
    };
    expect(static_cast<std::uint32_t>(number("its header")) == magic, path + " has another first word", "0x67676d66");
    const int version = number("its header");
    expect(version == 100 || version == 101, path + " is of version " + std::to_string(version), "100 or 101");
    take(4 * sizeof(std::int32_t), "its header");  // what the tensors say themselves
    while (!left.empty()) {
      const std::string of = "tensor " + std::to_string(tensors_.size());
      const int dimensions = number(of), name = number(of), type = number(of);
      expect(dimensions >= 1 && dimensions <= 4,
             path + ": " + of + " has " + std::to_string(dimensions) + " dimensions", "1 to 4");
      expect(name >= 1 && name <= 256, path + ": " + of + " has a name of " + std::to_string(name) + " bytes",
             "1 to 256");
      SafeTensor t;
      t.shape.resize(static_cast<std::size_t>(dimensions));
      for (std::size_t i = t.shape.size(); i-- > 0;) {
        const int size = number(of);
        expect(size >= 1, path + ": " + of + " has a size of " + std::to_string(size), "1 or more");
        t.shape[i] = static_cast<std::size_t>(size);
      }
      t.name = take(static_cast<std::size_t>(name), of);
      expect(type == 0 || type == 1, path + ": " + t.name + " is of type " + std::to_string(type) + ", quantised",
             "0 (f32) or 1 (f16)");
      t.dtype = type == 0 ? "F32" : "F16";
      t.bytes = type == 0 ? 4 : 2;
      for (const std::size_t size : t.shape) t.bytes = safetensors_detail::product(t.bytes, size, path + ": " + t.name);
      t.data = reinterpret_cast<const std::byte*>(take(t.bytes, t.name).data());
      tensors_.push_back(static_cast<SafeTensor&&>(t));
    }
    index_names("rwkv.cpp");
  }
};

}  // namespace fauna::inline v0
