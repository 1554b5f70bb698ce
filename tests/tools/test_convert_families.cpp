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
/// The tensors of `is` are those of `want`, but for a head that is the table, to so many last places of numbers near 1.
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
  CHECK(is.tensors().size() + others == want.tensors().size());
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
/// A golden file of weights; of one whose first layer alone has no experts, without that layer.
void copy_weights(std::string const& from, std::string const& to, bool without_first) {
  const SafeTensors file(from);
  std::vector<SafeTensor> tensors;
  for (SafeTensor t : file.tensors()) {
    constexpr std::string_view layers = "model.layers.";
    if (without_first && t.name.starts_with(layers)) {
      char& layer = t.name[layers.size()];
      if (layer-- == '0') continue;
    }
    tensors.push_back(t);
  }
  write_safetensors(to, tensors, {{"format", "pt"}});
}
void there_and_back(Family const& f) {
  CAPTURE(std::string(f.name));
  const TemporaryFolder folder;
  const std::string hub = folder / "hub", gguf = folder / "m.gguf", back = folder / "back",
                    golden = test::source_path("tests/golden/models/" + std::string(f.name));
  make_directories(hub);
  Json config = Json::parse(read_file(golden + "/config.json"));
  config.merge_patch(f.changes);
  write_file(hub + "/config.json", config.dump());
  copy_weights(golden, hub + "/model.safetensors", f.changes.contains("mlp_only_layers"));
  const std::string line = tool::read_config(hub).model->line(), head = tool::read_config(hub).model->names().head;
  const float places = f.norms_around_one ? 1 : 0;  // 1 is added and taken away in f32
  tool::convert(hub, gguf, "F32");
  CHECK(Gguf(gguf).text("general.architecture") == f.architecture);
  if (f.config != says::another_family) CHECK(tool::model_of_weights(gguf)->line() == line);
  same(open_tensors(hub), open_tensors(gguf), head, places);
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

}  // namespace

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
  there_and_back({"starcoder2", "starcoder2"});
  there_and_back({"phi", "phi2"});
  there_and_back({"phi3",
                  "phi3",
                  {{"rope_parameters",
                    {{"rope_type", "default"},
                     {"long_factor", nullptr},
                     {"short_factor", nullptr},
                     {"original_max_position_embeddings", nullptr}}}}});
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
  there_and_back({"qwen3_moe", "qwen3moe"});
  there_and_back({"qwen2_moe",
                  "qwen2moe",
                  {{"mlp_only_layers", Json::array()}, {"num_hidden_layers", 2}, {"layer_types", nullptr}}});
}

}  // namespace test_convert_families
