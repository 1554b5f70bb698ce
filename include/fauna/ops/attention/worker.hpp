// One thread of CPU attention: its scratch, the head it is at, and what it does with one block of queries.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <fauna/backend/philox.hpp>
#include <fauna/ops/attention/op.hpp>
#include <fauna/ops/attention/tile.hpp>

namespace fauna::inline v0::attention_detail {

/// Where the count of a sequence's rows begins.
inline int base_of(Batch const& batch, AttentionShape const& a, int sequence) {
  return a.capacity > 0 ? window_block(a, batch.before(sequence)) : 0;
}

/// Rows are counted from the start of the sequence, or from the block on in which the window of the batch's first row
/// begins; `at` is the first of a block of queries, j the first of a block of keys.
template <int W, int Size, unsigned Tag> class Worker {
  using K = kernels<W, Size, Tag>;
  using vector = simd::vfloat<W>;
  static constexpr int stride = K::stride, R = K::R;

 public:
  /// Keys that backward holds, with their gradients, in the second-level cache (256 KiB) while all queries pass by.
  static constexpr int panel = 16384 / stride < 2 * block ? block : 16384 / stride / block * block;

  constexpr Worker(Arena& arena, Batch const& b, int longest, AttentionShape const& shape, const float* s = nullptr)
      : batch(b), a(shape), sinks(s) {
    const int rows = (longest + block - 1) / block * block;
    const auto take = [&arena](int n) { return arena.template take<float>(static_cast<std::size_t>(n)); };
    for (float** x : {&keys, &values}) *x = take(rows * stride);
    for (float** x : {&dkeys, &dvalues}) *x = take((rows < panel ? rows : panel) * stride);
    for (float** x : {&queries, &queries_T, &dy, &dy_T, &sums}) *x = take(block * stride);
    for (float** x : {&p, &ds}) *x = take(block * block);
    if (a.dropout > 0) keep = take(block * block);
    if (a.alibi > 0) {
      places = take(rows);
      for (float** x : {&slope, &place}) *x = take(block);
    }
    for (float** x : {&most, &before, &total, &factor, &row_lse, &delta}) *x = take(block);
    seen = arena.template take<std::uint64_t>(static_cast<std::size_t>(rows));
  }

  /// Goes to a sequence and a key head. Its keys stay packed when it is there already.
  void enter(int to_sequence, int to_head) {
    if (to_sequence == sequence && to_head == kv_head) return;
    sequence = to_sequence;
    kv_head = to_head;
    base = base_of(batch, a, sequence);
    past = batch.before(sequence) - base;
    first = batch.first(sequence) - past;
    length = batch.last(sequence) - first;
    packed = 0;
    tilt_head = tilt_at = -1;
    // Where rows stand, counted along their branch in a tree: what alibi's distances are between.
    for (int r = 0; a.alibi > 0 && r < round_up(length, R); ++r) {
      const bool straight = r < past || r >= length || batch.parent == nullptr;
      const int from = straight ? r - 1 : batch.parent[first + r] - first;
      places[r] = straight ? static_cast<float>(r) : from < past ? static_cast<float>(past) : places[from] + 1;
    }
  }

  /// Keys and values of the rows before `end`, piece by piece where they stand together.
  void pack_keys(Heads<const float> k, Heads<const float> v, KeyValues<const float> own, int end) {
    if (end > length) end = length;
    const bool apart = own.k.data != nullptr;
    while (packed < end) {
      const KeyPlace place = key_place(a, batch, sequence, base + packed, apart);
      int to = apart && packed < past && past < end ? past : end;
      if (a.ring > 0 && !place.own) {
        const int before_edge = a.ring - (base + packed) % a.ring;
        if (packed + before_edge < to) to = packed + before_edge;
      }
      const auto pack = [&](float* rows, Heads<const float> from) {
        K::pack(rows + packed * stride, from.at(place.row, kv_head), from.row_stride, to - packed,
                (to == end ? round_up(end, R) : to) - packed, 1);
      };
      pack(keys, apart && place.own ? own.k : k);
      pack(values, apart && place.own ? own.v : v);
      packed = to;
    }
  }

  /// The first row of the block of keys in which what row i sees begins.
  int first_block(int i) const {
    const int at = window_block(a, base + i) - base;
    return at > 0 ? at : 0;
  }

  /// The block of queries from `at` on, of one head.
  void forward(int head, int at, Heads<const float> q, Heads<float> y, float* lse) {
    load_queries(head, at, q);
    attend(head, at, at, y, lse);
  }
  /// Every query of the sequence for every head of the group as one block, in decoding: the keys are read once. There
  /// is no dropout.
  void forward_group(int group, Heads<const float> q, Heads<float> y, float* lse) {
    load_group(group, q);
    attend(kv_head * group, past, length - 1, y, lse);
    per_row = 1;
  }

  /// Backward goes panel by panel: the keys from `begin` on.
  void open_panel(int begin, Heads<const float> k, Heads<const float> v) {
    panel_begin = begin;
    panel_end = begin + panel < length ? begin + panel : length;
    pack_keys(k, v, {}, panel_end);
    const std::size_t bytes = sizeof(float) * static_cast<std::size_t>(round_up(panel_end - begin, R) * stride);
    std::memset(dkeys, 0, bytes);
    std::memset(dvalues, 0, bytes);
  }
  void close_panel(Heads<float> dk, Heads<float> dv) {
    for (int j = panel_begin; j < panel_end; ++j) {
      K::store(dk.at(first + j, kv_head), dkeys + (j - panel_begin) * stride, 1);
      K::store(dv.at(first + j, kv_head), dvalues + (j - panel_begin) * stride, 1);
    }
  }

  /// One block of queries against the panel. dq lies in its place until the last panel, without the factor `scale`.
  void backward(int head, int at, Heads<const float> q, Heads<const float> y, const float* lse,
                Heads<const float> gradient, Heads<float> dq) {
    if (batch.plainly_causal() && first_block(at) >= panel_end) return;
    load_queries(head, at, q);
    const int begin = oldest > panel_begin ? oldest : panel_begin, end = at < panel_end ? at + block : panel_end;
    const bool last = at < panel_end;
    if (begin >= end) return;
    K::pack(dy, gradient.at(first + at, head), gradient.row_stride, count, lanes, 1);
    transpose_rows<W, Tag>(dy_T, block, dy, stride, lanes, stride);
    K::row_dots(delta, dy, y.at(first + at, head), y.row_stride, count, lanes);
    for (int i = 0; i < lanes; ++i) row_lse[i] = i < count ? lse[index(at + i, head)] : 0;
    if (begin == oldest) std::memset(sums, 0, sizeof(float) * block * stride);
    else K::pack(sums, dq.at(first + at, head), dq.row_stride, count, count, 1);
    for (int j = begin; j < end; j += block) {
      const int n = length - j < block ? length - j : block;
      const std::uint64_t* mask;
      if (!visible(j, n, mask)) continue;
      if (a.dropout > 0) draw(head, at, j);
      if (a.cap > 0 || a.alibi > 0) bend_gradients(head, at, j, n, mask);
      else
        each_score(j, n, [&]<int N>(int r, int i) {
          K::template score_gradients<N>(p + r * block, ds + r * block, keys + (j + r) * stride,
                                         values + (j + r) * stride, queries_T, dy_T, row_lse, delta,
                                         keep ? keep + r * block : nullptr, mask ? mask + r : nullptr, i);
        });
      for (int r = 0; r < n; r += R) {
        const int from = j == at ? r : 0, to = (j - panel_begin + r) * stride;
        K::template product<false>(dvalues + to, nullptr, p + r * block, dy, from, count);
        K::template product<false>(dkeys + to, nullptr, ds + r * block, queries, from, count);
      }
      for (int i = 0; i < count; i += R)
        K::template product<true>(sums + i * stride, nullptr, ds + i, keys + j * stride, 0, keys_before(j, n, i + R));
    }
    for (int i = 0; i < count; ++i)
      K::store(dq.at(first + at + i, head), sums + i * stride, last ? static_cast<float>(a.scale) : 1.0F);
  }

 private:
  /// The loaded queries against the keys up to `last`.
  void attend(int head, int at, int last, Heads<float> y, float* lse) {
    std::memset(sums, 0, sizeof(float) * block * stride);
    for (int i = 0; i < lanes; ++i) before[i] = K::nothing, total[i] = 0;
    if (sinks != nullptr)  // as a key before all others, which has no value
      for (int i = skip; i < count; ++i) before[i] = sinks[head + i % per_row], total[i] = 1;
    for (int j = oldest; j <= last; j += block) {
      const int n = length - j < block ? length - j : block;
      const std::uint64_t* mask;
      if (!visible(j, n, mask)) continue;
      std::memcpy(most, before, sizeof(float) * block);
      each_score(j, n, [&]<int N>(int r, int i) {
        K::template scores<N>(p + r * block, keys + (j + r) * stride, queries_T, mask ? mask + r : nullptr, i, most);
      });
      if (a.cap > 0 || a.alibi > 0) bend(head, at, j, n);
      for (int i = lane; i < lanes; i += W)
        K::softmax(p + i, keys_before(j, n, i + W), most + i, before + i, total + i, factor + i);
      if (a.dropout > 0) {
        draw(head, at, j);
        for (int r = 0; r < n; ++r) K::multiply(p + r * block, keep + r * block, lanes);
      }
      for (int i = lane; i < count; i += R)
        K::template product<true>(sums + i * stride, factor + i, p + i, values + j * stride, 0,
                                  keys_before(j, n, i + R));
    }
    for (int i = lane; i < lanes; i += W) K::finish(row_lse + i, factor + i, before + i, total + i);
    for (int i = skip; i < count; ++i) {
      const int row = at + i / per_row, of = head + i % per_row;
      K::store(y.at(first + row, of), sums + i * stride, factor[i]);
      if (lse != nullptr) lse[index(row, of)] = row_lse[i];
    }
  }

  /// n scores of each loaded query, of heads from `head` on and rows from `at` on, in place: slope · (the key's place -
  /// the query's) more.
  void tilt(int head, int at, int j, int n) {
    for (int i = 0; i < lanes && (head != tilt_head || at != tilt_at); ++i) {
      const bool is = i >= skip && i < count;
      slope[i] = is ? alibi_slope(a, head + i % per_row) : 0;
      place[i] = is ? places[at + i / per_row] : 0;
    }
    tilt_head = head, tilt_at = at;
    for (int r = 0; r < n; ++r)
      for (int i = lane; i < lanes; i += W) {
        vector x, m, query;
        simd::load<W>(x, p + r * block + i);
        simd::load<W>(m, slope + i);
        simd::load<W>(query, place + i);
        simd::store<W>(p + r * block + i, x + m * (places[j + r] - query));
      }
  }
  /// Biases and caps the scores of the n keys from j on; `most` is then theirs.
  void bend(int head, int at, int j, int n) {
    if (a.alibi > 0) tilt(head, at, j, n);
    for (int r = 0; a.cap > 0 && r < n; ++r) K::bend(p + r * block + lane, lanes - lane, a.cap);
    for (int i = lane; i < lanes; i += W) K::largest(most + i, before + i, p + i, keys_before(j, n, i + W));
  }
  /// score_gradients behind a bias or a cap: both products first.
  void bend_gradients(int head, int at, int j, int n, const std::uint64_t* mask) {
    each_score(j, n, [&]<int N>(int r, int i) {
      K::template scores<N>(p + r * block, keys + (j + r) * stride, queries_T, mask ? mask + r : nullptr, i, most);
      K::template scores<N>(ds + r * block, values + (j + r) * stride, dy_T, nullptr, i, most);
    });
    if (a.alibi > 0) tilt(head, at, j, round_up(n, R));
    for (int r = 0; r < round_up(n, R); ++r)
      K::bend_gradients(p + r * block + lane, ds + r * block + lane, row_lse + lane, delta + lane,
                        keep ? keep + r * block + lane : nullptr, lanes - lane, a.cap);
  }

  static constexpr int round_up(int n, int to) { return (n + to - 1) / to * to; }
  /// Of the n keys from j on, how many can come before the query with index i of the block.
  int keys_before(int j, int n, int i) const { return j == diagonal && i < n ? i : n; }
  std::ptrdiff_t index(int row, int head) const { return static_cast<std::ptrdiff_t>(first + row) * a.heads + head; }

  /// The queries from `at` on, but for those of earlier calls: packed, scaled, transposed; and which keys they see.
  void load_queries(int head, int at, Heads<const float> q) {
    diagonal = at;
    count = length - at < block ? length - at : block;
    lanes = round_up(count, W);
    skip = past > at ? past - at : 0;
    lane = skip / W * W;
    std::memset(queries, 0, sizeof(float) * static_cast<std::size_t>(skip * stride));
    K::pack(queries + skip * stride, q.at(first + at + skip, head), q.row_stride, count - skip, lanes - skip,
            static_cast<float>(a.scale));
    transpose_rows<W, Tag>(queries_T, block, queries, stride, lanes, stride);
    if (batch.plainly_causal()) {
      oldest = first_block(at + skip);
      all_see = at;
      all_from = at + count - a.reach(base + at + count - 1);
      for (int j = 0; j < block; ++j) seen[at + j] = ~std::uint64_t{0} << j;
      if (all_from > 0) see_window(at, 1);
      return;
    }
    std::memset(seen, 0, sizeof(std::uint64_t) * static_cast<std::size_t>(round_up(at + count, R)));
    oldest = at;
    for (int i = skip; i < count; ++i) {
      const int row = first + at + i, start = batch.start(sequence, row);
      const std::uint64_t bit = std::uint64_t{1} << i;
      const int reach = a.reach(batch.rows_before(sequence, row));
      int earliest = row, met = 0;  // met: rows of the batch
      for (int k = row; k >= start && met < reach; k = batch.parent == nullptr ? k - 1 : batch.parent[k], ++met)
        seen[(earliest = k) - first] |= bit;
      if (batch.sees_past(sequence, row) && met < reach)
        for (int k = past - 1; k >= 0 && met < reach; --k, ++met) seen[k] |= bit, earliest = first + k;
      if (earliest - first < oldest) oldest = (earliest - first) / block * block;
    }
  }

  /// The queries of all rows for the heads of the group: row by row, each head of the row in turn.
  void load_group(int group, Heads<const float> q) {
    per_row = group;
    diagonal = -1;
    all_see = past;
    skip = lane = 0;
    oldest = first_block(past);
    all_from = length - a.reach(base + length - 1);
    count = (length - past) * group;
    lanes = round_up(count, W);
    std::memset(queries, 0, sizeof(float) * static_cast<std::size_t>(lanes * stride));
    for (int row = past; row < length; ++row)
      K::pack(queries + (row - past) * group * stride, q.at(first + row, kv_head * group), q.head_stride, group, group,
              static_cast<float>(a.scale));
    transpose_rows<W, Tag>(queries_T, block, queries, stride, lanes, stride);
    for (int k = past / block * block; k < round_up(length, R); ++k) {
      const int hidden = k > past ? (k - past) * group : 0;  // queries of the rows before k
      seen[k] = hidden < block ? ~std::uint64_t{0} << hidden : 0;
    }
    if (all_from > 0) see_window(past, group);
  }
  /// Hides from the loaded queries, `each` for a row from `row` on, what lies before their windows and chunks; there
  /// are some.
  void see_window(int row, int each) {
    for (int k = oldest; k < round_up(length < row + block ? length : row + block, R); ++k) {
      const int rows = a.until(base + k) - base - row,
                before_end = rows > 0 ? (rows < block ? rows : block) * each : 0;  // that see k
      const std::uint64_t inside = before_end < block ? (std::uint64_t{1} << before_end) - 1 : ~std::uint64_t{0};
      seen[k] = (k < row / block * block ? ~std::uint64_t{0} : seen[k]) & inside;
    }
  }

  /// Does any query of the block see any of the n keys from j on? Bit i of mask[r] says whether query i sees key j + r;
  /// no mask where all see all.
  bool visible(int j, int n, const std::uint64_t*& mask) const {
    mask = nullptr;
    if (batch.plainly_causal()) {
      if (j + n > all_see || j < all_from) mask = seen + j;
      return true;
    }
    const std::uint64_t whole = (~std::uint64_t{0} >> (block - count)) >> skip << skip;
    std::uint64_t any = 0, all = whole;
    for (int r = 0; r < n; ++r) any |= seen[j + r], all &= seen[j + r];
    if (all != whole || n < block) mask = seen + j;
    return any != 0;
  }

  /// f<N>(key, query) for the register tiles, of R keys and N vectors of queries, that causality leaves. Two vectors of
  /// queries stay in the first-level cache while the keys pass by.
  template <class F> void each_score(int j, int n, F&& f) const {
    for (int i = lane; i < lanes; i += 2 * W) {
      const bool two = i + W < lanes;
      const int both = keys_before(j, n, i + W), upper = two ? keys_before(j, n, i + 2 * W) : both;
      int r = 0;
      for (; r < both; r += R) two ? f.template operator()<2>(r, i) : f.template operator()<1>(r, i);
      for (; r < upper; r += R) f.template operator()<1>(r, i + W);
    }
  }

  /// keep[key][query] = 0 where attention_drops, else 1 / (1 - dropout), for the block of keys from j on.
  void draw(int head, int at, int j) {
    const float kept = 1 / (1 - a.dropout);
    float* drawn = ds;  // [query][key], free until the scores are there
    for (int i = 0; i < lanes; ++i) {
      const auto row = static_cast<std::uint64_t>(index(at + i, head));
      for (int c = 0; c < block; c += 4 * W) {
        alignas(64) std::uint32_t words[4 * W];
        simd::philox_words<W>(words, a.key, (row << 30) + static_cast<std::uint64_t>((j + c) / 4));
        FAUNA_UNROLL
        for (int l = 0; l < 4 * W; l += W) {
          simd::vuint<W> word;
          std::memcpy(&word, words + l, sizeof word);
          const vector uniform = __builtin_convertvector((simd::vint<W>)(word >> 8), vector) * 0x1p-24F;
          simd::store<W>(drawn + i * block + c + l, uniform < a.dropout ? vector{} : vector{} + kept);
        }
      }
    }
    transpose_rows<W, Tag>(keep, block, drawn, block, lanes, block);
  }

  Batch const& batch;
  AttentionShape const& a;
  const float* sinks;
  int sequence = -1, kv_head = -1;
  int past = 0, length = 0;  ///< rows of the sequence: those of earlier calls, all
  int base = 0, first = 0;   ///< where they are counted from, and the row of the batch that is (or would be) there
  int packed = 0, panel_begin = 0, panel_end = 0;  ///< rows of keys that are in place
  int count = 0, lanes = 0, oldest = 0;            ///< queries; rounded up to vectors; their first block of keys
  int per_row = 1;                                 ///< queries that a row has in the block, one a head
  int diagonal = -1, all_see = 0, all_from = 0;    ///< the key at which the causal triangle starts; those in between
                                                   ///< every query sees: before all_see, from all_from on
  int tilt_head = -1, tilt_at = -1;                ///< whose slopes and places are there
  int skip = 0, lane = 0;  ///< queries of earlier calls at the start of the block; the first vector after

  float *keys = nullptr, *values = nullptr, *dkeys = nullptr, *dvalues = nullptr;  ///< [rows][stride]
  float *queries = nullptr, *dy = nullptr, *sums = nullptr;  ///< [query][stride]; sums: of y or of dq
  float *queries_T = nullptr, *dy_T = nullptr;               ///< [stride][query]
  float *p = nullptr, *ds = nullptr, *keep = nullptr;        ///< [key][query]
  float *most = nullptr, *before = nullptr, *total = nullptr,
        *factor = nullptr;                     ///< [query] maximum and the one before, Σ exp, what scales the sums
  float *row_lse = nullptr, *delta = nullptr;  ///< [query]
  float *places = nullptr, *slope = nullptr, *place = nullptr;  ///< [row]; [query] of its head, and where it stands
  std::uint64_t* seen = nullptr;                                ///< [key] bit i: query i sees it
};

}  // namespace fauna::inline v0::attention_detail
