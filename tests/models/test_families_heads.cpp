// A tied head in files: under the table's name, under its own, under both; and files whose head is another.
#include <fauna/models/gpt.hpp>
#include <fauna/models/gpt_neox.hpp>
#include <fauna/models/llama.hpp>

#include "../support/families.hpp"

namespace test_families_heads {

using namespace test;
using doctest::Contains;

namespace {

struct LlamaTied : Llama<LlamaConfig{.layers = 2,
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
                                     .mlp_bias = true}> {
  static constexpr const char* folder = "llama_tied";
};
struct SmallGpt2
    : Gpt<GptConfig{.layers = 2, .heads = 3, .width = 24, .context = 32, .vocab = 29, .act = activation::gelu_tanh}> {
  static constexpr const char* folder = "gpt2";
};
struct NeoXTied
    : GptNeoX<GptNeoXConfig{
          .layers = 2, .heads = 2, .width = 24, .hidden = 40, .context = 32, .vocab = 29, .rotary = 4, .tied = true}> {
  static constexpr const char* folder = "gpt_neox";
};

/// The weights that a model has from some tensors, one behind the other.
template <class M> std::vector<float> loaded(std::vector<SafeTensor> const& tensors, LoadOptions const& o = {}) {
  const TemporaryFolder place;
  write_safetensors(place / "model.safetensors", tensors);
  Loaded<M, Cpu<>, All<float>> model(SafeTensors(place / "model.safetensors"), 1, o);
  std::vector<float> all;
  M::visit(model.weights(), Place{},
           [&](Tensor const&, auto& v) { all.insert(all.end(), v.data(), v.data() + v.size()); });
  return all;
}

}  // namespace

TEST_CASE_TEMPLATE("the one tensor of a tied head goes by either name", M, LlamaTied, NeoXTied, SmallGpt2) {
  constexpr ConfigNames names = M::config.names;
  const SafeTensors from(folder_of(M::folder));
  std::vector<SafeTensor> plain;
  for (auto const& t : from.tensors())
    if (t.name != names.head) plain.push_back(t);
  std::size_t table = 0;
  while (plain[table].name != names.table) ++table;
  const std::vector<float> want = loaded<M>(plain);

  std::vector<SafeTensor> renamed = plain;
  renamed[table].name = names.head;
  CHECK(loaded<M>(renamed) == want);

  std::vector<SafeTensor> both = plain;
  both.push_back(plain[table]);
  both.back().name = names.head;
  CHECK(loaded<M>(both) == want);
  std::vector<double> wide;  // the same numbers in another precision
  for (const float x : floats(&plain[table])) wide.push_back(static_cast<double>(x));
  both.back().dtype = "F64";
  both.back().data = reinterpret_cast<const std::byte*>(wide.data());
  both.back().bytes = wide.size() * sizeof(double);
  CHECK(loaded<M>(both) == want);
  std::vector<SafeTensor> stripped = both;  // as a model without its head is saved, its head beside it
  for (auto& t : stripped)
    if (t.name != names.head) t.name.erase(0, t.name.find('.') + 1);
  CHECK(loaded<M>(stripped) == want);

  wide.back() += 1;
  const std::string other = std::string(names.head) + " is not " + names.table + ", to which the model ties its head";
  CHECK_THROWS_WITH_AS(loaded<M>(both), Contains(other.c_str()), error);
  CHECK_THROWS_WITH_AS(loaded<M>(stripped), Contains(other.c_str()), error);
  CHECK(loaded<M>(both, {.partial = true}) == want);
  both.back().shape = {28, 24};
  both.back().bytes = 28 * 24 * sizeof(double);
  const std::string shapes =
      std::string("has ") + names.head + " F64 [28, 24], expected " + names.table + "'s F32 [29, 24]";
  CHECK_THROWS_WITH_AS(loaded<M>(both), Contains(shapes.c_str()), error);
  renamed[table] = both.back();
  CHECK_THROWS_WITH_AS(loaded<M>(renamed), Contains("F64 [28, 24], the model has F64 [29, 24]"), error);
}

}  // namespace test_families_heads
