// Weights from a reference checkpoint into a model, and back: by the descriptors that the model's blocks state, so that
// names, shapes and layouts are written down once.
#pragma once
#include <string>
#include <type_traits>
#include <vector>

#include <fauna/backend/memory.hpp>
#include <fauna/core/concepts.hpp>
#include <fauna/decode/stored.hpp>
#include <fauna/ops/gemm/op.hpp>

namespace fauna::inline v0 {

/// What backend B multiplies by in inference: matrices in an order of its own, or rows of what it calls `weight`.
template <class B> struct weight_of_ { using type = packed<B>; };
template <class B>
requires requires { typename B::weight; }
struct weight_of_<B> {
  using type = typename B::weight;
};

/// Weights for inference: matrices as backend B multiplies by them, all else in f32.
template <class B> struct Packed {
  using matrix = typename weight_of_<B>::type;
  using vector = float;
  using control = float;
};

struct LoadOptions {
  bool partial = false;  ///< tensors that the file lacks keep their values, and those that it has too many are ignored
  /// Tensors that checkpoints carry and no model needs: masks and tables that follow from the config; and beside the
  /// weights of a run (train/checkpoint.hpp) its moments and losses.
  std::vector<std::string> ignored{"*.attn.bias",
                                   "*.attn.masked_bias",
                                   "*.attention.bias",
                                   "*.attention.masked_bias",
                                   "*rotary_emb.inv_freq",
                                   "optimizer.*",
                                   "loss.*"};
};

/// What was not found where, when loading was partial.
struct LoadReport {
  std::vector<std::string> missing{}, unexpected{};
};

namespace weights_detail {

/// Letters to insert, remove or replace to make one name the other.
inline std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t corner = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t change = corner + (a[i] != b[j]);
      corner = row[j + 1];
      std::size_t least = (row[j] < corner ? row[j] : corner) + 1;
      row[j + 1] = change < least ? change : least;
    }
  }
  return row[b.size()];
}
inline std::string nearest(std::string const& name, std::vector<std::string> const& names) {
  const std::string* best = nullptr;
  std::size_t least = ~std::size_t{0};
  for (auto const& n : names)
    if (const std::size_t d = distance(name, n); d < least) {
      least = d;
      best = &n;
    }
  return best == nullptr || least > name.size() / 2 ? "" : " (nearest: " + *best + ")";
}
inline std::string list(std::string const& what, std::vector<std::string> const& names,
                        std::vector<std::string> const& others) {
  if (names.empty()) return "";
  std::string s = "\n  " + std::to_string(names.size()) + ' ' + what + ':';
  for (std::size_t i = 0; i < names.size() && i < 8; ++i)
    s += "\n    " + names[i] + (others.empty() ? "" : nearest(names[i], others));
  return names.size() > 8 ? s + "\n    ..." : s;
}

/// Rows [v.rows, v.cols] in the host's memory become the tensor v, wherever and however that is stored. f32 is rounded
/// to bf16 to nearest, ties to even.
template <class B, class S, class V> void store(B const& b, const S* rows, V& v) {
  using E = typename V::element;
  if constexpr (std::is_same_v<E, packed<B>>) {
    gemm<B>::pack(b, Matrix<const S>(rows, v.rows(), v.cols()), v);
  } else if constexpr (std::is_same_v<E, S>) {
    memory<B>::write(v.data(), rows, v.size());
  } else {
    const std::vector<E> converted(rows, rows + v.size());
    memory<B>::write(v.data(), converted.data(), v.size());
  }
}

template <class B, class V> void fill(B const& b, Tensor const& t, SafeTensor const& from, V& v) {
  using E = typename V::element;
  using S = std::conditional_t<std::is_same_v<E, double>, double, float>;  // what it is read as
  const std::size_t n = v.size();
  const auto address = reinterpret_cast<std::uintptr_t>(from.data);
  if (in_order(t)) {
    if constexpr (std::is_same_v<E, S> && !memory<B>::remote) return read_floats(from, 0, n, v.data());
    if (from.dtype == "BF16" && address % 2 == 0) return store(b, reinterpret_cast<const bf16*>(from.data), v);
    if (from.dtype == "F32" && address % 4 == 0) return store(b, reinterpret_cast<const float*>(from.data), v);
  }
  const Region memory(2 * aligned(n * sizeof(S)));
  Arena a = memory.arena();
  S* const stored = a.take<S>(n);
  S* const rows = a.take<S>(n);
  read_floats(from, 0, n, stored);
  rearrange(t, v.rows(), v.cols(), stored, rows, false);
  store(b, rows, v);
}

}  // namespace weights_detail

/// Fills the weights of a model, whatever they are stored as. Throws, before anything is changed, an error that lists
/// all that is missing, unexpected or of another shape. A checkpoint may lack the first part of all names, as that of a
/// model without its head does.
template <LanguageModel M, Backend B, class W>
LoadReport load_weights(B const& b, W& w, SafeTensors const& from, LoadOptions const& o = {}) {
  namespace d = weights_detail;
  LoadReport report;
  std::vector<std::string> shapes, wanted, had;
  std::vector<bool> used(from.tensors().size(), false);
  bool stripped = true;
  M::visit(w, Place{}, [&](Tensor const& t, auto&) { stripped = stripped && from.find(t.name()) == nullptr; });
  const auto find = [&](Tensor const& t) {
    std::string name = t.name();
    if (stripped) name.erase(0, name.find('.') + 1);
    return from.find(name);
  };
  M::visit(w, Place{}, [&](Tensor const& t, auto& v) {
    wanted.push_back(t.name());
    const SafeTensor* s = find(t);
    if (s == nullptr) return report.missing.push_back(t.name());
    used[static_cast<std::size_t>(s - from.tensors().data())] = true;
    SafeTensor model;
    model.dtype = s->dtype;
    model.shape = d::stored_shape(t, v.rows(), v.cols());
    if (s->shape != model.shape) shapes.push_back(s->name + ' ' + s->text() + ", the model has " + model.text());
    else if (s->dtype != "F32" && s->dtype != "BF16" && s->dtype != "F16" && s->dtype != "F64")
      shapes.push_back(s->name + ' ' + s->text() + ", not one of F64, F32, F16, BF16");
  });
  for (std::size_t i = 0; i < used.size(); ++i) {
    std::string const& name = from.tensors()[i].name;
    had.push_back(name);
    bool ignored = used[i] || name == "lm_head.weight" || name == "embed_out.weight";  // the copy of a tied head
    for (auto const& pattern : o.ignored) ignored = ignored || matches(pattern, name);
    if (!ignored) report.unexpected.push_back(name);
  }
  const bool bad = !shapes.empty() || (!o.partial && (!report.missing.empty() || !report.unexpected.empty())) ||
                   report.missing.size() == wanted.size();
  if (bad)
    fail("load", from.path() + " does not fit the model" + d::list("of another shape", shapes, {}) +
                     d::list("missing", report.missing, had) + d::list("unexpected", report.unexpected, wanted));
  M::visit(w, Place{}, [&](Tensor const& t, auto& v) {
    if (const SafeTensor* s = find(t)) d::fill(b, t, *s, v);
  });
  return report;
}

/// Writes weights in f32 as the reference checkpoint has them: its names, layouts and shapes.
template <LanguageModel M, class W>
void save_weights(std::string const& path, W& w, SafeTensors::Metadata const& metadata = {{"format", "pt"}}) {
  std::vector<weights_detail::Stored> tensors;
  M::visit(w, Place{}, [&](Tensor const& t, auto& v) {
    static_assert(std::is_same_v<typename std::remove_reference_t<decltype(v)>::element, float>,
                  "fauna: only weights in f32 are written");
    tensors.push_back(weights_detail::stored(t.name(), t, v));
  });
  std::vector<float> room;
  write_safetensors(path, static_cast<std::vector<weights_detail::Stored>&&>(tensors), metadata,
                    [&room](auto const& t) { return t.in_file_order(reinterpret_cast<const float*>(t.data), room); });
}

}  // namespace fauna::inline v0
