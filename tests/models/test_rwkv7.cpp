// RWKV-7 against the real weights and logits that come with rwkv.cpp: 12 layers of 64 columns, tokens are bytes.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include <fauna/decode/generate.hpp>
#include <fauna/decode/loaded.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/models/rwkv7.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/ops/ref.hpp>

#include "../support/temporary.hpp"

using namespace fauna;

namespace {

using Tiny =
    Rwkv7<Rwkv7Config{.heads = 1, .width = 64, .hidden = 256, .decay = 32, .learning = 32, .gate = 32, .vocab = 256}>;

/// The folder of the goldens, or empty with a reason printed.
std::string shared() {
  const char* folder = std::getenv("FAUNA_SHARED_DIR");
  if (folder == nullptr) MESSAGE("skipped: FAUNA_SHARED_DIR is not set");
  return folder == nullptr ? "" : std::string(folder) + "/data/rwkv/";
}

/// The largest difference between the golden and the logits after the three bytes of its prompt, `rows` at once.
template <class B, class D = Packed<B>> double worst(TensorFile const& weights, std::string const& expected, int rows) {
  const std::string golden = read_file(expected);
  REQUIRE(golden.size() == 256 * sizeof(float));
  Loaded<Tiny, B, D> model(weights, 1);
  const std::vector<int> ids{'"', 'i', 'n'};
  std::vector<typename B::scalar> y(256 * static_cast<std::size_t>(rows));
  model.prepare_inference({.sequences = 1, .length = rows});
  Cache<Tiny, B> cache(1);
  for (int from = 0; from < 3; from += rows)
    model.logits(cache, Batch::uniform(1, rows, ids.data() + from), logit_rows::all,
                 Matrix<typename B::scalar>(y.data(), rows, 256));
  double most = 0;
  for (std::size_t i = 0; i < 256; ++i) {
    float want = 0;
    std::memcpy(&want, golden.data() + i * sizeof want, sizeof want);
    const double d = std::fabs(static_cast<double>(y[y.size() - 256 + i]) - static_cast<double>(want));
    if (!(d <= most)) most = d;
  }
  return most;
}

}  // namespace

TEST_CASE("rwkv7: the logits of trained weights, all at once and a row at a time") {
  const std::string folder = shared();
  if (folder.empty()) return;
  const TensorFile weights = open_tensors(folder + "tiny-rwkv-7v0-834K-FP32.bin");
  const std::string expected = folder + "expected-logits-7v0-834K.bin";
  for (const int rows : {1, 3}) {
    CAPTURE(rows);
    CHECK(worst<Cpu<>>(weights, expected, rows) < 2e-5);
    CHECK(worst<Ref<double>, All<double>>(weights, expected, rows) < 2e-5);
  }
}
