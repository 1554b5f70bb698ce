// adapter_v2<M>: the model M with a factor and a shift for each output of its linear layers (blocks/adapter_v2.hpp),
// which train together with its norms (Gao et al. 2023, "LLaMA-Adapter V2", section 4.1, as LitGPT has it). Heads and
// embeddings are not among the layers. The learnt prefix of LLaMA-Adapter is models/adapter.hpp.
//   adapter_v2<SmolLm2_135M>
#pragma once
#include <string>

#include <fauna/blocks/adapter_v2.hpp>
#include <fauna/compose/rewrite.hpp>

namespace fauna::inline v0 {

struct AddAdapterV2 {
  static constexpr const char* kind = "adapter_v2";
  static std::string text() { return "adapter_v2"; }
  /// What trains, and is in checkpoints: the rest is where it came from.
  static bool keeps(std::string const& tensor) {
    return is_adapter(tensor) || tensor.find("norm") != tensor.npos || tensor.find("ln_") != tensor.npos ||
           tensor.find(".ln0.") != tensor.npos || tensor.find(".ln1.") != tensor.npos ||
           tensor.find(".ln2.") != tensor.npos;  // RWKV's
  }
  template <class B> static constexpr auto replace() {
    if constexpr (is_linear<B>) return std::type_identity<AdapterV2<B>>{};
  }
};

template <class M> using adapter_v2 = rewrite<M, AddAdapterV2>;

}  // namespace fauna::inline v0
