// The recurrence of RWKV-7 on a device is the one of ops/recurrence with a fade by key and a decoupled removal, whose
// states come and go transposed.
#pragma once
#include <fauna/ops/recurrence/kernel.cuh>
#include <fauna/ops/wkv7/op.hpp>

namespace fauna::inline v0 {

template <Device B> struct wkv7<B> {
  static constexpr RecurrenceWalk walk{
      .of = {.fade = fades::by_key, .erase = erases::decoupled}, .transposed = true, .chunk = wkv7_chunk};
  static constexpr std::size_t workspace(int, int) { return 0; }

  static void forward(B const& b, Batch const& batch, int N, Wkv7Rows<const float> in, Matrix<float> state,
                      Matrix<float> y, Matrix<float> kept) {
    simt::recur<walk>(b, batch, shape(N, in), rows(in), state, y, kept);
  }
  static void backward(B const& b, Batch const& batch, int N, Wkv7Rows<const float> in, Matrix<const float> kept,
                       Matrix<const float> dy, Wkv7Rows<float> d, Matrix<float> dstate) {
    simt::recur_back<walk>(b, batch, shape(N, in), rows(in), kept, dy, rows(d), dstate);
  }

 private:
  static RecurrenceShape shape(int N, Wkv7Rows<const float> const& in) {
    const int heads = in.r.cols() / N;
    return {.heads = heads, .key_heads = heads, .keys = N, .values = N};
  }
  template <class S> static RecurrenceRows<S> rows(Wkv7Rows<S> const& of) {
    return {.q = of.r, .k = of.k, .v = of.v, .fade = of.w, .beta = {}, .a = of.a, .b = of.b, .least = {}};
  }
};

}  // namespace fauna::inline v0
