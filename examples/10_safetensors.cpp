// 10: weights as files: write them, look into them, change one, load them again.
//
// The names in the file are the reference checkpoint's, and so are shapes and layouts: what is written here, other
// libraries read, and what they wrote loads here. A model needs no table of names beside its type.
#include <cstdio>
#include <cstring>
#include <vector>

#include <fauna/fauna.hpp>

using namespace fauna;
using Model = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 32, .context = 16, .vocab = 40}>;

int main() {
  Trained<Model, Cpu<>> model(seed{1});
  save_weights<Model>("model.safetensors", model.weights(), {{"format", "pt"}, {"note", "example 10"}});

  const SafeTensors file("model.safetensors");  // mapped, and checked whole: nothing is copied
  for (auto const& t : file.tensors())
    if (t.name.find("h.0.attn") != std::string::npos) std::printf("%-36s %s\n", t.name.c_str(), t.text().c_str());
  // GPT-2's checkpoints keep these matrices transposed, [in, out]; the model's own are [out, in].

  // Edit: the same file with one tensor of its own bytes.
  std::vector<SafeTensor> tensors = file.tensors();
  std::vector<float> halved;
  for (auto& t : tensors)
    if (t.name == "transformer.wte.weight") {
      halved.resize(t.elements());
      read_floats(t, 0, halved.size(), halved.data());
      for (float& x : halved) x *= 0.5F;
      t.data = reinterpret_cast<const std::byte*>(halved.data());
    }
  write_safetensors("halved.safetensors", tensors, {{"format", "pt"}});

  Trained<Model, Cpu<>> other(seed{2});
  load_weights<Model>(Cpu<>{}, other.weights(), SafeTensors("halved.safetensors"));
  const float before = model.weights().embed.weight(3, 5), after = other.weights().embed.weight(3, 5);
  std::printf("embedding (3, 5): %g, and %g after the edit\n", static_cast<double>(before), static_cast<double>(after));

  // A file that does not fit is refused before anything is changed, with all that is wrong in one list.
  using Deeper = Gpt<GptConfig{.layers = 3, .heads = 2, .width = 32, .context = 16, .vocab = 40}>;
  Trained<Deeper, Cpu<>> deeper;
  try {
    load_weights<Deeper>(Cpu<>{}, deeper.weights(), file);
    return 1;
  } catch (error const& e) {
    std::printf("%s\n", e.what());
  }
  const LoadReport report = load_weights<Deeper>(Cpu<>{}, deeper.weights(), file, {.partial = true});
  std::printf("loaded in part: %zu tensors kept what they had\n", report.missing.size());
  return after == 0.5F * before && report.missing.size() == 12 ? 0 : 1;
}
