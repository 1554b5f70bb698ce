// Sums as kernels, and the sum over the rows of any matrix that can be computed element by element, which other ops use
// for the gradients of their weights.
#pragma once
#include <vector>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/add/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

struct Add {
  Matrix<const float> a, b;
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int r, int c) const { y(r, c) = b ? a(r, c) + b(r, c) : a(r, c); }
};

struct Clear {
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int r, int c) const { y(r, c) = 0; }
};

struct Elements {
  Matrix<const float> x;
  FAUNA_KERNEL float operator()(int r, int c) const { return x(r, c); }
};

/// Sums of `term` over 256 rows and 32 columns a block: each warp has every eighth row, then the warps are added up.
template <class Term> struct ColumnParts {
  static constexpr int warps = 8, threads = warps * warp_size, rows_of_part = 256;
  struct Shared {
    float sum[warps][warp_size];
  };
  Term term;
  Matrix<float> parts;  ///< [row parts, columns]
  int rows;
  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared& s) const {
    const int part = t.block() % parts.rows(), c = t.block() / parts.rows() * warp_size + t.lane();
    const int last = rows < (part + 1) * rows_of_part ? rows : (part + 1) * rows_of_part;
    float sum = 0;
    if (c < parts.cols())
      for (int r = part * rows_of_part + t.warp(); r < last; r += warps) sum += term(r, c);
    s.sum[t.warp()][t.lane()] = sum;
    t.sync();
    if (t.warp() > 0 || c >= parts.cols()) return;
    for (int w = 1; w < warps; ++w) sum += s.sum[w][t.lane()];
    parts(part, c) = sum;
  }
};

/// sums_c += Σ over the parts, in order.
struct ColumnSums {
  static constexpr int threads = 128;
  using Shared = None;
  Matrix<const float> parts;
  float* sums;
  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared&) const {
    const int c = t.block() * threads + t.index();
    if (c >= parts.cols()) return;
    float sum = parts(0, c);
    for (int p = 1; p < parts.rows(); ++p) sum += parts(p, c);
    sums[c] += sum;
  }
};

/// sums_h += Σ over the columns of head h, in order.
struct HeadSums {
  Matrix<const float> columns;
  int size;
  float* sums;
  FAUNA_KERNEL void operator()(int, int h) const {
    float sum = 0;
    for (int c = h * size; c < (h + 1) * size; ++c) sum += columns(0, c);
    sums[h] += sum;
  }
};

}  // namespace kernels

namespace simt {

/// sums_c += Σ_r term(r, c). The sum has a shape that depends on the number of rows alone.
template <Device B, class Term> void column_sums(B const& b, Term term, int rows, int cols, float* sums) {
  if (rows == 0) return;
  using Parts = kernels::ColumnParts<Term>;
  const int n = parts(rows, Parts::rows_of_part);
  auto memory = b.template temporary<float>(static_cast<std::size_t>(n) * static_cast<std::size_t>(cols));
  const Matrix<float> of_parts(memory.data(), n, cols);
  b.launch(Parts{term, of_parts, rows}, static_cast<long long>(n) * parts(cols, warp_size));
  b.launch(kernels::ColumnSums{of_parts, sums}, parts(cols, kernels::ColumnSums::threads));
}

/// sums_h += Σ_r Σ_{c of head h} term(r, c), for heads of `size` columns.
template <Device B, class Term> void head_sums(B const& b, Term term, int rows, int heads, int size, float* sums) {
  const TemporaryMatrix<B> columns(b, 1, heads * size);
  each_element(b, 1, heads * size, kernels::Clear{columns});
  column_sums(b, term, rows, heads * size, columns.view().data());
  each_element(b, 1, heads, kernels::HeadSums{columns, size, sums});
}

}  // namespace simt

template <Device B> struct add<B> {
  static void run(B const& b, Matrix<const float> x, Matrix<const float> z, Matrix<float> y) {
    simt::each_element(b, y, kernels::Add{x, z, y});
  }
  static void clear(B const& b, Matrix<float> y) { simt::each_element(b, y, kernels::Clear{y}); }
  static void column_sums(B const& b, Matrix<const float> x, float* sums) {
    simt::column_sums(b, kernels::Elements{x}, x.rows(), x.cols(), sums);
  }
  static double total(B const& b, const float* x, int n) {
    std::vector<float> copy(static_cast<std::size_t>(n));
    b.download(copy.data(), x, n);
    double sum = 0;
    for (const float v : copy) sum += static_cast<double>(v);
    return sum;
  }
};

}  // namespace fauna::inline v0
