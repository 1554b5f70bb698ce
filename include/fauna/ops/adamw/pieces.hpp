// The walk over all pieces of all segments in one parallel region.
#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/ops/adamw/segment.hpp>

namespace fauna::inline v0 {

/// f(segment, piece, first, count), see for_pieces; each thread takes an equal part of the elements.
template <class F> void parallel_pieces(int threads, const Segment<float>* segments, int n, F&& f) {
  constexpr std::size_t grain = 16384;
  const std::size_t size = trainable_size(segments, n), most = size / grain;
  const int team_size = most < 1 ? 1 : most < static_cast<std::size_t>(threads) ? static_cast<int>(most) : threads;
  parallel(team_size, [&](Team team) {
    const auto part = [&](int t) {
      return size * static_cast<std::size_t>(t) / static_cast<std::size_t>(team.threads);
    };
    for_pieces(segments, n, part(team.thread), part(team.thread + 1), f);
  });
}

}  // namespace fauna::inline v0
