// Weights from a reference checkpoint into a model, and back: by the descriptors that the model's blocks state, so that
// names, shapes and layouts are written down once.
#pragma once
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include <fauna/backend/memory.hpp>
#include <fauna/core/concepts.hpp>
#include <fauna/decode/stored.hpp>
#include <fauna/models/lm.hpp>
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
  static constexpr bool prepared = true;
  template <kind K> using storage = Matrix<std::conditional_t<K == kind::matrix, typename weight_of_<B>::type, float>>;
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
  /// What matrices become where they are stored in blocks (decode/in_blocks.hpp); empty: what they are in the file.
  std::string quantise{};
};

/// What was not found where, when loading was partial.
struct LoadReport {
  std::vector<std::string> missing{}, unexpected{};
};

namespace weights_detail {

/// Is it a bias of zeros, as files in groups (io/grouped.hpp) have one beside every weight?
inline bool is_empty_bias(SafeTensor const& t, const SafeTensor* weight) {
  if (weight == nullptr || !is_grouped(weight->dtype) || t.shape.size() != 1 || !has_floats(t.dtype)) return false;
  for (std::size_t i = 0; i < t.elements(); ++i) {
    double x = 1;
    read_floats(t, i, 1, &x);
    if (x != 0) return false;
  }
  return true;
}

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

/// Are two tensors of one shape the same numbers?
inline bool same_numbers(SafeTensor const& a, SafeTensor const& b) {
  if (a.dtype == b.dtype && !is_scaled(a.dtype)) return std::memcmp(a.data, b.data, a.bytes) == 0;
  constexpr std::size_t most = 4096;
  double x[most], y[most];
  for (std::size_t from = 0, n = a.elements(); from < n; from += most) {
    const std::size_t piece = n - from < most ? n - from : most;
    read_floats(a, from, piece, x);
    read_floats(b, from, piece, y);
    for (std::size_t i = 0; i < piece; ++i)
      if (!(x[i] == y[i])) return false;
  }
  return true;
}

/// A tensor from its pieces; found[i] is the tensor of a file that pieces[i] lies in. S: what numbers are read as, f64
/// where the backend computes in it.
template <class B, class V>
void fill_from(B const& b, Tensor const& t, std::vector<Piece> const& pieces,
               std::vector<const SafeTensor*> const& found, V& v) {
  using S = std::conditional_t<std::is_same_v<V, Matrix<double>>, double, float>;
  if constexpr (requires { fill_in_blocks(b, t, pieces, found, v); })  // decode/in_blocks.hpp
    if (fill_in_blocks(b, t, pieces, found, v)) return;
  const auto as = [&](auto* rows) { return Matrix<std::remove_pointer_t<decltype(rows)>>(rows, t.rows, t.cols); };
  if (pieces.size() == 1 && in_order(t, pieces[0])) {
    SafeTensor const& from = *found[0];
    const auto address = reinterpret_cast<std::uintptr_t>(from.data);
    if constexpr (std::is_same_v<V, Matrix<S>> && !memory<B>::remote) return read_floats(from, 0, t.size(), v.data());
    if (from.dtype == "BF16" && address % 2 == 0) return fill(b, v, as(reinterpret_cast<const bf16*>(from.data)));
    if (from.dtype == "F32" && address % 4 == 0) return fill(b, v, as(reinterpret_cast<const float*>(from.data)));
  }
  std::size_t most = 0;
  for (auto const& p : pieces) {
    const Span s = span_of(t, p);
    most = static_cast<std::size_t>(s.end - s.first) > most ? static_cast<std::size_t>(s.end - s.first) : most;
  }
  const Region memory(aligned(most * sizeof(S)) + aligned(t.size() * sizeof(S)));
  Arena a = memory.arena();
  S* const stored = a.take<S>(most);
  S* const rows = a.take<S>(t.size());
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const Span s = span_of(t, pieces[i]);
    read_floats(*found[i], static_cast<std::size_t>(s.first), static_cast<std::size_t>(s.end - s.first), stored);
    Piece within = pieces[i];
    within.offset -= s.first;
    rearrange(t, within, stored, rows, false);
  }
  fill(b, v, as(static_cast<const S*>(rows)));
}

/// The dialect that a file is in, or the first where it has no sign of any; null: that of the blocks.
template <class M> Dialect const* dialect_of(TensorFile const& file) {
  if constexpr (requires { M::dialects; }) {
    constexpr auto& dialects = M::dialects;  // by its name alone, nvcc 13 does not know how many there are
    for (Dialect const& d : dialects)
      for (auto const& t : file.tensors())
        if (matches(d.sign, t.name)) return &d;
    return dialects;  // what is missing then is said by name, as the family saves it
  }
  return nullptr;
}
/// Does the family say that its files may lack, or hold beside, a tensor of that name?
template <class M> bool may_lack(std::string const& name) {
  if constexpr (requires { M::may_lack; })
    for (const std::string_view pattern : M::may_lack)
      if (matches(pattern, name)) return true;
  return false;
}
template <class M> bool holds_beside(std::string const& name) {
  if constexpr (requires { M::holds_beside; })
    for (const std::string_view pattern : M::holds_beside)
      if (matches(pattern, name)) return true;
  return false;
}
/// The tensor that one of that name is a copy of; empty: it is none.
template <class M> std::string copy_of(std::string const& name) {
  if constexpr (requires { M::copies; })
    for (Copy const& c : M::copies)
      if (matches(c.pattern, name)) return std::string(c.of);
  return {};
}

}  // namespace weights_detail

/// A name without its first part, as a model without its head is saved.
inline std::string_view without_first(std::string_view name) { return name.substr(name.find('.') + 1); }

/// Do files that have both a token table and a head have two different tensors in them? Throws where these have two
/// shapes. For a config that ties the two: the reference library has them as the files do.
inline bool head_differs(TensorFile const& from, ConfigNames const& names) {
  const SafeTensor *head = from.find(names.head), *table = from.find(names.table);
  if (table == nullptr) table = from.find(without_first(names.table));
  if (head == nullptr || table == nullptr) return false;
  if (head->shape != table->shape)
    fail("load", from.path() + " has " + head->name + ' ' + head->text(), table->name + "'s " + table->text(),
         "the head is tied to it");
  return !weights_detail::same_numbers(*head, *table);
}

/// The numbers of one tensor of a model in f32, row by row, whatever they are stored as in the model and the file.
/// Throws where the file lacks it.
template <class M> std::vector<float> read_tensor(TensorFile const& from, Tensor const& t) {
  const std::vector<Piece> pieces = pieces_of(t, weights_detail::dialect_of<M>(from));
  std::vector<const SafeTensor*> found;
  for (Piece const& p : pieces) {
    const SafeTensor* s = from.find(p.name);
    if (s == nullptr) s = from.find(without_first(p.name));
    if (s == nullptr) fail("load", from.path() + " has no " + p.name, "the tensor " + t.name());
    found.push_back(s);
  }
  std::vector<float> rows(t.size());
  Matrix<float> to(rows.data(), t.rows, t.cols);
  weights_detail::fill_from(Ref<float>{}, t, pieces, found, to);
  return rows;
}

/// Fills the weights of a model, whatever they are stored as. Throws, before anything is changed, an error that lists
/// all that is missing, unexpected or of another shape. A checkpoint may lack the first part of all names, as that of a
/// model without its head does. The one tensor of a tied head may have either of its names, or both where both have the
/// same numbers.
template <ModelPart M, Backend B, class W>
LoadReport load_weights(B const& b, W& w, TensorFile const& from, LoadOptions const& o = {}) {
  namespace d = weights_detail;
  LoadReport report;
  std::vector<std::string> shapes, wanted, had;
  std::vector<bool> used(from.tensors().size(), false);
  Dialect const* const dialect = d::dialect_of<M>(from);
  ConfigNames names{};
  if constexpr (requires { M::config.names.head; }) names = M::config.names;
  bool stripped = true, tied = names.head != nullptr;
  std::size_t under_head = 0;
  M::visit(w, Place{}, [&](Tensor const& t, auto&) {
    for (auto const& p : pieces_of(t, dialect)) {
      const bool head = names.head != nullptr && p.name == names.head;
      tied = tied && !head;
      stripped = stripped && (head || from.find(p.name) == nullptr);
    }
  });
  const auto find = [&](std::string const& name) {
    const SafeTensor* s = from.find(name);
    if (s == nullptr && stripped) s = from.find(without_first(name));
    if (s == nullptr && tied && name == names.table) s = from.find(names.head);
    return s;
  };
  M::visit(w, Place{}, [&](Tensor const& t, auto&) {
    for (auto const& p : pieces_of(t, dialect)) {
      wanted.push_back(p.name);
      const SafeTensor* s = find(p.name);
      if (s == nullptr) {
        if (!d::may_lack<M>(p.name)) report.missing.push_back(p.name);
        continue;
      }
      used[static_cast<std::size_t>(s - from.tensors().data())] = true;
      under_head += tied && s->name == names.head;  // a name that many families have: alone, it says nothing
      SafeTensor model;
      model.dtype = s->dtype;
      model.shape = d::dimensions(p.shape);
      if (s->shape != model.shape) shapes.push_back(s->name + ' ' + s->text() + ", the model has " + model.text());
      else if (!has_floats(s->dtype)) shapes.push_back(s->name + ' ' + s->text() + ", not of a type that is read");
    }
  });
  std::string more;
  for (std::size_t i = 0; i < used.size(); ++i) {
    std::string const& name = from.tensors()[i].name;
    had.push_back(name);
    bool ignored = used[i];
    if (!ignored && tied && name == names.head) {
      ignored = !head_differs(from, names);  // the table's copy
      if (!ignored) more = "\n  " + name + " is not " + names.table + ", to which the model ties its head";
    }
    for (auto const& pattern : o.ignored) ignored = ignored || matches(pattern, name);
    ignored = ignored || d::holds_beside<M>(name);
    constexpr std::string_view bias = ".bias";
    if (!ignored && name.ends_with(bias))
      ignored = d::is_empty_bias(from.tensors()[i], find(name.substr(0, name.size() - bias.size()) + ".weight"));
    if (const std::string of = ignored ? "" : d::copy_of<M>(name); !of.empty()) {
      const SafeTensor* s = find(of);
      ignored = s != nullptr && s->shape == from.tensors()[i].shape && d::same_numbers(*s, from.tensors()[i]);
      if (!ignored) more += "\n  " + name + " is not " + of + ", of which it is a copy in this family";
    }
    if (!ignored) report.unexpected.push_back(name);
  }
  if (!from.stale().empty()) more += "\n  " + std::to_string(from.stale().size()) + " of the index are in no shard";
  const bool bad = !shapes.empty() || (!o.partial && (!report.missing.empty() || !report.unexpected.empty())) ||
                   report.missing.size() + under_head == wanted.size();
  if (bad)
    fail("load", from.path() + " does not fit the model" + d::list("of another shape", shapes, {}) +
                     d::list("missing", report.missing, had) + d::list("unexpected", report.unexpected, wanted) + more);
  M::visit(w, Place{}, [&](Tensor const& t, auto& v) {
    const std::vector<Piece> pieces = pieces_of(t, dialect);
    std::vector<const SafeTensor*> found;
    for (auto const& p : pieces)
      if (const SafeTensor* s = find(p.name)) found.push_back(s);
    if (found.size() == pieces.size()) d::fill_from(b, t, pieces, found, v);
  });
  return report;
}

namespace weights_detail {

/// Writes f32 tensors in the order in which the reference's files have their rows.
inline void write(std::string const& path, Gathered tensors, SafeTensors::Metadata const& metadata) {
  std::vector<float> room;
  const auto host = [](const float* values, std::size_t) { return values; };
  write_safetensors(path, static_cast<std::vector<Stored>&&>(tensors.all), metadata,
                    [&](auto const& t) { return t.template in_file_order<float>(host, room); });
}

}  // namespace weights_detail

/// Writes weights in f32 as the reference checkpoint has them: its names, layouts and shapes.
template <ModelPart M, class W>
void save_weights(std::string const& path, W& w, SafeTensors::Metadata const& metadata = {{"format", "pt"}}) {
  weights_detail::Gathered tensors;
  M::visit(w, Place{}, [&](Tensor const& t, auto& v) {
    static_assert(std::is_same_v<std::remove_cvref_t<decltype(v)>, Matrix<float>>,
                  "fauna: only weights in f32 are written");
    tensors.add(t, v);
  });
  weights_detail::write(path, static_cast<weights_detail::Gathered&&>(tensors), metadata);
}

}  // namespace fauna::inline v0
