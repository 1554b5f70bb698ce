// Partial attention, the naive loops: every score computed as often as it is read. The oracle of the other backends.
#pragma once
#include <cmath>
#include <limits>

#include <fauna/ops/attention/ref.hpp>
#include <fauna/ops/partial_attention/op.hpp>

namespace fauna::inline v0 {

template <class S> struct partial_attention<Ref<S>> {
  template <int HeadSize> static constexpr std::size_t workspace(int) { return 0; }

  template <int HeadSize> static void clear(Ref<S> const&, int rows, AttentionShape const& a, Heads<S> y, S* lse) {
    for (int r = 0; r < rows; ++r)
      for (int h = 0; h < a.heads; ++h) {
        lse[index(a, r, h)] = S(-std::numeric_limits<double>::infinity());
        for (int d = 0; d < HeadSize; ++d) y.at(r, h)[d] = S(0);
      }
  }

  template <int HeadSize>
  static void forward(Ref<S> const&, int sequences, AttentionShape const& a, RowStretch const& queries,
                      RowStretch const& keys, Heads<const S> q, Heads<const S> k, Heads<const S> v, Heads<S> y,
                      S* lse) {
    each_row(sequences, a, queries, [&](int sequence, int i, int position, int h) {
      using std::exp, std::log;
      const int kv = h / (a.heads / a.kv_heads);
      S* const out = y.at(i, h);
      S& total = lse[index(a, i, h)];
      S most = total;
      bool sees_any = false;
      each_key(a, keys, sequence, position, [&](int j, int back) {
        const S s = attention_detail::score<HeadSize>(a, q.at(i, h), k.at(j, kv), h, back);
        if (!sees_any ? !(most > s) : s > most) most = s;
        sees_any = true;
      });
      if (!sees_any) return;
      const S before = exp(total - most);  // 0 for what has seen nothing
      S sum = before;
      for (int d = 0; d < HeadSize; ++d) out[d] *= before;
      each_key(a, keys, sequence, position, [&](int j, int back) {
        const S e = exp(attention_detail::score<HeadSize>(a, q.at(i, h), k.at(j, kv), h, back) - most);
        sum += e;
        for (int d = 0; d < HeadSize; ++d) out[d] += e * v.at(j, kv)[d];
      });
      for (int d = 0; d < HeadSize; ++d) out[d] /= sum;
      total = most + log(sum);
    });
  }

  template <int HeadSize>
  static void backward(Ref<S> const&, int sequences, AttentionShape const& a, RowStretch const& queries,
                       RowStretch const& keys, Heads<const S> q, Heads<const S> k, Heads<const S> v, Heads<const S> y,
                       const S* lse, Heads<const S> dy, Heads<S> dq, Heads<S> dk, Heads<S> dv) {
    each_row(sequences, a, queries, [&](int sequence, int i, int position, int h) {
      using std::exp;
      const int kv = h / (a.heads / a.kv_heads);
      const S delta = attention_detail::dot<HeadSize>(dy.at(i, h), y.at(i, h));
      each_key(a, keys, sequence, position, [&](int j, int back) {
        const S s = attention_detail::score<HeadSize>(a, q.at(i, h), k.at(j, kv), h, back),
                p = exp(s - lse[index(a, i, h)]);
        const S slope = attention_detail::score_slope(a, s);
        const S ds = S(a.scale) * slope * p * (attention_detail::dot<HeadSize>(dy.at(i, h), v.at(j, kv)) - delta);
        for (int d = 0; d < HeadSize; ++d) {
          dv.at(j, kv)[d] += p * dy.at(i, h)[d];
          dq.at(i, h)[d] += ds * k.at(j, kv)[d];
          dk.at(j, kv)[d] += ds * q.at(i, h)[d];
        }
      });
    });
  }

 private:
  static std::ptrdiff_t index(AttentionShape const& a, int row, int head) {
    return static_cast<std::ptrdiff_t>(row) * a.heads + head;
  }
  /// f(sequence, row, its position, head) for every query.
  template <class F> static void each_row(int sequences, AttentionShape const& a, RowStretch const& of, F&& f) {
    for (int s = 0; s < sequences; ++s)
      for (int i = 0; i < of.rows; ++i)
        for (int h = 0; h < a.heads; ++h) f(s, of.row + s * of.step + i, of.position + i, h);
  }
  /// f(row, how many rows back) for every key that the row at `position` sees.
  template <class F>
  static void each_key(AttentionShape const& a, RowStretch const& of, int sequence, int position, F&& f) {
    for (int j = 0; j < of.rows; ++j)
      if (sees_position(a, position, of.position + j)) f(of.row + sequence * of.step + j, position - of.position - j);
  }
};

}  // namespace fauna::inline v0
