// How a model's tensors lie in files: as pieces (core/tensor.hpp), which loading and saving walk alike, so that what is
// written is what was read. A family whose checkpoints come in several spellings says so by dialects.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <fauna/core/tensor.hpp>

namespace fauna::inline v0 {

/// One way in which a family's files name and lay out its tensors. A family M has `static constexpr Dialect
/// dialects[]`, the one that it is saved in first; without, there is one: that of its blocks.
struct Dialect {
  const char* name = "";
  const char* sign = "";  ///< a pattern that matches some name in every such file, and none of the other dialects'
  std::vector<Piece> (*pieces)(Tensor const&) = nullptr;  ///< null: as the blocks say
};

/// Tensors of files, by a pattern of their names, that are another one of the file once more. A family M lists them as
/// `static constexpr Copy copies[]`; one that is not the same numbers is an error.
struct Copy {
  std::string_view pattern{}, of{};
};

/// A piece that is all of a tensor, under its own name, in the layout that its block states.
inline Piece whole_piece(Tensor const& t) {
  Piece p;
  p.name = t.name();
  p.shape = t.file;
  // The elements of a vector are the rows of the matrix beside it.
  const bool vector = t.is_vector();
  const int rows = vector ? t.cols : t.rows, cols = vector ? 1 : t.cols;
  const bool transposed = t.layout.transposed && !vector;
  if (p.shape.rank == 0)
    p.shape = vector ? FileShape(rows) : transposed ? FileShape(cols, rows) : FileShape(rows, cols);
  p.rows = rows;
  const std::ptrdiff_t stride = transposed ? 1 : cols;
  p.col_stride = transposed ? rows : 1;
  const int heads = t.layout.heads;
  if (heads == 0) {
    p.digits[2] = {rows, stride};
  } else {
    const int parts = t.layout.parts, size = rows / (heads * parts);
    p.digits[0] = {parts, size * stride};
    p.digits[1] = {heads, parts * size * stride};
    p.digits[2] = {size, stride};
  }
  return p;
}
inline std::vector<Piece> pieces_of(Tensor const& t, Dialect const* dialect = nullptr) {
  if (dialect != nullptr && dialect->pieces != nullptr) return dialect->pieces(t);
  if (t.pieces != nullptr) return t.pieces(t);
  std::vector<Piece> one;
  one.push_back(whole_piece(t));
  return one;
}

/// Columns of a piece's rows.
inline int columns_of(Tensor const& t) { return t.is_vector() ? 1 : t.cols; }
/// Are all of the tensor's elements in the file as they are in the model?
inline bool in_order(Tensor const& t, Piece const& p) {
  const std::ptrdiff_t cols = columns_of(t);
  std::size_t n = 1;
  for (int d = 0; d < p.shape.rank; ++d) n *= static_cast<std::size_t>(p.shape.of[d]);
  if (n != t.size() || p.more != 0 || (p.col_stride != 1 && cols > 1)) return false;
  for (int r = 0; r < p.rows; ++r)
    if (p.row(r) != r * cols) return false;
  return true;
}
/// The elements of the file's tensor that a piece lies among, [first, end): of a layer's stacked experts those of one.
struct Span {
  std::ptrdiff_t first = 0, end = 0;
};
inline Span span_of(Tensor const& t, Piece const& p) {
  Span s{p.offset, p.offset};
  for (int r = 0; r < p.rows; ++r) {
    const std::ptrdiff_t at = p.row(r), last = at + (columns_of(t) - 1) * p.col_stride + 1;
    s.first = at < s.first ? at : s.first;
    s.end = last > s.end ? last : s.end;
  }
  return s;
}
/// Moves each element of a piece from its place in the model to its place in the file, or back; there it has `more`.
template <class S> void rearrange(Tensor const& t, Piece const& p, const S* from, S* to, bool into_file) {
  const std::ptrdiff_t cols = columns_of(t);
  const S more = static_cast<S>(p.more);
  for (int r = 0; r < p.rows; ++r) {
    const std::ptrdiff_t at = p.row(r), model = (p.first + r) * cols;
    for (std::ptrdiff_t c = 0; c < cols; ++c)
      if (into_file) to[at + c * p.col_stride] = from[model + c] + more;
      else to[model + c] = from[at + c * p.col_stride] - more;
  }
}

}  // namespace fauna::inline v0
