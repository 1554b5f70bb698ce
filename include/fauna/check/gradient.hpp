// The gradient check that every trainable block of the library gets, for a block of your own: one forward pass on dual
// numbers along a random direction, one backward pass in double, one comparison. No step size, so the bound is rounding
// alone: 1e-12 of the sum of absolute terms. A block's functions must take any scalar, as all blocks here do.
//
// The scalar that is differentiated: Σ probe · y + Σ side losses + Σ state probe · leaving state, as a function of the
// weights, the input rows and the entering state.
#pragma once
#include <cmath>
#include <type_traits>
#include <vector>

#include <fauna/check/poisoned.hpp>
#include <fauna/core/block.hpp>
#include <fauna/core/dual.hpp>

namespace fauna::inline v0 {
namespace checking {

/// Binds a weights struct to consecutive elements of T, tensor by tensor.
template <class Block, class T, class W> void bind_weights(W& w, T* data) {
  Block::visit(w, Place{}, [&data](Tensor const& t, auto& v) {
    v = Matrix<T>(data, t.rows, t.cols);
    data += t.size();
  });
}
template <class Block> std::size_t weight_count() {
  std::size_t n = 0;
  typename Block::template Weights<All<double>> w;
  Block::visit(w, Place{}, [&n](Tensor const& t, auto&) { n += t.size(); });
  return n;
}
/// Copies all elements of a state to a flat list, or back.
template <class Block, class S, class St> std::vector<S> flat_state(St& st) {
  std::vector<S> all;
  Block::visit_state(
      [&all](StatePiece, auto& v) {
        for (int r = 0; r < v.rows(); ++r)
          for (int c = 0; c < v.cols(); ++c) all.push_back(v(r, c));
      },
      st);
  return all;
}
template <class Block, class S, class St> void set_state(St& st, std::vector<S> const& all) {
  std::size_t i = 0;
  Block::visit_state(
      [&](StatePiece, auto& v) {
        for (int r = 0; r < v.rows(); ++r)
          for (int c = 0; c < v.cols(); ++c) v(r, c) = all[i++];
      },
      st);
}

/// Uniform in [-0.5, 0.5), from a stream of its own.
inline std::vector<double> random_values(std::size_t n, std::uint64_t stream) {
  std::vector<double> v(n);
  const Key k{2024, stream};
  for (std::size_t i = 0; i < n; ++i) v[i] = static_cast<double>(k.uniform(i)) - 0.5;
  return v;
}
/// A direction in which to move a block's weights. Buffers stay: what gathers in their place is no gradient.
template <class Block> std::vector<double> weight_direction(std::uint64_t stream) {
  std::vector<double> v = random_values(weight_count<Block>(), stream);
  std::size_t at = 0;
  typename Block::template Weights<All<double>> w;
  Block::visit(w, Place{}, [&](Tensor const& t, auto&) {
    for (std::size_t i = 0; i < t.size(); ++i, ++at)
      if (t.is == role::buffer) v[at] = 0;
  });
  return v;
}
inline std::vector<Dual> dual(std::vector<double> const& v, std::vector<double> const& d) {
  std::vector<Dual> r(v.size());
  for (std::size_t i = 0; i < v.size(); ++i) r[i] = {v[i], d[i]};
  return r;
}

inline Shape shape_of(Batch const& b) {
  int longest = 0;
  for (int s = 0; s < b.sequences; ++s) longest = b.last(s) - b.first(s) > longest ? b.last(s) - b.first(s) : longest;
  return {.sequences = b.sequences, .length = longest, .threads = 1, .total = b.rows};
}

/// All that one pass over a block or a model needs, in exactly the memory that its plan asks for.
template <class Block, class S> struct Pass {
  using B = Ref<S>;
  std::vector<S> values, gradients, side_values;
  SideLosses<S> side;
  typename Block::template Weights<All<S>> w, dw;
  typename Block::template State<S> state, dstate;
  typename Block::template Saved<S> saved;
  Poisoned saved_memory, scratch_memory, state_memory, dstate_memory;
  Arena scratch;
  Call<B> call;

  Pass(Batch const& batch, std::vector<S> weights, std::vector<S> const& entering, mode m = mode::train)
      : values(std::move(weights)),
        gradients(values.size()),
        side_values(32),
        side(side_values.data(), 32),
        saved_memory(saved_bytes(shape_of(batch))),
        scratch_memory(scratch_bytes(shape_of(batch), m)),
        state_memory(state_bytes(shape_of(batch))),
        dstate_memory(state_bytes(shape_of(batch))),
        scratch(scratch_memory.arena()) {
    bind_weights<Block>(w, values.data());
    bind_weights<Block>(dw, gradients.data());
    Arena a = saved_memory.arena(), b = state_memory.arena(), d = dstate_memory.arena();
    if (m != mode::eval) Block::plan(saved, shape_of(batch), a);
    Block::plan_state(state, shape_of(batch), b);
    Block::plan_state(dstate, shape_of(batch), d);
    if (!entering.empty()) set_state<Block>(state, entering);
    call.backend.scratch = &scratch;
    call.batch = &batch;
    call.side = &side;
    call.key = {42, 1};
    call.mode = m;
  }

  /// What the side losses add to the loss.
  S side_sum() const {
    S s{};
    for (std::size_t i = 0; i < side.slots().size(); ++i) s += S(side.slots()[i].weight) * side_values[i];
    return s;
  }
  static std::size_t saved_bytes(Shape const& s) {
    typename Block::template Saved<S> v;
    Arena a;
    Block::plan(v, s, a);
    return a.high_water();
  }
  static std::size_t scratch_bytes(Shape s, mode m) {
    Arena a;
    s.backward = m != mode::eval;
    Block::template plan_scratch<B>(s, a);
    return a.high_water();
  }
  static std::size_t state_bytes(Shape const& s) {
    typename Block::template State<S> v;
    Arena a;
    Block::plan_state(v, s, a);
    return a.high_water();
  }
};

template <class Block> std::size_t state_count(Batch const& b) {
  Pass<Block, double> p(b, std::vector<double>(weight_count<Block>()), {});
  return flat_state<Block, double>(p.state).size();
}

/// Compares one directional derivative with one gradient. `error` is relative to the sum of the absolute terms.
struct Comparison {
  double dual = 0, dot = 0, terms = 0;
  void add(std::vector<double> const& gradient, std::vector<double> const& direction) {
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      dot += gradient[i] * direction[i];
      terms += std::abs(gradient[i] * direction[i]);
    }
  }
  double error() const { return std::abs(dual - dot) / (terms > 0 ? terms : 1); }
};

/// How a pass is run beside the plain way. None of it may change a bit of what is computed at all.
struct Variation {
  int gap = 0;             ///< elements between the rows of x, y, dy and dx
  int frozen = -1;         ///< the tensor whose gradient is null
  bool stateless = false;  ///< states without memory
};

/// One forward and one backward pass in double, from fixed random numbers; states are zeros where none are given.
template <class Block> struct Backward {
  std::vector<double> y, dx, gradients, dstate, state;

  Backward(Batch const& batch, Variation const& v = {}, std::vector<double> const& entering = {},
           std::vector<double> const& state_probe = {}) {
    const std::size_t n = static_cast<std::size_t>(batch.rows);
    constexpr int in = Block::in, out = Block::out;
    const auto x = spread(random_values(n * in, 5), in, v.gap), dy = spread(random_values(n * out, 7), out, v.gap);
    std::vector<double> wide_y(n * static_cast<std::size_t>(out + v.gap), std::nan("")),
        wide_dx(n * static_cast<std::size_t>(in + v.gap), std::nan(""));
    Pass<Block, double> p(batch, random_values(weight_count<Block>(), 1), {});
    set_state<Block>(p.state, or_zeros(entering, flat_state<Block, double>(p.state).size()));
    typename Block::template State<double> none{}, d_none{};
    int i = 0;
    Block::visit(p.dw, Place{}, [&](Tensor const&, auto& g) {
      if (i++ == v.frozen) g = {};
    });
    const View<const double, dyn, in> xv(x.data(), batch.rows, in, in + v.gap);
    Block::forward(p.call, p.w, v.stateless ? none : p.state, xv,
                   View<double, dyn, out>(wide_y.data(), batch.rows, out, out + v.gap), p.saved);
    set_state<Block>(p.dstate, or_zeros(state_probe, flat_state<Block, double>(p.dstate).size()));
    p.scratch_memory.poison();
    Block::backward(p.call, p.w, p.dw, xv, p.saved,
                    View<const double, dyn, out>(dy.data(), batch.rows, out, out + v.gap),
                    View<double, dyn, in>(wide_dx.data(), batch.rows, in, in + v.gap), v.stateless ? d_none : p.dstate);
    y = gathered(wide_y, out, v.gap);
    dx = gathered(wide_dx, in, v.gap);
    gradients = p.gradients;
    dstate = flat_state<Block, double>(p.dstate);
    state = flat_state<Block, double>(p.state);
  }

 private:
  static std::vector<double> or_zeros(std::vector<double> const& v, std::size_t n) {
    return v.empty() ? std::vector<double>(n) : v;
  }
  static std::vector<double> spread(std::vector<double> const& rows, int cols, int gap) {
    std::vector<double> wide;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      wide.push_back(rows[i]);
      if ((i + 1) % static_cast<std::size_t>(cols) == 0)
        wide.insert(wide.end(), static_cast<std::size_t>(gap), std::nan(""));
    }
    return wide;
  }
  /// The rows without what lies between them, which must be as it was: NaN.
  static std::vector<double> gathered(std::vector<double> const& wide, int cols, int gap) {
    std::vector<double> rows;
    for (std::size_t i = 0; i < wide.size(); ++i)
      if (i % static_cast<std::size_t>(cols + gap) < static_cast<std::size_t>(cols)) rows.push_back(wide[i]);
      else if (!std::isnan(wide[i])) return {};
    return rows;
  }
};

}  // namespace checking

/// Compares backward of a block from rows to rows with one forward pass on dual numbers: `error()` is of the order of
/// 1e-16 where backward is right, and some tenths where a term is missing. Weights, rows, entering states and
/// directions are fixed random numbers in [-0.5, 0.5).
template <class Block> checking::Comparison check_gradient(Batch const& batch) {
  using namespace checking;
  const std::size_t n = static_cast<std::size_t>(batch.rows);
  const std::size_t weights = weight_count<Block>(), states = state_count<Block>(batch);
  constexpr std::size_t in = static_cast<std::size_t>(Block::in), out = static_cast<std::size_t>(Block::out);
  const auto w = random_values(weights, 1), wd = weight_direction<Block>(2), s = random_values(states, 3),
             sd = random_values(states, 4), x = random_values(n * in, 5), xd = random_values(n * in, 6),
             probe = random_values(n * out, 7), state_probe = random_values(states, 8);
  Comparison result;
  {
    Pass<Block, Dual> p(batch, dual(w, wd), dual(s, sd));
    auto xs = dual(x, xd);
    std::vector<Dual> y(n * out, Dual(std::nan("")));
    Block::forward(p.call, p.w, p.state, View<const Dual, dyn, Block::in>(xs.data(), batch.rows),
                   View<Dual, dyn, Block::out>(y.data(), batch.rows), p.saved);
    Dual loss = p.side_sum();
    for (std::size_t i = 0; i < y.size(); ++i) loss += probe[i] * y[i];
    const auto left = flat_state<Block, Dual>(p.state);
    for (std::size_t i = 0; i < left.size(); ++i) loss += state_probe[i] * left[i];
    result.dual = loss.d;
  }
  const Backward<Block> b(batch, {}, s, state_probe);
  result.add(b.gradients, wd);
  result.add(b.dx, xd);
  result.add(b.dstate, sd);
  return result;
}

}  // namespace fauna::inline v0
