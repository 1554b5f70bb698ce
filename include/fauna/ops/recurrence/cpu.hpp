#pragma once
#include <vector>

#include <fauna/backend/cpu.hpp>
#include <fauna/ops/recurrence/tile.hpp>

namespace fauna::inline v0 {

/// Lanes are columns of a state: they never meet but in the gradients of what they share. Forward, threads own tiles of
/// columns; backward, and where a column divides the others, groups of heads that share keys.
template <Recurrence R, class P, isa I, unsigned Tag> struct recurrence<R, Cpu<P, I, Tag>> {
  using B = Cpu<P, I, Tag>;
  using Tile = recurrence_detail::Tile<R, B::lanes, typename B::scalar>;
  using Rows = RecurrenceRows<const float>;

  /// States of a chunk, the one before it, zeros, and the gradient of one.
  static constexpr std::size_t workspace(RecurrenceShape const& n, int threads) {
    return aligned(static_cast<std::size_t>(threads) * (recurrence_chunk + 3) * state_size(n) * sizeof(float));
  }

  static void forward(B const& b, Batch const& batch, RecurrenceShape const& n, Rows const& in, Matrix<float> state,
                      Matrix<float> y, Matrix<float> kept) {
    const int all = tiles(n), each = R.normalised ? all : 1, parts = all / each;
    over(b, n, batch.sequences * n.heads * parts, [&](int item, float* memory) {
      const int part = item % parts, h = item / parts % n.heads, q = item / parts / n.heads;
      const int first = batch.first(q), last = batch.last(q), own = q * n.heads + h;
      if (first == last) return;
      const std::size_t size = static_cast<std::size_t>(each) * tile_size(n);
      float *const entering = memory, *const zeros = memory + size;
      clear(zeros, size);
      read(n, state, own, part, each, entering);
      std::vector<typename B::scalar> rows(batch.parent ? static_cast<std::size_t>(last - first) * size : 0);
      float* now = entering;  // without a tree, each state takes the place of the one before
      for (int t = first; t < last; ++t) {
        const int p = batch.continues(q, t);
        if (kept && (t - first) % recurrence_chunk == 0)
          write(n, now, kept, (recurrence_first_kept(batch, q) + (t - first) / recurrence_chunk) * n.heads + h, part,
                each);
        const float* before = now;
        if (batch.parent) {
          before = p >= 0 ? &rows[static_cast<std::size_t>(p - first) * size] : entering;
          now = &rows[static_cast<std::size_t>(t - first) * size];
        }
        if (p == Batch::nothing) before = zeros;
        const Tile tile(n, in, t, h);
        float divisor = 1;
        for (int i = 0; i < each; ++i) {
          const std::size_t at = static_cast<std::size_t>(i) * tile_size(n);
          typename Tile::Lanes o;
          tile.step(part + i, before + at, now + at, &o);
          tile.put(part + i, o, y.row(t) + h * n.values);
          if (R.normalised && i == each - 1) divisor = tile.divisor(o);
        }
        if (R.normalised)
          for (int j = h * n.values; j < (h + 1) * n.values; ++j) y(t, j) /= divisor;
      }
      if (state) write(n, now, state, own, part, each);
    });
  }

  static void backward(B const& b, Batch const& batch, RecurrenceShape const& n, Rows const& in,
                       Matrix<const float> kept, Matrix<const float> dy, RecurrenceRows<float> const& d,
                       Matrix<float> dstate) {
    const int group = n.heads / n.key_heads;
    over(b, n, batch.sequences * n.key_heads, [&](int item, float* memory) {
      for (int i = 0; i < group; ++i)
        of_head(batch, n, item / n.key_heads, item % n.key_heads * group + i, in, kept, dy, d, dstate, memory);
    });
  }

 private:
  static constexpr int tiles(RecurrenceShape const& n) {
    return (recurrence_columns(R, n.values) + Tile::columns - 1) / Tile::columns;
  }
  /// Numbers of a state's tile here, and of a state: columns that it does not have are zeros.
  static constexpr std::size_t tile_size(RecurrenceShape const& n) {
    return static_cast<std::size_t>(n.keys) * Tile::columns;
  }
  static constexpr std::size_t state_size(RecurrenceShape const& n) {
    return static_cast<std::size_t>(tiles(n)) * tile_size(n);
  }
  /// f(item, memory of the thread's own) for n items.
  template <class F> static void over(B const& b, RecurrenceShape const& shape, int n, F&& f) {
    Scope scope(*b.scratch);
    const int parts = b.threads < n ? b.threads : n;
    const std::size_t each = (recurrence_chunk + 3) * state_size(shape);
    float* const memory = b.scratch->template take<float>(static_cast<std::size_t>(parts) * each);
    parallel_for(parts, parts, 1, [&](int from, int to) {
      for (int part = from; part < to; ++part)
        for (int i = TeamOf<Tag>{part, parts}.from(n); i < TeamOf<Tag>{part, parts}.to(n); ++i)
          f(i, memory + static_cast<std::size_t>(part) * each);
    });
  }

  static void of_head(Batch const& batch, RecurrenceShape const& n, int q, int h, Rows const& in,
                      Matrix<const float> kept, Matrix<const float> dy, RecurrenceRows<float> const& d,
                      Matrix<float> dstate, float* memory) {
    const int first = batch.first(q), last = batch.last(q), own = q * n.heads + h, all = tiles(n);
    if (first == last) return;
    const bool tree = batch.parent != nullptr;
    const std::size_t size = state_size(n), rows = static_cast<std::size_t>(last - first) + 1;
    // A tree is one chunk, and each of its rows has a gradient of its own: several rows may continue it. Otherwise the
    // gradient of each state takes the place of the one after.
    std::vector<typename B::scalar> own_rows(tree ? 2 * rows * size : 0);
    float* const zeros = memory;
    float* const states = tree ? own_rows.data() : memory + 2 * size;
    float* const gradients = tree ? &own_rows[rows * size] : memory + size;
    const auto gradient = [&](int t) {
      return tree ? gradients + static_cast<std::size_t>(t - first + 1) * size : gradients;
    };
    clear(zeros, size);
    read(n, dstate, own, 0, all, gradient(last - 1));
    const int length = tree ? last - first : recurrence_chunk;
    for (int from = first + (last - 1 - first) / length * length; from >= first; from -= length) {
      const int to = from + length < last ? from + length : last;
      const auto after = [&](int t) { return states + static_cast<std::size_t>(t - from + 1) * size; };
      const auto before = [&](int p) { return p == Batch::nothing ? zeros : p < from ? states : after(p); };
      read(n, kept, (recurrence_first_kept(batch, q) + (from - first) / recurrence_chunk) * n.heads + h, 0, all,
           states);
      for (int t = from; t < to; ++t)
        for (int i = 0; i < all; ++i) {
          const std::size_t at = static_cast<std::size_t>(i) * tile_size(n);
          Tile(n, in, t, h).step(i, before(batch.continues(q, t)) + at, after(t) + at, nullptr);
        }
      for (int t = to - 1; t >= from; --t) {
        const int p = batch.continues(q, t);
        // What nothing came before gives its gradient to nobody.
        float* const g_before = gradient(p == Batch::nothing ? t : p < first ? first - 1 : p);
        const Tile tile(n, in, t, h);
        const float* const dout = dy.row(t) + h * n.values;
        const auto division = tile.division(all, after(t), dout, d);
        for (int i = 0; i < all; ++i) {
          const std::size_t at = static_cast<std::size_t>(i) * tile_size(n);
          tile.step_back(i, before(p) + at, after(t) + at, dout, division, d, gradient(t) + at, g_before + at, tree);
        }
        if (!tree && p == Batch::nothing) clear(gradients, size);
      }
    }
    if (dstate) write(n, gradient(first - 1), dstate, own, 0, all);
  }

  static void clear(float* s, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) s[i] = 0;
  }
  /// Tiles [part, part + count) of the state that stands there; zeros without memory.
  static void read(RecurrenceShape const& n, Matrix<const float> from, int place, int part, int count, float* s) {
    clear(s, static_cast<std::size_t>(count) * tile_size(n));
    each_row(n, part, count, [&](int i, int column, int width, std::size_t at) {
      for (int j = 0; from && j < width; ++j)
        s[at + static_cast<std::size_t>(j)] = from(place * n.keys + i, column + j);
    });
  }
  static void write(RecurrenceShape const& n, const float* s, Matrix<float> to, int place, int part, int count) {
    each_row(n, part, count, [&](int i, int column, int width, std::size_t at) {
      for (int j = 0; j < width; ++j) to(place * n.keys + i, column + j) = s[at + static_cast<std::size_t>(j)];
    });
  }
  /// f(row, first column, columns, place in tiles) for the rows of some tiles.
  template <class F> static void each_row(RecurrenceShape const& n, int part, int count, F&& f) {
    const int columns = recurrence_columns(R, n.values);
    for (int k = 0; k < count; ++k) {
      const int column = (part + k) * Tile::columns, left = columns - column;
      for (int i = 0; i < n.keys; ++i)
        f(i, column, left < Tile::columns ? left : Tile::columns,
          static_cast<std::size_t>(k) * tile_size(n) + static_cast<std::size_t>(i) * Tile::columns);
    }
  }
};

}  // namespace fauna::inline v0
