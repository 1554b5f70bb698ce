// Training a model's adapters alone (blocks/lora.hpp).
#pragma once
#include <fauna/blocks/lora.hpp>
#include <fauna/decode/weights.hpp>
#include <fauna/train/trained.hpp>

namespace fauna::inline v0 {

/// Freezes all that is no adapter: no gradient is computed for it, and no bit of it changes.
template <class T> void freeze_base(T& model) {
  model.train_only([](Parameter const& p) { return is_adapter(p.name); });
}

/// Fills all but the adapters from the base's files. Throws where these are another model's.
template <class T> void load_base(T& model, TensorFile const& from) {
  const LoadReport r = load_weights<typename T::model>(typename T::backend{}, model.weights(), from, {.partial = true});
  std::vector<std::string> missing;
  for (std::string const& name : r.missing)
    if (!is_adapter(name)) missing.push_back(name);
  if (!missing.empty() || !r.unexpected.empty())
    fail("load", from.path() + " is not the base of this model" + weights_detail::list("missing", missing, {}) +
                     weights_detail::list("unexpected", r.unexpected, {}));
}

}  // namespace fauna::inline v0
