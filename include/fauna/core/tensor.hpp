// One descriptor a tensor: its name, kind, initial value, decay. Blocks state it once, in `visit`; binding, counting,
// initialisation, optimizers, checkpoints and printing all read it there and nowhere else.
#pragma once
#include <cmath>
#include <string>

#include <fauna/core/label.hpp>

namespace fauna::inline v0 {

/// What a tensor is made of decides how it may be stored: matrices may be bf16, the rest stays in full precision.
enum class kind : int { matrix, vector, control };
/// Parameters are trained; buffers are saved with them but changed only by a step hook.
enum class role : int { parameter, buffer };

/// An initial distribution. `by_depth` divides the deviation by sqrt(2 x layers), as GPT-2 does for the projections
/// that write to the residual stream (Radford et al. 2019, section 2.3).
struct Init {
  float mean = 0;
  float deviation = 0;
  bool by_depth = false;
  constexpr bool operator==(Init const&) const = default;

  float deviation_at(int layers) const {
    return by_depth && layers > 0 ? deviation / std::sqrt(2.0F * static_cast<float>(layers)) : deviation;
  }
};
inline constexpr Init zeros{}, ones{.mean = 1};
constexpr Init normal(float deviation) { return {.deviation = deviation}; }
constexpr Init residual_normal(float deviation) { return {.deviation = deviation, .by_depth = true}; }

/// How a tensor lies in the reference checkpoint, where that is not how the model has it.
struct Layout {
  bool transposed = false;  ///< [cols, rows]: GPT-2's Conv1D; vectors are not affected
  int heads = 0;            ///< rows [heads][parts][size] there are [parts][heads][size] here (GPT-NeoX's
  int parts = 1;            ///< query_key_value has 3 parts); 0: rows in order
  constexpr bool operator==(Layout const&) const = default;

  /// Which row of the checkpoint is row r of the `rows` that the model has.
  constexpr int source_row(int r, int rows) const {
    if (heads == 0) return r;
    const int size = rows / (heads * parts), part = r / (heads * size), head = r / size % heads;
    return (head * parts + part) * size + r % size;
  }
};

inline constexpr Layout conv1d{.transposed = true};

/// Where in the model a visitor stands.
struct Place {
  const Path* path = nullptr;
  int layer = 0;   ///< flat index of the enclosing layer
  int layers = 0;  ///< layers of the enclosing stack
};

struct Tensor {
  const char* field = "";  ///< last part of the name
  kind stored = kind::matrix;
  Init init{};
  int rank = 2;  ///< 1 or 2, as in the reference checkpoint
  role is = role::parameter;
  Layout layout{};
  float lr_scale = 1;
  Place at{};

  /// AdamW's weight decay acts on matrices and embeddings, not on biases and norms (nanoGPT's groups).
  constexpr bool decays() const { return rank >= 2; }
  /// "transformer.h.0.attn.c_attn.weight"
  std::string name() const {
    const std::string p = at.path ? at.path->str() : std::string();
    return p.empty() ? std::string(field) : p + "." + field;
  }
};

/// The storage map of a weights struct in which every kind is a T: values, gradients, moments.
template <class T> struct All {
  using matrix = T;
  using vector = T;
  using control = T;
};

}  // namespace fauna::inline v0
