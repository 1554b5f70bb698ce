// How a model's tensors lie in the files of the reference checkpoints: their shapes there, and the way there and back.
#pragma once
#include <string>
#include <vector>

#include <fauna/core/tensor.hpp>
#include <fauna/io/safetensors.hpp>

namespace fauna::inline v0 {

namespace weights_detail {

/// Shape of a tensor in the checkpoint.
inline std::vector<std::size_t> stored_shape(Tensor const& t, int rows, int cols) {
  const auto r = static_cast<std::size_t>(rows), c = static_cast<std::size_t>(cols);
  if (t.rank == 1) return {r * c};
  if (t.layout.transposed) return {c, r};
  return {r, c};
}

/// Moves each element from its place in the model to its place in the checkpoint, or back.
template <class S> void rearrange(Tensor const& t, int rows, int cols, const S* from, S* to, bool into_checkpoint) {
  const auto place = [&](std::ptrdiff_t model, std::ptrdiff_t file) {
    if (into_checkpoint) to[file] = from[model];
    else to[model] = from[file];
  };
  const bool vector = t.rank == 1;  // its elements are the rows of the matrix beside it
  const int n = vector ? cols : rows, width = vector ? 1 : cols;
  for (int r = 0; r < n; ++r) {
    const std::ptrdiff_t s = t.layout.source_row(r, n);
    for (int c = 0; c < width; ++c) {
      const std::ptrdiff_t model = static_cast<std::ptrdiff_t>(r) * width + c;
      place(model, t.layout.transposed && !vector ? static_cast<std::ptrdiff_t>(c) * n + s : s * width + c);
    }
  }
}
inline bool in_order(Tensor const& t) { return t.layout.heads == 0 && (t.rank == 1 || !t.layout.transposed); }

/// A tensor of a model on its way to a file: `data` is where the model has it, in the model's order.
struct Stored : SafeTensor {
  Tensor tensor{};
  int rows = 0, cols = 0;

  /// Its numbers in the file's order; `room` holds them where that is not the model's. `values`: `data`, or a copy.
  template <class S> const S* in_file_order(const S* values, std::vector<S>& room) const {
    if (in_order(tensor)) return values;
    room.resize(elements());
    rearrange(tensor, rows, cols, values, room.data(), true);
    return room.data();
  }
};

template <class V> Stored stored(std::string name, Tensor const& t, V const& v) {
  using S = typename V::element;
  Stored s;
  s.name = static_cast<std::string&&>(name);
  s.dtype = float_dtype<S>;
  s.shape = stored_shape(t, v.rows(), v.cols());
  s.data = reinterpret_cast<const std::byte*>(v.data());
  s.bytes = v.size() * sizeof(S);
  s.tensor = t;
  s.tensor.at = {};  // the path lives no longer than the visit
  s.rows = v.rows();
  s.cols = v.cols();
  return s;
}

}  // namespace weights_detail

}  // namespace fauna::inline v0
