// RWKV-7 against the trained weights and logits that come with rwkv.cpp (12 layers of 64 columns, tokens are bytes),
// and against the author's package (tools/oracles/rwkv7.py).
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "../support/families.hpp"

using namespace fauna;

namespace {

using Published =
    Rwkv7<Rwkv7Config{.heads = 1, .width = 64, .hidden = 256, .decay = 32, .learning = 32, .gate = 32, .vocab = 256}>;
using Tiny = Rwkv7<Rwkv7Config{.layers = 3,
                               .heads = 2,
                               .width = 32,
                               .hidden = 128,
                               .decay = 8,
                               .learning = 6,
                               .value = 4,
                               .gate = 10,
                               .vocab = 40}>;

/// The folder of the goldens, or empty with a reason printed.
std::string shared() {
  const char* folder = std::getenv("FAUNA_SHARED_DIR");
  if (folder == nullptr) MESSAGE("skipped: FAUNA_SHARED_DIR is not set");
  return folder == nullptr ? "" : std::string(folder) + "/data/rwkv/";
}

/// The logits of some tokens, read through a cache, `rows` at once.
template <class M, class B, class D = Packed<B>>
std::vector<double> logits(TensorFile const& weights, std::vector<int> const& ids, int rows) {
  using S = typename B::scalar;
  Loaded<M, B, D> model(weights, 1);
  model.prepare_inference({.sequences = 1, .length = rows});
  Cache<M, B> cache(1);
  std::vector<double> all;
  std::vector<S> y(static_cast<std::size_t>(rows) * M::vocab);
  for (std::size_t from = 0; from < ids.size(); from += static_cast<std::size_t>(rows)) {
    model.logits(cache, Batch::uniform(1, rows, ids.data() + from), logit_rows::all,
                 Matrix<S>(y.data(), rows, M::vocab));
    all.insert(all.end(), y.begin(), y.end());
  }
  return all;
}
/// The largest difference to the last so many.
double worst(std::vector<double> const& got, std::vector<float> const& want) {
  double most = 0;
  for (std::size_t i = 0; i < want.size(); ++i)
    test::see(most, std::fabs(got[got.size() - want.size() + i] - static_cast<double>(want[i])));
  return most;
}

}  // namespace

TEST_CASE("rwkv7: the logits of trained weights, all at once and a row at a time") {
  const std::string folder = shared();
  if (folder.empty()) return;
  const TensorFile weights = open_tensors(folder + "tiny-rwkv-7v0-834K-FP32.bin");
  const std::string golden = read_file(folder + "expected-logits-7v0-834K.bin");
  std::vector<float> want(256);  // after the three bytes of its prompt
  REQUIRE(golden.size() == want.size() * sizeof(float));
  std::memcpy(want.data(), golden.data(), golden.size());
  const std::vector<int> ids{'"', 'i', 'n'};
  const auto once = logits<Published, Cpu<>>(weights, ids, 3);
  CHECK(worst(once, want) < 2e-5);
  CHECK(logits<Published, Cpu<>>(weights, ids, 1) == once);
  CHECK(worst(logits<Published, Ref<double>, All<double>>(weights, ids, 3), want) < 2e-5);
}

TEST_CASE("rwkv7: rwkv.cpp's files in f16 are those numbers in f32") {
  const std::string folder = shared();
  if (folder.empty()) return;
  const TensorFile weights = open_tensors(folder + "tiny-rwkv-7v0-834K-FP32.bin");
  // Matrices in f16, the rest in f32, as rwkv.cpp writes it.
  const auto file = [&](bool halves) {
    const auto word = [](std::size_t n) {
      const auto i = static_cast<std::int32_t>(n);
      return std::string(reinterpret_cast<const char*>(&i), sizeof i);
    };
    std::string all = word(0x67676d66) + word(101) + word(256) + word(64) + word(12) + word(halves);
    for (auto const& t : weights.tensors()) {
      const bool half = t.shape.size() == 2;
      all += word(t.shape.size()) + word(t.name.size()) + word(half && halves);
      for (std::size_t i = t.shape.size(); i-- > 0;) all += word(t.shape[i]);
      all += t.name;
      for (const float x : test::floats(&t)) {
        const f16 rounded(x);
        const float as_float = half ? static_cast<float>(rounded) : x;
        all += half && halves ? std::string(reinterpret_cast<const char*>(&rounded), sizeof rounded)
                              : std::string(reinterpret_cast<const char*>(&as_float), sizeof as_float);
      }
    }
    return all;
  };
  const TemporaryFolder at;
  write_file(at / "f16.bin", file(true));
  write_file(at / "f32.bin", file(false));
  const std::vector<int> ids{'"', 'i', 'n'};
  const auto halves = logits<Published, Cpu<>>(open_tensors(at / "f16.bin"), ids, 3);
  CHECK(halves == logits<Published, Cpu<>>(open_tensors(at / "f32.bin"), ids, 3));
  CHECK(halves != logits<Published, Cpu<>>(weights, ids, 3));
}

TEST_CASE("rwkv7: a checkpoint as torch.save writes it, and the logits of the author's package") {
  const TensorFile weights = open_tensors(test::source_path("tests/golden/rwkv7.pth"));
  const SafeTensors golden(test::source_path("tests/golden/rwkv7.safetensors"));
  const std::vector<int> ids = test::ints(golden.find("tokens"));
  const std::vector<float> want = test::floats(golden.find("logits"));
  float largest = 0;
  for (const float x : want) largest = std::fmax(largest, std::fabs(x));
  const auto once = logits<Tiny, Cpu<>>(weights, ids, 24);
  CHECK(worst(once, want) < 1e-4 * largest);  // two orders of summation
  for (const int rows : {1, 3}) CHECK(logits<Tiny, Cpu<>>(weights, ids, rows) == once);

  // Written and read again: the same tensors under the same names, without those that nothing reads.
  const TemporaryFolder folder;
  Trained<Tiny, Cpu<>> model(seed{1}, 1);
  load_weights<Tiny>(Cpu<>{}, model.weights(), weights);
  save_weights<Tiny>(folder / "w.safetensors", model.weights());
  const TensorFile written = open_tensors(folder / "w.safetensors");
  CHECK(written.tensors().size() == weights.tensors().size() - 3);
  for (auto const& t : written.tensors()) {
    CAPTURE(t.name);
    REQUIRE(weights.find(t.name) != nullptr);
    CHECK(weights.find(t.name)->shape == t.shape);
    CHECK(test::floats(&t) == test::floats(weights.find(t.name)));
  }
}

TEST_CASE("rwkv7: initial values, learning rates and decay of the author's training") {
  const Trained<Rwkv7Shakespeare, Cpu<>> m(seed{1}, 1);
  const auto at = [&](std::string const& name, int r, int c) {
    return static_cast<double>(m.value(m.parameter(name))(r, c));
  };
  const auto near = [](double x) { return doctest::Approx(x).epsilon(1e-6); };
  // Layer 2 of 6: depth 1 - 2/6; column 24 of 96 lies at 24/95 between -1/2 and 1/2, in the third quarter of a head
  // of 32.
  const double depth = 2.0 / 3, quarter = 24.0 / 96, line = 24.0 / 95 - 0.5,
               z = (24 - 15.5) / 15.5 * ((24 - 15.5) / 15.5);
  const double powers[] = {0.2, 0.9, 0.7, 0.7, 0.9, 0.2};
  for (int mix = 0; mix < 6; ++mix)
    CHECK(at("blocks.2.att.x_rwkvag", mix, 24) == near(1 - std::pow(quarter, powers[mix] * depth)));
  CHECK(at("blocks.2.ffn.x_k", 0, 24) == near(1 - std::pow(quarter, std::pow(depth, 4))));
  CHECK(at("blocks.2.att.w0", 0, 24) == near(-6 + 6 * std::pow(24.0 / 95, 1 + std::pow(2.0 / 5, 0.3)) + 0.5 + 2.5 * z));
  CHECK(at("blocks.2.att.a0", 0, 24) == near(-0.19 + 0.3 * z + 0.4 * line));
  CHECK(at("blocks.2.att.v0", 0, 24) == near(0.73 - 0.4 * line));
  CHECK(at("blocks.2.att.k_k", 0, 24) == near(0.71 - 0.1 * line));
  CHECK(at("blocks.2.att.k_a", 0, 24) == near(1.02));
  CHECK(at("blocks.2.att.r_k", 0, 24) == near(-0.04));
  CHECK(at("blocks.2.att.w0", 0, 3) < at("blocks.2.att.w0", 0, 4));
  CHECK(at("blocks.2.att.ln_x.weight", 0, 24) == near(std::pow(3.0 / 6, 0.7)));
  CHECK(at("blocks.0.att.ln_x.weight", 0, 24) == near(std::pow(1.0 / 6, 0.7)));
  const auto row_length = [&](std::string const& name) {
    auto const& p = m.parameter(name);
    double squares = 0;
    for (int c = 0; c < p.cols; ++c) squares += at(name, 0, c) * at(name, 0, c);
    return std::sqrt(squares);
  };
  for (const char* zero : {"att.output.weight", "ffn.value.weight", "att.w1", "att.a1", "att.v1", "att.g1"})
    CHECK(row_length(std::string("blocks.2.") + zero) == 0);
  CHECK(row_length("blocks.2.att.receptance.weight") == near(1));
  CHECK(row_length("blocks.2.att.key.weight") == near(0.1));
  CHECK(row_length("blocks.2.att.value.weight") == near(1));
  CHECK(row_length("head.weight") == near(0.5));
  CHECK(std::fabs(at("emb.weight", 3, 5)) <= 1e-4);
  int twice = 0, decayed = 0;
  for (auto const& p : m.parameters()) {
    CAPTURE(p.name);
    const bool matrix = p.name.ends_with(".weight") && p.rows > 1;
    CHECK(p.decays == matrix);
    CHECK(p.lr_scale == (p.name.ends_with("att.w0") ? 2 : 1));
    twice += p.lr_scale == 2;
    decayed += p.decays;
  }
  CHECK(twice == 6);
  CHECK(decayed == 2 + 6 * 6);
}
