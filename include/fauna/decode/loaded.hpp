// Loaded<M, B>: a model for inference, with weights from a checkpoint as the backend multiplies by them.
#pragma once
#include <fauna/decode/cache.hpp>
#include <fauna/decode/weights.hpp>
#include <fauna/ops/draw_tokens/op.hpp>

namespace fauna::inline v0 {

/// D says how weights are stored: as the backend's products want them, or All<float>.
template <ModelPart M, Backend B, class D = Packed<B>> class Loaded {
  using checked = std::bool_constant<legal<typename M::fault>()>;

 public:
  using model = M;
  using backend = B;
  using scalar = typename B::scalar;

  explicit Loaded(TensorFile const& from, int threads = B{}.threads, LoadOptions const& o = {}) : threads_(threads) {
    if constexpr (requires { D::template choose<M>(weights_, from, o); }) D::template choose<M>(weights_, from, o);
    allocate();
    report_ = load_weights<M>(on_backend(), weights_, from, o);
    prepare();
  }
  /// The weights of a model that was trained on this backend, stored for inference.
  template <class W>
  requires std::same_as<W, typename M::template Weights<All<scalar>>>
  explicit Loaded(W const& trained, int threads = B{}.threads, LoadOptions const& o = {}) : threads_(threads) {
    if constexpr (requires { D::template choose<M>(weights_, o); }) D::template choose<M>(weights_, o);
    allocate();
    std::vector<Matrix<const scalar>> from;
    M::visit(trained, Place{}, [&](Tensor const&, auto& v) { from.push_back(reading(v)); });
    std::size_t i = 0;
    M::visit(weights_, Place{}, [&](Tensor const& t, auto& v) {
      const OnHost<B, scalar> rows(from[i].data(), from[i].size());
      fill(on_backend(), v, Matrix<const scalar>(rows.data(), t.rows, t.cols));
      ++i;
    });
    prepare();
  }

  auto& weights() { return weights_; }
  int threads() const { return threads_; }
  std::size_t weight_bytes() const { return memory_.bytes(); }
  LoadReport const& report() const { return report_; }

  /// Plans and allocates for batches of this shape. Called again, only a larger shape allocates.
  void prepare_inference(Shape shape) {
    shape.threads = threads_;
    shape.backward = false;
    shape.adapter_rank = adapter_rank_;
    scratch_.grow(scratch_bytes<M, B>(shape));
  }

  /// What stands beside the weights of an adaptable model (decode/adapters.hpp), for sequences whose batch says so. It
  /// is referred to; called before memory is planned, and again where there is more of it.
  void stand_beside(AdapterTable<B> const& adapters) {
    adapters_ = &adapters;
    adapter_rank_ = adapters.rank();
  }

  /// What watches the passes from here on; null: nobody. It is referred to.
  void watch(Tap<scalar> const* tap) { tap_ = tap; }

  /// logits of every row or of the last of each sequence (see Lm::logits), without and with a cache.
  void logits(Batch const& batch, logit_rows which, Matrix<scalar> y) requires LanguageModel<M> {
    scratch_.to_host(y, [&](Matrix<scalar> z) { M::logits(call(batch), weights_, no_state_, which, z); });
  }
  template <class K> void logits(K& cache, Batch batch, logit_rows which, Matrix<scalar> y) requires LanguageModel<M> {
    batch.past = cache.lengths();
    scratch_.to_host(y, [&](Matrix<scalar> z) { M::logits(call(batch), weights_, cache.state(), which, z); });
    cache.advance(batch);
  }
  /// What plain decoding draws (ops/draw_tokens) behind the last rows of a batch, row i of them with keys[i]: ids
  /// [rows]. The logits stay in the backend's memory.
  template <class K> void draws(K& cache, Batch batch, int rows, float temperature, const Key* keys, int* ids) {
    batch.past = cache.lengths();
    const bool last = rows == 1 && batch.sequences == 1;  // of a whole prompt, perhaps
    const auto z = scratch_.template results<scalar>(last ? 1 : batch.rows, M::vocab);
    M::logits(call(batch), weights_, cache.state(), last ? logit_rows::last : logit_rows::all, z);
    draw_tokens<B>::forward(on_backend(), z.middle_rows(z.rows() - rows, rows), temperature, keys, ids);
    cache.advance(batch);
  }
  /// Of the last row of each sequence by the first rounds of the trunk's layers alone, with its last norm and the head.
  /// What other layers have of these rows in the cache is nothing: it is to be taken back, and read again.
  template <class K> void early_logits(K& cache, Batch batch, int rounds, Matrix<scalar> y) {
    batch.past = cache.lengths();
    const Rounds first{.to = rounds};
    scratch_.to_host(y, [&](Matrix<scalar> z) {
      auto c = call(batch);
      c.rounds = &first;
      M::logits(c, weights_, cache.state(), logit_rows::last, z);
    });
    cache.advance(batch);
  }
  // The parts of logits, for callers that want the rows between them; on backends whose memory is the host's.
  /// What the trunk gives for every row: h [rows, width].
  void hidden(Batch const& batch, Matrix<scalar> h) { trunk(batch, no_state_, h); }
  template <class K> void hidden(K& cache, Batch batch, Matrix<scalar> h, Tap<scalar> const* tap = nullptr) {
    batch.past = cache.lengths();
    trunk(batch, cache.state(), h, tap);
    cache.advance(batch);
  }
  /// Logits of such rows, of whichever.
  void head(Matrix<const scalar> h, Matrix<scalar> y) {
    const Batch rows = Batch::uniform(1, h.rows());
    M::head_logits(call(rows), weights_, of_width(h), y);
  }
  /// Lm::further of rows past[s], past[s] + 1, … of each sequence, beside what the trunk has there.
  template <class K>
  void further(K& cache, Batch batch, int depth, const int* past, Matrix<const scalar> h, Matrix<scalar> y) {
    batch.past = past;
    M::further(call(batch), weights_, cache.state(), depth, of_width(h), of_width(y));
  }
  /// Rows of the token table: e [rows, Lm::table_width].
  void embed(Batch const& batch, Matrix<scalar> e) { M::embed(call(batch), weights_, e); }
  /// f(call, weights), for blocks that are no language models.
  template <class F> void with(Batch const& batch, F&& f) { f(call(batch), weights_); }
  /// Their losses [rows], and `factor` times the gradient of these: of weights that are stored as All<scalar>.
  void head_gradient(Matrix<const scalar> h, const int* targets, scalar factor, scalar* losses, Matrix<scalar> dh) {
    const Batch rows = Batch::uniform(1, h.rows());
    M::head_gradient(call(rows), weights_, of_width(h), targets, factor, losses, of_width(dh));
  }
  /// losses [rows] in nats; 0 for rows without a target.
  void losses(Batch const& batch, scalar* losses) {
    scratch_.to_host(Matrix<scalar>(losses, batch.rows, 1),
                     [&](Matrix<scalar> y) { M::losses(call(batch), weights_, no_state_, y.data()); });
  }

 private:
  /// What blocks derive from their weights once.
  void prepare() {
    if constexpr (prepared<D>)
      M::visit(weights_, Place{}, [&](Tensor const& t, auto& v) {
        if (t.prepare == nullptr) return;
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(v)>, Matrix<float>>) {
          const OnHost<B, float> host(v.data(), v.size());
          std::vector<float> values(host.data(), host.data() + v.size());
          t.prepare(t, values.data());
          fill(on_backend(), v, Matrix<const float>(values.data(), t.rows, t.cols));
        }
      });
  }
  void allocate() {
    Arena a;
    const auto placed = [&] { M::visit(weights_, Place{}, [&a](Tensor const& t, auto& v) { place(v, t, a); }); };
    placed();
    grow(memory_, a.high_water());
    a = memory_.arena();
    placed();
  }
  template <class S> static View<S, dyn, M::width> of_width(Matrix<S> h) {
    return View<S, dyn, M::width>(h.data(), h.rows(), M::width, h.stride());
  }
  template <class St> void trunk(Batch const& batch, St& state, Matrix<scalar> h, Tap<scalar> const* tap = nullptr) {
    static_assert(!memory<B>::remote, "fauna: hidden rows are for backends whose memory is the host's");
    auto c = call(batch);
    if (tap != nullptr) c.tap = tap;
    Scope scope(c.scratch());
    const auto rows = M::hidden(c, weights_, state);
    std::memcpy(h.data(), rows.data(), rows.size() * sizeof(scalar));
  }
  B on_backend() { return scratch_.backend(threads_); }
  Call<B> call(Batch const& batch) {
    Call<B> c;
    c.backend = on_backend();
    c.batch = &batch;
    c.adapters = adapters_;
    c.tap = tap_;
    return c;
  }

  int threads_;
  typename memory<B>::region memory_;
  typename M::template Weights<D> weights_{};
  typename M::template State<scalar> no_state_{};  ///< without memory: what a call without a cache starts from
  Scratch<B> scratch_;
  LoadReport report_;
  AdapterTable<B> const* adapters_ = nullptr;
  int adapter_rank_ = 0;
  Tap<scalar> const* tap_ = nullptr;
};

}  // namespace fauna::inline v0
