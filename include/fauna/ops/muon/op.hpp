// Muon (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"): momentum whose singular values
// are all brought near 1 before it becomes a step. For a matrix W [rows, cols] with learning rate η of the segment,
// momentum β, decay λ, gradient G scaled by gradient_scale:
//   M ← M + (1 - β)(G - M)
//   U = G + β (M - G)
//   X = U / max(‖U‖_F, 1e-7)
//   five times  A = X Xᵀ,  X ← a X + (b A + c A²) X
//   W ← (1 - η λ) W - η · 0.2 √max(rows, cols) · X
// with (a, b, c) = (3.4445, -4.775, 2.0315). Nesterov's momentum is taken in the order of torch.optim.Muon.
// The quintic iteration is the published one, after which singular values lie in about [0.5, 1.5]. The last factor is
// that of Liu et al. 2025, "Muon is scalable for LLM training", section 2.2 (match_rms_adamw in torch): a step has the
// root mean square of AdamW's, so that AdamW's η and λ serve both. The iteration runs in the precision of the backend's
// products, as published in bf16 with bf16 products.
#pragma once
#include <cmath>

#include <fauna/core/backend.hpp>
#include <fauna/ops/adamw/segment.hpp>

namespace fauna::inline v0 {

struct MuonStep {
  double lr = 1e-3, momentum = 0.95;
  double gradient_scale = 1;    ///< multiplies every gradient: the clip coefficient
  bool clear_gradient = false;  ///< leaves zeros in the gradients, for the next step to add to
};

/// How many matrices a segment is, one below the other, each [rows, cols] and a step of its own.
struct Matrices {
  int rows = 0, cols = 0, count = 1;
  constexpr int least() const { return rows < cols ? rows : cols; }
  constexpr std::size_t size() const { return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols); }
};

struct NewtonSchulz {
  static constexpr double a = 3.4445, b = -4.7750, c = 2.0315;
  static constexpr int steps = 5;
  static constexpr double least_norm = 1e-7;
};

/// The step's constants for a segment, in double.
struct MuonFactors {
  double keep;  ///< 1 - η λ
  double size;  ///< η 0.2 √max(rows, cols)
  MuonFactors(MuonStep const& a, double decay, double lr_scale, Matrices const& of)
      : keep(1 - a.lr * lr_scale * decay),
        size(a.lr * lr_scale * 0.2 * std::sqrt(of.rows < of.cols ? of.cols : of.rows)) {}
};

/// muon<B>::step(b, segment, matrices, MuonStep): updates value and m of a segment that trains, whole matrices alone;
/// v is not used. muon<B>::workspace(matrices, threads): the bytes that it takes from b.scratch. The bits do not depend
/// on the number of threads.
template <class B> struct muon {
  static_assert(always_false<B>, "fauna: no muon for this backend: include <fauna/ops/muon/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
