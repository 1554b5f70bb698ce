// The walk over all pieces of all segments in one launch: a block for each piece.
#pragma once
#include <vector>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/adamw/segment.hpp>

namespace fauna::inline v0::kernels {

struct SegmentPieces {
  Segment<float> segment;
  int first;  ///< number of pieces before it
};

/// The segment of a piece: the last that begins at it or before, among those that have pieces.
template <class T> FAUNA_KERNEL int segment_of(T const&, const SegmentPieces* s, int n, int piece) {
  int low = 0, high = n;  // the answer lies in [low, high)
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (s[middle].first <= piece) low = middle;
    else high = middle;
  }
  return low;
}

/// f(segment, its index, k) for the elements k of the block's piece; each thread has every `threads`-th.
template <class T, class F>
FAUNA_KERNEL void each_of_piece(T const& t, int threads, const SegmentPieces* s, int n, F&& f) {
  const int i = segment_of(t, s, n, t.block());
  const std::size_t from = static_cast<std::size_t>(t.block() - s[i].first) * piece_size;
  const std::size_t size = s[i].segment.size, to = from + piece_size < size ? from + piece_size : size;
  for (std::size_t k = from + static_cast<std::size_t>(t.index()); k < to; k += static_cast<std::size_t>(threads))
    f(s[i].segment, i, k);
}

/// The segments where kernels can read them. Those that are not trained, or empty, have no pieces.
template <Device B> class PieceTable {
 public:
  PieceTable(B const& b, const Segment<float>* segments, int n)
      : pieces_(static_cast<int>(piece_count(segments, n))), copy_(b.upload(listed(segments, n).data(), n)) {}
  const SegmentPieces* data() const { return copy_.data(); }
  int pieces() const { return pieces_; }

 private:
  static std::vector<SegmentPieces> listed(const Segment<float>* segments, int n) {
    std::vector<SegmentPieces> v;
    int pieces = 0;
    for (int i = 0; i < n; ++i) {
      v.push_back({segments[i], pieces});
      pieces += static_cast<int>(piece_count(segments + i, 1));
    }
    return v;
  }
  int pieces_;
  decltype(std::declval<B const&>().upload(static_cast<const SegmentPieces*>(nullptr), 0)) copy_;
};

}  // namespace fauna::inline v0::kernels
