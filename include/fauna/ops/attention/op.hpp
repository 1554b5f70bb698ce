// Causal softmax attention (Vaswani et al. 2017, section 3.2.1), computed without ever holding a T x T matrix (Milakov
// and Gimelshein 2018, online softmax; Dao et al. 2022, FlashAttention).
//   s_ij = scale · q_i · k_j   over the j that row i sees      p_ij = exp(s_ij - lse_i),  lse_i = log Σ_j exp s_ij
//   y_i  = Σ_j m_ij p_ij v_j                                   m_ij = dropout mask / (1 - p), 1 without dropout
// Backward, with delta_i = dy_i · y_i:
//   dv_j = Σ_i m_ij p_ij dy_i      ds_ij = p_ij (m_ij dy_i · v_j - delta_i)
//   dq_i = scale Σ_j ds_ij k_j     dk_j  = scale Σ_i ds_ij q_i
// Variants:
//   window   row i sees the last `window` rows, itself included (Beltagy et al. 2020,
//            "Longformer", section 3.1; Jiang et al. 2023, "Mistral 7B", section 2);
//            of a tree, those of its own branch
//   chunk    row i sees the rows of its own chunk, of so many rows of its
//            sequence or document that follow each other (Meta AI 2025,
//            "Llama 4")
//   cap      s'_ij = cap tanh(s_ij / cap) for s_ij (Bello et al. 2016; Gemma
//            Team 2024, "Gemma 2", section 2), and ds_ij is multiplied by
//            1 - (s'_ij / cap)²
//   alibi    s_ij gets - alibi · slope_h · (how many rows back j lies of i), before the cap (Press et al. 2022, "Train
//            short, test long: attention with linear biases", section 3)
//   sinks    a learned logit for each head in the denominator, that takes weight and gives nothing (OpenAI 2025,
//            "gpt-oss", section 2.4; Xiao et al. 2024, "Efficient streaming language models with attention sinks"):
//            lse_i = log(exp sink_h + Σ_j exp s_ij),  dsink_h = - Σ_i exp(sink_h - lse_i) delta_i
#pragma once
#include <cmath>
#include <type_traits>

#include <fauna/core/backend.hpp>
#include <fauna/core/batch.hpp>
#include <fauna/core/rng.hpp>

namespace fauna::inline v0 {

/// Element i of head h in row r is data[r * row_stride + h * head_stride + i]: [rows, heads, size] cut out of a fused
/// projection, or [heads, rows, size], without a copy.
template <class T> struct Heads {
  T* data = nullptr;
  int row_stride = 0, head_stride = 0;
  constexpr Heads() = default;
  constexpr Heads(T* d, int row, int head) : data(d), row_stride(row), head_stride(head) {}
  template <class U>
  requires std::is_same_v<const U, T>
  constexpr Heads(Heads<U> const& h) : data(h.data), row_stride(h.row_stride), head_stride(h.head_stride) {}
  constexpr T* at(int row, int head) const {
    return data + static_cast<std::ptrdiff_t>(row) * row_stride + static_cast<std::ptrdiff_t>(head) * head_stride;
  }
};

struct AttentionShape {
  int heads = 1;
  int kv_heads = 1;        ///< divides heads; query head h reads key head h / (heads / kv_heads)
  double scale = 1;        ///< usually 1 / sqrt(head size)
  int capacity = 0;        ///< rows that a sequence has in k and v: see below; 0: k and v are rows of the batch
  int ring = 0;            ///< row j of a sequence stands where row j % ring would; 0: each in its own place
  float dropout = 0;       ///< probability that an attention weight is dropped; 0 = off
  Key key{};               ///< the mask of (row i, head h, row j of the same sequence): see attention_drops
  float cap = 0;           ///< 0: scores are not capped
  int window = unbounded;  ///< rows that a row sees, itself included
  double alibi = 0;        ///< what each head's slope is multiplied by; 0: none
  int chunk = unbounded;   ///< rows of a chunk

  constexpr bool bounded() const { return window < unbounded || chunk < unbounded; }
  /// Rows that a row sees, itself included, of the `before` that come before it and itself.
  constexpr int reach(int before) const {
    const int own = chunk < unbounded ? before % chunk + 1 : unbounded;
    return own < window ? own : window;
  }
  /// The first row, of those that follow each other, that does not see row k any more; of bounded ones.
  constexpr int until(int k) const {
    const int next = chunk < unbounded ? (k / chunk + 1) * chunk : unbounded;
    return window < unbounded && k + window < next ? k + window : next;
  }
};

/// alibi · slope of a head (Press et al. 2022, section 3): 2^(-8 / n), its square, its cube, ..., for n heads, a power
/// of two; of more heads, those between two of 2 n heads.
/// A template, since only such may be constexpr, as kernels need it, and call what is not.
template <class A> constexpr float alibi_slope(A const& a, int head) {
  int n = 1;
  while (2 * n <= a.heads) n *= 2;
  const double power = head < n ? 8.0 * (head + 1) : 4.0 * (2 * (head - n) + 1);
  return static_cast<float>(a.alibi * std::exp2(-power / n));
}

/// The dropout decision of one attention weight: position ((row * heads + head) << 32) + (j - first row of the
/// sequence).
constexpr bool attention_drops(AttentionShape const& a, int row, int head, int key_index) {
  const auto at =
      (static_cast<std::uint64_t>(row) * static_cast<std::uint64_t>(a.heads) + static_cast<std::uint64_t>(head)) << 32;
  return a.key.uniform(at + static_cast<std::uint64_t>(key_index)) < a.dropout;
}

/// Keys and values of the same rows.
template <class S> struct KeyValues { Heads<S> k, v; };

/// Where a row of a sequence has its key: in a cache, or among the batch's own rows.
struct KeyPlace {
  bool own;
  int row;
};
/// Of row j of a sequence, counted from the sequence's start. `apart`: the batch's rows are in no cache yet.
constexpr KeyPlace key_place(AttentionShape const& a, Batch const& batch, int sequence, int j, bool apart) {
  const int past = batch.before(sequence);
  if (a.capacity == 0 || (apart && j >= past)) return {true, batch.first(sequence) + j - past};
  return {false, sequence * a.capacity + (a.ring > 0 ? j % a.ring : j)};
}

/// Keys stand in blocks of so many at absolute places.
inline constexpr int key_block = 64;
/// The first row of the block of keys in which what row i of a sequence sees begins.
constexpr int window_block(AttentionShape const& a, int i) {
  const int own = a.reach(i);
  return i < own ? 0 : (i - own + 1) / key_block * key_block;
}
/// Rows that are looked at together at most, where a call has `rows` rows of sequences of up to `longest`.
constexpr int reach(AttentionShape const& a, int rows, int longest) {
  const int most = a.window < a.chunk ? a.window : a.chunk;
  return longest - rows > most && longest - rows - most > key_block ? rows + most + key_block : longest;
}

/// With a capacity, k and v are a KV cache: row j of sequence s, counted from the sequence's start, is row s * capacity
/// + j of them, and the batch's own rows stand there already, behind the batch.past[s] rows before them; or, where
/// `own` is given, they are rows of the batch and not in the cache. A ring has a multiple of 64 rows, or never goes
/// round, and must hold all rows from the block on in which the first window begins. A row's result is the same bits
/// however the rows were split into calls, and wherever its keys stood.
/// attention<B>::forward<HeadSize>(b, batch, shape, q, k, v, y, lse, sinks, own)
///   lse: [rows * heads], index row * heads + head; null in inference
///   sinks: [heads]; null, as by default: none
/// attention<B>::backward<HeadSize>(b, batch, shape, q, k, v, y, lse, dy, dq, dk, dv)
///   overwrites dq, dk and dv; y and lse are those of forward; no capacity
/// attention<B>::sink_gradients<HeadSize>(b, batch, shape, y, lse, dy, sinks, dsinks)
///   adds to dsinks [heads]; the rest of backward is as without sinks, whose part is in lse
/// attention<B>::workspace<HeadSize>(batch sequences, longest sequence, shape, threads)
///   the bytes that either takes from b.scratch; with a cache, of a sequence only `reach` rows count
/// A row that sees no key cannot occur: every row sees itself.
template <class B> struct attention {
  static_assert(always_false<B>,
                "fauna: no attention for this backend: include <fauna/ops/attention/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
