// The recurrence of RWKV-4 as kernels: a thread for each column of a sequence. The maths is in op.hpp.
#pragma once
#include <cmath>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/wkv4/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// Rows 3 i to 3 i + 2 of a column of states.
struct Wkv4State {
  float a = 0, b = 0, p = 0;

  template <class E> FAUNA_KERNEL static Wkv4State read(Matrix<E> m, int i, int c) {
    return {m(3 * i, c), m(3 * i + 1, c), m(3 * i + 2, c)};
  }
  FAUNA_KERNEL void write(Matrix<float> m, int i, int c) const {
    m(3 * i, c) = a;
    m(3 * i + 1, c) = b;
    m(3 * i + 2, c) = p;
  }
  FAUNA_KERNEL void add_to(Matrix<float> m, int i, int c) const {
    m(3 * i, c) += a;
    m(3 * i + 1, c) += b;
    m(3 * i + 2, c) += p;
  }
};

/// e^{x - q} and e^{y - q} with q the larger of both.
struct Wkv4Pair {
  bool old_is_most;
  float most, old, own;
  FAUNA_KERNEL Wkv4Pair(float x, float y)
      : old_is_most(x > y), most(old_is_most ? x : y), old(std::exp(x - most)), own(std::exp(y - most)) {}
};

/// What comes in, and the states after every row, where they are kept.
struct Wkv4Past {
  Batch batch;
  Wkv4Rows<const float> in;
  const float *decay, *first;

  /// What row t continues; p = -1e38 where that has seen nothing.
  template <class E>
  FAUNA_KERNEL Wkv4State before(int q, int t, int c, Matrix<const float> after, Matrix<E> entering) const {
    const int p = batch.continues(q, t);
    if (p >= 0) return Wkv4State::read(after, p, c);
    Wkv4State s{0, 0, wkv4_nothing};
    if (p == Batch::nothing || !entering) return s;
    s = Wkv4State::read(entering, q, c);
    if (s.b == 0) s.p = wkv4_nothing;
    return s;
  }
};

struct Wkv4 {
  Wkv4Past past;
  Matrix<float> state, y, after;
  FAUNA_KERNEL void operator()(int q, int c) const {
    const int first = past.batch.first(q), last = past.batch.last(q);
    const float w = -std::exp(past.decay[c]), u = past.first[c];
    Wkv4State now;
    for (int t = first; t < last; ++t) {
      const bool goes_on = t > first && past.batch.continues(q, t) == t - 1;
      const Wkv4State s = goes_on ? now : past.before(q, t, c, after, state);
      const float k = past.in.k(t, c), v = past.in.v(t, c);
      const Wkv4Pair here(s.p, u + k), next(s.p + w, k);
      y(t, c) = (here.old * s.a + here.own * v) / (here.old * s.b + here.own) * simt::sigmoid(past.in.r(t, c));
      now = {next.old * s.a + next.own * v, next.old * s.b + next.own, next.most};
      if (after) now.write(after, t, c);
    }
    if (state && last > first) now.write(state, q, c);
  }
};

/// G: the gradients of the states after every row. What the gradients of decay and first are sums of goes to a row for
/// each sequence.
struct Wkv4Backward {
  Wkv4Past past;
  Matrix<const float> entering, kept, dy;
  Wkv4Rows<float> d;
  Matrix<float> G, of_decay, of_first, dstate;
  FAUNA_KERNEL void operator()(int q, int c) const {
    Batch const& batch = past.batch;
    const int first = batch.first(q), last = batch.last(q);
    const float w = -std::exp(past.decay[c]);
    of_decay(q, c) = of_first(q, c) = 0;
    if (first == last) return;
    for (int t = first; t < last; ++t) Wkv4State{}.write(G, t, c);
    if (dstate) {
      Wkv4State::read(dstate, q, c).write(G, last - 1, c);
      Wkv4State{}.write(dstate, q, c);
    }
    for (int t = last - 1; t >= first; --t) {
      const Wkv4State s = past.before(q, t, c, kept, entering), g = Wkv4State::read(G, t, c);
      const float k = past.in.k(t, c), v = past.in.v(t, c), sr = simt::sigmoid(past.in.r(t, c));
      const Wkv4Pair here(s.p, past.first[c] + k), next(s.p + w, k);
      const float below = here.old * s.b + here.own, mean = (here.old * s.a + here.own * v) / below;
      // Of the mean's numerator and denominator, and of the two exponents in it.
      const float dn = dy(t, c) * sr / below, dm = -dn * mean;
      const float d_old = (dn * s.a + dm * s.b) * here.old, d_own = (dn * v + dm) * here.own;
      // Of the exponents in the state; the larger one is also the leaving p.
      float n_old = (g.a * s.a + g.b * s.b) * next.old, n_own = (g.a * v + g.b) * next.own;
      (next.old_is_most ? n_old : n_own) += g.p - (n_old + n_own);
      d.r(t, c) = dy(t, c) * mean * sr * (1 - sr);
      d.k(t, c) = d_own + n_own;
      d.v(t, c) = dn * here.own + g.a * next.own;
      of_first(q, c) += d_own;
      of_decay(q, c) += n_old * w;
      const int p = batch.continues(q, t);
      const Wkv4State more{dn * here.old + g.a * next.old, dm * here.old + g.b * next.old, d_old + n_old};
      if (p >= 0) more.add_to(G, p, c);
      else if (p == Batch::the_state && dstate) more.add_to(dstate, q, c);
    }
  }
};

}  // namespace kernels

template <Device B> struct wkv4<B> {
  static void forward(B const& b, Batch const& batch, Wkv4Rows<const float> in, const float* decay, const float* first,
                      Matrix<float> state, Matrix<float> y, Matrix<float> kept) {
    const simt::BatchOnDevice<B> rows(b, batch);
    const bool tree = batch.parent != nullptr;
    const simt::TemporaryMatrix<B> own(b, tree && !kept ? 3 * batch.rows : 0, y.cols());
    simt::each_element(b, batch.sequences, y.cols(),
                       kernels::Wkv4{{rows.get(), in, decay, first}, state, y, kept ? kept : own.view()});
  }
  static void backward(B const& b, Batch const& batch, Wkv4Rows<const float> in, const float* decay, const float* first,
                       Matrix<const float> entering, Matrix<const float> kept, Matrix<const float> dy,
                       Wkv4Rows<float> d, float* ddecay, float* dfirst, Matrix<float> dstate) {
    const simt::BatchOnDevice<B> rows(b, batch);
    const int Q = batch.sequences, C = dy.cols();
    const simt::TemporaryMatrix<B> G(b, 3 * batch.rows, C), of_decay(b, Q, C), of_first(b, Q, C);
    simt::each_element(
        b, Q, C,
        kernels::Wkv4Backward{{rows.get(), in, decay, first}, entering, kept, dy, d, G, of_decay, of_first, dstate});
    if (ddecay) add<B>::column_sums(b, of_decay, ddecay);
    if (dfirst) add<B>::column_sums(b, of_first, dfirst);
  }
};

}  // namespace fauna::inline v0
