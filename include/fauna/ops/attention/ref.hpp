// Causal attention, the naive loops: generic in the scalar (float, double, Dual), nothing stored, every score computed
// as often as it is read. The oracle of the other backends. The maths is in op.hpp.
#pragma once
#include <cmath>
#include <cstddef>

#include <fauna/ops/attention/op.hpp>

namespace fauna::inline v0 {

namespace attention_detail {

template <int HeadSize, class S> S dot(const S* a, const S* b) {
  S sum = S(0);
  for (int d = 0; d < HeadSize; ++d) sum += a[d] * b[d];
  return sum;
}
/// s_ij, or s'_ij; j lies `back` rows back of i.
template <int HeadSize, class S> S score(AttentionShape const& a, const S* q, const S* k, int head, int back) {
  using std::tanh;
  S s = dot<HeadSize>(q, k) * S(a.scale);
  if (a.alibi > 0) s -= S(static_cast<double>(alibi_slope(a, head)) * back);
  return a.cap > 0 ? S(a.cap) * tanh(s / S(a.cap)) : s;
}
/// How a score, as the cap has left it, goes with the one before.
template <class S> S score_slope(AttentionShape const& a, S s) {
  return a.cap > 0 ? S(1) - s / S(a.cap) * (s / S(a.cap)) : S(1);
}

}  // namespace attention_detail

template <class S> struct attention<Ref<S>> {
  /// The naive loops need no scratch.
  template <int HeadSize> static constexpr std::size_t workspace(int, int, AttentionShape const&, int) { return 0; }

  template <int HeadSize>
  static void forward(Ref<S> const&, Batch const& batch, AttentionShape const& a, Heads<const S> q, Heads<const S> k,
                      Heads<const S> v, Heads<S> y, S* lse, const S* sinks = nullptr, KeyValues<const S> own = {}) {
    each_row(batch, a, [&](int sequence, int i, int h) {
      using std::exp, std::log;
      const int kv = h / (a.heads / a.kv_heads), past = batch.before(sequence);
      const int origin = batch.first(sequence) - past;  // row of the batch at which the sequence starts, were it there
      const auto row = [&](Heads<const S> in, Heads<const S> fresh, int j) {
        const KeyPlace at = key_place(a, batch, sequence, j - origin, own.k.data != nullptr);
        return (at.own && own.k.data != nullptr ? fresh : in).at(at.row, kv);
      };
      const int reach = a.reach(batch.rows_before(sequence, i));
      const auto sees = [&](int j) {
        return (j < origin + past ? batch.sees_past(sequence, i) : batch.sees(sequence, i, j)) &&
               batch.steps_back(sequence, i, j) < reach;
      };
      const auto score_of = [&](int j) {
        return attention_detail::score<HeadSize>(a, q.at(i, h), row(k, own.k, j), h, batch.steps_back(sequence, i, j));
      };
      S m = score_of(i);  // every row sees itself
      for (int j = origin; j < i; ++j) {
        if (!sees(j)) continue;
        const S s = score_of(j);
        if (s > m) m = s;
      }
      if (sinks != nullptr && sinks[h] > m) m = sinks[h];
      S sum = sinks != nullptr ? exp(sinks[h] - m) : S(0), out[HeadSize];
      for (S& o : out) o = S(0);
      for (int j = origin; j <= i; ++j) {
        if (!sees(j)) continue;
        const S e = exp(score_of(j) - m), w = keep(a, i, h, j - origin);
        sum += e;
        for (int d = 0; d < HeadSize; ++d) out[d] += w * e * row(v, own.v, j)[d];
      }
      for (int d = 0; d < HeadSize; ++d) y.at(i, h)[d] = out[d] / sum;
      if (lse != nullptr) lse[index(a, i, h)] = m + log(sum);
    });
  }

  template <int HeadSize>
  static void backward(Ref<S> const&, Batch const& batch, AttentionShape const& a, Heads<const S> q, Heads<const S> k,
                       Heads<const S> v, Heads<const S> y, const S* lse, Heads<const S> dy, Heads<S> dq, Heads<S> dk,
                       Heads<S> dv) {
    each_row(batch, a, [&](int, int i, int h) {
      for (int d = 0; d < HeadSize; ++d) {
        dq.at(i, h)[d] = S(0);
        if (h < a.kv_heads) dk.at(i, h)[d] = dv.at(i, h)[d] = S(0);
      }
    });
    each_row(batch, a, [&](int sequence, int i, int h) {
      using std::exp;
      const int first = batch.first(sequence), kv = h / (a.heads / a.kv_heads);
      const int reach = a.reach(batch.rows_before(sequence, i));
      const S delta = attention_detail::dot<HeadSize>(dy.at(i, h), y.at(i, h));
      for (int j = first; j <= i; ++j) {
        if (!batch.sees(sequence, i, j) || batch.steps_back(sequence, i, j) >= reach) continue;
        const S s = attention_detail::score<HeadSize>(a, q.at(i, h), k.at(j, kv), h, batch.steps_back(sequence, i, j)),
                p = exp(s - lse[index(a, i, h)]);
        const S slope = attention_detail::score_slope(a, s);
        const S w = keep(a, i, h, j - first);
        const S ds = S(a.scale) * slope * p * (w * attention_detail::dot<HeadSize>(dy.at(i, h), v.at(j, kv)) - delta);
        for (int d = 0; d < HeadSize; ++d) {
          dv.at(j, kv)[d] += w * p * dy.at(i, h)[d];
          dq.at(i, h)[d] += ds * k.at(j, kv)[d];
          dk.at(j, kv)[d] += ds * q.at(i, h)[d];
        }
      }
    });
  }

  template <int HeadSize>
  static void sink_gradients(Ref<S> const&, Batch const& batch, AttentionShape const& a, Heads<const S> y, const S* lse,
                             Heads<const S> dy, const S* sinks, S* dsinks) {
    each_row(batch, a, [&](int, int i, int h) {
      using std::exp;
      dsinks[h] -= exp(sinks[h] - lse[index(a, i, h)]) * attention_detail::dot<HeadSize>(dy.at(i, h), y.at(i, h));
    });
  }

 private:
  static std::ptrdiff_t index(AttentionShape const& a, int row, int head) {
    return static_cast<std::ptrdiff_t>(row) * a.heads + head;
  }
  /// m_ij of op.hpp: what an attention weight is multiplied by after the softmax.
  static S keep(AttentionShape const& a, int row, int head, int key_index) {
    if (a.dropout <= 0) return S(1);
    return attention_drops(a, row, head, key_index) ? S(0) : S(1 / (1 - a.dropout));
  }
  /// f(sequence, row, head) for every row and query head.
  template <class F> static void each_row(Batch const& batch, AttentionShape const& a, F&& f) {
    for (int b = 0; b < batch.sequences; ++b)
      for (int i = batch.first(b); i < batch.last(b); ++i)
        for (int h = 0; h < a.heads; ++h) f(b, i, h);
  }
};

}  // namespace fauna::inline v0
