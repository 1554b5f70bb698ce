#pragma once
#include <cmath>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/draw_tokens/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// A block for each row: the first of the largest logits, then the token that comes first. A thread looks at four
/// tokens at once, which share their words of noise.
struct Draw {
  static constexpr int warps = 8, threads = warps * warp_size;
  struct Shared {
    float largest[warps];
    double earliest[warps];
    int token[warps];
  };
  Matrix<const float> logits;
  float temperature;
  const Key* keys;
  int* ids;

  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared& s) const {
    const int r = t.block(), V = logits.cols();
    const float* l = logits.row(r);
    bool wrong = false;
    float m = -HUGE_VALF;
    for (int i = t.index(); i < V; i += threads) {
      wrong = wrong || std::isnan(l[i]);
      if (l[i] > m) m = l[i];
    }
    const float top = simt::block_max(t, m, s.largest);
    if (t.sync_or(wrong) || !std::isfinite(top)) {
      if (t.index() == 0) ids[r] = -1;
      return;
    }
    double earliest = HUGE_VAL;
    int chosen = V;
    for (int first = 4 * t.index(); first < V; first += 4 * threads) {
      const Philox words = keys[r].words(static_cast<std::uint64_t>(first / 4));
      for (int k = 0; k < 4 && first + k < V; ++k) {
        const float x = l[first + k];
        double time = x == top ? 0 : HUGE_VAL;  // at temperature 0
        if (temperature > 0) {
          const auto w = static_cast<double>(std::exp((x - top) / temperature));
          time = w > 0 ? -std::log1p(-draw_part(words[static_cast<std::size_t>(k)])) / w : HUGE_VAL;
        }
        if (time < earliest) {
          earliest = time;
          chosen = first + k;
        }
      }
    }
    const double of_all = -simt::block_max(t, -earliest, s.earliest);
    const int token = -simt::block_max(t, earliest == of_all ? -chosen : -V, s.token);
    if (t.index() == 0) ids[r] = token;
  }
};

}  // namespace kernels

template <Device B> struct draw_tokens<B> {
  static void forward(B const& b, Matrix<const float> logits, float temperature, const Key* keys, int* ids) {
    const int R = logits.rows();
    if (R == 0) return;
    const auto copy = b.upload(keys, R);
    const auto there = b.template temporary<int>(static_cast<std::size_t>(R));
    b.launch(kernels::Draw{logits, temperature, copy.data(), there.data()}, R);
    b.download(ids, there.data(), R);
    draw_tokens_detail::check(ids, R);
  }
};

}  // namespace fauna::inline v0
