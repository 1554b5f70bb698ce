// Every family that GGUF knows goes there and back: what is read from such a file are the directory's own tensors, and
// its config, so that it is the same model.
#include <doctest/doctest.h>

#include <tools/src/convert.hpp>

#include "../support/source_dir.hpp"
#include "../support/temporary.hpp"

namespace test_convert_families {

using namespace fauna;
using Json = nlohmann::json;

namespace {

std::vector<float> floats(SafeTensor const& t) {
  std::vector<float> x(t.elements());
  read_floats(t, 0, x.size(), x.data());
  return x;
}
/// The tensors of `is` are those of `want`, but for a head that is the table, in either, to so many last places of
/// numbers near 1.
void same(TensorFile const& want, TensorFile const& is, std::string const& head, float places) {
  std::size_t others = 0;
  for (SafeTensor const& t : want.tensors()) {
    CAPTURE(t.name);
    SafeTensor const* const found = is.find(t.name);
    if (found == nullptr && t.name == head && ++others > 0) continue;
    REQUIRE(found != nullptr);
    CHECK(found->shape == t.shape);
    const std::vector<float> a = floats(t), b = floats(*found);
    float furthest = 0;
    for (std::size_t i = 0; i < a.size(); ++i) furthest = std::max(furthest, std::fabs(a[i] - b[i]));
    CHECK(furthest <= places * 0x1p-23F);
  }
  const bool twice = is.find(head) != nullptr && want.find(head) == nullptr;
  CHECK(is.tensors().size() + others == want.tensors().size() + (twice ? 1 : 0));
}

/// What a config.json that is made of a GGUF file says of the one that it was made from.
enum class says { all, fewer_layers, another_family };
/// A reference's directory, its config with some fields changed, of GGUF's `architecture`.
struct Family {
  const char *name, *architecture;
  Json changes = Json::object();
  says config = says::all;
  bool norms_around_one = false;
};
/// A reference's directory with some fields of its config changed: without the first layer where this alone has no
/// experts, and where they tie the head, without one.
void copy_golden(std::string const& name, Json const& changes, std::string const& to) {
  const std::string golden = test::source_path("tests/golden/models/" + name);
  make_directories(to);
  Json config = Json::parse(read_file(golden + "/config.json"));
  config.merge_patch(changes);
  write_file(to + "/config.json", config.dump());
  const std::string head = tool::read_config(to).model->names().head;
  const SafeTensors file(golden);
  std::vector<SafeTensor> tensors;
  for (SafeTensor t : file.tensors()) {
    if (changes.contains("tie_word_embeddings") && changes["tie_word_embeddings"] == true && t.name == head) continue;
    if (changes.contains("conv_bias") && t.name.find(".conv.") != t.name.npos && t.name.ends_with(".bias")) continue;
    constexpr std::string_view layers = "model.layers.";
    if (changes.contains("mlp_only_layers") && t.name.starts_with(layers)) {
      char& layer = t.name[layers.size()];
      if (layer-- == '0') continue;
    }
    tensors.push_back(t);
  }
  write_safetensors(to + "/model.safetensors", tensors, {{"format", "pt"}});
}
void there_and_back(Family const& f) {
  CAPTURE(std::string(f.name));
  const TemporaryFolder folder;
  const std::string hub = folder / "hub", gguf = folder / "m.gguf", back = folder / "back";
  copy_golden(f.name, f.changes, hub);
  const tool::Directory directory = tool::read_config(hub);
  const std::string line = directory.model->line(), head = directory.model->names().head;
  const float places = f.norms_around_one ? 1 : 0;  // 1 is added and taken away in f32
  tool::convert(hub, gguf, "F32");
  CHECK(Gguf(gguf).text("general.architecture") == f.architecture);
  if (f.config != says::another_family) CHECK(tool::model_of_weights(gguf)->line() == line);
  same(open_tensors(hub), open_tensors(gguf), head, places);
  if (f.changes.contains("tie_word_embeddings")) {
    CHECK(Gguf(gguf).find("output.weight") != nullptr);
    CHECK(tool::model_of_weights(gguf)->tied());
  }
  tool::convert(gguf, back, "");
  if (f.config == says::all) CHECK(tool::read_config(back).model->line() == line);
  same(open_tensors(hub), open_tensors(back), head, places);
  for (const char* type : {"F16", "BF16"}) {
    CAPTURE(std::string(type));
    const std::string one = folder / "one", two = folder / "two";
    tool::convert(gguf, one, type);
    tool::convert(one, gguf, "");
    CHECK(Gguf(gguf).find("token_embd.weight")->dtype == type);
    tool::convert(gguf, two, "");
    same(open_tensors(one), open_tensors(two), head, places);
  }
}

/// The GGUF file of a family's directory, its config with some fields changed.
std::string converted(TemporaryFolder const& folder, std::string const& name, Json const& changes = Json::object()) {
  const std::string hub = folder / name;
  copy_golden(name, changes, hub);
  tool::convert(hub, hub + ".gguf", "F32");
  return hub + ".gguf";
}
/// That file with one key of another value, or without it.
template <class... Value> std::string with_key(std::string const& path, std::string const& key, Value const&... value) {
  const Gguf file(path);
  GgufMetadata keys;
  for (const std::string_view k : file.keys())
    if (k != key) keys.put_encoded(k, file.encoded(k));
  (keys.put(key, value), ...);
  write_gguf(path + ".gguf", keys, file.tensors());
  return path + ".gguf";
}
std::string line(std::string const& path) { return tool::model_of_gguf(path)->line(); }

const Json plain_phi3{{"sliding_window", nullptr},
                      {"rope_parameters",
                       {{"rope_type", "default"},
                        {"long_factor", nullptr},
                        {"short_factor", nullptr},
                        {"original_max_position_embeddings", nullptr}}}};

}  // namespace

TEST_CASE("convert: keys that llama.cpp's converter writes and that say nothing more") {
  const TemporaryFolder folder;
  const std::string phi3 = converted(folder, "phi3", plain_phi3);
  const std::string length = with_key(phi3, "phi3.rope.scaling.original_context_length", std::uint32_t{4096});
  CHECK(line(length) == line(phi3));
  CHECK(line(with_key(length, "phi3.attention.sliding_window", std::uint32_t{0})) == line(phi3));

  const std::string cohere = converted(folder, "cohere2", {{"layer_types", nullptr}}),
                    pattern = "cohere2.attention.sliding_window_pattern", base = "cohere2.rope.freq_base_swa";
  CHECK(line(with_key(cohere, pattern, std::uint32_t{4})) == line(cohere));
  CHECK(line(with_key(cohere, pattern, std::vector<bool>{true, true})) == line(cohere));
  CHECK(line(with_key(cohere, pattern, std::vector<bool>{true, false})).find("full_every=2") != std::string::npos);
  CHECK_THROWS_WITH_AS(line(with_key(cohere, pattern, std::vector<bool>{false, true})),
                       doctest::Contains("all but the last of each so many of the 2 layers"), error);
  CHECK(line(with_key(cohere, base, 10000.0F)) == line(cohere));
  CHECK_THROWS_WITH_AS(line(with_key(cohere, base, 500.0F)), doctest::Contains("freq_base_swa is 500, expected 10000"),
                       error);
}
TEST_CASE("convert: what llama.cpp needs or takes for said stands in the file") {
  const TemporaryFolder folder;
  const std::string gemma = converted(folder, "gemma2", {{"query_pre_attn_scalar", 6}});
  CHECK(line(with_key(gemma, "gemma2.attn_logit_softcapping")).find("score_cap=50") != std::string::npos);
  CHECK(line(with_key(gemma, "gemma2.final_logit_softcapping")).find("logit_cap=30") != std::string::npos);
  std::string uncapped = line(gemma);
  const std::size_t cap = uncapped.find("logit_cap=");
  uncapped.replace(cap, uncapped.find(' ', cap) - cap, "logit_cap=0");
  GgufMetadata none;
  CHECK_THROWS_WITH_AS(tool::families().at("gemma2").parse(uncapped)->to_gguf(none),
                       doctest::Contains("caps of scores and of logits"), error);
  CHECK(Gguf(converted(folder, "granite", {{"logits_scaling", 1}})).number("granite.logit_scale") == 1);
  CHECK(Gguf(converted(folder, "qwen2_moe",
                       {{"mlp_only_layers", Json::array()}, {"num_hidden_layers", 2}, {"layer_types", nullptr}}))
            .find("blk.1.ffn_gate_inp_shexp.weight")
            ->shape.size() == 1);
  const auto refused = [&](const char* name, Json const& changes, const char* what) {
    CAPTURE(std::string(name));
    CHECK_THROWS_WITH_AS(converted(folder, name, changes), doctest::Contains(what), error);
  };
  refused("gemma", {{"tie_word_embeddings", false}}, "a head that is the token table");
  refused("starcoder2", {{"use_bias", false}}, "qkv_bias=");
  refused("qwen2",
          {{"rope_parameters",
            {{"rope_type", "llama3"},
             {"factor", 8},
             {"beta_fast", nullptr},
             {"beta_slow", nullptr},
             {"low_freq_factor", 1},
             {"high_freq_factor", 4},
             {"original_max_position_embeddings", 8}}}},
          "which llama.cpp reads of llama and granite alone");
}
TEST_CASE("convert: keys that contradict each other") {
  const TemporaryFolder folder;
  const auto refused = [](std::string const& path, const char* what) {
    CHECK_THROWS_WITH_AS(line(path), doctest::Contains(what), error);
  };
  const std::string falcon = converted(folder, "falcon"), neox = converted(folder, "gpt_neox");
  refused(with_key(falcon, "falcon.attention.head_count_kv", std::uint32_t{3}), "1 in a file without attn_norm_2");
  refused(with_key(falcon, "falcon.attention.head_count", std::uint32_t{5}), "divides the width, 24");
  refused(with_key(neox, "gptneox.rope.dimension_count", std::uint32_t{3}), "an even number of the 12 columns");
  refused(with_key(neox, "gptneox.rope.dimension_count", std::uint32_t{14}), "an even number of the 12 columns");
  const std::string gpt = with_key(converted(folder, "gpt2"), "gpt2.attention.head_count", std::uint32_t{7});
  refused(with_key(gpt, "gpt2.attention.head_count_kv", std::uint32_t{7}), "a number that divides the width");
}

TEST_CASE("convert: what came after Llama") {
  there_and_back({"llama_untied", "llama"});
  there_and_back({"llama_tied", "llama"});  // with Llama 3.1's frequencies, and biases
  there_and_back({"mistral", "llama", {{"use_sliding_window", false}}, says::another_family});
  there_and_back({"qwen2", "qwen2"});
  there_and_back({"qwen3", "qwen3"});
  there_and_back({"smollm3", "smollm3", {{"no_rope_layers", nullptr}}, says::fewer_layers});
  there_and_back({"granite", "granite"});
  there_and_back({"olmo", "olmo", {{"clip_qkv", 2.5}}});
  there_and_back({"olmo2", "olmo2"});
  there_and_back({"stablelm", "stablelm"});
  there_and_back({"stablelm", "stablelm", {{"tie_word_embeddings", true}}});
  there_and_back({"starcoder2", "starcoder2"});
  there_and_back({"phi", "phi2"});
  there_and_back({"phi3", "phi3", plain_phi3});
  there_and_back({"glm4", "glm4"});
  there_and_back({"cohere2", "cohere2", {{"layer_types", nullptr}}, says::fewer_layers});
}
TEST_CASE("convert: norms with 1 more in GGUF") {
  there_and_back({"gemma", "gemma", Json::object(), says::all, true});
  there_and_back({"gemma2", "gemma2", {{"query_pre_attn_scalar", 6}}, says::all, true});
}
TEST_CASE("convert: one projection to queries, keys and values, head by head on the hub") {
  there_and_back({"gpt2", "gpt2"});
  there_and_back({"gpt_neox", "gptneox"});
  there_and_back({"falcon", "falcon"});
  there_and_back({"falcon_grouped", "falcon"});
}
TEST_CASE("convert: mixtures of experts, a layer's in one tensor") {
  there_and_back({"mixtral", "llama"});
  there_and_back({"olmoe", "olmoe"});
  there_and_back({"glm4_moe", "glm4moe"});
  there_and_back({"qwen3_moe", "qwen3moe"});
  there_and_back({"qwen2_moe",
                  "qwen2moe",
                  {{"mlp_only_layers", Json::array()}, {"num_hidden_layers", 2}, {"layer_types", nullptr}}});
}
TEST_CASE("convert: positions by a slope, norms with 1 more, and windows as a list") {
  there_and_back({"bloom", "bloom"});
  there_and_back({"mpt", "mpt"});
  there_and_back({"nemotron",
                  "nemotron",
                  {{"rope_parameters", {{"partial_rotary_factor", 2.0 / 3}}}, {"partial_rotary_factor", 2.0 / 3}},
                  says::all,
                  true});
  there_and_back({"exaone4", "exaone4"});
  there_and_back({"olmo3", "olmo2"});
}
TEST_CASE("convert: gpt-oss, whose experts lie in two tensors, row by row and turned round") {
  there_and_back({"gpt_oss", "gpt-oss", {{"swiglu_limit", 7.0}}});
}
TEST_CASE("convert: gpt-oss's MXFP4 stays in its blocks, and becomes the same numbers on the way back") {
  const TemporaryFolder folder;
  const std::string hub = folder / "hub", gguf = folder / "m.gguf", back = folder / "back";
  make_directories(hub);
  const Json config{{"model_type", "gpt_oss"},
                    {"num_hidden_layers", 1},
                    {"num_attention_heads", 2},
                    {"num_key_value_heads", 1},
                    {"head_dim", 4},
                    {"hidden_size", 32},
                    {"intermediate_size", 32},
                    {"vocab_size", 5},
                    {"max_position_embeddings", 16},
                    {"num_local_experts", 2},
                    {"num_experts_per_tok", 2},
                    {"rms_norm_eps", 1e-5},
                    {"tie_word_embeddings", false},
                    {"sliding_window", 128},
                    {"layer_types", {"sliding_attention"}},
                    {"rope_theta", 150000.0},
                    {"quantization_config", {{"quant_method", "mxfp4"}}}};
  write_file(hub + "/config.json", config.dump());
  write_file(hub + "/model.safetensors", read_file(test::source_path("tests/golden/scaled/gpt_oss/mxfp4.safetensors")));
  tool::convert(hub, gguf, "F16");
  for (const char* name : {"blk.0.ffn_gate_exps.weight", "blk.0.ffn_up_exps.weight", "blk.0.ffn_down_exps.weight"})
    CHECK(Gguf(gguf).find(name)->dtype == "MXFP4");
  const TensorFile were = open_tensors(hub), are = open_tensors(gguf);
  const SafeTensors plain(test::source_path("tests/golden/scaled/gpt_oss/bf16.safetensors"));
  for (const std::string part : {"gate_up_proj", "down_proj"}) {
    const std::string name = "model.layers.0.mlp.experts." + part;
    CHECK(are.find(name + "_blocks")->dtype == "MXFP4");
    CHECK(floats(*are.find(name + "_blocks")) == floats(*were.find(name + "_blocks")));
    CHECK(floats(*are.find(name + "_bias")) == floats(*were.find(name + "_bias")));
  }
  tool::convert(gguf, back, "BF16");
  for (const std::string part : {"gate_up_proj", "down_proj"}) {
    const std::string name = "model.layers.0.mlp.experts." + part;
    CHECK(open_tensors(back).find(name)->shape == plain.find(name)->shape);
    CHECK(floats(*open_tensors(back).find(name)) == floats(*plain.find(name)));
  }
}
TEST_CASE("convert: Mamba, whose rates are no logarithms in GGUF") {
  there_and_back({"mamba", "mamba", Json::object(), says::all, true});
  there_and_back({"falcon_mamba", "mamba", Json::object(), says::all, true});
}
TEST_CASE("convert: layers of two kinds, of which heads of keys or tensors tell") {
  there_and_back({"lfm2", "lfm2", {{"conv_bias", false}}});
  there_and_back({"jamba", "jamba", Json::object(), says::all, true});
  there_and_back({"granite_hybrid", "granitehybrid", Json::object(), says::all, true});
}
TEST_CASE("convert: latent attention, whose keys and values have a tensor each in GGUF") {
  there_and_back({"deepseek_v2", "deepseek2"});
  there_and_back({"deepseek_v3", "deepseek2", {{"rope_parameters", {{"mscale", 0.8}}}}});
  const TemporaryFolder folder;
  CHECK_THROWS_WITH_AS(converted(folder, "deepseek_v3"), doctest::Contains("expected deepseek_v3"), error);  // mscale
}

}  // namespace test_convert_families
