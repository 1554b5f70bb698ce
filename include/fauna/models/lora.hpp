// lora<M, LoraConfig{...}>: the model M with a Lora, or a Dora, around its linear layers, all of them or those of some
// names; and around its token table and its head, where these are named. A head that is the table has none of its own.
//   lora<SmolLm2_135M, LoraConfig{.rank = 8, .alpha = 16, .on = "q_proj|v_proj"}>
//   lora<Llama3_8B, LoraConfig{.on = "q_proj|v_proj|embed_tokens|lm_head"}>
#pragma once
#include <string>
#include <string_view>

#include <fauna/blocks/dora.hpp>
#include <fauna/blocks/lora.hpp>
#include <fauna/blocks/lora_embedding.hpp>
#include <fauna/blocks/lora_head.hpp>
#include <fauna/compose/rewrite.hpp>
#include <fauna/core/number_text.hpp>

namespace fauna::inline v0 {

/// Names with | between them, as a template argument: of a fixed size, as label is and for the same reason.
struct NameList {
  char c[160]{};
  constexpr NameList() = default;
  template <std::size_t N> constexpr NameList(const char (&s)[N]) {
    static_assert(N <= 160, "fauna: a list of names has at most 159 characters");
    for (std::size_t i = 0; i < N; ++i) c[i] = s[i];
  }
  constexpr bool operator==(NameList const&) const = default;
  constexpr std::string_view view() const { return {c}; }
  constexpr bool has(std::string_view name) const {
    for (std::string_view rest = view(); !rest.empty();) {
      const std::size_t end = rest.find('|');
      if (rest.substr(0, end) == name) return true;
      rest = end == rest.npos ? std::string_view{} : rest.substr(end + 1);
    }
    return false;
  }
};

/// The members are those of PyPI's peft; the defaults are litgpt's.
struct LoraConfig {
  int rank = 8;
  double alpha = 16;  ///< the addition is multiplied by alpha / rank, or by alpha / √rank
  NameList on{};      ///< the last names of layers, such as q_proj|v_proj; none: every linear layer
  NameList whole{};   ///< the last names of modules that train as they are: peft's modules_to_save
  float dropout = 0;  ///< of what A reads, in training
  /// rsLoRA: alpha / √rank (Kalajdzievski 2023, "A rank stabilization scaling factor for fine-tuning with LoRA").
  bool rank_stabilised = false;
  bool magnitudes = false;  ///< DoRA: the rows of W + s B A have lengths that train (blocks/dora.hpp)
  constexpr bool operator==(LoraConfig const&) const = default;
  constexpr double scale() const { return alpha / (rank_stabilised ? square_root(static_cast<double>(rank)) : rank); }
};

/// "lm_head" of "lm_head.weight".
constexpr std::string_view module_of(std::string_view tensor) {
  const std::string_view module = tensor.substr(0, tensor.rfind('.'));
  return tensor.find('.') == tensor.npos ? std::string_view{} : module.substr(module.rfind('.') + 1);
}

template <LoraConfig c> struct AddLora {
  static constexpr LoraConfig config = c;  // read at run time in the place of c, which clang 14 lays out wrongly
  /// A checkpoint holds the adapters and what trains as it is: the base is where it came from.
  static bool keeps(std::string const& tensor) { return is_adapter(tensor) || config.whole.has(module_of(tensor)); }
  static std::string text() {
    return "lora rank=" + number_text::of(config.rank) + " alpha=" + number_text::of(config.alpha) +
           " on=" + (config.on.view().empty() ? "all" : std::string(config.on.view())) +
           " dropout=" + number_text::of(config.dropout) + (config.rank_stabilised ? " rank_stabilised=true" : "") +
           (config.magnitudes ? " magnitudes=true" : "") +
           (config.whole.view().empty() ? "" : " whole=" + std::string(config.whole.view()));
  }
  struct Linears {
    template <class B> static constexpr auto replace() {
      if constexpr (is_linear<B>) {
        constexpr LoraScale s{c.scale()};
        if constexpr (c.magnitudes) return std::type_identity<Dora<B, c.rank, s, Rate{c.dropout}>>{};
        else return std::type_identity<Lora<B, c.rank, s, Rate{c.dropout}>>{};
      }
    }
  };
  /// What a name says, a table or a head as well.
  struct OfName {
    template <class B> static constexpr auto replace() {
      constexpr LoraScale s{c.scale()};
      static_assert(is_linear<B> || !c.magnitudes, "fauna: the rows of linear layers alone have DoRA's lengths");
      if constexpr (is_embedding<B>) return std::type_identity<LoraEmbedding<B, c.rank, s>>{};
      else if constexpr (is_head<B>) return std::type_identity<LoraHead<B, c.rank, s>>{};
      else return Linears::template replace<B>();
    }
  };
  template <class B> static constexpr auto replace() {
    if constexpr (c.on.view().empty()) {
      return Linears::template replace<B>();
    } else if constexpr (is_label<B> && !Named<B>) {
      if constexpr (c.on.has(B::tag.view()) && takes(typename B::children{})) return children_mapped_<OfName, B>{};
    }
  }

 private:
  template <class B> static constexpr bool takes(Children<B>) { return is_linear<B> || is_embedding<B> || is_head<B>; }
};

template <class M, LoraConfig c> using lora = rewrite<M, AddLora<c>>;

}  // namespace fauna::inline v0
