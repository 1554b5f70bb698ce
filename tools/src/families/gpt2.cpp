// GPT-2, nanoGPT's Shakespeare models among it: the family with structural flags.
#include <fauna/models/gpt.hpp>
#include <tools/src/checks.hpp>
#include <tools/src/family.hpp>
#include <tools/src/fields.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Gpt2 {
  using config = fauna::GptConfig;
  static constexpr const char *model_type = "gpt2", *causal = "GPT2LMHeadModel", *headless = "GPT2Model";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"nanogpt-cpu", fauna::NanoGptCpu::config},
            {"nanogpt-gpu", fauna::NanoGptGpu::config},
            {"gpt2", fauna::Gpt2::config},
            {"gpt2-medium", fauna::Gpt2Medium::config},
            {"gpt2-large", fauna::Gpt2Large::config},
            {"gpt2-xl", fauna::Gpt2Xl::config}};
  }

  static config read(Config& c) {
    fauna::GptConfig g{.layers = c.whole("n_layer"), .heads = c.whole("n_head"), .width = c.whole("n_embd")};
    head_size(c, "n_head", g.heads, g.width);
    g.context = c.whole("n_positions");
    g.vocab = c.whole("vocab_size");
    auto known = activations();
    for (const char* none : {"relu", "relu2", "silu", "swish"}) known.erase(none);
    g.act = c.one_of("activation_function", known, "gelu_new");
    c.only("n_inner", 4L * g.width);
    c.only("layer_norm_epsilon", 1e-5);
    c.only("scale_attn_weights", true);
    c.only("scale_attn_by_inverse_layer_idx", false);
    c.only("reorder_and_upcast_attn", false);
    c.only("tie_word_embeddings", true);
    g.dropout = c.share("resid_pdrop", 0);
    bool one = true;
    for (const char* other : {"embd_pdrop", "attn_pdrop"}) {
      const bool same = c.share(other, g.dropout) == g.dropout;
      if (!same && c.use().training) c.wrong(other, "the same as resid_pdrop: a model has one dropout here");
      one = one && same;
    }
    if (!one) g.dropout = 0;  // inference has none
    c.without_effect({"n_ctx", "summary_type", "summary_use_proj", "summary_activation", "summary_proj_to_labels",
                      "summary_first_dropout", "predict_special_tokens"});
    return g;
  }

  /// The config.json of a model that was trained here: what its family has, in the fields that every version of the
  /// reference reads.
  static Config::Json write(config const& c) {
    const Config::Json dropout = shortest(c.dropout);
    return {{"model_type", "gpt2"},       {"architectures", {"GPT2LMHeadModel"}},
            {"n_layer", c.layers},        {"n_head", c.heads},
            {"n_embd", c.width},          {"n_positions", c.context},
            {"vocab_size", c.vocab},      {"activation_function", reference_name(c.act)},
            {"layer_norm_epsilon", 1e-5}, {"tie_word_embeddings", true},
            {"resid_pdrop", dropout},     {"embd_pdrop", dropout},
            {"attn_pdrop", dropout}};
  }

  static settings::Structure structure(config const& c) {
    return {c.layers, c.heads, c.width, c.context, c.bias, static_cast<double>(c.dropout)};
  }
  static void set_structure(config& c, settings::Structure const& s) {
    c.layers = whole("n-layer", s.n_layer, 1, 1000);
    c.heads = whole("n-head", s.n_head, 1, 1000);
    c.width = whole("n-embd", s.n_embd, 1);
    c.context = whole("block-size", s.block_size, 1);
    c.bias = s.bias;
    if (!(s.dropout >= 0 && s.dropout < 1))
      fauna::fail("fauna", "--dropout " + settings::text(s.dropout), "0 to below 1");
    c.dropout = static_cast<float>(s.dropout);
    if (c.width % c.heads != 0) {
      const int below = c.width / c.heads * c.heads, above = below + c.heads;
      fauna::fail("fauna", "--n-embd " + std::to_string(c.width) + " in " + std::to_string(c.heads) + " heads",
                  "a width that --n-head divides, such as " + std::to_string(below > 0 ? below : above) + " or " +
                      std::to_string(above));
    }
  }

  /// The reference has a bias beside every weight but those of the embeddings.
  static bool bias_of_zeros(config const& c, std::string const& weight) {
    return !c.bias && weight != "transformer.wte.weight" && weight != "transformer.wpe.weight";
  }

  static constexpr const char* gguf_name = "gpt2";
  template <class Io> static void gguf(Io& io) {
    io.layers(&config::layers);
    io.whole("context_length", &config::context);
    io.whole("embedding_length", &config::width);
    io.check(io.get().width < 1 << 29, "embedding_length", io.get().width, "less than 2^29");
    io.same("feed_forward_length", 4 * io.get().width);
    io.heads(&config::heads);
    gguf_head_columns(io);
    io.same(layer_epsilon, 1e-5);
    io.vocab(&config::vocab);
    io.implied(&config::bias, true);
    io.implied(&config::act, fauna::activation::gelu_tanh);
    io.of_training(&config::dropout);
  }
};

const Registered<Gpt2> registered_gpt2;

}  // namespace
}  // namespace tool
