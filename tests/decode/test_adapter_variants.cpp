// Relatives of LoRA beside those of PyPI's peft: DoRA added to its base, and rank-stabilised scaling in files there and
// back.
#include <doctest/doctest.h>

#include <cmath>

#include "../support/adapters.hpp"

namespace test_adapter_variants {

using namespace test;

namespace {

template <class M> std::vector<float> merged_logits(std::string const& base_name, Adapter const& adapter) {
  const Golden golden(folder_of(base_name));
  SafeTensors base(folder_of(base_name));
  adapter.merge_into(base);
  Loaded<M, Cpu<>> model(base);
  model.prepare_inference({.sequences = 2, .length = golden.length});
  return adapter_logits(model, golden);
}

}  // namespace

TEST_CASE("adapters: DoRA added to its base has the reference library's logits") {
  const auto check = [](auto model, const char* name, const char* base) {
    CAPTURE(name);
    const auto logits = merged_logits<decltype(model)>(base, Adapter(adapter_folder(name)));
    const SafeTensors want(adapter_folder(name) + "/golden.safetensors");
    CHECK(gap_of(logits, floats(want.find("logits"))).close());
    CHECK_FALSE(gap_of(logits, floats(Golden(folder_of(base)).file.find("logits"))).close());
  };
  check(Llama<half>{}, "llama_dora", "llama_bf16");
  check(Gpt<gpt2>{}, "gpt2_dora", "gpt2");  // whose files hold weights transposed
}

TEST_CASE_TEMPLATE("adapters: DoRA beside its base has the reference library's logits, loss and gradients", Case,
                   LlamaDora, Gpt2Dora) {
  check_against_reference<Case>();
}

TEST_CASE("adapters: DoRA starts as its base, comes back from files, and is said there") {
  using M = LlamaDora::Adapted;
  const Golden golden(folder_of("llama_bf16"));
  Trained<M, Cpu<>> model(seed{1}, 2);
  load_base(model, SafeTensors(folder_of("llama_bf16")));
  Trained<LlamaDora::Model, Cpu<>> base(seed{1}, 2);
  load_weights<LlamaDora::Model>(Cpu<>{}, base.weights(), SafeTensors(folder_of("llama_bf16")));
  model.prepare_inference({.sequences = 2, .length = golden.length});
  base.prepare_inference({.sequences = 2, .length = golden.length});
  // But for where a residual sum starts.
  const Gap start = gap_of(adapter_logits(model, golden), adapter_logits(base, golden));
  CHECK(start.most <= 1e-5 * start.scale);
  freeze_base(model);
  model.prepare_training({.sequences = 2, .length = golden.length});
  const double first = model.accumulate(golden.batch());
  for (int i = 0; i < 20; ++i) {
    model.update({.lr = 1e-2, .decay = 0});
    model.accumulate(golden.batch());
  }
  CHECK(model.accumulate(golden.batch()) < first);
  const TemporaryFolder place;
  save_adapter<M>(place / "a", model.weights(), "base");
  const Adapter from(place / "a");
  CHECK(from.config().magnitudes);
  Trained<M, Cpu<>> again(seed{2}, 2);
  load_base(again, SafeTensors(folder_of("llama_bf16")));
  load_adapter<M>(Cpu<>{}, again.weights(), from);
  again.prepare_inference({.sequences = 2, .length = golden.length});
  CHECK(adapter_logits(again, golden) == adapter_logits(model, golden));
}

TEST_CASE("adapters: DoRA's lengths are there where its config says so, and nowhere else") {
  const TemporaryFolder place;
  make_directories(place / "a");
  const std::string from = adapter_folder("llama_dora");
  std::string config = read_file(from + "/adapter_config.json");
  const std::size_t at = config.find("\"use_dora\": true");
  REQUIRE(at != std::string::npos);
  write_file(place / "a/adapter_model.safetensors", read_file(from + "/adapter_model.safetensors"));
  write_file(place / "a/adapter_config.json", config.replace(at, 16, "\"use_dora\": false"));
  CHECK_THROWS_WITH_AS(Adapter{place / "a"}, doctest::Contains("lora_magnitude_vector F32 ["), error);
  write_file(place / "a/adapter_model.safetensors",
             read_file(adapter_folder("llama_bf16") + "/adapter_model.safetensors"));
  write_file(place / "a/adapter_config.json", read_file(from + "/adapter_config.json"));
  CHECK_THROWS_WITH_AS(Adapter{place / "a"}, doctest::Contains("no lora_magnitude_vector"), error);
}

TEST_CASE("adapters: rank-stabilised scaling is said in files, and read") {
  static_assert(LoraConfig{.rank = 16, .alpha = 8, .rank_stabilised = true}.scale() == 2);
  const auto model = adapted<NeoX>();
  const TemporaryFolder place;
  save_adapter<NeoX::Adapted>(place / "a", model.weights(), "base");
  const AdapterConfig c = read_adapter_config(place / "a");
  CHECK(c.rank_stabilised);
  CHECK(c.alpha == 3);
  CHECK(c.scale("any", 4) == 1.5);
  Trained<NeoX::Adapted, Cpu<>> again(seed{1});
  load_adapter<NeoX::Adapted>(Cpu<>{}, again.weights(), Adapter(place / "a"));
  // The same numbers by alpha / rank: another scale.
  using Plain = lora<NeoX::Model, LoraConfig{.rank = 4, .alpha = 3, .on = "query_key_value"}>;
  Trained<Plain, Cpu<>> plain(seed{1});
  CHECK_THROWS_WITH_AS(load_adapter<Plain>(Cpu<>{}, plain.weights(), Adapter(place / "a")),
                       doctest::Contains("is multiplied by 1.5, expected 0.75"), error);
}

TEST_CASE("LoRA+: the first update moves B by so many times the rate") {
  const Golden golden(folder_of("gpt_neox"));
  const auto moved = [&](float factor) {
    Trained<NeoX::Adapted, Cpu<>> model(seed{1}, 1);  // B is zeros
    freeze_base(model);
    if (factor != 1) model.scale_rate("*.lora_B.weight", factor);
    model.prepare_training({.sequences = 2, .length = golden.length});
    model.accumulate(golden.batch());
    model.update({.lr = 1e-3, .decay = 0, .clip = 0});
    std::vector<float> b;
    for (auto const& p : model.parameters())
      if (matches("*.lora_B.weight", p.name))
        b.insert(b.end(), model.value(p).data(), model.value(p).data() + p.size());
    return b;
  };
  const auto one = moved(1), sixteen = moved(16);
  REQUIRE(one.size() == sixteen.size());
  double most = 0;
  for (std::size_t i = 0; i < one.size(); ++i) {
    most = std::fmax(most, std::fabs(static_cast<double>(one[i])));
    CHECK(sixteen[i] == doctest::Approx(16 * one[i]).epsilon(1e-5));
  }
  CHECK(most > 5e-4);
  Trained<NeoX::Adapted, Cpu<>> model(seed{1}, 1);
  CHECK_THROWS_WITH_AS(model.scale_rate("*.lora_C", 2), doctest::Contains("no tensor matches *.lora_C"), error);
}

}  // namespace test_adapter_variants
