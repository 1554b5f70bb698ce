// A model directory as GGUF is the reference's file to the byte, in every type; and back it is the directory again.
#include <doctest/doctest.h>

#include <fauna/models/llama.hpp>
#include <tools/src/quantize.hpp>

#include "../support/source_dir.hpp"
#include "../support/temporary.hpp"

namespace test_convert {

using namespace fauna;
using doctest::Contains;

namespace {

const std::string golden = test::source_path("tests/golden/gguf_llama");

std::string shown(SafeTensor const& t) {
  return t.name + ' ' + t.text() + ' ' + std::string(reinterpret_cast<const char*>(t.data), t.bytes);
}
/// A copy of the golden directory whose files a test may change.
struct Model {
  TemporaryFolder folder{};
  std::string path = folder / "model", gguf = folder / "model.gguf", back = folder / "back";

  Model() {
    make_directories(path);
    for (const char* name :
         {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"})
      write_file(path + '/' + name, read_file(golden + '/' + name));
  }
  /// The weights in another type.
  template <class T> void weights_in(std::vector<const char*> without = {}) {
    const SafeTensors file(golden);
    std::vector<SafeTensor> tensors;
    std::vector<std::vector<T>> data;
    for (SafeTensor t : file.tensors()) {
      if (std::count(without.begin(), without.end(), t.name) > 0) continue;
      std::vector<float> x(t.elements());
      read_floats(t, 0, x.size(), x.data());
      data.emplace_back();
      for (const float v : x) data.back().push_back(T(v));
      t.dtype = float_dtype<T>;
      t.bytes = x.size() * sizeof(T);
      t.data = reinterpret_cast<const std::byte*>(data.back().data());
      tensors.push_back(t);
    }
    write_safetensors(path + "/model.safetensors", tensors, {{"format", "pt"}});
  }
  void edit(std::string const& file, std::string const& from, std::string const& to) {
    std::string text = read_file(path + '/' + file);
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    write_file(path + '/' + file, text.replace(at, from.size(), to));
  }
  void refused(const char* what, std::string const& type = "F32") {
    CHECK_THROWS_WITH_AS(tool::convert(path, gguf, type), Contains(what), error);
    CHECK_FALSE(exists(gguf));
  }
};

}  // namespace

TEST_CASE("convert: the reference's file, to the byte, in every type") {
  Model c;
  for (const std::string type : {"F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"}) {
    CAPTURE(type);
    tool::convert(c.path, c.gguf, type);
    CHECK(read_file(c.gguf) == read_file(golden + '/' + type + ".gguf"));
    CHECK(tool::model_of_weights(c.gguf)->line() == tool::read_config(c.path).model->line());
  }
}

TEST_CASE("convert: there and back is the identity") {
  const auto same = [](Model& c, const char* dtype) {
    tool::convert(c.path, c.gguf, "");
    tool::convert(c.gguf, c.back, "");
    CHECK(SafeTensors(c.back).tensors()[0].dtype == dtype);
    CHECK(read_file(c.back + "/model.safetensors") == read_file(c.path + "/model.safetensors"));
    CHECK(tool::read_config(c.back).model->line() == tool::read_config(c.path).model->line());
    CHECK(tool::read_config(c.back).stop_ids == tool::read_config(c.path).stop_ids);
  };
  for (const bool tied : {false, true}) {
    Model c;
    std::vector<const char*> without;
    if (tied) {
      c.edit("config.json", "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true");
      without = {"lm_head.weight"};
    }
    c.weights_in<float>(without);
    same(c, "F32");
    c.weights_in<f16>(without);
    same(c, "F16");
    c.weights_in<bf16>(without);
    same(c, "BF16");
  }
}

TEST_CASE("convert: nothing is rounded on the way back that is not asked for") {
  Model c;
  tool::convert(golden, c.gguf, "BF16");  // norms and biases in f32
  tool::convert(c.gguf, c.back, "");
  const SafeTensors was(golden), is(c.back);
  CHECK(is.find("lm_head.weight")->dtype == "BF16");
  CHECK(shown(*is.find("model.norm.weight")) == shown(*was.find("model.norm.weight")));
  tool::convert(c.gguf, c.back, "BF16");
  CHECK(SafeTensors(c.back).find("model.norm.weight")->dtype == "F32");  // no number is lost by that, either
  tool::convert(golden, c.gguf, "Q8_0");
  tool::convert(c.gguf, c.back, "");
  CHECK(SafeTensors(c.back).find("lm_head.weight")->dtype == "F32");
  const auto q = [](std::string const& path, const char* name) {
    const TensorFile file = open_tensors(path);
    std::vector<float> x(file.find(name)->elements());
    read_floats(*file.find(name), 0, x.size(), x.data());
    return x;
  };
  CHECK(q(c.back, "model.layers.1.mlp.up_proj.weight") == q(c.gguf, "model.layers.1.mlp.up_proj.weight"));
}

TEST_CASE("convert: tokenizer, template and special tokens go there and back") {
  Model c;
  tool::convert(c.path, c.gguf, "F16");
  tool::convert(c.gguf, c.back, "");
  const Bpe want = Bpe::from_file(c.path + "/tokenizer.json"), back = Bpe::from_file(c.back + "/tokenizer.json");
  const Bpe gguf{read_gguf_vocab(Gguf(c.gguf))};
  for (const std::string text : {"abcd ab12", "<|start|>dab<think><|end|>", " ab  cd"})
    for (const bool special : {false, true}) {
      CHECK(gguf.encode(text, {.match_special = special}) == want.encode(text, {.match_special = special}));
      CHECK(back.encode(text, {.match_special = special}) == want.encode(text, {.match_special = special}));
    }
  std::string where;
  CHECK(tool::chat_template(c.back, false, where) == tool::chat_template(c.path, false, where));
  const tool::Config::Json t = tool::Config::Json::parse(read_file(c.back + "/tokenizer_config.json"));
  CHECK(t["bos_token"] == "<|start|>");
  CHECK(t["eos_token"] == "<|end|>");
  CHECK(tool::Config::Json::parse(read_file(c.back + "/config.json"))["bos_token_id"] == 0);
}

TEST_CASE("convert: every way of cutting text that GGUF has a name for is written and read again") {
  TemporaryFolder folder;
  for (std::pair<const char*, const char*> const& which : {std::pair("bpe_smollm2", "smollm"),
                                                           {"bpe_qwen2", "qwen2"},
                                                           {"bpe_llama3", "llama-bpe"},
                                                           {"bpe_gpt2", "gpt-2"}}) {
    CAPTURE(std::string(which.first));
    BpeSettings s =
        read_tokenizer_json(read_file(test::source_path("tests/golden/" + std::string(which.first) + ".json")), "t");
    const Bpe whole{read_tokenizer_json(tokenizer_json_text(s), "t")}, own(s);
    const std::string text = "<|end|>Hello, world! I've  got 12345 caf\xc3\xa9s\n\n and e\xcc\x81 <both> <left>";
    CHECK(whole.encode(text) == own.encode(text));
    for (AddedToken& t : s.added) t.lstrip = t.rstrip = t.normalized = false;  // the format cannot say these
    if (GgufMetadata none; s.steps.back().prefix_space)
      CHECK_THROWS_WITH_AS(put_gguf_vocab(none, s, 6000), Contains("no name for"), error);
    s.steps.back().prefix_space = false;
    GgufMetadata keys;
    put_gguf_vocab(keys, s, 6000);
    if (!s.prefix.empty()) keys.put("tokenizer.ggml.bos_token_id", static_cast<std::uint32_t>(s.prefix[0]));
    write_gguf(folder / "t.gguf", keys, {});
    const Gguf file(folder / "t.gguf");
    CHECK(file.text("tokenizer.ggml.pre") == which.second);
    CHECK(file.texts("tokenizer.ggml.tokens").back() == "[PAD5999]");
    CHECK(Bpe(read_gguf_vocab(file)).encode(text) == Bpe(s).encode(text));
    GgufMetadata small;
    CHECK_THROWS_WITH_AS(put_gguf_vocab(small, s, 500), Contains("below 500, the rows of the token table"), error);
  }
  const BpeSettings llama2 = read_tokenizer_json(read_file(test::source_path("tests/golden/bpe_llama2.json")), "t");
  GgufMetadata keys;
  CHECK_THROWS_WITH_AS(put_gguf_vocab(keys, llama2, 6000), Contains("no name for"), error);
  CHECK_THROWS_WITH_AS(tokenizer_json_text(llama2), Contains("one of bytes"), error);
}

TEST_CASE("convert: what is refused") {
  Model c;
  c.refused("--type Q4_K, expected", "Q4_K");
  CHECK_THROWS_WITH_AS(tool::convert(c.path, c.back, ""), Contains("whose name ends with .gguf"), error);
  CHECK_THROWS_WITH_AS(tool::convert(golden + "/Q8_0.gguf", c.gguf, ""), Contains("a folder"), error);
  CHECK_THROWS_WITH_AS(tool::convert(c.folder / "no", c.gguf, ""), Contains("neither a model directory"), error);
  CHECK_THROWS_WITH_AS(tool::convert(golden + "/Q8_0.gguf", c.back, "Q8_0"), Contains("one of F32, F16, BF16"), error);
  const auto config = [&](const char* from, const char* to, const char* what) {
    Model one;
    one.edit("config.json", from, to);
    one.refused(what);
  };
  config("\"rope_theta\": 500000.0", "\"hidden_act\": \"gelu\"", "act=gelu");
  config("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", "model.layers.1");
  config("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", "in 2 layers");
  config("\"vocab_size\": 16", "\"vocab_size\": 13", "a token of id 13");
  config("\"rope_theta\": 500000.0",
         "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 2.0, "
         "\"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 16}",
         "low and high factors of 1 and 4, and frequencies low enough");
  const auto with = [&](const char* name, float x, const char* what, const char* type) {
    Model one;
    const SafeTensors file(golden);
    std::vector<SafeTensor> tensors = file.tensors();
    std::vector<float> values(1024, x);
    SafeTensor t = *file.find("model.layers.0.mlp.up_proj.weight");
    t.data = reinterpret_cast<const std::byte*>(values.data());
    for (SafeTensor& old : tensors)
      if (old.name == t.name) old = t;
    if (t.name = name; file.find(name) == nullptr) tensors.push_back(t);
    write_safetensors(one.path + "/model.safetensors", tensors);
    one.refused(what, type);
  };
  with("model.layers.0.mlp.other.weight", 0, "has model.layers.0.mlp.other.weight, expected tensors that GGUF", "F32");
  with("model.layers.0.mlp.up_proj.weight", 70000, "blk.0.ffn_up.weight has the number 70000", "F16");
  with("model.layers.0.mlp.up_proj.weight", 70000, "at most 65504 for Q4_0", "Q4_0");
}

TEST_CASE("Gemma 3: a file's keys are its config, norms have 1 more there, pieces have scores") {
  const std::string reference = test::source_path("tests/golden/models/gemma3");
  CHECK(tool::model_of_weights(test::source_path("tests/golden/gguf_gemma3.gguf"))->line() ==
        tool::read_config(reference).model->line());

  const TemporaryFolder folder;
  const std::string path = folder / "model", gguf = folder / "m.gguf", back = folder / "back";
  make_directories(path);
  write_file(path + "/model.safetensors", read_file(reference + "/model.safetensors"));
  auto config = nlohmann::json::parse(read_file(reference + "/config.json"));
  const auto write = [&] { write_file(path + "/config.json", config.dump()); };
  write();
  CHECK_THROWS_WITH_AS(tool::convert(path, gguf, "F32"), Contains("expected gemma3"), error);
  config.erase("layer_types");
  config["rope_parameters"]["sliding_attention"]["rope_theta"] = 10000.0;
  write();
  CHECK_THROWS_WITH_AS(tool::convert(path, gguf, "F32"), Contains("expected gemma3"), error);
  config["query_pre_attn_scalar"] = 6;
  write();
  write_file(path + "/tokenizer_config.json", R"({"add_bos_token":true,"bos_token":"b"})");
  // Pieces: <unk>, b, and 27 rows without one.
  const BpeSettings pieces = [] {
    BpeSettings s;
    s.rule = word_rule::scores;
    s.unk_text = "?";
    s.add_piece("<unk>", 0, 0, piece_type::unknown);
    s.add_piece("b", 1, -1.5);
    s.add_piece("<end>", 2, 0, piece_type::control);
    SentenceRules rules;
    rules.escape = true;
    sentencepiece::set_rules(s, rules);
    return s;
  }();
  write_file(path + "/tokenizer.model", sentencepiece_model(pieces));
  tool::convert(path, gguf, "F32");
  CHECK(tool::model_of_weights(gguf)->line() == tool::read_config(path).model->line());
  const Gguf file(gguf);
  float norm[2];
  read_floats(*file.find("blk.1.post_ffw_norm.weight"), 0, 1, norm);
  read_floats(*SafeTensors(path).find("model.layers.1.post_feedforward_layernorm.weight"), 0, 1, norm + 1);
  CHECK(norm[0] == norm[1] + 1);
  const Bpe tokenizer(read_gguf_vocab(file));
  CHECK(tokenizer.encode("b<end>") == std::vector<int>{1, 1, 2});
  CHECK(tokenizer.vocab() == 29);

  tool::convert(gguf, back, "");
  // As its four layers all have a window, config.json says no more than that.
  CHECK(tool::read_config(back).model->line().find("window=3") != std::string::npos);
  CHECK(tool::bpe_of(back).encode("b<end>") == std::vector<int>{1, 1, 2});
  const SafeTensors first(path), again(back);
  for (SafeTensor const& t : first.tensors()) {
    CAPTURE(t.name);
    const SafeTensor* other = again.find(t.name);
    REQUIRE(other != nullptr);
    std::vector<float> a(t.elements()), b(t.elements());
    read_floats(t, 0, a.size(), a.data());
    read_floats(*other, 0, b.size(), b.data());
    // 1 was added and taken away in f32.
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::fabs(a[i] - b[i]) <= 0x1p-23F);
  }
}

TEST_CASE("quantize: the matrices of a GGUF file in another type, all else as it was") {
  const Model m;
  const std::string f32 = m.folder / "f32.gguf", out = m.folder / "out.gguf";
  tool::convert(m.path, f32, "F32");
  for (const char* type : {"Q8_0", "Q4_0", "Q5_1"}) {
    tool::quantize(f32, out, type);
    const Gguf want(golden + '/' + type + ".gguf"), got(out);
    REQUIRE(want.tensors().size() == got.tensors().size());
    for (SafeTensor const& t : want.tensors()) {
      CAPTURE(t.name);
      REQUIRE(got.find(t.name) != nullptr);
      CHECK(shown(*got.find(t.name)) == shown(t));
    }
    REQUIRE(want.keys() == got.keys());
    for (const std::string_view key : want.keys()) CHECK(want.encoded(key) == got.encoded(key));
  }
  const auto refused = [&](std::string const& from, const char* type, const char* what) {
    CHECK_THROWS_WITH_AS(tool::quantize(from, m.folder / "no.gguf", type), Contains(what), error);
    CHECK_FALSE(exists(m.folder / "no.gguf"));
  };
  refused(golden + "/Q4_0.gguf", "Q8_0", "expected F32, F16, BF16 or Q8_0");
  refused(f32, "Q4_K_X", "Q4_K_X");
  refused(f32, "", "Q4_K_M");
  refused(m.path, "Q8_0", "is no GGUF file");
}

TEST_CASE("a mix of K types, by name and layer, with whole blocks of 256 and without") {
  const TemporaryFolder folder;
  const std::string from = folder / "f.gguf", to = folder / "q.gguf";
  std::vector<float> numbers(512);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = std::sin(static_cast<float>(i * i % 97));
  std::vector<SafeTensor> tensors;
  const auto put = [&](std::string const& name, std::vector<std::size_t> const& shape) {
    SafeTensor t;
    t.name = name;
    t.dtype = "F32";
    t.shape = shape;
    t.bytes = 4 * t.elements();
    t.data = reinterpret_cast<const std::byte*>(numbers.data());
    tensors.push_back(t);
  };
  put("token_embd.weight", {2, 256});
  put("blk.0.attn_norm.weight", {256});
  put("blk.0.attn_v.weight", {2, 256});
  put("blk.1.attn_v.weight", {2, 256});
  put("blk.1.attn_q.weight", {1, 512});
  put("blk.1.ffn_up.weight", {4, 32});
  put("blk.1.ffn_down.weight", {2, 31});
  GgufMetadata keys;
  keys.put("general.architecture", "none");
  keys.put("none.block_count", std::uint32_t{16});
  keys.put("none.list", std::vector<std::string>{"a", "b"});
  write_gguf(from, keys, tensors);
  tool::quantize(from, to, "Q4_K_M");
  const Gguf file(to);
  const std::pair<const char*, const char*> want[] = {
      {"token_embd", "Q6_K"},   {"blk.0.attn_norm", "F32"}, {"blk.0.attn_v", "Q6_K"}, {"blk.1.attn_v", "Q6_K"},
      {"blk.1.attn_q", "Q4_K"}, {"blk.1.ffn_up", "Q5_0"},   {"blk.1.ffn_down", "F16"}};
  for (auto const& [name, type] : want) CHECK(file.find(std::string(name) + ".weight")->dtype == type);
  CHECK(file.texts("none.list").size() == 2);
  CHECK(file.integer("general.file_type") == 15);
  std::byte block[144];
  block_format("Q4_K")->write(numbers.data() + 256, block);
  CHECK(std::memcmp(file.find("blk.1.attn_q.weight")->data + 144, block, sizeof block) == 0);
  tensors[2].shape = {2, 1, 256};  // of experts, each a matrix
  write_gguf(from, keys, tensors);
  tool::quantize(from, to, "Q4_K_M");
  CHECK(Gguf(to).find("blk.0.attn_v.weight")->text() == "Q6_K [2, 1, 256]");
}

}  // namespace test_convert
