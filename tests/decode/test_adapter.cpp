// LoRA adapters beside those of PyPI's peft (tools/oracles/adapters.py): its logits, loss and gradients; merged into
// the base and beside it; files there and back; and adapters that are another model's.
#include <doctest/doctest.h>

#include <fauna/decode/adapter.hpp>
#include <fauna/train/adapters.hpp>

#include "../support/families.hpp"

using namespace test;

namespace {

constexpr LlamaConfig tied{.layers = 2,
                           .heads = 3,
                           .kv_heads = 1,
                           .head_size = 8,
                           .width = 24,
                           .hidden = 40,
                           .context = 32,
                           .vocab = 29,
                           .base = 500.0,
                           .scaling = {.kind = rope_scaling::llama3, .factor = 8.0, .original = 16},
                           .tied = true,
                           .attention_bias = true,
                           .mlp_bias = true};
constexpr LlamaConfig half{
    .layers = 2, .heads = 4, .kv_heads = 4, .head_size = 8, .width = 24, .hidden = 40, .context = 32, .vocab = 29};
constexpr GptConfig gpt2{
    .layers = 2, .heads = 3, .width = 24, .context = 32, .vocab = 29, .act = activation::gelu_tanh};
constexpr GptNeoXConfig neox{
    .layers = 2, .heads = 2, .width = 24, .hidden = 40, .context = 32, .vocab = 29, .rotary = 4};

// The models of tests/golden/adapters. The last one's scale is 3/sqrt(4), so its alpha is 6 where that is divided by 4.
struct LlamaTied {
  static constexpr const char *name = "llama_tied", *base = "llama_tied";
  using Model = Llama<tied>;
  using Adapted = lora<Model, LoraConfig{.rank = 3, .alpha = 4.5}>;
};
struct LlamaHalf {
  static constexpr const char *name = "llama_bf16", *base = "llama_bf16";
  using Model = Llama<half>;
  using Adapted = lora<Model, LoraConfig{.rank = 2, .alpha = 8, .on = "q_proj|v_proj"}>;
};
struct Gpt2Small {
  static constexpr const char *name = "gpt2", *base = "gpt2";
  using Model = Gpt<gpt2>;
  using Adapted = lora<Model, LoraConfig{.rank = 2, .alpha = 3, .on = "c_attn|c_fc"}>;
};
struct NeoX {
  static constexpr const char *name = "gpt_neox_rslora", *base = "gpt_neox";
  using Model = GptNeoX<neox>;
  using Adapted = lora<Model, LoraConfig{.rank = 4, .alpha = 6, .on = "query_key_value"}>;
};

std::string adapter_folder(std::string const& name) { return source_path("tests/golden/adapters/" + name); }

template <class M> std::vector<float> logits(M& model, Golden const& golden) {
  std::vector<float> all(golden.tokens.size() * 29);
  model.logits(golden.batch(), logit_rows::all, Matrix<float>(all.data(), golden.batch().rows, 29));
  return all;
}
Gap gap(std::vector<float> const& got, std::vector<float> const& want) {
  REQUIRE(got.size() == want.size());
  Gap g;
  for (std::size_t i = 0; i < want.size(); ++i) g.see(got[i], want[i]);
  return g;
}

/// The base with its adapter beside it.
template <class Case> Trained<typename Case::Adapted, Cpu<>> adapted() {
  Trained<typename Case::Adapted, Cpu<>> model(seed{1}, 2);
  load_weights<typename Case::Adapted>(Cpu<>{}, model.weights(), SafeTensors(folder_of(Case::base)), {.partial = true});
  load_adapter<typename Case::Adapted>(Cpu<>{}, model.weights(), Adapter(adapter_folder(Case::name)));
  freeze_base(model);
  return model;
}

std::string edited_config(std::string const& from, std::string const& to) {
  std::string text = read_file(adapter_folder("llama_bf16") + "/adapter_config.json");
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_SUITE("adapters") {
  TEST_CASE_TEMPLATE("logits, loss and gradients are the reference library's", Case, LlamaTied, LlamaHalf, Gpt2Small,
                     NeoX) {
    const Golden golden(folder_of(Case::base));
    const SafeTensors want(adapter_folder(Case::name) + "/golden.safetensors");
    auto model = adapted<Case>();
    model.prepare_training({.sequences = 2, .length = golden.length});
    CHECK(model.accumulate(golden.batch()) == doctest::Approx(floats(want.find("loss"))[0]).epsilon(1e-5));
    const auto beside = logits(model, golden);
    CHECK(gap(beside, floats(want.find("logits"))).close());
    CHECK_FALSE(gap(beside, floats(golden.file.find("logits"))).close());

    const TemporaryFolder place;
    save_adapter<typename Case::Adapted>(place / "gradients", model.gradients(), "");
    const SafeTensors gradients(place / "gradients/adapter_model.safetensors");
    CHECK(gradients.tensors().size() + 2 == want.tensors().size());
    for (auto const& t : gradients.tensors()) {
      CAPTURE(t.name);
      CHECK(gap(floats(&t), floats(want.find("grad." + t.name))).close());
    }

    // Merged into the base: the same but for rounding.
    SafeTensors base(folder_of(Case::base));
    Adapter(adapter_folder(Case::name)).merge_into(base);
    Loaded<typename Case::Model, Cpu<>> merged(base);
    merged.prepare_inference({.sequences = 2, .length = golden.length});
    const Gap rounding = gap(logits(merged, golden), beside);
    CHECK(rounding.most <= 1e-5 * rounding.scale);
  }

  TEST_CASE("packed for inference beside its base: a token after another has the bits of all at once") {
    using M = LlamaTied::Adapted;
    const Golden golden(folder_of("llama_tied"));
    const auto trained = adapted<LlamaTied>();
    Loaded<M, Cpu<>> model(trained.weights());
    model.prepare_inference({.sequences = 2, .length = golden.length, .context = golden.length});
    const auto all = logits(model, golden);
    CHECK(gap(all, floats(SafeTensors(adapter_folder("llama_tied") + "/golden.safetensors").find("logits"))).close());
    Cache<M, Cpu<>> cache(2, golden.length);
    for (int r = 0; r < golden.length; ++r) {
      const int pair[2] = {golden.tokens[static_cast<std::size_t>(r)],
                           golden.tokens[static_cast<std::size_t>(golden.length + r)]};
      std::vector<float> row(2 * 29);
      model.logits(cache, Batch::uniform(2, 1, pair), logit_rows::last, Matrix<float>(row.data(), 2, 29));
      for (std::size_t s = 0; s < 2; ++s)
        for (std::size_t v = 0; v < 29; ++v)
          REQUIRE(row[29 * s + v] ==
                  all[29 * (s * static_cast<std::size_t>(golden.length) + static_cast<std::size_t>(r)) + v]);
    }
  }

  TEST_CASE_TEMPLATE("written and read: the same bits and settings", Case, LlamaTied, Gpt2Small) {
    const auto model = adapted<Case>();
    const TemporaryFolder place;
    save_adapter<typename Case::Adapted>(place / "a", model.weights(), "where \"it\" lies");
    const Adapter from(place / "a"), reference(adapter_folder(Case::name));
    CHECK(from.config().base == "where \"it\" lies");
    CHECK(from.config().transposed == reference.config().transposed);
    CHECK(from.config().alpha == reference.config().alpha);
    REQUIRE(from.file().tensors().size() == reference.file().tensors().size());
    for (auto const& t : from.file().tensors()) {
      CAPTURE(t.name);
      CHECK(floats(&t) == floats(reference.file().find(t.name)));
    }
    Trained<typename Case::Adapted, Cpu<>> again(seed{2});
    load_adapter<typename Case::Adapted>(Cpu<>{}, again.weights(), from);
    for (auto const& p : again.parameters())
      if (is_adapter(p.name))
        CHECK(std::memcmp(again.value(p).data(), model.value(model.parameter(p.name)).data(),
                          p.size() * sizeof(float)) == 0);
  }

  TEST_CASE("an adapter of another model: all layers, and both shapes") {
    SafeTensors base(folder_of("llama_tied"));
    const auto message = [&base](std::string const& name) {
      try {
        Adapter(adapter_folder(name)).merge_into(base);
      } catch (error const& e) {
        return std::string(e.what());
      }
      return std::string("merged");
    };
    const std::string wide = message("llama_bf16");
    for (const char* part : {"4 layers", "model.layers.0.self_attn.q_proj of [32, 24], the model F32 [24, 24]",
                             "model.layers.1.self_attn.v_proj of [32, 24], the model F32 [8, 24]"}) {
      CAPTURE(wide);
      CHECK(wide.find(part) != std::string::npos);
    }
    CHECK(message("gpt2").find(
              "transformer.h.0.attn.c_attn of [72, 24], the model no transformer.h.0.attn.c_attn.weight") !=
          std::string::npos);
    Trained<LlamaHalf::Adapted, Cpu<>> model;
    const auto load = [&model](std::string const& name) {
      load_adapter<LlamaHalf::Adapted>(Cpu<>{}, model.weights(), Adapter(adapter_folder(name)));
    };
    CHECK_THROWS_WITH_AS(load("gpt2"), doctest::Contains("is multiplied by 1.5, expected 4"), error);
    Trained<lora<Llama<tied>, LoraConfig{.rank = 2, .alpha = 8, .on = "q_proj|v_proj"}>, Cpu<>> other;
    CHECK_THROWS_WITH_AS(
        load_adapter<decltype(other)::model>(Cpu<>{}, other.weights(), Adapter(adapter_folder("llama_bf16"))),
        doctest::Contains("q_proj.lora_B.weight F32 [32, 2], the model has [24, 2]"), error);
  }

  TEST_CASE("an adapter_config.json that asks for more than is there is refused by name") {
    const TemporaryFolder place;
    make_directories(place / "a");
    const auto says = [&place](std::string const& from, std::string const& to) {
      write_file(place / "a/adapter_config.json", edited_config(from, to));
      try {
        (void)read_adapter_config(place / "a");
      } catch (error const& e) {
        return std::string(e.what());
      }
      return std::string("read");
    };
    CHECK(says("\"bias\"", "\"bias\"") == "read");
    const char* const cases[][3] = {
        {"\"bias\": \"none\"", "\"bias\": \"all\"", "bias = all, expected none"},
        {"\"use_dora\": false", "\"use_dora\": true", "use_dora"},
        {"\"modules_to_save\": null", "\"modules_to_save\": [\"lm_head\"]", "modules_to_save"},
        {"\"layer_replication\": null", "\"layer_replication\": [[0, 2]]", "layer_replication"},
        {"\"init_lora_weights\": false", "\"init_lora_weights\": \"pissa\"", "init_lora_weights = pissa"},
        {"\"peft_type\": \"LORA\"", "\"peft_type\": \"IA3\"", "peft_type = IA3, expected LORA"},
        {"\"r\": 2", "\"r\": 0", "r = 0, expected 1"},
        {"\"alpha_pattern\": {}", "\"alpha_pattern\": {\"q.*\": 2}", "the expression q.*"},
        {"\"revision\": null", "\"a_new_idea\": 3", "a_new_idea"}};
    for (auto const& c : cases) {
      CAPTURE(c[1]);
      const std::string said = says(c[0], c[1]);
      CAPTURE(said);
      CHECK(said.find(c[2]) != std::string::npos);
    }
    write_file(place / "a/adapter_config.json",
               edited_config("\"alpha_pattern\": {}", "\"alpha_pattern\": {\"q_proj\": 3}"));
    const AdapterConfig c = read_adapter_config(place / "a");
    CHECK(c.scale("model.layers.0.self_attn.q_proj", 2) == 1.5);
    CHECK(c.scale("model.layers.0.self_attn.v_proj", 2) == 4);
    CHECK_THROWS_WITH_AS(Adapter{place / "nowhere"}, doctest::Contains("has no adapter_config.json"), error);
  }
}
