// fauna export: a model as the reference library loads it: config.json, model.safetensors in f32, and what the
// tokenizer needs.
#pragma once
#include <fauna/decode/adapter.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/io/print.hpp>
#include <fauna/train/checkpoint.hpp>
#include <tools/src/compile.hpp>
#include <tools/src/directory.hpp>
#include <tools/src/tokenizers.hpp>

namespace tool {

/// A tensor of the new file; without a source its numbers are zeros.
struct Exported : fauna::SafeTensor {
  const fauna::SafeTensor* from = nullptr;
  Exported(std::string called, std::vector<std::size_t> extents, const fauna::SafeTensor* source) : from(source) {
    name = std::move(called);
    dtype = "F32";
    shape = std::move(extents);
    bytes = elements() * sizeof(float);
  }
};

/// All tensors that a model needs, without a run's moments and old files' masks.
inline std::vector<Exported> exported(fauna::TensorFile const& file) {
  std::vector<Exported> all;
  for (auto const& t : file.tensors()) {
    bool ignored = false;
    for (auto const& pattern : fauna::LoadOptions{}.ignored) ignored = ignored || fauna::matches(pattern, t.name);
    if (!ignored) all.emplace_back(t.name, t.shape, &t);
  }
  return all;
}

/// Says in config.json whether the head is tied, as the files have it, and gives the one tensor of a tied one the
/// table's name, which every reader knows.
inline void tie_head(std::vector<Exported>& tensors, Config::Json& config, ModelConfig const& c) {
  fauna::ConfigNames const& names = c.names();
  config["tie_word_embeddings"] = c.tied();
  if (!c.tied()) return;
  Exported* head = nullptr;
  for (Exported& t : tensors) {
    if (t.name == names.table || t.name == fauna::without_first(names.table)) return;
    if (t.name == names.head) head = &t;
  }
  if (head != nullptr) head->name = names.table;
}

/// Copies what stands beside the weights of a model directory; ", tokenizer.json, ..." of those that were there.
inline std::string copy_beside(std::string const& from, std::string const& to) {
  std::string copied;
  for (const char* name :
       {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
        "merges.txt", "tokenizer.model", "chat_template.jinja", "generation_config.json"})
    if (fs::exists(from + '/' + name)) {
      fauna::write_file(to + '/' + name, fauna::read_file(from + '/' + name));
      copied += std::string(", ") + name;
    }
  return copied;
}

/// Writes the model of `from`, a checkpoint or a model directory, to the folder `to`; with an adapter merged into it,
/// where there is one.
inline void export_model(std::string const& from, std::string const& to, Use use, std::string const& adapter = {}) {
  const bool directory = fs::is_directory(from);
  AnyModel c;
  if (directory) c = read_config(from, use).model;  // refuses what is no model here
  if (!directory) fauna::checkpoint::require_tensors(fauna::checkpoint::open(from));
  fauna::TensorFile file = directory ? fauna::open_tensors(from) : fauna::TensorFile(fauna::checkpoint::open(from));
  if (!adapter.empty()) fauna::Adapter(adapter).merge_into(file);
  std::vector<Exported> tensors = exported(file);
  Config::Json config;
  fauna::SafeTensors::Metadata metadata{{"format", "pt"}};
  std::string tokenizer;
  if (directory) {
    config = Config::Json::parse(fauna::read_file(from + "/config.json"));
    config.erase("torch_dtype");
    tie_head(tensors, config, *c);
  } else {
    const fauna::CheckpointHead head = fauna::read_checkpoint_head(from);
    c = checkpoint_model(from, head.config);
    config = c->config_json();
    for (const char* none : {"bos_token_id", "eos_token_id"}) config[none] = nullptr;
    if (head.tokenizer.empty()) metadata.emplace_back("alphabet", head.alphabet);  // a character for each id
    tokenizer =
        head.tokenizer.empty() ? character_tokenizer(head.alphabet) : fauna::read_file(tokenizer_beside(from, head));
    for (std::size_t i = 0, n = tensors.size(); i < n; ++i)
      if (std::string name = tensors[i].name; c->bias_of_zeros(name))
        tensors.emplace_back(name.replace(name.rfind("weight"), 6, "bias"), std::vector{tensors[i].shape.back()},
                             nullptr);
  }
  config["dtype"] = "float32";
  fauna::make_directories(to);
  if (directory && fs::equivalent(from, to)) fauna::fail("fauna export", "from " + from + " to itself", "a new folder");
  std::vector<float> numbers;
  fauna::write_safetensors(to + "/model.safetensors", std::move(tensors), metadata, [&numbers](Exported const& t) {
    numbers.assign(t.elements(), 0);
    if (t.from != nullptr) fauna::read_floats(*t.from, 0, numbers.size(), numbers.data());
    return numbers.data();
  });
  fauna::write_file(to + "/config.json", config.dump(2) + '\n');
  std::string copied;
  if (!tokenizer.empty()) {
    fauna::write_file(to + "/tokenizer.json", tokenizer);
    copied = ", tokenizer.json";
  }
  if (directory) copied += copy_beside(from, to);
  fauna::print(stdout, "wrote " + to + ": config.json, model.safetensors" + copied + '\n');
}

}  // namespace tool
