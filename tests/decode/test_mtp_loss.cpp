// What layers for further tokens say, read row by row, has the loss that they are trained by.
#include <doctest/doctest.h>

#include <cmath>

#include "mtp_model.hpp"

namespace test_mtp_loss {

using namespace fauna;
using namespace test::mtp;

TEST_CASE("mtp: what depths say of each row has the loss that training has") {
  using M = Model<2>;
  auto trained = test::lively<M, B>(1);
  Loaded<M, B> model(trained.weights(), 1);
  HiddenReader<M> reader(model, 64, 7);
  reader.remember_all();
  const int n = 21;
  const auto text = test::some_tokens<M>(n + 1, 3);
  const auto loss = [](const float* y, int target) {
    double sum = 0;
    for (int v = 0; v < 13; ++v) sum += std::exp(static_cast<double>(y[v]));
    return std::log(sum) - static_cast<double>(y[target]);
  };
  reader.logits(text.data(), n, 1, n);
  CHECK(reader.known(text.data(), n) == n);
  std::vector<float> h(reader.hidden(0), reader.hidden(0) + n * 16);
  double want = 0;
  for (int k = 0; k <= 2; ++k) {
    const int rows = n - k;
    if (k > 0) {  // in two pieces
      const float* y = reader.further(k - 1, 0, h.data(), text.data() + k, 8);
      std::vector<float> next(y, y + 8 * 16);
      y = reader.further(k - 1, 8, h.data() + 8 * 16, text.data() + 8 + k, rows - 8);
      next.insert(next.end(), y, y + (rows - 8) * 16);
      h = next;
    }
    const float* const y = reader.head(h.data(), rows);
    double mean = 0;
    for (int r = 0; r < rows; ++r) mean += loss(y + r * 13, text[static_cast<std::size_t>(r + k + 1)]) / rows;
    want += k == 0 ? mean : mean * 0.3 / 2;
  }
  trained.prepare_training({.sequences = 1, .length = n});
  CHECK(trained.accumulate(Batch::uniform(1, n, text.data(), text.data() + 1)) == doctest::Approx(want).epsilon(1e-4));
}

}  // namespace test_mtp_loss
