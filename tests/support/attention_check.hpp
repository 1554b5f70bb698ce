// What tests of attention share: batches of any kind, and all tensors of one call.
#pragma once
#include <cmath>
#include <fauna/backend/cpu.hpp>
#include <fauna/ops/attention/op.hpp>
#include <initializer_list>
#include <vector>

#include "random.hpp"

namespace test {

using fauna::AttentionShape;
using fauna::Batch;
using fauna::Heads;

/// fused: rows of q, k and v side by side, and a gap. heads_first: [heads, rows, size].
enum class layout { fused, heads_first };

/// Rows of a batch that owns its arrays.
struct Sequences {
  std::vector<int> offsets, start, parent;
  Batch batch() const {
    Batch b;
    b.sequences = static_cast<int>(offsets.size()) - 1;
    b.rows = offsets.back();
    b.offsets = offsets.data();
    if (!start.empty()) b.document_start = start.data();
    if (!parent.empty()) b.parent = parent.data();
    return b;
  }
};
inline Sequences ragged(std::vector<int> const& lengths) {
  Sequences s{{0}, {}, {}};
  for (const int n : lengths) s.offsets.push_back(s.offsets.back() + n);
  return s;
}
/// All tensors of one run in one matrix each: q, k and v (and their gradients) in the layout, y and dy as [rows, heads,
/// size] or [heads, rows, size]. Inputs are exact in a float and the same for every S.
template <class S, int Size> struct Tensors {
  layout how;
  int rows, heads, kv_heads;
  Rows<S> qkv, dy, y, lse, dqkv;
  std::vector<S> sinks{}, dsinks{};  ///< [heads], if there are any

  Tensors(layout l, Batch const& b, AttentionShape const& a, float size_of_scores = 1)
      : how(l),
        rows(b.rows),
        heads(a.heads),
        kv_heads(a.kv_heads),
        qkv(matrix(heads + 2 * kv_heads)),
        dy(matrix(heads)),
        y(matrix(heads)),
        lse(rows, heads),
        dqkv(matrix(heads + 2 * kv_heads)) {
    Random random(1);
    for (int h = 0; h < heads + 2 * kv_heads; ++h)
      for (int r = 0; r < rows; ++r)
        for (int d = 0; d < Size; ++d)
          part(qkv, h).at(r, 0)[d] = S(random.uniform() * (h < heads ? size_of_scores : 1));
    for (int h = 0; h < heads; ++h)
      for (int r = 0; r < rows; ++r)
        for (int d = 0; d < Size; ++d) part(dy, h).at(r, 0)[d] = S(random.uniform());
  }
  Rows<S> matrix(int n) const { return how == layout::fused ? Rows<S>(rows, n * Size, 3) : Rows<S>(n * rows, Size, 1); }
  /// The heads from `first` on of a matrix.
  Heads<S> part(Rows<S>& m, int first) const {
    if (rows == 0) return {};
    if (how == layout::fused) return {m.data() + first * Size, m.view().stride(), Size};
    return {m.data() + first * rows * m.view().stride(), m.view().stride(), rows * m.view().stride()};
  }
  template <class B> void run(B const& b, Batch const& batch, AttentionShape const& a) {
    const Heads<S> q = part(qkv, 0), k = part(qkv, heads), v = part(qkv, heads + kv_heads);
    fauna::attention<B>::template forward<Size>(b, batch, a, q, k, v, part(y, 0), lse.data(),
                                                sinks.empty() ? nullptr : sinks.data());
    fauna::attention<B>::template backward<Size>(b, batch, a, q, k, v, part(y, 0), lse.data(), part(dy, 0),
                                                 part(dqkv, 0), part(dqkv, heads), part(dqkv, heads + kv_heads));
    if (!sinks.empty())
      fauna::attention<B>::template sink_gradients<Size>(b, batch, a, part(y, 0), lse.data(), part(dy, 0), sinks.data(),
                                                         dsinks.data());
  }
  /// Sinks of about the size of scores, and gradients that are there already.
  void add_sinks() {
    for (int h = 0; h < heads; ++h) sinks.push_back(S(0.25 * (h % 3) - 0.125)), dsinks.push_back(S(0.5));
  }
  bool gaps_untouched() const { return y.gaps_untouched() && dqkv.gaps_untouched(); }
};

inline AttentionShape shape(int heads, int kv_heads, int size, float dropout = 0) {
  return {.heads = heads, .kv_heads = kv_heads, .scale = 1 / std::sqrt(size), .dropout = dropout, .key = {3, 7}};
}

template <fauna::isa T> using Tile = fauna::Cpu<fauna::f32_products, T>;

}  // namespace test
