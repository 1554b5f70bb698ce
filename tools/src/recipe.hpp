// run.toml: the settings of a run, as --config takes them again.
#pragma once
#include <string>

#include <tools/src/family.hpp>
#include <tools/src/fields.hpp>
#include <tools/src/toml_settings.hpp>

namespace tool {

/// `model`: what --model named, if anything. A run that goes on keeps how it began, which is what makes it again.
inline std::string recipe_of(settings::Run s, settings::Reading reading, std::string model, ModelConfig const& c) {
  if (const std::string path = s.out_dir + "/run.toml"; s.init_from == "resume" && fauna::exists(path)) {
    const toml::table begun = read_toml(path);
    model = begun["model"].value_or("");
    s.tokenizer = begun["tokenizer"].value_or("");
    s.init_from = begun["init-from"].value_or("resume");
  }
  std::string all =
      "# Written by tools/fauna: the settings of the run in this folder, for `tools/fauna train --config`. Paths are "
      "as\n"
      "# they were given. Another --out-dir makes the run again; --init-from resume goes on with it.\n";
  const auto line = [&all](const char* name, auto& value, const char*) { all += toml_line(name, value); };
  if (!model.empty()) line("model", model, "");
  if (auto structure = c.structure()) {
    structure->block_size = s.context;
    structure->dropout = shortest(static_cast<float>(structure->dropout));
    structure->each(line);
  } else {
    line("block-size", s.context, "");
  }
  s.Train::each([&](const char* name, auto& value, const char* meaning) {
    if (std::string(name) != "overwrite") line(name, value, meaning);  // it removes what is in the folder
  });
  reading.each(line);
  return all;
}

/// The same of a fine-tuning of the model directory `base`.
inline std::string recipe_of(settings::Finetune s, settings::Reading reading, std::string const& base) {
  std::string all =
      "# Written by tools/fauna: the settings of the run in this folder, for `tools/fauna finetune DIR --config`, "
      "where\n"
      "# DIR was " +
      toml_text(toml::value<std::string>(base)) + ". Another --out makes the run again; --resume goes on with it.\n";
  const auto line = [&all](const char* name, auto& value, const char*) {
    if (std::string(name) != "overwrite" && std::string(name) != "resume") all += toml_line(name, value);
  };
  s.each(line);
  reading.each(line);
  return all;
}

}  // namespace tool
