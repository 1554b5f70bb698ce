// What a config.json describes, as a C++ type. One function a family; every field of the file is used, known to change
// nothing in inference, or an error: none is passed over in silence.
#pragma once
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/io/file.hpp>

namespace tool {

/// A model as source text, and what its driver needs beside it.
struct Described {
  std::string type{}, include{};
  std::vector<long long> stop_ids{};  ///< ends of a text, from the config
};

/// The fields of a config.json, ticked off as they are used.
class Config {
 public:
  using Json = nlohmann::json;
  explicit Config(std::string path) : path_(std::move(path)) {
    try {
      fields_ = Json::parse(fauna::read_file(path_));
    } catch (Json::exception const& e) {
      fauna::fail("config", path_ + " is no JSON", "a model's config.json", e.what());
    }
    if (!fields_.is_object()) fauna::fail("config", path_ + " is no object", "a model's config.json");
  }
  [[noreturn]] void wrong(std::string const& field, std::string const& expected) const {
    fauna::fail("config", path_ + ": " + field + " = " + (has(field) ? fields_[field].dump() : "nothing"), expected);
  }
  bool has(std::string const& field) const { return fields_.contains(field) && !fields_[field].is_null(); }
  Json const* find(std::string const& field) {
    used_.insert(field);
    return has(field) ? &fields_[field] : nullptr;
  }
  long whole(std::string const& field, long otherwise = -1) {
    Json const* j = find(field);
    if (j == nullptr && otherwise >= 0) return otherwise;
    if (j == nullptr || !j->is_number_integer() || j->get<long long>() < 1 || j->get<long long>() > 1'000'000'000)
      wrong(field, "a whole number above 0");
    return j->get<long>();
  }
  double number(std::string const& field, double otherwise = std::numeric_limits<double>::quiet_NaN()) {
    Json const* j = find(field);
    if (j == nullptr && !std::isnan(otherwise)) return otherwise;
    if (j == nullptr || !j->is_number()) wrong(field, "a number");
    return j->get<double>();
  }
  bool flag(std::string const& field, bool otherwise) {
    Json const* j = find(field);
    if (j == nullptr) return otherwise;
    if (!j->is_boolean()) wrong(field, "true or false");
    return j->get<bool>();
  }
  std::string word(std::string const& field, std::string const& otherwise) {
    Json const* j = find(field);
    if (j == nullptr) return otherwise;
    if (!j->is_string()) wrong(field, "a text");
    return j->get<std::string>();
  }
  /// One of the words that are known, mapped to what it stands for.
  std::string one_of(std::string const& field, std::map<std::string, std::string> const& known,
                     std::string const& otherwise) {
    const auto found = known.find(word(field, otherwise));
    if (found != known.end()) return found->second;
    std::string all;
    for (auto const& k : known) all += (all.empty() ? "" : ", ") + k.first;
    wrong(field, "one of " + all);
  }
  /// Fields that must have this value, or be absent.
  void only(std::string const& field, Json const& value) {
    Json const* j = find(field);
    if (j != nullptr && *j != value) wrong(field, value.dump() + ", the only value that is implemented");
  }
  /// Fields that matter in training, or nowhere.
  void without_effect(std::initializer_list<const char*> fields) {
    for (const char* f : fields) used_.insert(f);
  }
  void all_used() const {
    for (auto const& field : fields_.items())
      if (used_.count(field.key()) == 0 && !field.value().is_null())
        wrong(field.key(), "no field of this name in a config of model_type " + fields_["model_type"].dump() +
                               ": what it would change is not implemented");
  }
  std::vector<long long> ids(std::string const& field) {
    std::vector<long long> all;
    Json const* j = find(field);
    if (j == nullptr) return all;
    if (j->is_number_integer()) all.push_back(j->get<long long>());
    else if (j->is_array())
      for (auto const& id : *j) {
        if (!id.is_number_integer()) wrong(field, "a token id or a list of them");
        all.push_back(id.get<long long>());
      }
    else wrong(field, "a token id or a list of them");
    return all;
  }
  std::string const& path() const { return path_; }

 private:
  std::string path_;
  Json fields_;
  std::set<std::string> used_;
};

/// A designated initialiser, member by member.
class Initialiser {
 public:
  Initialiser& operator()(const char* name, std::string const& value) {
    text_ += (text_.empty() ? "." : ", .") + std::string(name) + " = " + value;
    return *this;
  }
  Initialiser& operator()(const char* name, long value) { return (*this)(name, std::to_string(value)); }
  Initialiser& flag(const char* name, bool value) { return (*this)(name, std::string(value ? "true" : "false")); }
  Initialiser& real(const char* name, double value) { return (*this)(name, literal(value)); }
  Initialiser& single(const char* name, double value) { return (*this)(name, literal(value, 9) + "F"); }
  static std::string literal(double value, int digits = 17) {
    for (int n = 1;; ++n) {  // the shortest that reads back as the same number
      char text[40];
      std::snprintf(text, sizeof text, "%.*g", n, value);
      const bool same =
          digits == 9 ? std::strtof(text, nullptr) == static_cast<float>(value) : std::strtod(text, nullptr) == value;
      if (!same && n < digits) continue;
      std::string s = text;
      return s.find_first_of(".e") == std::string::npos ? s + ".0" : s;
    }
  }
  std::string const& text() const { return text_; }

 private:
  std::string text_;
};

/// Fields of every config that say nothing about the numbers of inference.
inline void common_fields(Config& c) {
  c.without_effect({"model_type",
                    "architectures",
                    "torch_dtype",
                    "dtype",
                    "transformers_version",
                    "use_cache",
                    "initializer_range",
                    "attention_dropout",
                    "_name_or_path",
                    "_model_name_or_path",
                    "pad_token_id",
                    "bos_token_id",
                    "unk_token_id",
                    "eos_token_id",
                    "task_specific_params",
                    "return_dict",
                    "output_attentions",
                    "output_hidden_states",
                    "is_encoder_decoder",
                    "chunk_size_feed_forward",
                    "id2label",
                    "label2id",
                    "problem_type",
                    "name",
                    "is_decoder",
                    "transformers.js_config",
                    "classifier_dropout",
                    "hidden_dropout",
                    "classifier_dropout_prob"});
  c.only("quantization_config", nullptr);
  c.only("add_cross_attention", false);
  c.only("cross_attention_hidden_size", nullptr);
}

inline const std::map<std::string, std::string>& activations() {
  static const std::map<std::string, std::string> all{
      {"gelu", "fauna::activation::gelu"},           {"gelu_new", "fauna::activation::gelu_tanh"},
      {"gelu_fast", "fauna::activation::gelu_tanh"}, {"gelu_pytorch_tanh", "fauna::activation::gelu_tanh"},
      {"relu", "fauna::activation::relu"},           {"silu", "fauna::activation::silu"},
      {"relu2", "fauna::activation::relu_squared"}};
  return all;
}

/// Rotary positions, as transformers 4 (rope_theta, rope_scaling) and 5 (rope_parameters) write them.
struct Rope {
  double base, fraction = 1;
  std::string scaling{};  ///< an initialiser; empty: none
};
inline Rope rope_of(Config& c, double base, const char* base_field, const char* fraction_field) {
  Rope r{c.number(base_field, base)};
  r.fraction = c.number(fraction_field, c.number("partial_rotary_factor", 1));
  for (const char* field : {"rope_parameters", "rope_scaling"}) {
    auto const* j = c.find(field);
    if (j == nullptr) continue;
    if (!j->is_object()) c.wrong(field, "an object");
    std::string type = "default";
    std::set<std::string> known{"rope_type", "type", "rope_theta", "partial_rotary_factor"};
    if (j->contains("rope_type")) type = j->at("rope_type").get<std::string>();
    else if (j->contains("type")) type = j->at("type").get<std::string>();
    if (j->contains("rope_theta")) r.base = j->at("rope_theta").get<double>();
    if (j->contains("partial_rotary_factor")) r.fraction = j->at("partial_rotary_factor").get<double>();
    const auto number = [&](const char* name) {
      known.insert(name);
      if (!j->contains(name) || !j->at(name).is_number()) c.wrong(field, std::string("a number ") + name);
      return Initialiser::literal(j->at(name).get<double>());
    };
    const auto whole = [&](const char* name) {
      known.insert(name);
      if (!j->contains(name) || !j->at(name).is_number_integer()) c.wrong(field, std::string("a whole number ") + name);
      return std::to_string(j->at(name).get<long>());
    };
    if (type == "linear") {
      r.scaling = "fauna::RopeScaling{.kind = fauna::rope_scaling::linear, .factor = " + number("factor") + "}";
    } else if (type == "llama3") {
      r.scaling = "fauna::RopeScaling{.kind = fauna::rope_scaling::llama3, .factor = " + number("factor") +
                  ", .low = " + number("low_freq_factor") + ", .high = " + number("high_freq_factor") +
                  ", .original = " + whole("original_max_position_embeddings") + "}";
    } else if (type != "default") {
      c.wrong(field, "rope_type default, linear or llama3");
    }
    for (auto const& entry : j->items())
      if (known.count(entry.key()) == 0)
        c.wrong(field, "no member " + entry.key() + ": what it would change is not implemented");
  }
  return r;
}

inline Described gpt2(Config& c) {
  Initialiser i;
  const long width = c.whole("n_embd");
  i("layers", c.whole("n_layer"))("heads", c.whole("n_head"))("width", width)("context", c.whole("n_positions"))(
      "vocab", c.whole("vocab_size"));
  i("act", c.one_of("activation_function",
                    {{"gelu", activations().at("gelu")}, {"gelu_new", activations().at("gelu_new")}}, "gelu_new"));
  if (c.whole("n_inner", 4 * width) != 4 * width) c.wrong("n_inner", std::to_string(4 * width) + ", 4 n_embd");
  c.only("layer_norm_epsilon", 1e-5);
  c.only("scale_attn_weights", true);
  c.only("scale_attn_by_inverse_layer_idx", false);
  c.only("reorder_and_upcast_attn", false);
  c.only("tie_word_embeddings", true);
  c.without_effect({"n_ctx", "resid_pdrop", "embd_pdrop", "attn_pdrop", "summary_type", "summary_use_proj",
                    "summary_activation", "summary_proj_to_labels", "summary_first_dropout"});
  return {"fauna::Gpt<fauna::GptConfig{" + i.text() + "}>", "fauna/models/gpt.hpp"};
}

inline Described llama(Config& c) {
  Initialiser i;
  const long width = c.whole("hidden_size"), heads = c.whole("num_attention_heads");
  i("layers", c.whole("num_hidden_layers"))("heads", heads)("kv_heads", c.whole("num_key_value_heads", heads))(
      "head_size", c.whole("head_dim", width / heads))("width", width)("hidden", c.whole("intermediate_size"))(
      "context", c.whole("max_position_embeddings", 2048))("vocab", c.whole("vocab_size"));
  const Rope r = rope_of(c, 10000, "rope_theta", "partial_rotary_factor");
  if (r.fraction != 1) c.wrong("partial_rotary_factor", "1, the only value that is implemented");
  i.real("base", r.base);
  if (!r.scaling.empty()) i("scaling", r.scaling);
  i.flag("tied", c.flag("tie_word_embeddings", false)).single("epsilon", c.number("rms_norm_eps", 1e-6));
  if (c.flag("attention_bias", false)) i.flag("attention_bias", true);
  if (c.flag("mlp_bias", false)) i.flag("mlp_bias", true);
  const std::string act = c.one_of("hidden_act", activations(), "silu");
  if (act != activations().at("silu")) i("act", act);
  c.only("pretraining_tp", 1);
  c.only("rope_interleaved", false);
  c.without_effect({"is_llama_config", "max_window_layers"});
  return {"fauna::Llama<fauna::LlamaConfig{" + i.text() + "}>", "fauna/models/llama.hpp"};
}

inline Described gpt_neox(Config& c) {
  Initialiser i;
  const long width = c.whole("hidden_size"), heads = c.whole("num_attention_heads");
  i("layers", c.whole("num_hidden_layers"))("heads", heads)("width", width)("hidden", c.whole("intermediate_size"))(
      "context", c.whole("max_position_embeddings", 2048))("vocab", c.whole("vocab_size"));
  Rope r = rope_of(c, c.number("rotary_emb_base", 10000), "rope_theta", "rotary_pct");
  if (!c.has("rotary_pct") && !c.has("partial_rotary_factor") && !c.has("rope_parameters")) r.fraction = 0.25;
  if (!r.scaling.empty()) c.wrong("rope_scaling", "none, the only one that is implemented for gpt_neox");
  i("rotary", static_cast<long>(r.fraction * static_cast<double>(width / heads))).real("base", r.base);
  i.single("epsilon", c.number("layer_norm_eps", 1e-5));
  i.flag("parallel", c.flag("use_parallel_residual", true)).flag("tied", c.flag("tie_word_embeddings", false));
  i("act", c.one_of("hidden_act", activations(), "gelu"));
  c.only("attention_bias", true);
  return {"fauna::GptNeoX<fauna::GptNeoXConfig{" + i.text() + "}>", "fauna/models/gpt_neox.hpp"};
}

/// The model of a directory with a config.json.
inline Described read_config(std::string const& directory) {
  const std::map<std::string, Described (*)(Config&)> families{
      {"gpt2", gpt2}, {"llama", llama}, {"gpt_neox", gpt_neox}};
  const std::string path = directory + "/config.json";
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    fauna::fail("config", directory + " has no config.json", "a model directory: config.json, weights, tokenizer.json");
  Config c(path);
  std::string known;
  for (auto const& f : families) known += (known.empty() ? "" : ", ") + f.first;
  const auto family = families.find(c.word("model_type", ""));
  if (family == families.end()) c.wrong("model_type", "one of " + known);
  common_fields(c);
  Described d = family->second(c);
  d.stop_ids = c.ids("eos_token_id");
  c.all_used();
  return d;
}

}  // namespace tool
