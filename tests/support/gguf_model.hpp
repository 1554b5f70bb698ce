// A model as a GGUF file, for tests of loading.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include <fauna/io/gguf_names.hpp>
#include <fauna/io/quants.hpp>
#include <fauna/train/trained.hpp>

#include "gguf.hpp"

namespace test {

/// The tensors as llama.cpp's converter has them, of architecture llama: matrices in blocks of `type_of_most`, those
/// with a row for each token in Q8_0, all else in f32, a layer's experts in one tensor. infinite: their first scales.
template <class M, class B>
std::string as_gguf(fauna::Trained<M, B>& model, fauna::BlockFormat const& type_of_most, bool infinite = false) {
  using namespace fauna;
  struct Stored {
    std::string name, bytes;
    std::uint32_t type;
    std::vector<std::uint64_t> sizes;
  };
  std::vector<Stored> all;
  M::visit(model.weights(), Place{}, [&](Tensor const& t, auto& v) {
    const bool matrix = t.stored == kind::matrix;
    BlockFormat const& type = t.rows == M::vocab ? *block_format("Q8_0") : type_of_most;
    const GgufName name = gguf_name(*gguf_architecture("llama"), t.name());
    std::vector<float> values(t.size());
    const auto rows = static_cast<std::size_t>(t.rows), columns = static_cast<std::size_t>(t.cols);
    for (std::size_t r = 0; r < rows; ++r) {
      const GgufHeads heads{M::config.heads, M::config.kv_heads};
      const std::size_t from = moves_rows(name.change) ? hub_row(name.change, heads, r, rows) : r;
      std::memcpy(values.data() + r * columns, v.data() + from * columns, columns * sizeof(float));
    }
    std::string bytes(reinterpret_cast<const char*>(values.data()), 4 * values.size());
    if (matrix) {
      bytes.assign(values.size() / type.elements * type.bytes, '\0');
      for (std::size_t i = 0; i < values.size() / type.elements; ++i)
        type.write(values.data() + i * type.elements, reinterpret_cast<std::byte*>(bytes.data()) + i * type.bytes);
    }
    if (matrix && infinite) bytes[type.code.halves ? type.bytes - 1 : 1] = '\x7c';  // of d
    std::vector<std::uint64_t> sizes;
    for (int d = t.rank() - 1; d >= 0; --d)
      sizes.push_back(static_cast<std::uint64_t>(t.rank() == 1 || d == 1 ? t.cols : t.rows));
    if (name.change == gguf_change::stacked) {
      for (Stored& s : all)
        if (s.name == name.name) return s.bytes += bytes, void(++s.sizes.back());
      sizes.push_back(1);
    }
    all.push_back({name.name, bytes, matrix ? type.gguf : 0, sizes});
  });
  std::string tensors, data;
  for (Stored const& s : all) {
    tensors += gguf::tensor(s.name, s.type, s.sizes, data.size());
    data = gguf::padded(data + s.bytes);
  }
  return gguf::padded(gguf::header(all.size(), gguf::heads_keys) +
                      gguf::heads("llama", M::config.heads, M::config.kv_heads) + tensors) +
         data;
}

/// |a - b| / |b|, of Euclid's norm.
inline double difference(std::vector<float> const& a, std::vector<float> const& b) {
  double squares = 0, all = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    squares += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    all += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(squares / all);
}

}  // namespace test
