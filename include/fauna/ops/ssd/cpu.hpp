#pragma once
#include <string>
#include <vector>

#include <fauna/backend/cpu.hpp>
#include <fauna/ops/ssd/chunk.hpp>

namespace fauna::inline v0 {

/// Threads own a few heads of a group in one sequence: those share C Bᵀ and its gradient, and what they add to the
/// gradients of B and C is summed in one order, whoever computes it.
template <class P, isa T, unsigned Tag> struct ssd<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes, together = 4;
  using vec = simd::vfloat<W>;
  using scalar = typename B::scalar;
  using Chunk = ssd_detail::Chunk<B>;

  static constexpr std::size_t workspace(SsdSizes const& z, int rows, int sequences, int threads, bool backward) {
    Arena a;
    a.take<std::byte>(static_cast<std::size_t>(threads) * memory_of(z, ssd_chunk, backward));
    if (backward) Parts(a, z, rows, sequences);
    return a.used();
  }

  static void forward(B const& b, Batch const& batch, SsdSizes const& z, SsdRows<const scalar> in,
                      SsdHeads<const scalar> v, Matrix<float> state, Matrix<float> y, Matrix<float> kept) {
    over_units(b, batch, z, false, [&](int q, Unit u, Memory& m) {
      const int begin = batch.first(q), end = batch.last(q);
      if (!kept && (batch.parent || end - begin < ssd_stepped)) return steps(batch, z, q, u, in, v, state, y, m);
      for (int h = u.first; h < u.last; ++h) read(state, (q * z.heads + h) * z.states, m.chunk, m.state(h - u.first));
      const int length = batch.parent ? end - begin : ssd_chunk;
      for (int from = begin; from < end; from += length) {
        m.chunk.load(batch, q, from, from + length < end ? length : end - from, u.group, in);
        for (int h = u.first; h < u.last; ++h) {
          float* const now = m.state(h - u.first);
          if (kept) write(m.chunk, now, kept, kept_row(batch, z, q, from, h));
          m.chunk.forward(h, in, v, now, from > begin || state, y);
        }
      }
      for (int h = u.first; state && h < u.last; ++h)
        write(m.chunk, m.state(h - u.first), state, (q * z.heads + h) * z.states);
    });
  }

  static void backward(B const& b, Batch const& batch, SsdSizes const& z, SsdRows<const scalar> in,
                       SsdHeads<const scalar> v, Matrix<const float> kept, Matrix<const float> dy, SsdRows<scalar> d,
                       SsdHeads<scalar> dv, Matrix<float> dstate) {
    Scope scope(*b.scratch);
    const Parts parts(*b.scratch, z, batch.rows, batch.sequences);
    over_units(b, batch, z, true, [&](int q, Unit u, Memory& m) {
      Chunk& c = m.chunk;
      const int begin = batch.first(q), end = batch.last(q), length = batch.parent ? end - begin : ssd_chunk;
      for (int h = u.first; h < u.last; ++h) {
        read(dstate, (q * z.heads + h) * z.states, c, m.state(h - u.first));
        parts.sums[q * z.heads + h] = {};
      }
      for (int from = begin + (end - 1 - begin) / length * length; from >= begin; from -= length) {
        c.load(batch, q, from, from + length < end ? length : end - from, u.group, in);
        c.begin_group();
        for (int h = u.first; h < u.last; ++h) {
          read(kept, kept_row(batch, z, q, from, h), c, c.S);
          c.backward(h, in, v, dy, m.state(h - u.first), d, parts.sums[q * z.heads + h]);
        }
        c.end_group();
        for (int t = 0; t < c.rows; ++t)
          for (int n = 0; n < z.states; ++n) {
            float* const to = parts.row(u.index, from + t) + n;
            to[0] = c.dB[t * c.wide_n + n];
            to[z.states] = c.dC[t * c.wide_n + n];
          }
      }
      for (int h = u.first; dstate && h < u.last; ++h)
        write(c, m.state(h - u.first), dstate, (q * z.heads + h) * z.states);
    });
    const int each = units(z) / z.groups;
    parallel_for(b.threads, batch.rows, 1 + 4096 / (z.states * units(z)), [&](int from, int to) {
      for (int t = from; t < to; ++t)
        for (int g = 0; g < z.groups; ++g)
          for (int n = 0; n < z.states; ++n) {
            float of_b = 0, of_c = 0;
            for (int u = g * each; u < (g + 1) * each; ++u) {
              of_b += parts.row(u, t)[n];
              of_c += parts.row(u, t)[z.states + n];
            }
            d.b(t, g * z.states + n) = of_b;
            d.c(t, g * z.states + n) = of_c;
          }
    });
    for (int q = 0; q < batch.sequences; ++q)
      for (int h = 0; batch.last(q) > batch.first(q) && h < z.heads; ++h) {
        auto const& s = parts.sums[q * z.heads + h];
        if (dv.A_log) dv.A_log[h] += static_cast<float>(s.log_rate);
        if (dv.D) dv.D[h] += static_cast<float>(s.skip);
        if (dv.dt_bias) dv.dt_bias[h] += static_cast<float>(s.bias);
      }
  }

 private:
  /// Some heads of a group.
  struct Unit {
    int index, group, first, last;
  };
  static constexpr int units_of_group(SsdSizes const& z) { return (z.heads / z.groups + together - 1) / together; }
  static constexpr int units(SsdSizes const& z) { return z.groups * units_of_group(z); }
  static Unit unit(SsdSizes const& z, int u) {
    const int heads = z.heads / z.groups, g = u / units_of_group(z), first = u % units_of_group(z) * together;
    return {u, g, g * heads + first, g * heads + (first + together < heads ? first + together : heads)};
  }

  /// What a thread works in: a chunk, and states or their gradients.
  struct Memory {
    Chunk chunk;
    float* states;
    constexpr Memory(Arena& a, SsdSizes const& z, int rows, bool backward)
        : chunk(a, z, rows, backward), states(a.take<float>(together * chunk.state_size())) {}
    float* state(int i) const { return states + static_cast<std::size_t>(i) * chunk.state_size(); }
  };
  static constexpr std::size_t memory_of(SsdSizes const& z, int rows, bool backward) {
    Arena a;
    Memory(a, z, rows, backward);
    return a.used();
  }
  /// What units add to the gradients of B and C in each row, and heads of sequences to those of their numbers.
  struct Parts {
    float* rows_;
    typename Chunk::Sums* sums;
    std::size_t rows, wide;
    constexpr Parts(Arena& a, SsdSizes const& z, int rows_of_batch, int sequences)
        : rows_(a.take<float>(static_cast<std::size_t>(units(z)) * static_cast<std::size_t>(rows_of_batch) * 2U *
                              static_cast<std::size_t>(z.states))),
          sums(a.take<typename Chunk::Sums>(static_cast<std::size_t>(sequences) * static_cast<std::size_t>(z.heads))),
          rows(static_cast<std::size_t>(rows_of_batch)),
          wide(2U * static_cast<std::size_t>(z.states)) {}
    float* row(int u, int t) const {
      return rows_ + (static_cast<std::size_t>(u) * rows + static_cast<std::size_t>(t)) * wide;
    }
  };

  /// f(sequence, unit, memory of the thread's own) for each sequence with rows.
  template <class F> static void over_units(B const& b, Batch const& batch, SsdSizes const& z, bool backward, F&& f) {
    int longest = 0;  // of a tree, which is one chunk
    for (int q = 0; batch.parent && q < batch.sequences; ++q)
      longest = batch.last(q) - batch.first(q) > longest ? batch.last(q) - batch.first(q) : longest;
    const int n = batch.sequences * units(z), parts = b.threads < n ? b.threads : n;
    const int rows = longest > ssd_chunk ? longest : ssd_chunk;
    const std::size_t each = memory_of(z, rows, backward), all = static_cast<std::size_t>(parts) * each;
    Scope scope(*b.scratch);
    std::vector<scalar> own(longest > ssd_chunk ? (all + alignment) / sizeof(scalar) : 0);
    const std::size_t past = reinterpret_cast<std::uintptr_t>(own.data()) % alignment;
    std::byte* const memory = own.empty() ? b.scratch->template take<std::byte>(all)
                                          : reinterpret_cast<std::byte*>(own.data()) + (alignment - past) % alignment;
    parallel_for(parts, parts, 1, [&](int from, int to) {
      for (int part = from; part < to; ++part) {
        Arena arena(memory + static_cast<std::size_t>(part) * each, each);
        Memory m(arena, z, rows, backward);
        for (int i = TeamOf<Tag>{part, parts}.from(n); i < TeamOf<Tag>{part, parts}.to(n); ++i)
          if (const int q = i / units(z); batch.last(q) > batch.first(q)) f(q, unit(z, i % units(z)), m);
      }
    });
  }

  static int kept_row(Batch const& batch, SsdSizes const& z, int q, int from, int h) {
    return ((ssd_first_kept(batch, q) + (from - batch.first(q)) / ssd_chunk) * z.heads + h) * z.states;
  }
  /// A head's state from its rows; zeros without memory.
  static void read(Matrix<const float> from, int row, Chunk const& c, float* s) {
    for (std::size_t i = 0; i < c.state_size(); ++i) s[i] = 0;
    for (int n = 0; from && n < c.z.states; ++n)
      for (int p = 0; p < c.z.size; ++p) s[n * c.wide_p + p] = from(row + n, p);
  }
  static void write(Chunk const& c, const float* s, Matrix<float> to, int row) {
    for (int n = 0; n < c.z.states; ++n)
      for (int p = 0; p < c.z.size; ++p) to(row + n, p) = s[n * c.wide_p + p];
  }

  /// Row after row, in the memory of the state where there is one; a tree's rows have a state each.
  static void steps(Batch const& batch, SsdSizes const& z, int q, Unit u, SsdRows<const scalar> const& in,
                    SsdHeads<const scalar> const& v, Matrix<float> state, Matrix<float> y, Memory& m) {
    for (int h = u.first; h < u.last; ++h) {
      if (!state) read({}, 0, m.chunk, m.state(0));
      const Matrix<float> s = state ? state.middle_rows((q * z.heads + h) * z.states, z.states)
                                    : Matrix<float>(m.state(0), z.states, z.size, m.chunk.wide_p);
      const float A = -std::exp(v.A_log[h]);
      const int first = batch.first(q), last = batch.last(q), numbers = z.states * z.size;
      std::vector<float> of_rows(batch.parent ? static_cast<std::size_t>((last - first) * numbers) : 0);
      const auto after = [&](int t) {
        return batch.parent ? Matrix<float>(&of_rows[static_cast<std::size_t>((t - first) * numbers)], z.states, z.size)
                            : s;
      };
      const auto copy = [&z](Matrix<float> from, Matrix<float> to) {
        for (int n = 0; n < z.states; ++n)
          for (int p = 0; p < z.size; ++p) to(n, p) = from(n, p);
      };
      for (int t = first; t < last; ++t) {
        const Matrix<float> now = after(t);
        if (batch.parent) copy(batch.continues(q, t) >= 0 ? after(batch.continues(q, t)) : s, now);
        const float delta = ssd_detail::step_of(in.dt(t, h) + v.dt_bias[h]);
        const float decay = batch.continues(q, t) == Batch::nothing ? 0 : std::exp(delta * A);
        const float *B_ = in.b.row(t) + u.group * z.states, *C = in.c.row(t) + u.group * z.states,
                    *x = in.x.row(t) + h * z.size;
        float* const out = y.row(t) + h * z.size;
        int p = 0;
        for (; p + 4 * W <= z.size; p += 4 * W) step<4>(now, p, W, x + p, delta, decay, B_, C, v.D[h], out + p);
        for (; p < z.size; p += W)
          step<1>(now, p, z.size - p < W ? z.size - p : W, x + p, delta, decay, B_, C, v.D[h], out + p);
      }
      if (batch.parent) copy(after(last - 1), s);
    }
  }
  /// Columns [p, p + (V - 1) W + n) of a head's state by one row, and of y.
  template <int V>
  static void step(Matrix<float> s, int p, int n, const float* x, float delta, float decay, const float* B_,
                   const float* C, float D, float* out) {
    vec X[V], Y[V];
    for (int i = 0; i < V; ++i) {
      simd::get<W>(X[i], x + i * W, n);
      Y[i] = D * X[i];
      X[i] *= delta;
    }
    for (int k = 0; k < s.rows(); ++k) {
      float* const row = s.row(k) + p;
      FAUNA_UNROLL
      for (int i = 0; i < V; ++i) {
        vec now;
        simd::get<W>(now, row + i * W, n);
        now = decay * now + B_[k] * X[i];
        simd::put<W>(row + i * W, now, n);
        Y[i] += C[k] * now;
      }
    }
    for (int i = 0; i < V; ++i) simd::put<W>(out + i * W, Y[i], n);
  }
};

}  // namespace fauna::inline v0
