// The product of two rows, number by number: y = a ∘ b, da = dy ∘ b, db = dy ∘ a.
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// product<B>::run(b, x, z, y)     y = x ∘ z, all [R,C]; y may be either. It is its own backward pass.
/// It takes no scratch.
template <class B> struct product {
  static_assert(always_false<B>, "fauna: no product for this backend: include <fauna/ops/product/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
