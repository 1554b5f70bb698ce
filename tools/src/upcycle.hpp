// fauna upcycle: a mixture of experts out of a dense model directory, as transformers loads it.
#pragma once
#include <fauna/io/upcycle.hpp>
#include <tools/src/export.hpp>

namespace tool {

/// A family of mixtures whose layers are those of a dense family, but for the MLP.
struct UpcycledFamily {
  const char *dense, *model_type, *architecture;
  fauna::UpcycleNames names;
  const char *experts, *hidden;  ///< fields; the latter is null where experts have intermediate_size
  std::vector<std::pair<const char*, Config::Json>> fields;
  std::vector<const char*> without;  ///< fields that the mixture does not know
};
inline std::vector<UpcycledFamily> const& upcycled_families() {
  static const fauna::UpcycleNames mixtral{
      "mlp", "block_sparse_moe", {{"gate_proj", "w1"}, {"up_proj", "w3"}, {"down_proj", "w2"}}};
  static const fauna::UpcycleNames same{
      "mlp", "mlp", {{"gate_proj", "gate_proj"}, {"up_proj", "up_proj"}, {"down_proj", "down_proj"}}};
  static const std::vector<UpcycledFamily> all{
      {"llama",
       "mixtral",
       "MixtralForCausalLM",
       mixtral,
       "num_local_experts",
       nullptr,
       {},
       {"attention_bias", "mlp_bias"}},
      {"mistral", "mixtral", "MixtralForCausalLM", mixtral, "num_local_experts", nullptr, {}, {}},
      {"qwen3",
       "qwen3_moe",
       "Qwen3MoeForCausalLM",
       same,
       "num_experts",
       "moe_intermediate_size",
       {{"norm_topk_prob", true}, {"decoder_sparse_step", 1}, {"mlp_only_layers", Config::Json::array()}},
       {}}};
  return all;
}

/// Writes the mixture with so many experts, of which a row has top_k, to the folder `to`.
inline void upcycle(std::string const& from, std::string const& to, int experts, int top_k, Use use) {
  const AnyModel model = read_config(from, use).model;
  if (experts < 2) fauna::fail("fauna upcycle", "--experts " + std::to_string(experts), "at least 2");
  if (top_k < 2 || top_k > experts)
    fauna::fail("fauna upcycle", "--top-k " + std::to_string(top_k),
                "2 to the number of experts, " + std::to_string(experts),
                "the weight of a single expert that is renormalised is 1 whatever the router says");
  const Config::Json own = Config::Json::parse(fauna::read_file(from + "/config.json"));
  const std::string type = own.value("model_type", "");
  UpcycledFamily const* family = nullptr;
  std::string known;
  for (auto const& f : upcycled_families()) {
    if (type == f.dense) family = &f;
    known += (known.empty() ? "" : ", ") + std::string(f.dense);
  }
  if (family == nullptr)
    fauna::fail("fauna upcycle", from + " of model_type " + type, "one of " + known,
                "these have a mixture of experts with the same layers");
  Config::Json j = model->config_json();
  for (const char* kept : {"bos_token_id", "eos_token_id", "pad_token_id", "dtype", "torch_dtype"})
    if (own.contains(kept)) j[kept] = own[kept];
  for (const char* none : family->without) {
    if (j.value(none, false)) fauna::fail("fauna upcycle", from + "/config.json with " + none, "none");
    j.erase(none);
  }
  j["model_type"] = family->model_type;
  j["architectures"] = {family->architecture};
  j[family->experts] = experts;
  j["num_experts_per_tok"] = top_k;
  j["router_aux_loss_coef"] = 0.01;
  if (family->hidden != nullptr) j[family->hidden] = j["intermediate_size"];
  for (auto const& [field, value] : family->fields) j[field] = value;
  fauna::make_directories(to);
  if (fs::equivalent(from, to)) fauna::fail("fauna upcycle", "from " + from + " to itself", "a new folder");
  fauna::write_file(to + "/config.json", j.dump(2) + '\n');
  try {
    (void)read_config(to, use);
  } catch (...) {  // a field that the mixture does not know
    fs::remove(to + "/config.json");
    throw;
  }
  const fauna::TensorFile dense = fauna::open_tensors(from);
  const fauna::Upcycled made = fauna::upcycled(dense, family->names, experts);
  fauna::write_safetensors(to + "/model.safetensors", made.tensors, {{"format", "pt"}});
  fauna::print(stdout, "wrote " + to + ": " + family->model_type + " of " + std::to_string(made.layers) +
                           " layers with " + std::to_string(experts) + " experts each, config.json, model.safetensors" +
                           copy_beside(from, to) + '\n');
}

}  // namespace tool
