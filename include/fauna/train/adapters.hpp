// Training a model's adapters alone (blocks/lora.hpp, blocks/dora.hpp, blocks/adapter_v2.hpp).
#pragma once
#include <fauna/blocks/lora.hpp>
#include <fauna/decode/weights.hpp>
#include <fauna/ops/embedding/op.hpp>
#include <fauna/ops/magnitude/op.hpp>
#include <fauna/train/trained.hpp>

namespace fauna::inline v0 {

/// Freezes all that the model's rewrite does not keep in checkpoints, the adapters: no gradient is computed for the
/// rest, and no bit of it changes.
template <class T> void freeze_base(T& model) {
  model.train_only([](Parameter const& p) { return T::model::rewriting::keeps(p.name); });
}

/// The memory of a training step of M whose base is frozen, with weights stored as D: what Trained<M, B, D> plans after
/// freeze_base, before anything is there. shape has the threads.
template <class M, class B, class D = All<typename B::scalar>> MemoryPlan plan_beside_base(Shape const& shape) {
  typename M::template Weights<D> w{};
  Arena trained;
  M::visit(w, Place{}, [&](Tensor const& t, auto&) {
    if (M::rewriting::keeps(t.name()))
      trained.take<typename B::scalar>(static_cast<std::size_t>(t.rows) * static_cast<std::size_t>(t.cols));
  });
  MemoryPlan p = plan<M, B>(shape);
  p.weights = weights_bytes<M, D>();
  p.gradients = trained.used();
  p.moments = 2 * trained.used();
  return p;
}

/// DoRA's magnitudes become the lengths of the rows of their layers' weights, with which a layer is what it would be
/// without its adapter as long as B is zeros. Nothing changes in a model without them.
template <class T> void start_magnitudes(T& model) {
  using S = typename T::scalar;
  using B = typename T::backend;
  std::vector<S> row, lengths;
  T::model::visit(model.weights(), Place{}, [&](Tensor const& t, auto& v) {
    if (t.stored == kind::matrix && !is_adapter(t.name())) {
      row.resize(static_cast<std::size_t>(t.cols));
      lengths.resize(static_cast<std::size_t>(t.rows));
      const Matrix<S> one(row.data(), 1, t.cols);
      for (int r = 0; r < t.rows; ++r) {
        embedding<B>::forward(B{}, &r, reading(v), Matrix<const S>{}, one);
        magnitude<B>::lengths(B{}, as_const(one), &lengths[static_cast<std::size_t>(r)]);
      }
    } else if (t.name().ends_with(".lora_magnitude_vector")) {
      fill(B{}, v, Matrix<const S>(lengths.data(), 1, t.cols));
    }
  });
}

/// Fills all but the adapters from the base's files, and starts magnitudes. Throws where these are another model's.
template <class T> void load_base(T& model, TensorFile const& from) {
  const LoadReport r = load_weights<typename T::model>(typename T::backend{}, model.weights(), from, {.partial = true});
  std::vector<std::string> missing;
  for (std::string const& name : r.missing)
    if (!is_adapter(name)) missing.push_back(name);
  if (!missing.empty() || !r.unexpected.empty())
    fail("load", from.path() + " is not the base of this model" + weights_detail::list("missing", missing, {}) +
                     weights_detail::list("unexpected", r.unexpected, {}));
  if constexpr (requires { T::model::rewriting::config.magnitudes; })
    if constexpr (T::model::rewriting::config.magnitudes) start_magnitudes(model);
}

}  // namespace fauna::inline v0
