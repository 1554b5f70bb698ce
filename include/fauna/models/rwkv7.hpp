// RWKV-7 (Peng et al. 2025, "RWKV-7 'Goose' with expressive dynamic state evolution"): layers of x + time mix(norm(x)),
// then x + channel mix(norm(x)); the first layer's value reaches all others. Names are those of the author's .pth
// files; files of rwkv.cpp have the mixes of a layer side by side and other layouts,
// flash-linear-attention has other names.
#pragma once
#include <fauna/blocks/rwkv7.hpp>
#include <fauna/compose/share.hpp>
#include <fauna/models/rwkv_frame.hpp>

namespace fauna::inline v0 {

/// The defaults are those of RWKV7-World 0.1B.
struct Rwkv7Config {
  int layers = 12;    ///< two or more
  int heads = 12;     ///< of the recurrence; published models have heads of 64 columns
  int width = 768;    ///< columns of the residual stream
  int hidden = 3072;  ///< columns inside the channel mix
  int decay = 64;     ///< ranks of what makes decay,
  int learning = 64;  ///< learning rate,
  int value = 32;     ///< what comes back of the first layer's value,
  int gate = 128;     ///< and gate
  int vocab = 65536;  ///< rows of the token table, and of the head

  static constexpr bool tied = false;
  constexpr bool operator==(Rwkv7Config const&) const = default;
  static constexpr ConfigNames names{"rwkv7",      "fauna::Rwkv7", "fauna::Rwkv7Config", "fauna/models/rwkv7.hpp",
                                     "emb.weight", "head.weight"};
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("layers", c.layers), f("heads", c.heads), f("width", c.width), f("hidden", c.hidden), f("decay", c.decay);
    f("learning", c.learning), f("value", c.value), f("gate", c.gate), f("vocab", c.vocab);
  }
};

template <Rwkv7Config c, bool First>
using Rwkv7LayerOf =
    RwkvLayer<c.width,
              Rwkv7TimeMix<c.width, c.heads, Rwkv7Ranks{c.decay, c.learning, c.value, c.gate}, c.layers, First>,
              Rwkv7ChannelMix<c.width, c.hidden, c.layers>>;

/// From embedded tokens to the last norm. The first layer is another type: it publishes its value, and has nothing to
/// mix it with.
template <Rwkv7Config c>
struct Rwkv7Trunk : Seq<At<"blocks", Carry<"v_first", c.width,
                                           Seq<At<"0", Seq<At<"ln0", LayerNorm<c.width>>, Rwkv7LayerOf<c, true>>>,
                                               Stack<1, c.layers - 1, Rwkv7LayerOf<c, false>>>>>,
                        At<"ln_out", LayerNorm<c.width>>> {};

/// Its state has one size, whatever the length of a text.
template <Rwkv7Config c> struct Rwkv7 : Lm<RwkvEmbedding<c.width, c.vocab>, Rwkv7Trunk<c>, RwkvHead<c.width, c.vocab>> {
  static constexpr Rwkv7Config config = c;
  /// The mixes as one tensor, and nothing transposed.
  static std::vector<Piece> as_rwkv_cpp(Tensor const& t) {
    Tensor stored = t;
    stored.layout = {};
    std::vector<Piece> one;
    one.push_back(whole_piece(stored));
    return one;
  }
  /// flash-linear-attention's names: matrices as products read them, vectors but the time mix's in one dimension.
  static std::vector<Piece> as_fla(Tensor const& t) {
    constexpr const char* parts[][2] = {{"emb.", "model.embeddings."},
                                        {"ln_out.", "model.norm."},
                                        {"head.", "lm_head."},
                                        {"blocks.", "model.layers."},
                                        {".ln0.", ".pre_norm."},
                                        {".ln1.", ".attn_norm."},
                                        {".ln2.", ".ffn_norm."},
                                        {".att.", ".attn."},
                                        {".attn.receptance.", ".attn.r_proj."},
                                        {".attn.key.", ".attn.k_proj."},
                                        {".attn.value.", ".attn.v_proj."},
                                        {".attn.output.", ".attn.o_proj."},
                                        {".attn.ln_x.", ".attn.g_norm."}};
    constexpr std::string_view factors[] = {"2.bias", "0.weight", "2.weight"};  // w0, w1 and w2, or another letter's
    Tensor stored = t;
    stored.layout = {};
    if (t.is_vector() && t.file.rank == 3) stored.file = {t.cols};
    auto pieces = pieces_of(stored);
    for (auto& p : pieces) {
      for (auto const& part : parts)
        if (const std::size_t at = p.name.find(part[0]); at != std::string::npos)
          p.name.replace(at, std::string_view(part[0]).size(), part[1]);
      const std::size_t n = p.name.size();
      const unsigned digit = static_cast<unsigned>(p.name[n - 1] - '0');
      if (n > 3 && p.name[n - 3] == '.' && digit < 3)
        p.name = p.name.substr(0, n - 1) + "_lora.lora." + std::string(factors[digit]);
    }
    return pieces;
  }
  static constexpr Dialect dialects[] = {{"RWKV", "*.att.x_r", nullptr},
                                         {"rwkv.cpp", "*.att.x_rwkvag", as_rwkv_cpp},
                                         {"flash-linear-attention", "*.attn.x_r", as_fla}};
  /// The first layer has nothing to return to: trainings leave these there, untouched.
  static constexpr std::string_view holds_beside[] = {"blocks.0.att.v0", "blocks.0.att.v1", "blocks.0.att.v2"};
};

/// For characters, as large as nanoGPT's CPU model.
using Rwkv7Shakespeare = Rwkv7<Rwkv7Config{.layers = 6,
                                           .heads = 3,
                                           .width = 96,
                                           .hidden = 384,
                                           .decay = 24,
                                           .learning = 24,
                                           .value = 16,
                                           .gate = 32,
                                           .vocab = 65}>;
using Rwkv7_191M = Rwkv7<Rwkv7Config{}>;
using Rwkv7_450M = Rwkv7<Rwkv7Config{.layers = 24, .heads = 16, .width = 1024, .hidden = 4096}>;
using Rwkv7_1_5B = Rwkv7<Rwkv7Config{
    .layers = 24, .heads = 32, .width = 2048, .hidden = 8192, .decay = 96, .learning = 96, .value = 64, .gate = 256}>;
using Rwkv7_2_9B = Rwkv7<Rwkv7Config{
    .layers = 32, .heads = 40, .width = 2560, .hidden = 10240, .decay = 96, .learning = 96, .value = 64, .gate = 320}>;

}  // namespace fauna::inline v0
