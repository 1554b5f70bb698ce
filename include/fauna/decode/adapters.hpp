// Adapters from files beside the weights of a model that is in memory once, chosen by sequence:
//   const auto file = open_tensors("directory");
//   Loaded<adaptable<SmolLm2_135M>, Cpu<>> model(file);
//   Adapters<Cpu<>> adapters;
//   const int poems = add_adapter(adapters, model, Adapter("poems"), file);
//   generate(model, text, "The sea", {.adapter = poems});
// In loops of one's own each Continuation says which it has, and in calls of one's own each batch. What a sequence is
// given has the bits of lora<M, ...> with that adapter, whoever is beside it; merged into the weights the same adapter
// rounds otherwise.
#pragma once
#include <string>
#include <vector>

#include <fauna/decode/adapter.hpp>
#include <fauna/models/adaptable.hpp>

namespace fauna::inline v0 {

/// Adapters beside the weights of one model, with their memory.
template <class B> class Adapters : public AdapterTable<B> {
  static_assert(!memory<B>::remote, "fauna: adapters stand beside weights on backends whose memory is the host's");

 public:
  using AdapterTable<B>::add;
  /// To the last one, beside a matrix: rows of a [rank, in] and b [columns, rank], for columns from `first` on.
  void put(const void* matrix, Matrix<const float> a, Matrix<const float> b, double scale, int first) {
    LowRankPair<B> pair{.scale = scale, .first = first};
    const Tensor of_a{.rows = a.rows(), .cols = a.cols()}, of_b{.rows = b.rows(), .cols = b.cols()};
    Arena at;
    const auto placed = [&] { place(pair.a, of_a, at), place(pair.b, of_b, at); };
    placed();
    memory_.emplace_back(at.high_water());
    at = memory_.back().arena();
    placed();
    fill(B{}, pair.a, a);
    fill(B{}, pair.b, b);
    AdapterTable<B>::put(matrix, pair);
  }

 private:
  std::vector<Region> memory_;
};

namespace adapter_detail {

/// Of an adapter's rows B [out], which one belongs to each row of a piece of a weight; empty where the piece's rows are
/// no rows of that weight.
inline std::vector<int> rows_of(Piece const& p, int in) {
  const bool transposed = p.col_stride != 1;
  std::vector<int> rows;
  if (p.shape.rank != 2 || p.shape.of[transposed ? 0 : 1] != in) return rows;
  const int out = p.shape.of[transposed ? 1 : 0];
  if (transposed && p.col_stride != out) return rows;
  for (int r = 0; r < p.rows; ++r) {
    const std::ptrdiff_t at = p.row(r), row = transposed ? at : at / in;
    if (row < 0 || row >= out || (!transposed && at % in != 0)) return {};
    rows.push_back(static_cast<int>(row));
  }
  return rows;
}

/// f(layer, its rows for this piece or none, piece, its matrix) for each piece of the model's weights that a
/// layer of an adapter is of.
template <class M, class W, class F> void each_piece(W& w, Adapter const& adapter, TensorFile const& base, F&& f) {
  Dialect const* const dialect = weights_detail::dialect_of<M>(base);
  M::visit(w, Place{}, [&](Tensor const& t, auto& v) {
    for (Piece const& p : pieces_of(t, dialect))
      for (Adapter::Layer const& l : adapter.layers()) {
        const std::string name = l.name + ".weight";
        if (p.name != name && without_first(p.name) != name) continue;
        const bool stands = t.adaptable && t.prepare == nullptr && !l.table;
        f(l, stands ? rows_of(p, static_cast<int>(l.a->shape[1])) : std::vector<int>{}, p, v);
      }
  });
}

}  // namespace adapter_detail

/// The layers of an adapter that can only be merged into the weights of M: all of DoRA's, and what is no linear layer
/// of rows in their order, such as experts and heads. Throws where the adapter is another model's. base: the model's
/// files.
template <class M> std::vector<std::string> merged_alone(Adapter const& adapter, TensorFile const& base) {
  (void)adapter.weights_of(base);
  std::vector<std::string> stand, all;
  typename M::template Weights<All<float>> w{};
  adapter_detail::each_piece<M>(w, adapter, base, [&](auto const& layer, auto const& rows, Piece const&, auto&) {
    (rows.empty() ? all : stand).push_back(layer.name);
  });
  const auto among = [](std::vector<std::string> const& names, std::string const& name) {
    for (std::string const& n : names)
      if (n == name) return true;
    return false;
  };
  std::vector<std::string> alone;
  for (Adapter::Whole const& w : adapter.wholes()) alone.push_back(w.name);
  for (Adapter::Layer const& l : adapter.layers())
    if (l.magnitude != nullptr || !among(stand, l.name) || among(all, l.name)) alone.push_back(l.name);
  return alone;
}

/// Puts an adapter beside the weights of a Loaded adaptable model, before memory is planned for its calls; its number.
/// `to` lives as long as the model is called. base: the files that the model is from. Throws, before anything is
/// changed, where the adapter is another model's, or has layers that can only be merged.
template <class T>
int add_adapter(Adapters<typename T::backend>& to, T& model, Adapter const& adapter, TensorFile const& base) {
  using M = typename T::model;
  if (const auto alone = merged_alone<M>(adapter, base); !alone.empty())
    fail("adapters", adapter.file().path() + weights_detail::list("layers that cannot stand beside weights", alone, {}),
         "linear layers, without lengths of rows (DoRA)", "Adapter::merge_into adds it to the weights");
  const int number = to.add();
  std::vector<float> a, all, some;
  adapter_detail::each_piece<M>(
      model.weights(), adapter, base, [&](auto const& layer, auto const& rows, Piece const& piece, auto const& v) {
        const auto rank = static_cast<std::ptrdiff_t>(layer.a->shape[0]),
                   in = static_cast<std::ptrdiff_t>(layer.a->shape[1]);
        a.resize(layer.a->elements());
        all.resize(layer.b->elements());
        some.clear();
        read_floats(*layer.a, 0, a.size(), a.data());
        read_floats(*layer.b, 0, all.size(), all.data());
        for (const int row : rows) some.insert(some.end(), all.begin() + row * rank, all.begin() + (row + 1) * rank);
        to.put(address_of(v), Matrix<const float>(a.data(), static_cast<int>(rank), static_cast<int>(in)),
               Matrix<const float>(some.data(), static_cast<int>(rows.size()), static_cast<int>(rank)), layer.scale,
               piece.first);
      });
  model.stand_beside(to);
  return number;
}

}  // namespace fauna::inline v0
