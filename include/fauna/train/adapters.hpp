// Training a model's adapters alone (blocks/lora.hpp).
#pragma once
#include <fauna/blocks/lora.hpp>
#include <fauna/train/trained.hpp>

namespace fauna::inline v0 {

/// Freezes all that is no adapter: no gradient is computed for it, and no bit of it changes.
template <class T> void freeze_base(T& model) {
  model.train_only([](Parameter const& p) { return is_adapter(p.name); });
}

}  // namespace fauna::inline v0
