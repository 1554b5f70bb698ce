// A model directory: config.json, weights and what else lies there, as the model that they stand for together.
#pragma once
#include <filesystem>
#include <system_error>

#include <fauna/decode/weights.hpp>
#include <fauna/text/gguf_vocab.hpp>
#include <tools/src/family.hpp>
#include <tools/src/mamba_ssm.hpp>
#include <tools/src/model_files.hpp>

namespace tool {

/// What GPTQ's and AWQ's writers say.
inline void quantised_groups(Config& q, std::string const& method) {
  if (method == "gptq") {
    const std::string format = q.word("checkpoint_format", "gptq");
    if (format != "gptq" && format != "gptq_v2") q.wrong("checkpoint_format", "gptq or gptq_v2");
    if (format == "gptq_v2" && !q.flag("sym", false)) q.wrong("sym", "true beside checkpoint_format gptq_v2");
    q.only("format", format);
  } else {
    q.only("bits", 4);
    q.only("version", "gemm");
    q.only("format", "gemm");
    q.only("checkpoint_format", "gemm");
  }
  q.only("method", method);
  q.only("rotation", nullptr);
  q.without_effect({"bits",
                    "group_size",
                    "desc_act",
                    "sym",
                    "lm_head",
                    "damp_percent",
                    "damp_auto_increment",
                    "static_groups",
                    "true_sequential",
                    "mse",
                    "model_name_or_path",
                    "model_file_base_name",
                    "is_marlin_format",
                    "pack_dtype",
                    "meta",
                    "dataset",
                    "tokenizer",
                    "model_seqlen",
                    "backend",
                    "block_name_to_quantize",
                    "module_name_preceding_first_block",
                    "modules_in_block_to_quantize",
                    "batch_size",
                    "pad_token_id",
                    "use_cuda_fp16",
                    "use_exllama",
                    "disable_exllama",
                    "exllama_config",
                    "max_input_length",
                    "cache_block_outputs",
                    "dynamic",
                    "zero_point",
                    "do_fuse",
                    "modules_to_fuse",
                    "fuse_max_seq_len"});
}

/// What io/scaled.hpp and io/grouped.hpp read, and nothing else. Which tensors are quantised, in how many bits and
/// groups, the files themselves say; how activations are quantised too is nothing here, where they are not.
inline void quantisation_fields(Config& c) {
  auto q = c.inner("quantization_config");
  if (!q) return;
  const std::string method = q->word("quant_method", "");
  if (method == "fp8") {
    q->only("fmt", "e4m3");
    q->only("weight_block_size", {128, 128});
    if (!q->has("weight_block_size")) q->wrong("weight_block_size", "[128,128]");
    q->only("activation_scheme", "dynamic");
    q->without_effect({"scale_fmt"});
  } else if (method == "gptq" || method == "awq") {
    quantised_groups(*q, method);
  } else if (method == "compressed-tensors") {
    const std::string format = q->word("format", "");
    if (format != "pack-quantized" && format != "int-quantized" && format != "float-quantized")
      q->wrong("format", "pack-quantized, int-quantized or float-quantized");
    q->only("kv_cache_scheme", nullptr);
    if (q->find("transform_config") != nullptr && !q->find("transform_config")->empty())
      q->wrong("transform_config", "none", "weights that are turned online are not read");
    q->without_effect({"config_groups", "ignore", "quantization_status", "global_compression_ratio", "version",
                       "sparsity_config", "transform_config"});
  } else if (method == "bitsandbytes") {
    q->without_effect({"load_in_4bit", "load_in_8bit", "llm_int8_threshold", "llm_int8_skip_modules",
                       "llm_int8_has_fp16_weight", "llm_int8_enable_fp32_cpu_offload", "bnb_4bit_quant_type",
                       "bnb_4bit_use_double_quant", "bnb_4bit_compute_dtype", "bnb_4bit_quant_storage", "_load_in_4bit",
                       "_load_in_8bit"});
  } else if (method != "mxfp4") {
    c.wrong("quantization_config", "quant_method mxfp4, fp8, gptq, awq, compressed-tensors or bitsandbytes",
            "other quantised weights are not read");
  }
  q->without_effect({"modules_to_not_convert", "dequantize"});
  q->all_used("quant_method " + method);
}

/// Fields of any config that say nothing about the numbers of inference, or that have one value here; in training some
/// of the former have one value too.
inline void common_fields(Config& c) {
  if (c.use().training) {
    for (const char* none :
         {"attention_dropout", "hidden_dropout", "attention_probs_dropout_prob", "hidden_dropout_prob"})
      c.only(none, 0);
    c.only("initializer_range", 0.02);
  }
  c.without_effect({"model_type", "torch_dtype", "dtype", "use_cache", "tokenizer_class", "_name_or_path",
                    "_model_name_or_path", "_commit_hash", "name", "auto_map", "transformers.js_config"});
  c.without_effect({"initializer_range", "attention_dropout", "hidden_dropout", "attention_probs_dropout_prob",
                    "hidden_dropout_prob", "classifier_dropout", "classifier_dropout_prob", "gradient_checkpointing"});
  c.without_effect({"unk_token_id", "sep_token_id", "task_specific_params", "finetuning_task", "prefix", "return_dict",
                    "use_return_dict", "output_past", "id2label", "label2id", "_num_labels", "problem_type",
                    "tf_legacy_loss", "is_decoder", "tie_encoder_decoder"});
  // How the numbers are computed, not which they are.
  c.without_effect({"chunk_size_feed_forward", "torchscript", "use_bfloat16", "attn_implementation",
                    "_attn_implementation", "_attn_implementation_internal", "_attn_implementation_autoset",
                    "_flash_attn_2_enabled", "_experts_implementation", "base_model_tp_plan", "base_model_pp_plan"});
  c.without_stamps();
  quantisation_fields(c);
  c.only("pruned_heads", Config::Json::object());
  c.only("is_encoder_decoder", false);
  c.only("add_cross_attention", false);
  c.only("cross_attention_hidden_size", nullptr);
}

/// Attention to all that came before, said in three ways, unless the family has read what the file says of windows or
/// of kinds of layers.
inline void window_fields(Config& c) {
  if (c.was_read("sliding_window")) return;
  if (c.flag("use_sliding_window", true)) c.only("sliding_window", nullptr);
  c.without_effect({"sliding_window", "max_window_layers"});
  if (c.was_read("layer_types")) return;
  if (Config::Json const* types = c.find("layer_types"))
    for (Config::Json const& type : *types)
      if (type != "full_attention") c.wrong("layer_types", "full_attention throughout");
}

/// Defaults of the reference's generate, in a generation_config.json or, from old versions, in config.json: here they
/// are flags with defaults of their own.
inline void generation_fields(Config& c) {
  c.without_effect({"max_length",
                    "max_new_tokens",
                    "min_length",
                    "min_new_tokens",
                    "max_time",
                    "stop_strings",
                    "do_sample",
                    "temperature",
                    "top_k",
                    "top_p",
                    "min_p",
                    "top_h",
                    "typical_p",
                    "epsilon_cutoff",
                    "eta_cutoff",
                    "penalty_alpha",
                    "renormalize_logits",
                    "remove_invalid_values",
                    "token_healing",
                    "guidance_scale",
                    "watermarking_config",
                    "dola_layers",
                    "low_memory"});
  c.without_effect({"num_beams", "num_beam_groups", "early_stopping", "diversity_penalty", "length_penalty",
                    "num_return_sequences", "constraints", "force_words_ids"});
  c.without_effect({"repetition_penalty", "encoder_repetition_penalty", "no_repeat_ngram_size",
                    "encoder_no_repeat_ngram_size", "bad_words_ids", "sequence_bias", "suppress_tokens",
                    "begin_suppress_tokens", "exponential_decay_length_penalty"});
  c.without_effect({"bos_token_id", "pad_token_id", "decoder_start_token_id", "forced_bos_token_id",
                    "forced_eos_token_id", "generation_kwargs"});
  c.without_effect({"use_cache", "cache_implementation", "cache_config", "return_legacy_cache", "prefill_chunk_size",
                    "disable_compile", "compile_config", "output_attentions", "output_hidden_states", "output_scores",
                    "output_logits", "return_dict_in_generate", "_from_model_config", "trust_remote_code"});
  c.without_effect({"is_assistant", "num_assistant_tokens", "num_assistant_tokens_schedule",
                    "assistant_confidence_threshold", "assistant_early_exit", "assistant_lookbehind",
                    "target_lookbehind", "prompt_lookup_num_tokens", "max_matching_ngram_size"});
  c.without_stamps();
}

/// A head of its own in the files counts, as in the reference library, whatever the config ties.
inline void use_own_head(ModelConfig& c, fauna::TensorFile const& file) {
  fauna::ConfigNames const& names = c.names();
  if (!c.tied() || !fauna::head_differs(file, names)) return;
  if (!c.untie())
    fauna::fail("config", file.path() + " has a " + names.head + " that is not " + names.table,
                "the same numbers in both", std::string(names.family) + " has no head of its own here");
  say(std::string(names.head) + " is not " + names.table + ": it is the head, whatever config.json ties");
}

/// Throws on a link to nowhere. A hub's cache has its files as links to others, which may have been cleared away.
inline void require_links(std::string const& directory) {
  namespace fs = std::filesystem;
  std::error_code none;
  for (fs::directory_entry const& e : fs::directory_iterator(directory, none))
    if (is_model_file(e.path().filename().string()) && e.is_symlink() && !fs::exists(e.path(), none))
      fauna::fail("config", e.path().string() + " is a link to " + fs::read_symlink(e.path(), none).string(),
                  "a file there", "nothing is; fetch the model again");
}

/// What makes texts of a model that sees as well: the fields of its text_config. Pictures are not read here.
inline Config text_config(Config&& whole) {
  const std::string type = whole.word("model_type", "");
  if (!whole.has("text_config") || families().count(type + "_text") == 0) return std::move(whole);
  Config text = *whole.inner("text_config");
  text.only("model_type", type + "_text");
  for (const char* field : {"tie_word_embeddings", "eos_token_id"}) text.take(whole, field);
  whole.without_effect({"architectures", "vision_config", "image_token_id", "video_token_id", "vision_start_token_id",
                        "vision_end_token_id"});
  common_fields(whole);
  generation_fields(whole);
  whole.all_used("model_type " + type);
  return text;
}

/// What a directory stands for.
struct Directory {
  AnyModel model{};
  std::vector<long long> stop_ids{};  ///< tokens that end a text
};
/// Throws on a directory without a config.json, and on every field whose value the zoo does not implement. For
/// inference, weights that are there are looked at too: whether the head is tied, they say.
inline Directory read_config(std::string const& directory, Use use = {}) {
  const std::string path = directory + "/config.json";
  require_links(directory);
  if (!fauna::exists(path))
    fauna::fail("config", directory + " has no config.json", "a model directory: config.json, weights, tokenizer.json");
  Config c = text_config(Config(path, use));
  std::map<std::string, std::string> known;
  for (auto const& f : families()) known[f.first] = f.first;
  const std::string type = is_mamba_ssm(c)                                 ? mamba_ssm_type(c)
                           : !c.has("model_type") && c.has("mb_per_layer") ? "samba"  // its lit_config.json
                                                                           : c.one_of("model_type", known, "");
  Family const& family = families().at(type);
  if (Config::Json const* a = c.find("architectures"))
    if (*a != Config::Json::array({family.causal}) && *a != Config::Json::array({family.headless}))
      c.wrong("architectures", "[\"" + std::string(family.causal) + "\"]");
  common_fields(c);
  generation_fields(c);
  Directory d{family.read(c)};
  window_fields(c);
  d.stop_ids = c.ids("eos_token_id");
  c.all_used("model_type " + type);
  if (use.training) return d;
  if (const std::string generation = directory + "/generation_config.json"; fauna::exists(generation)) {
    Config g(generation, use);
    if (const auto ids = g.ids("eos_token_id"); !ids.empty()) d.stop_ids = ids;
    generation_fields(g);
    g.all_used("a generation_config.json");
  }
  if (fauna::has_weights(directory)) {
    const fauna::TensorFile file = fauna::open_tensors(directory);
    for (std::string const& name : file.stale())
      say(file.path() + ": the index names " + name + ", which no shard has");
    use_own_head(*d.model, file);
  }
  return d;
}
/// The same of a GGUF file, whose keys say all of that, or of a directory.
inline Directory read_model(std::string const& from, Use use = {}) {
  if (is_gguf(from)) return {model_of_gguf(from), fauna::gguf_stop_ids(fauna::Gguf(from))};
  return read_config(from, use);
}

}  // namespace tool
