// One descriptor a tensor: its name, shape, kind, initial values, decay, and how files have it. Blocks state it once,
// in `visit`; binding, counting, initialisation, optimizers, checkpoints and printing all read it there and nowhere
// else.
#pragma once
#include <string>
#include <vector>

#include <fauna/core/init.hpp>
#include <fauna/core/label.hpp>

namespace fauna::inline v0 {

/// What a tensor is made of decides how it may be stored: matrices may be bf16, the rest stays in full precision.
enum class kind : int { matrix, vector, control };
/// Parameters are trained. Buffers are saved with them and changed by their hook alone, after each update.
enum class role : int { parameter, buffer };
/// Weight decay acts on tensors of two file dimensions or more (nanoGPT's groups), unless a block says otherwise.
enum class decay : int { by_rank, yes, no };

/// Shape of a tensor in a file: up to four dimensions.
struct FileShape {
  int rank = 0;
  int of[4]{};
  constexpr FileShape() = default;
  template <class... N>
  constexpr FileShape(int first, N... others) : rank(1 + static_cast<int>(sizeof...(others))), of{first, others...} {
    static_assert(sizeof...(others) < 4, "fauna: a tensor has at most four dimensions in a file");
  }
};

/// How a tensor lies in the reference checkpoint, where that is not how the model has it.
struct Layout {
  bool transposed = false;  ///< [cols, rows]: GPT-2's Conv1D; vectors are not affected
  int heads = 0;            ///< rows [heads][parts][size] there are [parts][heads][size] here; 0: rows in order
  int parts = 1;            ///< matrices that it is of, one below the other: queries, keys and values
  constexpr bool operator==(Layout const&) const = default;
};

inline constexpr Layout conv1d{.transposed = true};

/// Which part of a whole tensor a rank has (tensor parallel): its rows, or columns, are `parts` stretches, and of each
/// it has one of `ways` equal cuts.
struct TensorPart {
  int ways = 1;
  bool columns = false;
  int parts = 1;
  /// Of the i-th of `own` rows or columns: which it is of the whole tensor's.
  constexpr int whole(int i, int own, int rank) const {
    const int size = own / parts;
    return (i / size * ways + rank) * size + i % size;
  }
};

/// Where in the model a visitor stands.
struct Place {
  const Path* path = nullptr;
  int layer = 0;   ///< flat index of the enclosing layer
  int layers = 0;  ///< layers of the enclosing stack
  int outer = -1;  ///< flat index of the layer of the outermost stack; -1 outside of any
  int rank = 0;    ///< of those that deal out parts of one model, whose names depend on it (expert parallel)
};

/// Some rows of a tensor as a tensor of a file has them: a strided walk through its elements. Row r of the piece is
/// taken apart into digits, the last one counting fastest, and stands with its column c at
///   offset + Σ digit · its stride + c · col_stride
struct Piece {
  std::string name{};       ///< in the file
  FileShape shape{};        ///< of the file's whole tensor
  int first = 0, rows = 0;  ///< which rows of the model's tensor
  float more = 0;           ///< what the file's numbers have more than the model's
  std::ptrdiff_t offset = 0, col_stride = 1;
  struct Digit {
    int count = 1;
    std::ptrdiff_t stride = 0;
  } digits[3]{};

  std::ptrdiff_t row(int r) const {
    std::ptrdiff_t at = offset;
    for (int d = 2; d >= 0; --d) {
      at += r % digits[d].count * digits[d].stride;
      r /= digits[d].count;
    }
    return at;
  }
};

struct Tensor {
  const char* field = "";  ///< last part of the name
  int rows = 0, cols = 0;  ///< as products read it; a vector is one row
  kind stored = kind::matrix;
  Init init{};
  FileShape file{};  ///< where it is not [rows, cols], or [cols] for a vector
  role is = role::parameter;
  Layout layout{};
  decay decays = decay::by_rank;
  float lr_scale = 1;
  Place at{};
  TensorPart split{};
  bool alone = false;      ///< one rank's, where others have others in its place (expert parallel)
  bool adaptable = false;  ///< adapters may stand beside the products of rows by it (blocks/adapted.hpp)
  /// Initial values that no Init describes.
  void (*draw_rows)(Filling const&, float* to) = nullptr;
  /// Where it lies in files of several tensors, or in parts of one; none: one tensor of its own name.
  std::vector<Piece> (*pieces)(Tensor const&) = nullptr;
  /// What inference wants instead of the values, computed once at load and in their place: rows x cols numbers, in any
  /// order. Blocks find it where `prepared<D>`.
  void (*prepare)(Tensor const&, float* values) = nullptr;
  /// Of a buffer: its new values after an update, from `gathered`, what backward added to its place among the gradients
  /// since the last one: counts over micro-batches, and over ranks.
  void (*after_update)(Tensor const&, double* values, const double* gathered) = nullptr;

  constexpr std::size_t size() const { return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols); }
  constexpr bool is_vector() const { return rows == 1 && stored != kind::matrix; }
  constexpr int rank() const { return file.rank > 0 ? file.rank : is_vector() ? 1 : 2; }
  constexpr bool decayed() const { return decays == decay::yes || (decays == decay::by_rank && rank() >= 2); }
  /// "transformer.h.0.attn.c_attn.weight"
  std::string name() const {
    const std::string p = at.path ? at.path->str() : std::string();
    return p.empty() ? std::string(field) : p + "." + field;
  }
};

}  // namespace fauna::inline v0
