// Weights for inference in blocks of small whole numbers: straight from a file that has them so, or quantised at load.
//   Loaded<M, Cpu<>, InBlocks<Cpu<>>>(open_tensors("model.gguf"), threads)
//   Loaded<M, Cpu<>, InBlocks<Cpu<>>>(open_tensors("directory"), threads, {.quantise = "Q8_0"})
// The experts of a mixture are matrices as all others, each in blocks of its own; what chooses among them, a router's
// matrix (core/tensor.hpp: control) or the one row of a gate, is not rounded.
// A matrix that products cannot read in blocks, for its type or because 32 does not divide its rows, is stored as
// Packed<B> has it.
#pragma once
#include <fauna/decode/weights.hpp>
#include <fauna/io/quants.hpp>
#include <fauna/io/quants/mix.hpp>
#include <fauna/ops/gemm/blocks.hpp>

namespace fauna::inline v0 {

/// The format of a file's tensor of this dtype whose codes products read; null where they read none of it.
constexpr const BlockFormat* format_of(std::string_view dtype) {
  return block_format(dtype == scaled_mxfp4 ? std::string_view("MXFP4") : dtype);
}
/// The codes of the 32 numbers from 32 block on.
inline void read_codes(SafeTensor const& t, BlockFormat const& f, std::size_t block, CodeBlock& to) {
  if (t.dtype != scaled_mxfp4) {
    const std::size_t parts = f.elements / BlockCode::elements;
    return f.codes(t.data + block / parts * f.bytes, block % parts, to);
  }
  // As in MXFP4, but for the scales, which lie apart, and the halves of a byte, which are neighbours.
  for (std::size_t j = 0; j < BlockCode::elements; ++j)
    to.q[j] = static_cast<std::uint8_t>(quants_detail::byte_at(t.data, 16 * block + j / 2) >> 4 * (j % 2) & 15U);
  to.d = scaled_detail::power(quants_detail::byte_at(t.parts[0].data, block)) / 2;  // the table has twice the values
  to.m = 0;
}

/// The format that products read as this code.
constexpr const BlockFormat* block_format(BlockCode const& code) {
  for (BlockFormat const& f : block_formats)
    if (f.code.bits != 0 && f.code == code) return &f;
  return nullptr;
}

namespace weights_detail {

/// What `type` makes of a matrix, or the nearest that its rows are whole blocks of; of one row, which is a gate, it
/// makes nothing. Throws where it is no type that is written.
inline BlockCode quantised(std::string const& type, Tensor const& t) {
  std::string known;
  bool found = false;
  for (BlockFormat const& f : block_formats) {
    if (f.write == nullptr) continue;
    known += (known.empty() ? "" : ", ") + std::string(f.name);
    found = found || f.name == type;
  }
  if (!found) fail("load", "the type " + type, "one of " + known);
  if (t.stored != kind::matrix || t.rows == 1) return {};
  BlockFormat const* const f = block_format(fitting(type, static_cast<std::size_t>(t.cols)));
  return f == nullptr ? BlockCode{} : f->code;
}

/// Where each row of a tensor begins among the numbers of its files' tensors: found[row] + elements. Empty where rows
/// do not lie there whole, or not at the beginning of a block.
struct FileRow {
  const SafeTensor* from;
  std::ptrdiff_t at;
};
inline std::vector<FileRow> whole_rows(Tensor const& t, std::vector<Piece> const& pieces,
                                       std::vector<const SafeTensor*> const& found) {
  std::vector<FileRow> rows(static_cast<std::size_t>(t.rows), FileRow{nullptr, 0});
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    Piece const& p = pieces[i];
    if (p.col_stride != 1 || t.is_vector()) return {};
    for (int r = 0; r < p.rows; ++r) {
      const std::ptrdiff_t at = p.row(r);
      if (at % BlockCode::elements != 0) return {};
      rows[static_cast<std::size_t>(p.first + r)] = {found[i], at};
    }
  }
  for (FileRow const& r : rows)
    if (r.from == nullptr) return {};
  return rows;
}

/// f(row, block, its numbers' codes) for all blocks of a matrix, row by row; rows of a panel go to one thread, which
/// has an f of its own.
template <class B, class F> void put_blocks(B const& b, Blocks<B>& to, F const& f) {
  const gemm_detail::BlockPanels p = {to.rows, to.cols, to.code};
  std::memset(to.data, 0, p.bytes());
  parallel_for(b.threads, p.panels(), 1, [&](int first, int last) {
    CodeBlock block;
    F put = f;
    for (int r = first * p.NR; r < last * p.NR && r < to.rows; ++r)
      for (int j = 0; j < p.blocks(); ++j) {
        put(r, j, block);
        p.put(to.data, r, j, block);
      }
  });
}

}  // namespace weights_detail

/// A map of storages (core/storage.hpp): matrices as Blocks<B>, all else in f32.
template <class B> struct InBlocks {
  static constexpr bool prepared = true;
  template <kind K> using storage = std::conditional_t<K == kind::matrix, Blocks<B>, Matrix<float>>;

  /// Says of each matrix how it will be stored: by o.quantise, but the head, or the table that it is tied to, in Q8_0,
  /// as whose errors go into every logit; or as a file has it.
  template <class M, class W> static void choose(W& w, TensorFile const& from, LoadOptions const& o) {
    if (!o.quantise.empty()) return choose<M>(w, o);
    Dialect const* const dialect = weights_detail::dialect_of<M>(from);
    ConfigNames names{};
    if constexpr (requires { M::config.names.head; }) names = M::config.names;
    M::visit(w, Place{}, [&](Tensor const& t, auto& v) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(v)>, Blocks<B>>) {
        const std::vector<Piece> pieces = pieces_of(t, dialect);
        std::vector<const SafeTensor*> found;
        for (Piece const& p : pieces) {
          const SafeTensor* s = from.find(p.name);
          if (s == nullptr) s = from.find(without_first(p.name));
          if (s == nullptr && names.table != nullptr && p.name == names.table) s = from.find(names.head);
          if (s != nullptr && s->dtype == (found.empty() ? s : found[0])->dtype) found.push_back(s);
        }
        if (found.size() != pieces.size() || weights_detail::whole_rows(t, pieces, found).empty()) return;
        if (BlockFormat const* f = format_of(found[0]->dtype)) v.code = f->code;
      }
    });
  }
  template <class M, class W> static void choose(W& w, LoadOptions const& o) {
    if (o.quantise.empty()) return;
    ConfigNames names{};
    if constexpr (requires { M::config.names.head; }) names = M::config.names;
    bool tied = names.table != nullptr;
    M::visit(w, Place{}, [&](Tensor const& t, auto&) { tied = tied && t.name() != names.head; });
    const char* const head = tied ? names.table : names.head;
    M::visit(w, Place{}, [&](Tensor const& t, auto& v) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(v)>, Blocks<B>>)
        v.code = weights_detail::quantised(head != nullptr && t.name() == head ? "Q8_0" : o.quantise, t);
    });
  }
};

/// Bytes that the weights of M take with matrices of this type.
template <class M, class B> std::size_t bytes_in_blocks(std::string const& type) {
  typename M::template Weights<InBlocks<B>> w{};
  LoadOptions o;
  o.quantise = type;
  InBlocks<B>::template choose<M>(w, o);
  Arena a;
  M::visit(w, Place{}, [&a](Tensor const& t, auto& v) { place(v, t, a); });
  return a.high_water();
}

/// From a file that has these blocks; false where it has not.
template <class B>
bool fill_in_blocks(B const& b, Tensor const& t, std::vector<Piece> const& pieces,
                    std::vector<const SafeTensor*> const& found, Blocks<B>& to) {
  BlockFormat const* const f = block_format(to.code);
  for (const SafeTensor* s : found)
    if (f == nullptr || format_of(s->dtype) != f) return false;
  const auto rows = weights_detail::whole_rows(t, pieces, found);
  if (rows.empty()) return false;
  bool finite = true;
  weights_detail::put_blocks(b, to, [&](int r, int j, CodeBlock& block) {
    auto const& row = rows[static_cast<std::size_t>(r)];
    read_codes(*row.from, *f, static_cast<std::size_t>(row.at) / BlockCode::elements + static_cast<std::size_t>(j),
               block);
    if (!std::isfinite(block.d) || !std::isfinite(block.m)) __atomic_store_n(&finite, false, __ATOMIC_RELAXED);
  });
  if (!finite) fail("load", found[0]->name + " has a block whose scale is infinite or no number", "finite scales");
  return true;
}

/// From rows of numbers, quantised.
template <class B, class S> void fill(B const& b, Blocks<B>& to, Matrix<const S> rows) {
  if (to.code.bits == 0) {
    Matrix<packed<B>> panels(reinterpret_cast<packed<B>*>(to.data), to.rows, to.cols);
    return fill(b, panels, rows);
  }
  BlockFormat const& f = *block_format(to.code);
  const std::size_t parts = f.elements / BlockCode::elements;
  std::byte bytes[most_block_elements]{};
  weights_detail::put_blocks(b, to, [&f, &rows, parts, bytes](int r, int j, CodeBlock& block) mutable {
    const std::size_t part = static_cast<std::size_t>(j) % parts;
    if (part == 0) {
      float x[most_block_elements];
      for (std::size_t i = 0; i < f.elements; ++i)
        x[i] = static_cast<float>(rows(r, j * BlockCode::elements + static_cast<int>(i)));
      f.write(x, bytes);
    }
    f.codes(bytes, part, block);
  });
}

}  // namespace fauna::inline v0
