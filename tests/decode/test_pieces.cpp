// How tensors lie in files: several dimensions, pieces of one tensor, tensors of several pieces, dialects; and what a
// family says that its files may lack or hold beside.
#include <doctest/doctest.h>

#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/linear.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/compose/stored_as.hpp>
#include <fauna/decode/weights.hpp>
#include <fauna/models/lm.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/train/checkpoint.hpp>

#include "../support/temporary.hpp"
#include "../support/toys.hpp"

namespace test_pieces {

using namespace fauna;
using doctest::Contains;

namespace {

constexpr int V = 5, W = 4;

/// Two matrices [W, W], a file's one tensor [2, W, W], the second of them transposed there.
template <int Which> struct Half : Linear<W, W, false> {
  template <class Ws, class F> static constexpr void visit(Ws& w, Place const& at, F&& f) {
    Linear<W, W, false>::visit(w, at, [&f](Tensor t, auto& v) {
      t.pieces = in_pair;
      f(t, v);
    });
  }
  static std::vector<Piece> in_pair(Tensor const& t) {
    Piece p = whole_piece(t);
    p.name = t.at.path->parent->str() + ".pair";
    p.shape = {2, W, W};
    p.offset = Which * W * W;
    if (Which == 1) {
      p.digits[2].stride = 1;
      p.col_stride = W;
    }
    return {p};
  }
};
/// One matrix [W, W] here, of which a file has each row as a tensor.
struct Rows : Linear<W, W, false> {
  template <class Ws, class F> static constexpr void visit(Ws& w, Place const& at, F&& f) {
    Linear<W, W, false>::visit(w, at, [&f](Tensor t, auto& v) {
      t.pieces = each_row;
      f(t, v);
    });
  }
  static std::vector<Piece> each_row(Tensor const& t) {
    std::vector<Piece> all;
    for (int r = 0; r < W; ++r) {
      Piece p;
      p.name = t.at.path->str() + "." + std::to_string(r);
      p.shape = {W};
      p.first = r;
      p.rows = 1;
      all.push_back(p);
    }
    return all;
  }
};
struct Layer : Residual<Seq<At<"a", Half<0>>, At<"b", Half<1>>, At<"rows", Rows>, At<"conv", test::Taps<W>>,
                            At<"balance", test::Balance<W>>>> {};
struct Toy : Lm<At<"wte", Embedding<V, W>>, At<"h", Stack<0, 2, Layer>>, TiedHead<W, V>> {};

/// The same with another spelling beside the first, and a tensor that its files hold without need.
struct Bilingual : Toy {
  using composition = Bilingual;
  static std::vector<Piece> translated(Tensor const& t) {
    auto pieces = pieces_of(t);
    for (auto& p : pieces)
      if (p.name == "wte.weight") p.name = "emb";
      else p.name = "model." + p.name;
    return pieces;
  }
  static constexpr Dialect dialects[] = {{"ours", "wte.*", nullptr}, {"theirs", "emb*", translated}};
  static constexpr const char* holds_beside[] = {"*.running"};
  static constexpr const char* may_lack[] = {"*offset*"};
};

/// Matrices in bf16, the rest in f64.
struct HalfMatrices {
  template <kind K> using storage = Matrix<std::conditional_t<K == kind::matrix, bf16, double>>;
};

template <class M> std::vector<float> values_of(M const& model) {
  std::vector<float> v;
  for (auto const& p : model.parameters()) v.insert(v.end(), model.value(p).data(), model.value(p).data() + p.size());
  return v;
}
std::vector<float> numbers(SafeTensor const* t) {
  REQUIRE(t != nullptr);
  std::vector<float> v(t->elements());
  read_floats(*t, 0, v.size(), v.data());
  return v;
}

}  // namespace

TEST_CASE("pieces: what is written is what was read, and lies as its blocks say") {
  TemporaryFolder folder;
  const std::string path = folder / "toy.safetensors";
  Trained<Toy, Ref<float>> from(seed{1}), to(seed{2});
  save_weights<Toy>(path, from.weights());
  const SafeTensors file(path);
  CHECK(file.tensors().size() == 1 + 2 * 7);
  CHECK(file.find("h.0.conv.taps")->shape == std::vector<std::size_t>{4, 1, 2});
  const auto pair = numbers(file.find("h.1.pair"));
  CHECK(file.find("h.1.pair")->shape == std::vector<std::size_t>{2, 4, 4});
  const auto a = from.value(from.parameter("h.1.a.weight")), b = from.value(from.parameter("h.1.b.weight")),
             rows = from.value(from.parameter("h.1.rows.weight"));
  for (int r = 0; r < W; ++r) {
    const auto row = numbers(file.find("h.1.rows." + std::to_string(r)));
    for (int c = 0; c < W; ++c) {
      CHECK(pair[static_cast<std::size_t>(r * W + c)] == a(r, c));
      CHECK(pair[static_cast<std::size_t>(W * W + c * W + r)] == b(r, c));
      CHECK(row[static_cast<std::size_t>(c)] == rows(r, c));
    }
  }
  CHECK(values_of(to) != values_of(from));
  load_weights<Toy>(Ref<float>{}, to.weights(), file);
  CHECK(values_of(to) == values_of(from));
}

TEST_CASE("pieces: a run's checkpoint goes through them too, moments and buffers included") {
  TemporaryFolder folder;
  const std::string path = folder / "toy.safetensors";
  Trained<Toy, Ref<float>> from(seed{1}), to(seed{2});
  const int tokens[] = {1, 2, 3, 4}, targets[] = {2, 3, 4, 0};
  const Batch batch = Batch::uniform(1, 4, tokens, targets);
  for (auto* m : {&from, &to}) m->prepare_training({.sequences = 1, .length = 4});
  for (int i = 0; i < 2; ++i) {
    from.accumulate(batch);
    from.update({});
  }
  save_checkpoint(path, from, {});
  load_checkpoint(path, to);
  for (int i = 0; i < 2; ++i)
    for (auto* m : {&from, &to}) {
      m->accumulate(batch);
      m->update({});
    }
  CHECK(values_of(to) == values_of(from));
}

TEST_CASE("dialects: recognised by a name, lacking and beside as the family says") {
  TemporaryFolder folder;
  const std::string path = folder / "toy.safetensors", other = folder / "other.safetensors";
  Trained<Bilingual, Ref<float>> from(seed{1}), to(seed{2});
  save_weights<Bilingual>(path, from.weights());
  const SafeTensors file(path);
  std::vector<SafeTensor> renamed;
  for (SafeTensor t : file.tensors()) {
    if (t.name.find("offset") != std::string::npos) t.name = "model." + t.name.substr(0, 4) + "running";
    else t.name = t.name == "wte.weight" ? "emb" : "model." + t.name;
    renamed.push_back(t);
  }
  write_safetensors(other, renamed);
  load_weights<Bilingual>(Ref<float>{}, to.weights(), SafeTensors(other));
  CHECK(values_of(to) == values_of(from));
  renamed.push_back(renamed.back());
  renamed.back().name = "model.h.0.unknown";
  write_safetensors(other, renamed);
  CHECK_THROWS_WITH_AS(load_weights<Bilingual>(Ref<float>{}, to.weights(), SafeTensors(other)),
                       Contains("1 unexpected:\n    model.h.0.unknown"), error);
  for (auto& t : renamed)
    if (t.name == "emb") t.name = "table";
  write_safetensors(other, renamed);
  CHECK_THROWS_WITH_AS(load_weights<Bilingual>(Ref<float>{}, to.weights(), SafeTensors(other)),
                       Contains("missing:\n    wte.weight"), error);  // as it is saved
}

TEST_CASE("storages: gradients of what is not stored as rows are absent") {
  using Base = Packed<Cpu<>>;
  static_assert(std::is_same_v<GradientsOf<All<float>, float>, All<float>>);
  static_assert(std::is_same_v<GradientsOf<Base, float>::storage<kind::matrix>, Absent>);
  static_assert(std::is_same_v<GradientsOf<Base, float>::storage<kind::vector>, Matrix<float>>);
  Absent none;
  Arena a;
  place(none, Tensor{.rows = 3, .cols = 4}, a);
  CHECK(a.used() == 0);
  CHECK(!gradient<float>(none));

  // A linear layer in bf16 under a trained bias: dx and the bias have their gradients, the matrix has none.
  using L = Linear<3, 2>;
  L::Weights<HalfMatrices> w;
  L::Weights<GradientsOf<HalfMatrices, double>> dw;
  static_assert(std::is_same_v<decltype(dw.weight), Absent>);
  bf16 matrix_[6];
  for (int i = 0; i < 6; ++i) matrix_[i] = bf16(0.5F * static_cast<float>(i));
  double bias[2] = {1, 2}, dbias[2]{}, x[3] = {1, 2, 3}, dy[2] = {1, -1}, dx[3];
  w.weight = Matrix<bf16>(matrix_, 2, 3);
  w.bias = Matrix<double>(bias, 1, 2);
  dw.bias = Matrix<double>(dbias, 1, 2);
  const Batch batch = Batch::uniform(1, 1);
  Call<Ref<double>> call;
  call.batch = &batch;
  L::Saved<double> saved;
  L::State<double> state;
  L::backward(call, w, dw, View<const double, dyn, 3>(x, 1), saved, View<const double, dyn, 2>(dy, 1),
              View<double, dyn, 3>(dx, 1), state);
  CHECK(dbias[0] == 1);
  CHECK(dbias[1] == -1);
  for (double d : dx) CHECK(d == -1.5);
}

}  // namespace test_pieces
