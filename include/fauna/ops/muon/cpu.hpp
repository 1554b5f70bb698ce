// The iteration as three products a step. Nothing is transposed: a tall matrix is multiplied from the right, by a
// polynomial of Xᵀ X.
#pragma once
#include <cmath>
#include <initializer_list>

#include <fauna/backend/cpu.hpp>
#include <fauna/ops/gemm/cpu.hpp>
#include <fauna/ops/muon/op.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct muon<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;

  static constexpr std::size_t workspace(Matrices const& of, int threads) {
    Arena a;
    (void)Room(of, a);
    const int n = of.least(), k = of.rows < of.cols ? of.cols : of.rows;
    std::size_t products = 0;
    for (const std::size_t bytes : {gemm<B>::workspace(n, n, k, threads), gemm<B>::workspace(n, n, n, threads),
                                    gemm<B>::workspace(of.rows, of.cols, n, threads)})
      if (bytes > products) products = bytes;
    return a.high_water() + aligned(products);
  }

  static void step(B const& b, Segment<float> const& s, Matrices const& of, MuonStep const& a) {
    Scope scope(*b.scratch);
    Room room(of, *b.scratch);
    const MuonFactors f(a, s.decay, s.lr_scale, of);
    const auto keep = static_cast<float>(f.keep), size = static_cast<float>(f.size);
    for (int i = 0; i < of.count; ++i) {
      const std::size_t first = static_cast<std::size_t>(i) * of.size();
      momentum(b, s, first, of, a, room);
      orthogonalise(b, of, room);
      float* const value = s.value + first;
      const float* const x = room.x.data();
      each(b, room.x, [=](std::size_t k) { value[k] = value[k] * keep - x[k] * size; });
    }
  }

 private:
  struct Room {
    Matrix<float> x, next, gram, scaled, by;
    double* squares;  ///< of rows
    constexpr Room(Matrices const& of, Arena& a) {
      const auto take = [&a](int rows, int cols) { return a.take_view<float, dyn, dyn>(rows, cols); };
      x = take(of.rows, of.cols);
      next = take(of.rows, of.cols);
      for (auto* square : {&gram, &scaled, &by}) *square = take(of.least(), of.least());
      squares = a.take<double>(static_cast<std::size_t>(of.rows));
    }
  };

  /// f(k) for every element of a matrix.
  template <class F> static void each(B const& b, Matrix<float> of, F&& f) {
    parallel_for(b.threads, of.rows(), 1 + 16384 / of.cols(), [&](int from, int to) {
      const auto cols = static_cast<std::size_t>(of.cols());
      for (std::size_t k = static_cast<std::size_t>(from) * cols; k < static_cast<std::size_t>(to) * cols; ++k) f(k);
    });
  }

  /// The new momentum, and in x Nesterov's step along it, with the norm 1.
  static void momentum(B const& b, Segment<float> const& s, std::size_t first, Matrices const& of, MuonStep const& a,
                       Room& room) {
    float *const gradient = s.gradient + first, *const m = s.m + first, *const x = room.x.data();
    const auto scale = static_cast<float>(a.gradient_scale), beta = static_cast<float>(a.momentum),
               part = static_cast<float>(1 - a.momentum);
    const bool clear = a.clear_gradient;
    parallel_for(b.threads, of.rows, 1 + 16384 / of.cols, [&](int from, int to) {
      for (int r = from; r < to; ++r) {
        const auto cols = static_cast<std::size_t>(of.cols), at = static_cast<std::size_t>(r) * cols;
        double squares = 0;
        for (std::size_t k = at; k < at + cols; ++k) {
          const float g = gradient[k] * scale;
          m[k] += (g - m[k]) * part;
          x[k] = g + (m[k] - g) * beta;
          squares += static_cast<double>(x[k]) * static_cast<double>(x[k]);
          if (clear) gradient[k] = 0;
        }
        room.squares[r] = squares;
      }
    });
    double squares = 0;
    for (int r = 0; r < of.rows; ++r) squares += room.squares[r];
    double norm = std::sqrt(squares);
    if (norm < NewtonSchulz::least_norm) norm = NewtonSchulz::least_norm;
    const auto by = static_cast<float>(1 / norm);
    each(b, room.x, [x, by](std::size_t k) { x[k] *= by; });
  }

  static void orthogonalise(B const& b, Matrices const& of, Room& room) {
    using NS = NewtonSchulz;
    const bool tall = of.rows > of.cols;
    for (int t = 0; t < NS::steps; ++t) {
      if (tall) gemm<B>::tn(b, room.x, room.x, room.gram);
      else gemm<B>::nt(b, room.x, room.x, room.gram);
      const float *const gram = room.gram.data(), *const x = room.x.data();
      float *const scaled = room.scaled.data(), *const by = room.by.data(), *const next = room.next.data();
      each(b, room.gram, [=](std::size_t k) {
        scaled[k] = static_cast<float>(NS::c) * gram[k];
        by[k] = static_cast<float>(NS::b) * gram[k];
      });
      gemm<B>::nn(b, room.scaled, room.gram, room.by, onto(room.by));
      each(b, room.x, [=](std::size_t k) { next[k] = static_cast<float>(NS::a) * x[k]; });
      if (tall) gemm<B>::nn(b, room.x, room.by, room.next, onto(room.next));
      else gemm<B>::nn(b, room.by, room.x, room.next, onto(room.next));
      const Matrix<float> before = room.x;
      room.x = room.next;
      room.next = before;
    }
  }
  static Epilogue<float> onto(Matrix<float> c) {
    Epilogue<float> e;
    e.base = c.data();
    e.base_stride = static_cast<int>(c.stride());
    return e;
  }
};

}  // namespace fauna::inline v0
