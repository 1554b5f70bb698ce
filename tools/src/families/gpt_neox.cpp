// GPT-NeoX: the Pythia models.
#include <cmath>

#include <fauna/models/gpt_neox.hpp>
#include <tools/src/family.hpp>
#include <tools/src/fields.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct GptNeoX {
  using config = fauna::GptNeoXConfig;
  static constexpr const char *model_type = "gpt_neox", *causal = "GPTNeoXForCausalLM", *headless = "GPTNeoXModel";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"gpt-neox-shakespeare", fauna::GptNeoXShakespeare::config},
            {"pythia-70m", fauna::Pythia70M::config},
            {"pythia-160m", fauna::Pythia160M::config},
            {"pythia-410m", fauna::Pythia410M::config},
            {"pythia-1b", fauna::Pythia1B::config},
            {"pythia-1.4b", fauna::Pythia1_4B::config},
            {"pythia-2.8b", fauna::Pythia2_8B::config},
            {"pythia-6.9b", fauna::Pythia6_9B::config},
            {"pythia-12b", fauna::Pythia12B::config}};
  }

  static config read(Config& c) {
    fauna::GptNeoXConfig g{.layers = c.whole("num_hidden_layers"), .heads = c.whole("num_attention_heads")};
    g.width = c.whole("hidden_size");
    g.hidden = c.whole("intermediate_size");
    g.context = c.whole("max_position_embeddings", 2048);
    g.vocab = c.whole("vocab_size");
    const int size = head_size(c, "num_attention_heads", g.heads, g.width);
    const Rope rope = rope_of(c, {.fraction = 0.25, .context = g.context});
    if (rope.scaling.kind != fauna::rope_scaling::none)
      c.wrong(rope.inside, "rope_type default, the only one that is implemented for gpt_neox");
    const double turned = rope.fraction * size;
    g.rotary = turned <= size ? static_cast<int>(turned) : size + 1;
    if (g.rotary < 2 || g.rotary > size || g.rotary % 2 != 0)
      c.wrong(rope.inside.empty() ? "rotary_pct" : rope.inside,
              "a part of the " + std::to_string(size) +
                  " columns of a head that is even, for they turn in pairs; it is " + std::to_string(g.rotary));
    g.base = rope.base;
    g.epsilon = static_cast<float>(c.positive("layer_norm_eps", 1e-5));
    g.parallel = c.flag("use_parallel_residual", true);
    g.tied = c.flag("tie_word_embeddings", false);
    g.act = c.one_of("hidden_act", activations(), "gelu");
    c.only("attention_bias", true);
    return g;
  }

  static Config::Json write(config const& c) {
    const int size = c.width / c.heads;
    if (c.width % c.heads != 0 || c.rotary > size)
      fauna::fail("fauna", fauna::to_text(c),
                  "heads that divide the width, and no more rotary columns than a head has");
    double part = static_cast<double>(c.rotary) / size;  // readers take the whole columns of this part of a head
    while (static_cast<int>(part * size) < c.rotary) part = std::nextafter(part, 2.0);
    return {{"model_type", "gpt_neox"},
            {"architectures", {"GPTNeoXForCausalLM"}},
            {"num_hidden_layers", c.layers},
            {"num_attention_heads", c.heads},
            {"hidden_size", c.width},
            {"intermediate_size", c.hidden},
            {"max_position_embeddings", c.context},
            {"vocab_size", c.vocab},
            {"rotary_emb_base", c.base},
            {"rotary_pct", part},
            {"layer_norm_eps", shortest(c.epsilon)},
            {"use_parallel_residual", c.parallel},
            {"tie_word_embeddings", c.tied},
            {"attention_bias", true},
            {"hidden_act", reference_name(c.act)}};
  }

  static constexpr const char* gguf_name = "gptneox";
  template <class Io> static void gguf(Io& io) {
    gguf_sizes(io);
    gguf_table(io, layer_epsilon);
    const int columns = gguf_head_columns(io);
    io.whole("rope.dimension_count", &config::rotary);
    const int turned = io.get().rotary;
    io.check(turned % 2 == 0 && turned <= columns, "rope.dimension_count", turned,
             "an even number of the " + std::to_string(columns) + " columns of a head");
    io.base(&config::base);
    io.no_scaling();
    io.flag("use_parallel_residual", &config::parallel, true);
  }
};

const Registered<GptNeoX> registered_gptneox;

}  // namespace
}  // namespace tool
