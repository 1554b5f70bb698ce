// Weights from a reference checkpoint into a model, and back: by the descriptors that the model's blocks state, so that
// names, shapes and layouts are written down once.
#pragma once
#include <string>
#include <type_traits>
#include <vector>

#include <fauna/backend/memory.hpp>
#include <fauna/core/concepts.hpp>
#include <fauna/io/safetensors.hpp>
#include <fauna/ops/gemm/op.hpp>

namespace fauna::inline v0 {

/// Weights for inference: matrices as backend B multiplies by them, all else in f32.
template <class B> struct Packed {
  using matrix = packed<B>;
  using vector = float;
  using control = float;
};

struct LoadOptions {
  bool partial = false;  ///< tensors that the file lacks keep their values, and those that it has too many are ignored
  /// Tensors that reference checkpoints carry and no model needs: masks and tables that follow from the config.
  std::vector<std::string> ignored{"*attn.bias", "*attn.masked_bias", "*attention.bias", "*attention.masked_bias",
                                   "*rotary_emb.inv_freq"};
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

/// Shape of a tensor in the checkpoint.
inline std::vector<std::size_t> stored_shape(Tensor const& t, int rows, int cols) {
  const auto r = static_cast<std::size_t>(rows), c = static_cast<std::size_t>(cols);
  if (t.rank == 1) return {r * c};
  if (t.layout.transposed) return {c, r};
  return {r, c};
}

/// Calls f(element of the model, element of the checkpoint) for runs of a row: f(row, source row) or, transposed, a
/// column each.
inline void rearrange(Tensor const& t, int rows, int cols, const float* from, float* to, bool into_checkpoint) {
  const auto place = [&](std::ptrdiff_t model, std::ptrdiff_t file) {
    if (into_checkpoint) to[file] = from[model];
    else to[model] = from[file];
  };
  const bool vector = t.rank == 1;  // its elements are the rows of the matrix beside it
  const int n = vector ? cols : rows, width = vector ? 1 : cols;
  for (int r = 0; r < n; ++r) {
    const std::ptrdiff_t s = t.layout.source_row(r, n);
    for (int c = 0; c < width; ++c) {
      const std::ptrdiff_t model = static_cast<std::ptrdiff_t>(r) * width + c;
      place(model, t.layout.transposed && !vector ? static_cast<std::ptrdiff_t>(c) * n + s : s * width + c);
    }
  }
}
inline bool in_order(Tensor const& t) { return t.layout.heads == 0 && (t.rank == 1 || !t.layout.transposed); }

template <class B, class V> void fill(B const& b, Tensor const& t, SafeTensor const& from, V& v) {
  using E = typename V::element;
  const std::size_t n = v.size();
  const auto address = reinterpret_cast<std::uintptr_t>(from.data);
  if constexpr (std::is_same_v<E, packed<B>>) {
    if (in_order(t) && from.dtype == "BF16" && address % 2 == 0)
      return gemm<B>::pack(b, Matrix<const bf16>(reinterpret_cast<const bf16*>(from.data), v.rows(), v.cols()), v);
    if (in_order(t) && from.dtype == "F32" && address % 4 == 0)
      return gemm<B>::pack(b, Matrix<const float>(reinterpret_cast<const float*>(from.data), v.rows(), v.cols()), v);
  } else if constexpr (std::is_same_v<E, float>) {
    if (in_order(t)) return read_floats(from, 0, n, v.data());
  }
  const Region memory(2 * aligned(n * sizeof(float)));
  Arena a = memory.arena();
  float* const stored = a.take<float>(n);
  float* const rows = a.take<float>(n);
  read_floats(from, 0, n, stored);
  rearrange(t, v.rows(), v.cols(), stored, rows, false);
  if constexpr (std::is_same_v<E, packed<B>>) gemm<B>::pack(b, Matrix<const float>(rows, v.rows(), v.cols()), v);
  else
    for (std::size_t i = 0; i < n; ++i) v.data()[i] = static_cast<E>(rows[i]);
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
    bool ignored = used[i] || name == "lm_head.weight";  // the copy of a tied head
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
  namespace d = weights_detail;
  std::vector<SafeTensor> tensors;
  std::vector<Region> moved;
  M::visit(w, Place{}, [&](Tensor const& t, auto& v) {
    static_assert(std::is_same_v<typename std::remove_reference_t<decltype(v)>::element, float>,
                  "fauna: only weights in f32 are written");
    SafeTensor s;
    s.name = t.name();
    s.dtype = "F32";
    s.shape = d::stored_shape(t, v.rows(), v.cols());
    s.bytes = v.size() * sizeof(float);
    const float* values = v.data();
    if (!d::in_order(t)) {
      moved.emplace_back(s.bytes);
      d::rearrange(t, v.rows(), v.cols(), v.data(), static_cast<float*>(moved.back().data()), true);
      values = static_cast<const float*>(moved.back().data());
    }
    s.data = reinterpret_cast<const std::byte*>(values);
    tensors.push_back(static_cast<SafeTensor&&>(s));
  });
  write_safetensors(path, static_cast<std::vector<SafeTensor>&&>(tensors), metadata);
}

}  // namespace fauna::inline v0
