// adapter<M>: the model M whose attention sees a learnt prefix of 10 rows in each layer (blocks/prefixed_attention.hpp;
// Zhang et al. 2023, "LLaMA-Adapter"). The gates start as zeros, and the model as M. The paper and LitGPT leave the
// first layers as they are; here, where the layers of a stack are of one type, all have a prefix.
//   adapter<SmolLm2_135M>
#pragma once
#include <string>

#include <fauna/blocks/lora.hpp>
#include <fauna/blocks/prefixed_attention.hpp>
#include <fauna/compose/rewrite.hpp>
#include <fauna/core/number_text.hpp>

namespace fauna::inline v0 {

/// The core of attention that a prefix can stand beside.
template <class B> inline constexpr bool is_attention_core = false;
template <int NHeads, int KvHeads, int HeadSize, Rate Drop, Scores How>
inline constexpr bool is_attention_core<AttentionCore<NHeads, KvHeads, HeadSize, Drop, How>> = true;
template <int NHeads, int KvHeads, int HeadSize, Rate Drop, Scores How>
inline constexpr bool is_attention_core<SinkAttention<NHeads, KvHeads, HeadSize, Drop, How>> = true;
template <int Width, int NHeads, Rate Drop>
inline constexpr bool is_attention_core<MultiHead<Width, NHeads, Drop>> = true;

namespace adapter_detail {

/// Seq<Projection, ..., Core, Rest...> with a prefix beside Core, or void where there is no Core, or something other
/// than a projection to what it reads at the beginning.
template <int K, class Front, class... Bs> struct prefixed_ { using type = void; };
template <int K, class... Front, class B, class... Rest> struct prefixed_<K, Seq<Front...>, B, Rest...> {
  static constexpr auto found() {
    if constexpr (!is_attention_core<B>) return prefixed_<K, Seq<Front..., B>, Rest...>{};
    else if constexpr (sizeof...(Front) == 0) return std::type_identity<void>{};
    else if constexpr (nth<0, Front...>::out != B::in) return std::type_identity<void>{};
    else return std::type_identity<Seq<PrefixedAttention<K, Seq<Front...>, B>, Rest...>>{};
  }
  using type = typename decltype(found())::type;
};
template <int K, class B> struct with_prefix_ { using type = void; };
template <int K, class... Bs> struct with_prefix_<K, Seq<Bs...>> : prefixed_<K, Seq<>, Bs...> {};

}  // namespace adapter_detail

/// K rows in each prefix.
template <int K> struct AddAdapter {
  static constexpr const char* kind = "adapter";
  static constexpr int rows = K;
  static std::string text() { return "adapter rows=" + number_text::of(K); }
  static bool keeps(std::string const& tensor) { return is_adapter(tensor); }
  template <class B> static constexpr auto replace() {
    using New = typename adapter_detail::with_prefix_<K, B>::type;
    if constexpr (!std::is_void_v<New>) return std::type_identity<New>{};
  }
};

template <class M, int K = 10> using adapter = rewrite<M, AddAdapter<K>>;

}  // namespace fauna::inline v0
