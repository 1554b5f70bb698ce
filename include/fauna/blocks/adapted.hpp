// Adapted<Base>: a linear layer beside which adapters stand, of which each sequence of a call has one, or none (Hu et
// al. 2021, "LoRA: Low-rank adaptation of large language models", section 4.1; several in one batch: Chen et al. 2023,
// "Punica: Multi-tenant LoRA serving", section 4).
//   y_r = W x_r + b + s B (A x_r)       A [rank, in], B [out, rank] and s of the adapter of row r's sequence
// W is there once, and is multiplied by all rows at once; A and B by the rows of their sequences alone, in the order
// and with the bits of Lora (lora.hpp). In inference: nothing here trains.
#pragma once
#include <map>
#include <string>
#include <vector>

#include <fauna/blocks/lora.hpp>

namespace fauna::inline v0 {

/// What one adapter adds to columns [first, first + b.rows()) of what a matrix W gives: a [rank, in], b [columns,
/// rank].
template <class B> struct LowRankPair {
  Matrix<packed<B>> a{}, b{};
  double scale = 1;
  int first = 0;
};

/// What stands beside the weights of one model: of each adapter, known by its number 0, 1, ..., its pairs by the
/// matrices that they stand beside. Memory is whose that fills it: Adapters, decode/adapters.hpp.
template <class B> class AdapterTable {
 public:
  using Pairs = std::vector<LowRankPair<B>>;

  int count() const { return static_cast<int>(of_.size()); }
  int rank() const { return rank_; }  ///< the largest
  /// What an adapter has beside a matrix; null: nothing. Throws where there is no such adapter.
  Pairs const* beside(const void* matrix, int adapter) const {
    if (adapter < 0 || adapter >= count())
      fail("adapters", "a sequence with adapter " + std::to_string(adapter),
           "one of " + std::to_string(count()) + ", or " + std::to_string(no_adapter) + " for none");
    auto const& pairs = of_[static_cast<std::size_t>(adapter)];
    const auto found = pairs.find(matrix);
    return found == pairs.end() ? nullptr : &found->second;
  }

 protected:
  /// One more, without pairs: its number.
  int add() {
    of_.emplace_back();
    return count() - 1;
  }
  /// To the last one, beside a matrix.
  void put(const void* matrix, LowRankPair<B> const& pair) {
    rank_ = pair.a.rows() > rank_ ? pair.a.rows() : rank_;
    of_.back()[matrix].push_back(pair);
  }

 private:
  std::vector<std::map<const void*, Pairs>> of_;
  int rank_ = 0;
};

/// Where a matrix lies: how adapters know it.
template <class V> const void* address_of(V const& matrix) {
  if constexpr (requires { matrix.data(); }) return matrix.data();
  else return matrix.data;
}

template <class Base> struct Adapted : Leaf<Base::in, Base::out> {
  static_assert(is_linear<Base>, "fauna: Adapted stands around a Linear: see Base");
  static constexpr const char* kind_name = "Adapted";
  static constexpr bool adds_y = true;
  template <class D> using Weights = typename Base::template Weights<D>;

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Base::visit(w, at, [&f](Tensor t, auto& v) {
      t.adaptable = t.stored == kind::matrix;
      f(t, v);
    });
  }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    Base::template plan_scratch<B>(s, a);
    if (s.adapter_rank == 0) return;
    Scope scope(a);
    a.take_view<typename B::scalar, dyn, dyn>(s.rows(), s.adapter_rank);
    plan_workspace(gemm<B>::workspace(s.rows(), s.adapter_rank, Base::in, s.threads), a);
    plan_workspace(gemm<B>::workspace(s.rows(), Base::out, s.adapter_rank, s.threads), a);
  }
  static constexpr double flops(double context) { return Base::flops(context); }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& state, In<C, Base::in> x, Out<C, Base::out> y, Sv& saved) {
    Base::forward(c, w, state, x, y, saved);
    Batch const& batch = *c.batch;
    if (c.adapters == nullptr || batch.adapters == nullptr) return;
    for (int s = 0, next = 0; s < batch.sequences; s = next) {
      for (next = s + 1; next < batch.sequences && batch.adapters[next] == batch.adapters[s];) ++next;
      const int from = batch.first(s), rows = batch.last(next - 1) - from;
      if (batch.adapters[s] == no_adapter || rows == 0) continue;
      if (auto const* pairs = c.adapters->beside(address_of(w.weight), batch.adapters[s]))
        for (auto const& pair : *pairs) add(c, pair, x.middle_rows(from, rows), y.middle_rows(from, rows));
    }
  }

 private:
  template <class C, class V, class O>
  static void add(C const& c, LowRankPair<typename C::backend_type> const& p, V x, O y) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope scope(c.scratch());
    const auto u = c.scratch().template take_view<S, dyn, dyn>(x.rows(), p.a.rows());
    const Matrix<S> to(y.data() + p.first, y.rows(), p.b.rows(), y.stride());
    Epilogue<S> onto;
    onto.base = to.data();
    onto.base_stride = to.stride();
    gemm<B>::nt(c.backend, reading(x), reading(p.a), u);
    scale<B>::run(c.backend, p.scale, u);
    gemm<B>::nt(c.backend, reading(as_const(u)), reading(p.b), to, onto);
  }
};

}  // namespace fauna::inline v0
