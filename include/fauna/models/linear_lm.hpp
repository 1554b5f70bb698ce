// A language model around any of the linear recurrences: layers of x + mixer(norm(x)), then x + mlp(norm(x)), in the
// names of flash-linear-attention's models. It is the frame in which the mixers are compared with each other; which
// one it is, is a member of the config.
#pragma once
#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/gla.hpp>
#include <fauna/blocks/kda.hpp>
#include <fauna/blocks/mamba3.hpp>
#include <fauna/blocks/mlp.hpp>
#include <fauna/blocks/mlstm.hpp>
#include <fauna/blocks/retnet.hpp>
#include <fauna/blocks/rg_lru.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/core/concepts.hpp>
#include <fauna/models/config_text.hpp>

namespace fauna::inline v0 {

enum class mixing : int { retnet, gla, deltanet, gated_deltanet, kda, mlstm, rg_lru, mamba3 };

constexpr const char* name_of(mixing m) {
  constexpr const char* names[] = {"retnet", "gla", "deltanet", "gated_deltanet", "kda", "mlstm", "rg_lru", "mamba3"};
  return names[static_cast<int>(m)];
}
template <> struct config_detail::Enumerators<mixing> {
  static constexpr const char* type = "fauna::mixing::";
  static constexpr auto last = mixing::mamba3;
};

struct LinearLmConfig {
  mixing mixer = mixing::gated_deltanet;
  int layers = 4;
  int heads = 4;
  int keys = 32;          ///< columns of a head's queries and keys; of KDA, the values' stand for them
  int values = 32;        ///< columns of a head's values
  int width = 128;        ///< columns of the residual stream
  int hidden = 304;       ///< columns inside the MLP
  int vocab = 65;         ///< rows of the token table, which is the head too
  float epsilon = 1e-5F;  ///< what the norms of the stream add to the mean square

  constexpr bool operator==(LinearLmConfig const&) const = default;
  static constexpr ConfigNames names{"linear_lm",
                                     "fauna::LinearLm",
                                     "fauna::LinearLmConfig",
                                     "fauna/models/linear_lm.hpp",
                                     "model.embeddings.weight",
                                     "lm_head.weight"};
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("mixer", c.mixer), f("layers", c.layers), f("heads", c.heads), f("keys", c.keys), f("values", c.values);
    f("width", c.width), f("hidden", c.hidden), f("vocab", c.vocab), f("epsilon", c.epsilon);
  }
};

/// The block of a mixer: Width columns, Heads heads of K columns for keys and N for values.
template <mixing M, int Width, int Heads, int K, int N> struct mixer_;
template <int W, int H, int K, int N> struct mixer_<mixing::retnet, W, H, K, N> { using type = Retention<W, H, K, N>; };
template <int W, int H, int K, int N> struct mixer_<mixing::gla, W, H, K, N> {
  using type = GatedLinearAttention<W, H, K, N>;
};
template <int W, int H, int K, int N> struct mixer_<mixing::deltanet, W, H, K, N> {
  using type = DeltaNet<W, H, K, N>;
};
template <int W, int H, int K, int N> struct mixer_<mixing::gated_deltanet, W, H, K, N> {
  using type = GatedDeltaNet<W, H, H, K, N>;
};
template <int W, int H, int K, int N> struct mixer_<mixing::kda, W, H, K, N> {
  using type = KimiDeltaAttention<W, H, N>;
};
template <int W, int H, int K, int N> struct mixer_<mixing::mlstm, W, H, K, N> { using type = Mlstm<W, H, K, N>; };
template <int W, int H, int K, int N> struct mixer_<mixing::rg_lru, W, H, K, N> {
  using type = GriffinRecurrent<W, H * N, H>;
};
template <int W, int H, int K, int N> struct mixer_<mixing::mamba3, W, H, K, N> {
  using type = Mamba3Mixer<W, Mamba3Sizes{.heads = H, .size = N, .states = K, .angles = K / 4}>;
};

/// x + mixer(norm(x)), then x + mlp(norm(x)).
template <int Width, class Mixer, int Hidden, Epsilon E>
struct LinearLayer : Seq<Residual<Seq<At<"attn_norm", RmsNorm<Width, E>>, At<"attn", Mixer>>>,
                         Residual<Seq<At<"mlp_norm", RmsNorm<Width, E>>, At<"mlp", GatedMlp<Width, Hidden>>>>> {};

/// From embedded tokens to the last norm.
template <LinearLmConfig c>
struct LinearTrunk
    : Seq<At<"layers", Stack<0, c.layers,
                             LinearLayer<c.width, typename mixer_<c.mixer, c.width, c.heads, c.keys, c.values>::type,
                                         c.hidden, Epsilon{c.epsilon}>>>,
          At<"norm", RmsNorm<c.width, Epsilon{c.epsilon}>>> {};

/// Its state has one size, whatever the length of a text.
template <LinearLmConfig c>
struct LinearLm : Lm<At<"model", At<"embeddings", Embedding<c.vocab, c.width>>>, At<"model", LinearTrunk<c>>,
                     TiedHead<c.width, c.vocab>> {
  static constexpr LinearLmConfig config = c;
};

// For characters, as large as nanoGPT's CPU model.
using RetNetShakespeare = LinearLm<LinearLmConfig{.mixer = mixing::retnet}>;
using GlaShakespeare = LinearLm<LinearLmConfig{.mixer = mixing::gla, .hidden = 296}>;
using DeltaNetShakespeare = LinearLm<LinearLmConfig{.mixer = mixing::deltanet, .hidden = 344}>;
using GatedDeltaNetShakespeare = LinearLm<LinearLmConfig{.mixer = mixing::gated_deltanet, .hidden = 296}>;
using KdaShakespeare = LinearLm<LinearLmConfig{.mixer = mixing::kda, .hidden = 296}>;
using MlstmShakespeare = LinearLm<LinearLmConfig{.mixer = mixing::mlstm, .keys = 16, .hidden = 344}>;
using RgLruShakespeare = LinearLm<LinearLmConfig{.mixer = mixing::rg_lru, .hidden = 368}>;
using Mamba3Shakespeare = LinearLm<LinearLmConfig{.mixer = mixing::mamba3, .values = 64, .hidden = 232}>;

}  // namespace fauna::inline v0
