// 15: fine-tuning with LoRA, on a text of your own: ./15_lora [FILE]
//
// A model is trained on one text, and then on another through adapters alone: small matrices beside its linear layers,
// which are another type of model. The base keeps every bit; the adapter is a file that PyPI's peft reads.
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <fauna/decode/adapter.hpp>
#include <fauna/fauna.hpp>
#include <fauna/train/adapters.hpp>

using namespace fauna;
using Base = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 32, .context = 32, .vocab = 97}>;
using Adapted = lora<Base, LoraConfig{.rank = 4, .alpha = 8, .on = "c_attn|c_fc"}>;  // no .on: every linear layer

static_assert(parameters<Adapted> - parameters<Base> == 2 * 4 * ((32 + 96) + (32 + 128)));

/// The printable characters of ASCII; any other is a space.
std::vector<int> tokens_of(std::string const& text) {
  std::vector<int> ids;
  for (const char c : text) ids.push_back(c == '\n' ? 96 : c >= ' ' && c <= '~' ? c - ' ' : 0);
  return ids;
}
Split whole(std::vector<int> const& ids) {
  const Tokens all(ids.data(), ids.size(), 97);
  return {all, all};
}
std::string repeated(std::string const& line) {
  std::string all;
  for (int i = 0; i < 40; ++i) all += line;
  return all;
}

int main(int n, char** arguments) {
  const TrainOptions options{.steps = 150, .batch = 8, .adamw = {.lr = 1e-2}, .eval_interval = 0, .print = nullptr};
  Trained<Base, Cpu<>> base(seed{1});
  train(base, whole(tokens_of(repeated("the cat sat on the mat and saw a rat\n"))), options);
  save_weights<Base>("base.safetensors", base.weights());

  // The adapted model: the base's weights, and adapters that change nothing yet.
  const auto own = tokens_of(n > 1 ? read_file(arguments[1]) : repeated("the dog ran to the log and met a frog\n"));
  Trained<Adapted, Cpu<>> model(seed{1});
  load_base(model, SafeTensors("base.safetensors"));
  freeze_base(model);
  const double before = evaluate(model, whole(own).val, 32);
  if (before != evaluate(base, whole(own).val, 32)) return 1;
  train(model, whole(own), options);
  const double after = evaluate(model, whole(own).val, 32);
  std::printf("loss on your text: %.3f, with the adapter %.3f\n", before, after);
  for (auto const& p : base.parameters())
    if (std::memcmp(base.value(p).data(), model.value(model.parameter(p.name)).data(), p.size() * sizeof(float)) != 0)
      return 1;  // every bit of the base is as it was

  // As files: adapter_config.json and adapter_model.safetensors; and added to the base, as one more model.
  save_adapter<Adapted>("adapter", model.weights(), "base.safetensors");
  SafeTensors merged("base.safetensors");
  Adapter("adapter").merge_into(merged);
  Trained<Base, Cpu<>> plain(seed{1});
  load_weights<Base>(Cpu<>{}, plain.weights(), merged);
  const double sum = evaluate(plain, whole(own).val, 32);
  std::printf("merged: %.3f, from an adapter of %zu numbers beside %zu\n", sum, parameters<Adapted> - parameters<Base>,
              parameters<Base>);
  return after < 0.7 * before && sum - after < 1e-4 && after - sum < 1e-4 ? 0 : 1;
}
