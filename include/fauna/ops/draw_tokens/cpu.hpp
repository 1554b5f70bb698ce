#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/ops/draw_tokens/op.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct draw_tokens<Cpu<P, T, Tag>> {
  static void forward(Cpu<P, T, Tag> const& cpu, Matrix<const float> logits, float temperature, const Key* keys,
                      int* ids) {
    parallel_for(cpu.threads, logits.rows(), 1 + 4096 / (logits.cols() + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r)
        ids[r] = draw_tokens_detail::row(logits.row(r), logits.cols(), temperature, keys[r]);
    });
    draw_tokens_detail::check(ids, logits.rows());
  }
};

}  // namespace fauna::inline v0
