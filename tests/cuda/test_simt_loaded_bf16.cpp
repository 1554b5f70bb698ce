// The same in bf16: matrices of half the size, products of rounded rows.
#include "support/simt_loaded.hpp"

namespace test_simt_loaded_bf16 {

using namespace test;
using test::simt::order;

namespace {

/// Bytes of a model's weights where a number of a matrix takes so many.
template <class M> std::size_t weight_bytes(std::size_t of_matrix) {
  typename M::template Weights<All<float>> w{};
  std::size_t n = 0;
  M::visit(w, Place{}, [&](Tensor const& t, auto&) { n += aligned(t.size() * (t.rank() == 2 ? of_matrix : 4)); });
  return n;
}

}  // namespace

TEST_CASE_TEMPLATE("simt: a file's weights in bf16", M, SmallLlama, SmallGpt) {
  const Files<M> files;
  const auto got = loaded_outputs<M, Bf16Kernels>(files.half);
  // In training the products round both operands: the weights are bf16 numbers already.
  const auto as_trained = trained_outputs<M, Bf16Kernels>(files.half);
  if (Bf16Kernels::same_sums) CHECK(got == as_trained);
  else CHECK(distance(got, as_trained) < 10 * 0x1p-9 * largest_logit(got));
  // Numbers that the file has in f32 are rounded on the way, to nearest.
  for (const auto o : {order::ascending, order::descending, order::random}) {
    Kernels::order = o;
    CHECK(loaded_outputs<M, Bf16Kernels>(files.f32) == got);
  }
  Kernels::order = order::ascending;
  Trained<M, Bf16Kernels> trained(seed{2}, 1);
  load_weights<M>(Bf16Kernels{}, trained.weights(), SafeTensors(files.f32));
  Loaded<M, Bf16Kernels> model(trained.weights(), 1);
  CHECK(outputs(model) == got);
  // Rows are rounded to 8 bits before each of about ten products in a row: 2⁻⁹ each at most.
  const auto exact = trained_outputs<M, Ref<double>>(files.half);
  CHECK(distance(got, exact) < 10 * 0x1p-9 * largest_logit(exact));

  std::vector<int> seen;
  const auto ids = generate_tokens(model, {1, 2, 3}, {.tokens = 10, .temperature = 0, .chunk = 2},
                                   [&](int id) { seen.push_back(id); });
  CHECK(std::vector<int>(ids.begin() + 3, ids.end()) == seen);
  CHECK(seen.size() == 10);
}

TEST_CASE("simt: matrices take 4 bytes a number, or 2, and all else 4") {
  const Files<SmallGpt> files;
  const auto in_pages = [](std::size_t bytes) { return (bytes + 4095) / 4096; };  // of the executor's memory
  CHECK(in_pages(Loaded<SmallGpt, Kernels>(SafeTensors(files.f32), 1).weight_bytes()) ==
        in_pages(weight_bytes<SmallGpt>(4)));
  CHECK(in_pages(Loaded<SmallGpt, Bf16Kernels>(SafeTensors(files.half), 1).weight_bytes()) ==
        in_pages(weight_bytes<SmallGpt>(2)));
}

}  // namespace test_simt_loaded_bf16
