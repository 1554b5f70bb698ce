// Tables that are looked up: token embeddings and learned positions (Radford et al. 2018).
//   y_r = table[id_r]      dtable[id_r] += dy_r, in ascending rows
#pragma once
#include <fauna/core/block.hpp>
#include <fauna/ops/add/op.hpp>
#include <fauna/ops/embedding/op.hpp>

namespace fauna::inline v0 {

/// Token ids to rows.
template <int Vocab, int Width> struct Embedding : Leaf<1, Width> {
  static constexpr const char* kind_name = "Embedding";
  static constexpr int vocab = Vocab;
  template <class C> using X = View<const int, dyn, 1>;
  template <class C> using DX = None;
  template <class D> struct Weights { typename D::template storage<kind::matrix> weight; };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    f(Tensor{.field = "weight", .rows = Vocab, .cols = Width, .init = normal(0.02F), .at = at}, w.weight);
  }
  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St&, X<C> x, Out<C, Width> y, Sv&) {
    embedding<typename C::backend_type>::forward(c.backend, x.data(), reading(w.weight), {}, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G& dw, X<C> x, Sv&, In<C, Width> dy, None, St&) {
    if (const auto g = gradient<typename C::scalar>(dw.weight))
      embedding<typename C::backend_type>::backward(c.backend, x.data(), dy, g);
  }
};

/// Adds the embedding of each row's position, which is Offset rows further on in the table. Positions past the table
/// are an error.
template <int Context, int Width, int Offset = 0> struct LearnedPosition : SameWidth<Width> {
  static constexpr const char* kind_name = "LearnedPosition";
  static constexpr bool in_place = true;
  template <class D> struct Weights { typename D::template storage<kind::matrix> weight; };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    f(Tensor{.field = "weight", .rows = Context + Offset, .cols = Width, .init = normal(0.02F), .at = at}, w.weight);
  }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    plan_workspace(static_cast<std::size_t>(s.rows()) * sizeof(int), a);
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St&, In<C, Width> x, Out<C, Width> y, Sv&) {
    Scope s(c.host_scratch());
    embedding<typename C::backend_type>::forward(c.backend, positions(c), reading(w.weight), x, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G& dw, In<C, Width>, Sv&, In<C, Width> dy, Out<C, Width> dx, St&) {
    Scope s(c.host_scratch());
    if (const auto g = gradient<typename C::scalar>(dw.weight))
      embedding<typename C::backend_type>::backward(c.backend, positions(c), dy, g);
    if (dx.data() != dy.data()) add<typename C::backend_type>::run(c.backend, dy, {}, dx);
  }

 private:
  template <class C> static const int* positions(C const& c) {
    Batch const& b = *c.batch;
    int* p = c.host_scratch().template take<int>(static_cast<std::size_t>(b.rows));
    for (int s = 0; s < b.sequences; ++s)
      for (int r = b.first(s); r < b.last(s); ++r) {
        p[r] = b.position(s, r);
        if (p[r] < 0 || p[r] >= Context)
          fail(c.path.str(), "position " + std::to_string(p[r]), "0 to " + std::to_string(Context - 1),
               "the text is longer than the model's context");
        p[r] += Offset;
      }
    return p;
  }
};

}  // namespace fauna::inline v0
