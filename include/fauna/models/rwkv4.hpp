// RWKV-4 (Peng et al. 2023, "RWKV: Reinventing RNNs for the Transformer era"). Names are those of transformers;
// the author's .pth files have others.
//   transformers halves the stream every `rescale_every` layers in inference, against the range of f16, and the
//   matrices behind that with it: what is read of the stream is normalised, and so the same but for the norm's ε.
#pragma once
#include <fauna/blocks/rwkv4.hpp>
#include <fauna/compose/undecayed.hpp>
#include <fauna/models/rwkv_frame.hpp>

namespace fauna::inline v0 {

/// The defaults are those of RWKV-4-Pile-169M.
struct Rwkv4Config {
  int layers = 12;    ///< two or more
  int width = 768;    ///< columns of the residual stream
  int hidden = 3072;  ///< columns inside the channel mix
  int vocab = 50277;  ///< rows of the token table, and of the head

  static constexpr bool tied = false;
  constexpr bool operator==(Rwkv4Config const&) const = default;
  static constexpr ConfigNames names{
      "rwkv4", "fauna::Rwkv4", "fauna::Rwkv4Config", "fauna/models/rwkv4.hpp", "rwkv.embeddings.weight", "head.weight"};
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("layers", c.layers), f("width", c.width), f("hidden", c.hidden), f("vocab", c.vocab);
  }
};

template <Rwkv4Config c>
using Rwkv4Layer = RwkvLayer<c.width, Rwkv4TimeMix<c.width, c.layers>, Rwkv4ChannelMix<c.width, c.hidden, c.layers>,
                             "attention", "feed_forward">;

/// Its state has one size, whatever the length of a text. The author's training decays no weights.
template <Rwkv4Config c>
struct Rwkv4 : Lm<Undecayed<At<"rwkv", RwkvEmbedding<c.width, c.vocab, "embeddings">>>,
                  Undecayed<At<"rwkv", RwkvTrunk<c.layers, c.width, Rwkv4Layer<c>, "pre_ln">>>,
                  Undecayed<RwkvHead<c.width, c.vocab>>> {
  static constexpr Rwkv4Config config = c;
  static std::vector<Piece> as_author(Tensor const& t) {
    constexpr const char* parts[][2] = {{"rwkv.", ""},
                                        {"embeddings.", "emb."},
                                        {".pre_ln.", ".ln0."},
                                        {".attention.", ".att."},
                                        {".feed_forward.", ".ffn."},
                                        {"time_mix_key", "time_mix_k"},
                                        {"time_mix_value", "time_mix_v"},
                                        {"time_mix_receptance", "time_mix_r"}};
    auto pieces = pieces_of(t);
    for (auto& p : pieces)
      for (auto const& part : parts)
        if (const std::size_t at = p.name.find(part[0]); at != std::string::npos)
          p.name.replace(at, std::string_view(part[0]).size(), part[1]);
    return pieces;
  }
  static constexpr Dialect dialects[] = {{"transformers", "*.attention.time_decay", nullptr},
                                         {"RWKV", "*.att.time_decay", as_author}};
};

/// For characters, as large as nanoGPT's CPU model.
using Rwkv4Shakespeare = Rwkv4<Rwkv4Config{.layers = 6, .width = 100, .hidden = 400, .vocab = 65}>;
using Rwkv4_169M = Rwkv4<Rwkv4Config{}>;
using Rwkv4_430M = Rwkv4<Rwkv4Config{.layers = 24, .width = 1024, .hidden = 4096}>;
using Rwkv4_1_5B = Rwkv4<Rwkv4Config{.layers = 24, .width = 2048, .hidden = 8192}>;
using Rwkv4_3B = Rwkv4<Rwkv4Config{.layers = 32, .width = 2560, .hidden = 10240}>;
using Rwkv4_7B = Rwkv4<Rwkv4Config{.layers = 32, .width = 4096, .hidden = 16384}>;
using Rwkv4_14B = Rwkv4<Rwkv4Config{.layers = 40, .width = 5120, .hidden = 20480}>;

}  // namespace fauna::inline v0
