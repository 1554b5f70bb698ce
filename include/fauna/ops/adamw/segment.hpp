// Parameters as optimizers see them: a list of segments of flat memory, each with its gradient and moments. The list is
// walked as one range of pieces of fixed size, so that many small tensors cost one parallel region, and no result
// depends on where the threads' parts begin.
#pragma once
#include <cstddef>

#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

template <class S> struct Segment {
  S* value = nullptr;
  S* gradient = nullptr;
  S* m = nullptr;  ///< AdamW: mean of the gradient; SGD: momentum buffer (unused without momentum); zero at the start
  S* v = nullptr;  ///< AdamW: mean of the squared gradient; zero at the start
  std::size_t size = 0;
  float decay = 0;        ///< weight decay
  float lr_scale = 1;     ///< multiplies the learning rate
  bool trainable = true;  ///< false: the segment is passed over and its other pointers may be null
};

inline constexpr std::size_t piece_size = 4096;

template <class S> constexpr std::size_t trainable_size(const Segment<S>* s, int n) {
  std::size_t total = 0;
  for (int i = 0; i < n; ++i) total += s[i].trainable ? s[i].size : 0;
  return total;
}
template <class S> constexpr std::size_t piece_count(const Segment<S>* s, int n) {
  std::size_t total = 0;
  for (int i = 0; i < n; ++i) total += s[i].trainable ? (s[i].size + piece_size - 1) / piece_size : 0;
  return total;
}

/// f(segment, piece, first, count) for every piece that begins in [from, to) of the trainable segments laid end to end;
/// `piece` counts over all segments, `first` is the offset in its segment.
template <class S, class F>
constexpr void for_pieces(const Segment<S>* s, int n, std::size_t from, std::size_t to, F&& f) {
  std::size_t begin = 0, piece = 0;
  for (int i = 0; i < n && begin < to; ++i) {
    if (!s[i].trainable) continue;
    const std::size_t size = s[i].size;
    std::size_t k = begin < from ? (from - begin + piece_size - 1) / piece_size : 0;
    for (std::size_t at = k * piece_size; at < size && begin + at < to; at += piece_size, ++k)
      f(i, piece + k, at, size - at < piece_size ? size - at : piece_size);
    begin += size;
    piece += (size + piece_size - 1) / piece_size;
  }
}

}  // namespace fauna::inline v0
