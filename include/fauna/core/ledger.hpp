// What a model costs, counted by the compiler: a 671B model costs nothing to count.
#pragma once
#include <fauna/core/block.hpp>
#include <fauna/core/fault.hpp>

namespace fauna::inline v0 {

/// The model whose checkpoints M has: the whole one, where M is a part of it as one of several ranks has it, and the
/// plain one, where M is rewritten into another way of running it; else M.
template <class M> struct whole_model_ { using type = M; };
template <class M>
requires requires { typename M::whole; }
struct whole_model_<M> {
  using type = typename M::whole;
};
template <class M>
requires requires { requires M::rewriting::original_checkpoints; }
struct whole_model_<M> : whole_model_<typename M::original> {};
template <class M> using whole_model = typename whole_model_<M>::type;

/// Trained parameters; shared and tied tensors once.
template <class M> inline constexpr std::size_t parameters = count_parameters<M>();

/// Floating-point operations of one token's forward pass, looking back `context` tokens: a multiplication and an
/// addition per weight of a product, plus attention. Training costs three times as much (Kaplan et al. 2020,
/// section 2.1).
template <class M> constexpr double flops_per_token(double context) { return M::flops(context); }
template <class M> constexpr double training_flops_per_token(double context) { return 3 * M::flops(context); }

/// Bytes that a training step keeps from forward to backward.
template <class M, class S = float> constexpr std::size_t saved_bytes(Shape const& shape) {
  typename M::template Saved<S> saved{};
  Arena a;
  M::plan(saved, shape, a);
  return a.high_water();
}
/// Bytes that sequences carry from call to call.
template <class M, class S = float> constexpr std::size_t state_bytes(Shape const& shape) {
  typename M::template State<S> state{};
  Arena a;
  M::plan_state(state, shape, a);
  return a.high_water();
}
/// Bytes that windows do not take of it, since they keep no more of the context than they look at.
template <class M, class S = float> constexpr std::size_t bytes_saved_by_windows(Shape const& shape) {
  typename M::template State<S> state{};
  std::size_t bytes = 0;
  M::visit_state(
      [&](StatePiece p, auto& v) {
        if (!p.grows) return;
        const int rows = shape.sequences * p.rows;
        bytes += static_cast<std::size_t>(rows) * static_cast<std::size_t>(shape.context - p.places(shape.context)) *
                 static_cast<std::size_t>(v.cols()) * sizeof(S);
      },
      state);
  return bytes;
}
/// Bytes of scratch: the most that is in use at once, kernels' workspaces included.
template <class M, class B> constexpr std::size_t scratch_bytes(Shape const& shape) {
  Arena a;
  M::template plan_scratch<B>(shape, a);
  return a.high_water();
}

/// The same for a training step and for evaluation between steps, which keeps nothing for a backward pass.
template <class M, class B> constexpr std::size_t training_scratch_bytes(Shape shape) {
  const std::size_t step = scratch_bytes<M, B>(shape);
  shape.backward = false;
  const std::size_t evaluation = scratch_bytes<M, B>(shape);
  return step > evaluation ? step : evaluation;
}

/// Bytes of one set of parameters (values, gradients or moments), each tensor aligned.
template <class M, class D = All<float>> constexpr std::size_t weights_bytes() {
  typename M::template Weights<D> w{};
  Arena a;
  M::visit(w, Place{}, [&a](Tensor const& t, auto& v) { place(v, t, a); });
  return a.high_water();
}

/// The memory of a training step by role, in bytes.
struct MemoryPlan {
  std::size_t weights = 0, gradients = 0, moments = 0, saved = 0, scratch = 0, batch = 0;
  constexpr std::size_t total() const { return weights + gradients + moments + saved + scratch + batch; }
  constexpr bool fits(std::size_t bytes) const { return total() <= bytes; }
};

/// All memory of a training step of M on B with AdamW: planned before anything runs, allocated once.
template <class M, class B> constexpr MemoryPlan plan(Shape const& shape) {
  const std::size_t w = weights_bytes<M>(), rows = static_cast<std::size_t>(shape.rows());
  return {.weights = w,
          .gradients = w,
          .moments = 2 * w,
          .saved = saved_bytes<M>(shape),
          .scratch = training_scratch_bytes<M, B>(shape),
          .batch = 2 * aligned(rows * sizeof(int))};
}

}  // namespace fauna::inline v0
