#pragma once
#include <cmath>
#include <vector>

#include <fauna/ops/adamw/pieces.cuh>
#include <fauna/ops/clip/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// Σ g² of each piece, in double, where the square of no float but zero is zero and none overflows.
struct PieceSquares {
  static constexpr int warps = 8, threads = warps * warp_size;
  struct Shared {
    double of_warp[warps];
  };
  const SegmentPieces* segments;
  int n;
  double* sums;  ///< [pieces]
  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared& s) const {
    double sum = 0;
    each_of_piece(t, threads, segments, n, [&](Segment<float> const& seg, int, std::size_t k) {
      sum += static_cast<double>(seg.gradient[k]) * static_cast<double>(seg.gradient[k]);
    });
    sum = simt::block_sum(t, sum, s.of_warp);
    if (t.index() == 0) sums[t.block()] = sum;
  }
};

/// The pieces of each segment, a block for each: every thread adds every 256th, then the block its threads.
struct SegmentSquares {
  static constexpr int warps = 8, threads = warps * warp_size;
  struct Shared {
    double of_warp[warps];
  };
  const SegmentPieces* segments;
  int n, pieces;
  const double* sums;
  double* of_segment;  ///< [n]
  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared& s) const {
    const int i = t.block(), last = i + 1 < n ? segments[i + 1].first : pieces;
    double sum = 0;
    for (int p = segments[i].first + t.index(); p < last; p += threads) sum += sums[p];
    sum = simt::block_sum(t, sum, s.of_warp);
    if (t.index() == 0) of_segment[i] = sum;
  }
};

}  // namespace kernels

template <Device B> struct clip<B> {
  static constexpr std::size_t workspace(const Segment<float>* segments, int n) {
    return aligned(piece_count(segments, n) * sizeof(double)) + aligned(static_cast<std::size_t>(n) * sizeof(double));
  }

  static double global_norm(B const& b, const Segment<float>* segments, int n, gradient_state* states = nullptr) {
    const kernels::PieceTable<B> table(b, segments, n);
    const Scope scope(*b.scratch);
    double* const sums = b.scratch->template take<double>(static_cast<std::size_t>(table.pieces()));
    double* const of_segment = b.scratch->template take<double>(static_cast<std::size_t>(n));
    b.launch(kernels::PieceSquares{table.data(), n, sums}, table.pieces());
    b.launch(kernels::SegmentSquares{table.data(), n, table.pieces(), sums, of_segment}, n);
    std::vector<double> squares(static_cast<std::size_t>(n));
    b.download(squares.data(), of_segment, n);
    double total = 0;
    for (int i = 0; i < n; ++i) {
      const double sum = squares[static_cast<std::size_t>(i)];
      total += sum;
      if (states) states[i] = state_of(segments[i], sum);
    }
    return std::sqrt(total);
  }
};

}  // namespace fauna::inline v0
