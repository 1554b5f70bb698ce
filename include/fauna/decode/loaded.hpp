// Loaded<M, B>: a model for inference, with weights from a checkpoint as the backend multiplies by them.
#pragma once
#include <fauna/decode/cache.hpp>
#include <fauna/decode/weights.hpp>

namespace fauna::inline v0 {

/// D says how weights are stored: packed for the backend's products, or All<float>.
template <LanguageModel M, Backend B, class D = Packed<B>> class Loaded {
  using checked = std::bool_constant<legal<typename M::fault>()>;

 public:
  using model = M;
  using backend = B;
  using scalar = typename B::scalar;

  explicit Loaded(SafeTensors const& from, int threads = B{}.threads, LoadOptions const& o = {}) : threads_(threads) {
    allocate();
    report_ = load_weights<M>(on_backend(), weights_, from, o);
  }
  /// The weights of a model that was trained here, stored for inference.
  template <class W>
  requires std::same_as<W, typename M::template Weights<All<scalar>>>
  explicit Loaded(W const& trained, int threads = B{}.threads) : threads_(threads) {
    allocate();
    std::vector<Matrix<const scalar>> from;
    M::visit(trained, Place{}, [&](Tensor const&, auto& v) { from.push_back(reading(v)); });
    std::size_t i = 0;
    M::visit(weights_, Place{}, [&](Tensor const&, auto& v) {
      const auto f = from[i++];
      if constexpr (std::is_same_v<typename std::remove_reference_t<decltype(v)>::element, packed<B>>)
        gemm<B>::pack(on_backend(), f, v);
      else
        for (int r = 0; r < v.rows(); ++r)
          for (int c = 0; c < v.cols(); ++c) v(r, c) = f(r, c);
    });
  }

  auto& weights() { return weights_; }
  int threads() const { return threads_; }
  std::size_t weight_bytes() const { return memory_.bytes(); }
  LoadReport const& report() const { return report_; }

  /// Plans and allocates for batches of this shape. Called again, only a larger shape allocates.
  void prepare_inference(Shape shape) {
    shape.threads = threads_;
    const std::size_t need = scratch_bytes<M, B>(shape);
    if (need > scratch_region_.bytes()) scratch_region_ = Region(need);
    scratch_ = scratch_region_.arena();
    shape.context = 0;
    const std::size_t states = state_bytes<M, scalar>(shape);  // of mixers whose state does not grow
    if (states > state_region_.bytes()) state_region_ = Region(states);
    Arena a = state_region_.arena();
    M::plan_state(state_, shape, a);
  }

  /// logits of every row or of the last of each sequence (see Lm::logits), without and with a cache.
  void logits(Batch const& batch, Matrix<scalar> y) { M::logits(call(batch), weights_, state_, y); }
  template <class K> void logits(K& cache, Batch batch, Matrix<scalar> y) {
    batch.past = cache.lengths();
    M::logits(call(batch), weights_, cache.state(), y);
    cache.advance(batch);
  }
  /// losses [rows] in nats; 0 for rows without a target.
  void losses(Batch const& batch, scalar* losses) { M::losses(call(batch), weights_, state_, losses); }

 private:
  void allocate() {
    std::size_t bytes = 0;
    M::visit(weights_, Place{}, [&](Tensor const&, auto& v) { bytes += aligned(bytes_of(v)); });
    memory_ = Region(bytes);
    Arena a = memory_.arena();
    M::visit(weights_, Place{}, [&](Tensor const&, auto& v) {
      using V = std::remove_reference_t<decltype(v)>;
      v = V(reinterpret_cast<typename V::element*>(a.take<std::byte>(bytes_of(v))), v.rows(), v.cols());
    });
  }
  template <class V> static std::size_t bytes_of(V const& v) {
    if constexpr (std::is_same_v<typename V::element, packed<B>>) return gemm<B>::packed_bytes(v.rows(), v.cols());
    else return v.size() * sizeof(typename V::element);
  }
  B on_backend() {
    B b{};
    b.threads = threads_;
    b.scratch = &scratch_;
    return b;
  }
  Call<B> call(Batch const& batch) {
    Call<B> c;
    c.backend = on_backend();
    c.batch = &batch;
    return c;
  }

  int threads_;
  Region memory_, scratch_region_, state_region_;
  typename M::template Weights<D> weights_{};
  typename M::template State<scalar> state_{};
  Arena scratch_;
  LoadReport report_;
};

}  // namespace fauna::inline v0
