#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/ops/scale/op.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct scale<Cpu<P, T, Tag>> {
  static void run(Cpu<P, T, Tag> const& cpu, double factor, Matrix<float> x) {
    const auto f = static_cast<float>(factor);
    parallel_for(cpu.threads, x.rows(), 1 + 32768 / (x.cols() + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r) {
        float* row = x.row(r);
        for (int c = 0; c < x.cols(); ++c) row[c] *= f;
      }
    });
  }
};

}  // namespace fauna::inline v0
