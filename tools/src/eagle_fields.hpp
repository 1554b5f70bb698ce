// config.json of EAGLE's drafters, as published: a Llama's of one layer.
#pragma once
#include <fauna/decode/speculate/eagle.hpp>
#include <fauna/io/open_tensors.hpp>
#include <tools/src/directory.hpp>
#include <tools/src/llama_fields.hpp>

namespace tool {

/// The columns of a model's token table, as its files have it; 0: it goes by another name there.
inline int table_width(std::string const& model, ModelConfig const& c) {
  const fauna::TensorFile file = fauna::open_tensors(model);
  const char* const name = c.names().table;
  const fauna::SafeTensor* t = name == nullptr ? nullptr : file.find(name);
  if (t == nullptr && name != nullptr) t = file.find(fauna::without_first(name));
  return t == nullptr || t->shape.size() != 2 ? 0 : static_cast<int>(t->shape[1]);
}

/// The type of a drafter whose weights are a folder or a file in one, with its config beside them. Throws where either
/// is not a drafter for a model of this width (0: unknown) and vocabulary, as far as that can be seen before it is
/// compiled.
inline Described eagle_described(std::string const& weights, int width, int vocab, Use use = {}) {
  namespace fs = std::filesystem;
  if (!fs::exists(weights)) fauna::fail("eagle", "there is no " + weights, "a drafter: a folder, or a file in one");
  const fs::path folder = fs::is_directory(weights) ? fs::path(weights) : fs::path(weights).parent_path();
  const std::string path = (folder / "config.json").string();
  if (!fs::exists(path)) fauna::fail("eagle", weights + " has no config.json beside it", path + ", as published");
  Config c(path, use);
  const fauna::LlamaConfig l = read_llama(c);
  if (l.layers != 1) c.wrong("num_hidden_layers", "1: drafters have one layer");
  if (l.attention_bias) c.wrong("attention_bias", "false");
  if (l.mlp_bias) c.wrong("mlp_bias", "false");
  fauna::EagleConfig e = fauna::eagle_of(l);
  e.fc_bias = c.flag("bias", true);
  const int drafts = c.has("draft_vocab_size") ? c.whole("draft_vocab_size") : 0;  // of EAGLE-3 alone
  const int of_target = drafts > 0 ? c.whole("target_hidden_size", e.width) : e.width;
  c.without_effect({"architectures", "is_llama_config", "pretraining_tp"});
  common_fields(c);
  generation_fields(c);
  window_fields(c);
  c.without_effect({"eos_token_id"});
  c.all_used("an EAGLE drafter");
  if (width > 0 && of_target != width)
    c.wrong(c.has("target_hidden_size") ? "target_hidden_size" : "hidden_size",
            std::to_string(width) + ", the model's");
  if (e.vocab != vocab) c.wrong("vocab_size", std::to_string(vocab) + ", the model's");
  const fauna::TensorFile file = fauna::open_tensors(weights);
  const auto check = [&](const char* name, std::size_t rows, std::size_t cols, bool needed) {
    const fauna::SafeTensor* const t = file.find(name);
    fauna::SafeTensor want;
    want.dtype = t == nullptr ? "F32" : t->dtype;
    want.shape = {rows, cols};
    if (t == nullptr ? needed : t->shape != want.shape)
      fauna::fail(
          "eagle", file.path() + " has " + (t == nullptr ? std::string("no ") + name : name + (' ' + t->text())),
          want.text(),
          "a drafter for a model of width " + std::to_string(e.width) + " and vocabulary " + std::to_string(vocab));
  };
  const auto w = static_cast<std::size_t>(e.width), v = static_cast<std::size_t>(vocab);
  check("fc.weight", w, drafts > 0 ? 3 * static_cast<std::size_t>(of_target) : 2 * w, true);
  check("embed_tokens.weight", v, w, false);
  if (drafts == 0) return {fauna::cpp_type(e), {fauna::EagleConfig::names.header}};
  (void)fauna::eagle_tokens(file, drafts, vocab);
  return {fauna::cpp_type(fauna::Eagle3Config{e, of_target, drafts}), {fauna::EagleConfig::names.header}};
}

inline Config::Json eagle_json(fauna::EagleConfig const& e) {
  fauna::LlamaConfig l;
  l.layers = 1, l.heads = e.heads, l.kv_heads = e.kv_heads, l.head_size = e.head_size, l.width = e.width;
  l.hidden = e.hidden, l.context = e.context, l.vocab = e.vocab, l.base = e.base, l.scaling = e.scaling;
  l.epsilon = e.epsilon, l.act = e.act;
  Config::Json j = llama_json(l, "llama", "LlamaForCausalLM");
  j["bias"] = e.fc_bias;
  return j;
}

}  // namespace tool
