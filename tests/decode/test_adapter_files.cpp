// LoRA adapters token by token, in files there and back, and what is another model's or asks for more than is there.
#include <doctest/doctest.h>

#include "../support/adapters.hpp"

namespace test_adapter_files {

using namespace test;

namespace {

std::string edited_config(std::string const& from, std::string const& to) {
  std::string text = read_file(adapter_folder("llama_bf16") + "/adapter_config.json");
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_SUITE("adapters") {
  TEST_CASE("packed for inference beside its base: a token after another has the bits of all at once") {
    using M = LlamaTied::Adapted;
    const Golden golden(folder_of("llama_tied"));
    const auto trained = adapted<LlamaTied>();
    Loaded<M, Cpu<>> model(trained.weights());
    model.prepare_inference({.sequences = 2, .length = golden.length, .context = golden.length});
    const auto all = adapter_logits(model, golden);
    CHECK(
        gap_of(all, floats(SafeTensors(adapter_folder("llama_tied") + "/golden.safetensors").find("logits"))).close());
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
        {"\"use_qalora\": false", "\"use_qalora\": true", "use_qalora"},
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

}  // namespace test_adapter_files
