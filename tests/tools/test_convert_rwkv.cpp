// RWKV-6 and RWKV-7 by way of GGUF, which has the mixes of a layer in one tensor and small matrices turned round.
#include <doctest/doctest.h>

#include <fauna/fauna.hpp>
#include <tools/src/convert.hpp>

#include "../support/temporary.hpp"

namespace test_convert_rwkv {

using namespace fauna;

namespace {

using Small6 =
    Rwkv6<Rwkv6Config{.layers = 3, .heads = 2, .width = 32, .hidden = 48, .mix = 4, .decay = 6, .vocab = 29}>;
using Small7 = Rwkv7<Rwkv7Config{
    .layers = 2, .heads = 2, .width = 32, .hidden = 48, .decay = 3, .learning = 4, .value = 5, .gate = 6, .vocab = 29}>;

std::vector<float> floats(SafeTensor const& t) {
  std::vector<float> x(t.elements());
  read_floats(t, 0, x.size(), x.data());
  return x;
}
/// The tensors of one are those of the other, bit for bit.
void same(TensorFile const& want, TensorFile const& is) {
  CHECK(is.tensors().size() == want.tensors().size());
  for (SafeTensor const& t : want.tensors()) {
    CAPTURE(t.name);
    SafeTensor const* const found = is.find(t.name);
    REQUIRE(found != nullptr);
    CHECK(found->shape == t.shape);
    CHECK(floats(*found) == floats(t));
  }
}
/// A directory of M with random weights, none of which is 0.
template <class M> void make(std::string const& hub) {
  make_directories(hub);
  Trained<M, Cpu<>> model(seed{3});
  save_weights<M>(hub + ".safetensors", model.weights());
  const SafeTensors file(hub + ".safetensors");
  std::vector<SafeTensor> tensors;
  std::vector<std::vector<float>> numbers;
  for (SafeTensor t : file.tensors()) {
    numbers.push_back(floats(t));
    for (std::size_t i = 0; i < numbers.back().size(); ++i)
      numbers.back()[i] += 0.01F * static_cast<float>(i % 97 + numbers.size());
    t.data = reinterpret_cast<const std::byte*>(numbers.back().data());
    tensors.push_back(t);
  }
  write_safetensors(hub + "/model.safetensors", tensors, {{"format", "pt"}});
  write_file(hub + "/config.json",
             tool::families().at(std::string(M::config.names.family)).parse(to_text(M::config))->config_json().dump());
}
template <class M> void there_and_back(TemporaryFolder const& folder) {
  const std::string hub = folder / "hub", gguf = folder / "m.gguf", back = folder / "back";
  make<M>(hub);
  tool::convert(hub, gguf, "F32");
  CHECK(tool::model_of_weights(gguf)->line() == to_text(M::config));
  same(open_tensors(hub), open_tensors(gguf));
  for (const char* type : {"F32", "F16", "BF16"}) {
    CAPTURE(std::string(type));
    tool::convert(gguf, back, type);
    CHECK(tool::read_config(back).model->line() == to_text(M::config));
    tool::convert(back, gguf, "");
    same(open_tensors(back), open_tensors(gguf));
  }
}

}  // namespace

TEST_CASE("convert: rwkv7") {
  const TemporaryFolder folder;
  there_and_back<Small7>(folder);
  const Gguf file(folder / "m.gguf");
  using Shape = std::vector<std::size_t>;
  CHECK(file.find("blk.1.time_mix_lerp_fused.weight")->shape == Shape{6, 1, 1, 32});
  std::vector<float> mixes = floats(*file.find("blk.1.time_mix_lerp_fused.weight"));
  mixes.erase(mixes.begin(), mixes.begin() + 2 * 32);
  mixes.resize(32);
  CHECK(mixes == floats(*open_tensors(folder / "back").find("blocks.1.att.x_k")));  // in BF16 all along
  CHECK(file.find("blk.1.time_mix_v1.weight")->shape == Shape{5, 32});
  CHECK(file.find("blk.0.time_mix_v1.weight")->shape == Shape{4, 32});  // not read, of the learning rate's rank
  CHECK(file.find("blk.1.time_mix_r_k.weight")->shape == Shape{32});
}
TEST_CASE("convert: rwkv7 from flash-linear-attention's names") {
  const TemporaryFolder folder;
  const std::string hub = folder / "hub", fla = folder / "fla";
  make<Small7>(hub);
  make_directories(fla);
  write_file(fla + "/config.json", read_file(hub + "/config.json"));
  Trained<Small7, Cpu<>> model(seed{1});
  load_weights<Small7>(Cpu<>{}, model.weights(), open_tensors(hub));
  std::vector<SafeTensor> tensors;
  std::vector<std::vector<float>> numbers;
  Small7::visit(model.weights(), Place{}, [&](Tensor const& t, auto& v) {
    for (Piece const& p : Small7::as_fla(t)) {
      SafeTensor s;
      s.name = p.name;
      s.dtype = "F32";
      s.shape = weights_detail::dimensions(p.shape);
      numbers.emplace_back(s.elements());
      rearrange(t, p, static_cast<const float*>(v.data()), numbers.back().data(), true);
      s.bytes = s.elements() * sizeof(float);
      s.data = reinterpret_cast<const std::byte*>(numbers.back().data());
      tensors.push_back(s);
    }
  });
  write_safetensors(fla + "/model.safetensors", tensors, {{"format", "pt"}});
  tool::convert(hub, folder / "hub.gguf", "");
  tool::convert(fla, folder / "fla.gguf", "");
  same(Gguf(folder / "hub.gguf"), Gguf(folder / "fla.gguf"));
}
TEST_CASE("convert: rwkv6, with a stream that is halved or not") {
  const TemporaryFolder folder;
  there_and_back<Small6>(folder);
  const std::string path = folder / "m.gguf", halved = folder / "halved.gguf";
  const Gguf file(path);
  using Shape = std::vector<std::size_t>;
  CHECK(file.find("blk.1.time_mix_lerp_fused.weight")->shape == Shape{5, 1, 1, 32});
  CHECK(file.find("blk.1.time_mix_w1.weight")->shape == Shape{20, 32});
  CHECK(file.find("blk.1.time_mix_w2.weight")->shape == Shape{5, 32, 4});
  GgufMetadata keys;
  const std::string key = "rwkv6.rescale_every_n_layers";
  for (const std::string_view k : file.keys())
    if (k != key) keys.put_encoded(k, file.encoded(k));
  keys.put(key, std::uint32_t{1});
  write_gguf(halved, keys, file.tensors());
  const TensorFile want = open_tensors(path), is = open_tensors(halved);
  for (const char* name : {"blocks.2.att.output.weight", "blocks.2.ffn.value.weight"}) {
    std::vector<float> x = floats(*want.find(name));
    for (float& v : x) v *= 4;
    CHECK(floats(*is.find(name)) == x);
  }
  CHECK(floats(*is.find("blocks.2.att.value.weight")) == floats(*want.find("blocks.2.att.value.weight")));
}

}  // namespace test_convert_rwkv
