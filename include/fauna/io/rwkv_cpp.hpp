// Files of rwkv.cpp, which converts the author's checkpoints of RWKV (its docs/FILE_FORMAT.md), little-endian:
//   int32  magic 0x67676d66, version 100 or 101, vocabulary, width, layers, type of the numbers
//   then for each tensor  int32 dimensions, length of the name, type | int32 sizes, the last dimension first | name |
//   data
// Its converter computes something of what RWKV-4, 5 and 6 call time_*: decays as the recurrence uses them, matrices
// transposed, dimensions of 1 dropped or added. That is taken back here, so that the tensors are the author's:
//   RWKV-4    time_decay -e^d, [C]              time_first [C]             time_mix_* [C]
//   RWKV-5.2  time_decay e^{-e^d}, [H,N,1]      time_faaaa [H,N,1]         time_mix_* [C]
//   RWKV-6    time_decay d, [C]                 time_faaaa [H,N,1]         time_maa_* [C]
//             time_maa_w1 and time_decay_w* transposed, time_maa_w2 [5,C,R]
#pragma once
#include <cmath>

#include <fauna/io/safetensors.hpp>

namespace fauna::inline v0 {

/// The tensors of a file; those in blocks have the dtype that quants.hpp calls them.
class RwkvCpp : public TensorFile {
 public:
  static constexpr std::uint32_t magic = 0x67676d66;

  /// Throws, naming the file and the tensor, for another format or version, types that are not read, and what is cut
  /// short.
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
      const std::string what = path + ": " + t.name;
      const BlockFormat* blocks = nullptr;
      if (type > 1) {
        constexpr std::string_view types[] = {"Q4_0", "Q4_1", "", "", "", "Q5_0", "Q5_1", "Q8_0"};  // from 2 on
        if (type < 10) blocks = block_format(types[type - 2]);
        if (blocks != nullptr)
          expect(version == 101, what + " is of type " + std::to_string(type) + " in a file of version 100",
                 "version 101, since which these are the blocks of io/quants.hpp");
      }
      expect(type == 0 || type == 1 || blocks != nullptr, what + " is of type " + std::to_string(type),
             "0 (f32), 1 (f16), 2 (Q4_0), 3 (Q4_1), 7 (Q5_0), 8 (Q5_1) or 9 (Q8_0)");
      if (blocks != nullptr)
        expect(t.shape.back() % blocks->elements == 0, what + " has rows of " + std::to_string(t.shape.back()),
               "whole blocks of 32 numbers");
      t.dtype = blocks != nullptr ? blocks->name : type == 0 ? "F32" : "F16";
      t.bytes = blocks != nullptr ? blocks->bytes : type == 0 ? 4 : 2;
      for (std::size_t i = 0; i < t.shape.size(); ++i) {
        const bool in_blocks = blocks != nullptr && i + 1 == t.shape.size();
        t.bytes = safetensors_detail::product(t.bytes, in_blocks ? t.shape[i] / blocks->elements : t.shape[i], what);
      }
      t.data = reinterpret_cast<const std::byte*>(take(t.bytes, t.name).data());
      tensors_.push_back(static_cast<SafeTensor&&>(t));
    }
    index_names("rwkv.cpp");
    take_back();
  }

 private:
  void take_back() {
    const bool norm = find("blocks.0.att.ln_x.weight") != nullptr, data = find("blocks.0.att.time_maa_x") != nullptr;
    for (SafeTensor& t : tensors_) {
      const std::size_t at = t.name.find(".time_");
      if (at == std::string::npos) continue;
      const std::string_view field = std::string_view(t.name).substr(at + 1);
      const std::size_t n = t.shape.size();
      if (field == "time_decay" && !data) {
        each(t, [norm](float x) { return norm ? std::log(-std::log(x)) : std::log(-x); });
        if (n == 3 && t.shape[2] == 1) t.shape.pop_back();
      } else if (field == "time_faaaa") {
        if (n == 3 && t.shape[2] == 1) t.shape.pop_back();
      } else if (field.ends_with("_w1") || field.ends_with("_w2")) {
        if (n > 1) transpose(t);
      } else if (field != "time_first" && n == 1) {
        t.shape.insert(t.shape.begin(), 2, 1);
      }
    }
  }
  std::vector<float> floats(SafeTensor const& t) {
    std::vector<float> all(t.elements());
    read_floats(t, 0, all.size(), all.data());
    return all;
  }
  template <class F> void each(SafeTensor& t, F&& f) {
    std::vector<float> all = floats(t);
    for (float& x : all) x = f(x);
    replace(t, static_cast<std::vector<float>&&>(all));
  }
  /// Of the last two dimensions.
  void transpose(SafeTensor& t) {
    const std::vector<float> from = floats(t);
    std::size_t &rows = t.shape[t.shape.size() - 2], &cols = t.shape.back();
    std::vector<float> to(from.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
      const std::size_t r = i / cols % rows, c = i % cols;
      to[i - r * cols - c + c * rows + r] = from[i];
    }
    replace(t, static_cast<std::vector<float>&&>(to));
    const std::size_t was = rows;
    rows = cols;
    cols = was;
  }
};

}  // namespace fauna::inline v0
