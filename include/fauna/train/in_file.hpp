// Frozen weights that stay in their file, in whatever blocks they are there: what stands under adapters is read from
// the mapped bytes, some rows at a time, and takes no memory of its own.
//   const TensorFile file = open_tensors("model.gguf");
//   Trained<lora<M, c>, Cpu<>, InFile<float>> model(seed{1});
//   freeze_base(model);
//   load_base(model, file);            // `file` lives as long as the model
#pragma once
#include <fauna/decode/weights.hpp>
#include <fauna/ops/gemm/decoded.hpp>

namespace fauna::inline v0 {

/// The storage: W [rows, cols] as a tensor of a file has it. Null before it is loaded.
struct FileMatrix {
  const SafeTensor* from = nullptr;
  int rows = 0, cols = 0;
  constexpr explicit operator bool() const { return rows > 0; }
  constexpr std::size_t size() const { return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols); }
};

/// What products read of it.
struct FileMatrixOf : DecodedRows<FileMatrixOf> {
  const SafeTensor* from = nullptr;
  int n = 0, k = 0;
  constexpr explicit operator bool() const { return n > 0; }
  constexpr int rows() const { return n; }
  constexpr int cols() const { return k; }
  void decode(std::size_t first, std::size_t count, float* to) const { read_floats(*from, first, count, to); }
};

constexpr void place(FileMatrix& s, Tensor const& t, Arena&) {
  s.rows = t.rows;
  s.cols = t.cols;
}
constexpr FileMatrixOf reading(FileMatrix const& s) { return {{}, s.from, s.rows, s.cols}; }
template <class S> constexpr Matrix<S> gradient(FileMatrix const&) { return {}; }

/// What a model begins with is not kept: the file's numbers take its place.
template <class B, class S> void fill(B const&, FileMatrix&, Matrix<const S>) {}
/// Throws where the file has the numbers in another order than the model.
template <class B>
bool fill_in_blocks(B const&, Tensor const& t, std::vector<Piece> const& pieces,
                    std::vector<const SafeTensor*> const& found, FileMatrix& to) {
  if (pieces.size() != 1 || !in_order(t, pieces[0]))
    fail("load", found[0]->name + " lies in the file in another order than in the model",
         "one that can be read where it is", "a model directory is read into memory: fauna convert makes one");
  to.from = found[0];
  return true;
}

/// A map of storages: what stands under adapters (FrozenOf) has its matrices in the file.
template <class S> struct InFile {
  template <kind> using storage = Matrix<S>;
  struct frozen {
    template <kind K> using storage = std::conditional_t<K == kind::matrix, FileMatrix, Matrix<S>>;
  };
};

}  // namespace fauna::inline v0
