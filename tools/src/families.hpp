// What a config.json describes, as a C++ type: one function a family, and one entry in the list of read_config.
#pragma once
#include <tools/src/config.hpp>

namespace tool {

/// A model as source text, and what its driver needs beside it.
struct Described {
  std::string type{}, include{};
  std::vector<long long> stop_ids{};  ///< tokens that end a text
};

using Names = std::map<std::string, std::string>;

inline Names const& activations() {
  static const Names all{
      {"gelu", "fauna::activation::gelu"},          {"gelu_fast", "fauna::activation::gelu_tanh"},
      {"gelu_new", "fauna::activation::gelu_tanh"}, {"gelu_pytorch_tanh", "fauna::activation::gelu_tanh"},
      {"relu", "fauna::activation::relu"},          {"relu2", "fauna::activation::relu_squared"},
      {"silu", "fauna::activation::silu"},          {"swish", "fauna::activation::silu"}};
  return all;
}

/// Rotary positions, as transformers 5 (rope_parameters) and 4 (rope_scaling and fields beside it) write them.
struct Rope {
  double base = 10000, fraction = 1;  ///< fraction: the part of each head that is turned
  std::string scaling{};              ///< an initialiser; empty: none
  std::string inside{};               ///< the object that has all this, if there is one
};

/// The scaling of a rope_parameters or rope_scaling; empty: none.
inline std::string rope_scaling(Config& in, long context) {
  const Names known{
      {"default", ""}, {"linear", "fauna::rope_scaling::linear"}, {"llama3", "fauna::rope_scaling::llama3"}};
  const bool new_name = in.has("rope_type");
  const std::string kind = in.one_of(new_name ? "rope_type" : "type", known, "default");
  if (new_name && in.one_of("type", known, in.word("rope_type", "")) != kind) in.wrong("type", "the same as rope_type");
  Initialiser i;
  if (kind.empty()) return "";
  i.word("kind", kind).real("factor", in.positive("factor"));
  if (kind == known.at("llama3"))
    i.real("low", in.positive("low_freq_factor"))
        .real("high", in.positive("high_freq_factor"))
        .whole("original", in.whole("original_max_position_embeddings", context));
  return i.of("fauna::RopeScaling");
}

/// `fraction`: the family's own, where the file does not say.
inline Rope rope_of(Config& c, double fraction, long context) {
  Agreed base, part;
  for (const char* field : {"rope_theta", "rotary_emb_base"}) base.add(c, field);
  for (const char* field : {"partial_rotary_factor", "rotary_pct"}) part.add(c, field);
  if (c.has("rope_parameters") && c.has("rope_scaling")) c.wrong("rope_scaling", "nothing, beside rope_parameters");
  Rope r;
  for (const char* field : {"rope_parameters", "rope_scaling"}) {
    auto in = c.inner(field);
    if (!in) continue;
    base.add(*in, "rope_theta");
    part.add(*in, "partial_rotary_factor");
    r.scaling = rope_scaling(*in, context);
    r.inside = field;
    in->all_used("its rope_type");
  }
  r.base = base.or_else(r.base);
  r.fraction = part.or_else(fraction);
  return r;
}

/// A head's columns, where heads share the width.
inline long head_size(Config const& c, const char* heads_field, long heads, long width) {
  if (width % heads != 0) c.wrong(heads_field, "a number that divides the width of " + std::to_string(width));
  return width / heads;
}

inline Described gpt2(Config& c) {
  const long width = c.whole("n_embd"), heads = c.whole("n_head");
  head_size(c, "n_head", heads, width);
  Initialiser i;
  i.whole("layers", c.whole("n_layer")).whole("heads", heads).whole("width", width);
  i.whole("context", c.whole("n_positions")).whole("vocab", c.whole("vocab_size"));
  Names known = activations();
  for (const char* none : {"relu", "relu2", "silu", "swish"}) known.erase(none);
  i.word("act", c.one_of("activation_function", known, "gelu_new"));
  c.only("n_inner", 4 * width);
  c.only("layer_norm_epsilon", 1e-5);
  c.only("scale_attn_weights", true);
  c.only("scale_attn_by_inverse_layer_idx", false);
  c.only("reorder_and_upcast_attn", false);
  c.only("tie_word_embeddings", true);
  c.without_effect({"n_ctx", "resid_pdrop", "embd_pdrop", "attn_pdrop", "summary_type", "summary_use_proj",
                    "summary_activation", "summary_proj_to_labels", "summary_first_dropout"});
  return {"fauna::Gpt<" + i.of("fauna::GptConfig") + '>', "fauna/models/gpt.hpp"};
}

inline Described llama(Config& c) {
  const long width = c.whole("hidden_size"), heads = c.whole("num_attention_heads");
  const long key_heads = c.whole("num_key_value_heads", heads), context = c.whole("max_position_embeddings", 2048);
  if (heads % key_heads != 0)
    c.wrong("num_key_value_heads", "a number that divides the " + std::to_string(heads) + " heads");
  const long size = c.has("head_dim") ? c.whole("head_dim") : head_size(c, "num_attention_heads", heads, width);
  if (size % 2 != 0) c.wrong("head_dim", "an even number: columns turn in pairs");
  const Rope rope = rope_of(c, 1, context);
  if (rope.fraction != 1)
    c.wrong(c.has("partial_rotary_factor") ? "partial_rotary_factor" : rope.inside,
            "a partial_rotary_factor of 1, the only one that is implemented for llama");
  Initialiser i;
  i.whole("layers", c.whole("num_hidden_layers")).whole("heads", heads).whole("kv_heads", key_heads);
  i.whole("head_size", size).whole("width", width).whole("hidden", c.whole("intermediate_size"));
  i.whole("context", context).whole("vocab", c.whole("vocab_size")).real("base", rope.base);
  if (!rope.scaling.empty()) i.word("scaling", rope.scaling);
  i.flag("tied", c.flag("tie_word_embeddings", false)).single("epsilon", c.positive("rms_norm_eps", 1e-6));
  if (c.flag("attention_bias", false)) i.flag("attention_bias", true);
  if (c.flag("mlp_bias", false)) i.flag("mlp_bias", true);
  const std::string act = c.one_of("hidden_act", activations(), "silu");
  if (act != activations().at("silu")) i.word("act", act);
  c.only("pretraining_tp", 1);
  c.only("rope_interleaved", false);
  c.without_effect({"is_llama_config", "max_window_layers"});
  return {"fauna::Llama<" + i.of("fauna::LlamaConfig") + '>', "fauna/models/llama.hpp"};
}

inline Described gpt_neox(Config& c) {
  const long width = c.whole("hidden_size"), heads = c.whole("num_attention_heads");
  const long size = head_size(c, "num_attention_heads", heads, width);
  const long context = c.whole("max_position_embeddings", 2048);
  const Rope rope = rope_of(c, 0.25, context);
  if (!rope.scaling.empty()) c.wrong(rope.inside, "rope_type default, the only one that is implemented for gpt_neox");
  const long rotary = static_cast<long>(rope.fraction * static_cast<double>(size));
  if (rotary < 2 || rotary > size || rotary % 2 != 0)
    c.wrong(rope.inside.empty() ? "rotary_pct" : rope.inside,
            "a part of the " + std::to_string(size) +
                " columns of a head that is even, for they turn in pairs; it is " + std::to_string(rotary));
  Initialiser i;
  i.whole("layers", c.whole("num_hidden_layers")).whole("heads", heads).whole("width", width);
  i.whole("hidden", c.whole("intermediate_size")).whole("context", context).whole("vocab", c.whole("vocab_size"));
  i.whole("rotary", rotary).real("base", rope.base).single("epsilon", c.positive("layer_norm_eps", 1e-5));
  i.flag("parallel", c.flag("use_parallel_residual", true)).flag("tied", c.flag("tie_word_embeddings", false));
  i.word("act", c.one_of("hidden_act", activations(), "gelu"));
  c.only("attention_bias", true);
  return {"fauna::GptNeoX<" + i.of("fauna::GptNeoXConfig") + '>', "fauna/models/gpt_neox.hpp"};
}

/// Fields of any config that say nothing about the numbers of inference, or that have one value here.
inline void common_fields(Config& c) {
  c.without_effect({"model_type",
                    "torch_dtype",
                    "dtype",
                    "transformers_version",
                    "use_cache",
                    "initializer_range",
                    "attention_dropout",
                    "hidden_dropout",
                    "classifier_dropout",
                    "classifier_dropout_prob",
                    "_name_or_path",
                    "_model_name_or_path",
                    "name",
                    "pad_token_id",
                    "bos_token_id",
                    "unk_token_id",
                    "task_specific_params",
                    "return_dict",
                    "output_attentions",
                    "output_hidden_states",
                    "chunk_size_feed_forward",
                    "id2label",
                    "label2id",
                    "_num_labels",
                    "problem_type",
                    "is_decoder",
                    "transformers.js_config"});
  c.only("quantization_config", nullptr);
  c.only("is_encoder_decoder", false);
  c.only("add_cross_attention", false);
  c.only("cross_attention_hidden_size", nullptr);
}

/// The model of a directory with a config.json.
inline Described read_config(std::string const& directory) {
  struct Family {
    Described (*read)(Config&);
    const char *causal, *headless;  ///< its architectures: with a language model's head, and a checkpoint without one
  };
  static const std::map<std::string, Family> families{{"gpt2", {gpt2, "GPT2LMHeadModel", "GPT2Model"}},
                                                      {"gpt_neox", {gpt_neox, "GPTNeoXForCausalLM", "GPTNeoXModel"}},
                                                      {"llama", {llama, "LlamaForCausalLM", "LlamaModel"}}};
  const std::string path = directory + "/config.json";
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    fauna::fail("config", directory + " has no config.json", "a model directory: config.json, weights, tokenizer.json");
  Config c(path);
  Names known;
  for (auto const& f : families) known[f.first] = f.first;
  const std::string type = c.one_of("model_type", known, "");
  Family const& family = families.at(type);
  if (Config::Json const* a = c.find("architectures"))
    if (*a != Config::Json::array({family.causal}) && *a != Config::Json::array({family.headless}))
      c.wrong("architectures", "[\"" + std::string(family.causal) + "\"]");
  common_fields(c);
  Described d = family.read(c);
  d.stop_ids = c.ids("eos_token_id");
  const std::string generation = directory + "/generation_config.json";
  if (::stat(generation.c_str(), &status) == 0)
    if (const auto ids = Config(generation).ids("eos_token_id"); !ids.empty()) d.stop_ids = ids;
  c.all_used("model_type " + type);
  return d;
}

}  // namespace tool
