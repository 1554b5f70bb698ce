// The files of a model directory that are read here, or that others need beside them.
#pragma once
#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <string>

namespace tool {

inline constexpr std::array model_files{"config.json",
                                        "generation_config.json",
                                        "tokenizer.json",
                                        "tokenizer_config.json",
                                        "tokenizer.model",
                                        "rwkv_vocab_v*.txt",
                                        "special_tokens_map.json",
                                        "added_tokens.json",
                                        "vocab.json",
                                        "merges.txt",
                                        "chat_template.jinja",
                                        "chat_template.json",
                                        "model.safetensors",
                                        "model*-of-*.safetensors",
                                        "model.safetensors.index.json",
                                        "pytorch_model.bin",
                                        "pytorch_model-*-of-*.bin",
                                        "pytorch_model.bin.index.json"};

/// Is it a file of a model directory? `path` is relative to the directory.
inline bool is_model_file(std::string const& path) {
  return std::any_of(model_files.begin(), model_files.end(),
                     [&](const char* pattern) { return ::fnmatch(pattern, path.c_str(), FNM_PATHNAME) == 0; });
}

/// Is it PyTorch's own form of weights, which are read where there are no safetensors?
inline bool is_pytorch_file(std::string const& path) { return path.rfind("pytorch_model", 0) == 0; }

}  // namespace tool
