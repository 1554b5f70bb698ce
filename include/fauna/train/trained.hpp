// Trained<Model, Backend>: a model with its memory: parameters, and on demand gradients, moments and activations. A
// training step is accumulate (forward and backward of one batch) one or more times, then update.
#pragma once
#include <string>
#include <vector>

#include <fauna/backend/memory.hpp>
#include <fauna/core/concepts.hpp>
#include <fauna/core/fill.hpp>
#include <fauna/core/ledger.hpp>
#include <fauna/core/storage.hpp>
#include <fauna/ops/adamw/op.hpp>
#include <fauna/ops/add/op.hpp>
#include <fauna/ops/clip/op.hpp>
#include <fauna/ops/muon/op.hpp>

namespace fauna::inline v0 {

struct seed {
  std::uint64_t value = 1337;
};

/// A tensor of a model, with where it stands in the flat memory that holds all of them.
struct Parameter {
  std::string name;
  int rows = 0, cols = 0, rank = 2;
  std::size_t offset = 0;  ///< in elements
  bool decays = false, trainable = true;
  float lr_scale = 1;
  role is = role::parameter;
  bool in_rows = true;    ///< else it has no value here, no gradient and no moments
  std::size_t place = 0;  ///< of its gradient and moments in their memory: those that train stand first
  TensorPart split{};     ///< what of a whole tensor it is
  bool alone = false;     ///< one rank's, where others have others in its place
  int layer = -1;         ///< of the outermost stack, by its flat index; -1 outside of any
  int matrices = 0;       ///< in layers: of how many matrices it is, one below the other; 0: of none
  std::size_t size() const { return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols); }
};

/// Elements [from, to) of a model's memory.
struct ElementRange {
  std::size_t from = 0, to = 0;
  std::size_t size() const { return to - from; }
};

/// AdamW and clipping as nanoGPT runs them. decay acts on tensors of two dimensions.
struct AdamWOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.99, eps = 1e-8, decay = 0.1, clip = 1.0;
};

/// Muon (ops/muon) for the matrices inside of layers. What else it needs is AdamW's, which has the rest.
struct MuonOptions {
  double rate = 1;  ///< its learning rate, in AdamW's
  double momentum = 0.95;
};

/// What an update saw.
struct UpdateReport {
  double gradient_norm = 0;   ///< before clipping
  int without_gradient = -1;  ///< index of the first trainable parameter whose gradient is zero throughout, or -1
  int not_finite = -1;        ///< index of the first parameter whose gradient is not finite, or -1: nothing was updated
};

/// `D`: how weights are stored (core/storage.hpp). What is not rows of numbers does not train: WithNf4 of
/// ops/gemm/nf4.hpp has the layers under adapters in four bits.
template <ModelPart M, Backend B, class D = All<typename B::scalar>> class Trained {
  using checked = std::bool_constant<legal<typename M::fault>()>;  // legal() asserts; not twice

 public:
  using model = M;
  using backend = B;
  using scalar = typename B::scalar;
  using Region = typename memory<B>::region;

  /// Parameters drawn from the seed, each by its own name: a model with a tensor more starts from the same others.
  /// Results do not depend on the number of threads; by default the backend's own. `rank`: which of the parts it is, of
  /// a model that is dealt out (dist/expert_parallel.hpp).
  explicit Trained(seed s = {}, int threads = B{}.threads, int rank = 0)
      : seed_(s.value), threads_(threads), rank_(rank) {
    Arena a;
    M::visit(weights_, Place{.rank = rank_}, [&](Tensor const& t, auto& v) {
      parameters_.push_back(
          {t.name(), t.rows, t.cols, t.rank(), a.used() / sizeof(scalar), t.decayed(), true, t.lr_scale, t.is});
      Parameter& p = parameters_.back();
      p.layer = t.at.outer;
      if (p.layer >= 0 && t.stored == kind::matrix && t.rank() == 2 && t.is == role::parameter)
        p.matrices = t.layout.parts;
      p.split = t.split;
      p.alone = t.alone;
      p.trainable = p.in_rows = std::is_same_v<std::remove_cvref_t<decltype(v)>, Matrix<scalar>>;
      place(v, t, a);
    });
    elements_ = a.used() / sizeof(scalar);
    values_ = Region(a.used());
    bind(weights_, values_);
    initialise();
    weigh_side_losses({});
  }

  std::vector<Parameter> const& parameters() const { return parameters_; }
  auto& weights() { return weights_; }
  auto const& weights() const { return weights_; }
  auto& gradients() { return gradients_; }
  int threads() const { return threads_; }
  long long steps() const { return steps_; }
  void set_steps(long long n) { steps_ = n; }
  std::uint64_t seed_value() const { return seed_; }

  /// A tensor's values, gradients or moments: [rows, cols].
  Matrix<scalar> value(Parameter const& p) const {
    return p.in_rows ? in(values_, p, p.offset) : Matrix<scalar>(nullptr, p.rows, p.cols);
  }
  Matrix<scalar> gradient(Parameter const& p) const {
    return p.in_rows ? in(gradients_region_, p, p.place) : Matrix<scalar>(nullptr, p.rows, p.cols);
  }
  /// Null for a tensor that is not wholly within what keep_moments has kept.
  Matrix<scalar> moment(Parameter const& p, int which) const {
    if (!p.in_rows) return Matrix<scalar>(nullptr, p.rows, p.cols);
    scalar* at = moments_[which].bytes() > 0 ? moments(which) : nullptr;
    for (ElementRange const& s : kept_) {
      if (p.place >= s.from && p.place + p.size() <= s.to)
        return Matrix<scalar>(at ? at + (p.place - s.from) : nullptr, p.rows, p.cols);
      if (at) at += s.size();
    }
    return Matrix<scalar>(nullptr, p.rows, p.cols);
  }
  /// Of an element of the gradients' array; null where none is kept.
  const scalar* moment_at(std::size_t place, int which) const {
    std::size_t before = 0;
    for (ElementRange const& kept : kept_) {
      if (place >= kept.from && place < kept.to) return moments(which) + (before + place - kept.from);
      before += kept.size();
    }
    return nullptr;
  }
  /// By name; throws for a name that the model does not have.
  Parameter const& parameter(std::string const& name) const {
    for (auto const& p : parameters_)
      if (p.name == name) return p;
    fail("parameter", "no tensor named " + name,
         "one of " + std::to_string(parameters_.size()) + " such as " + parameters_.front().name);
  }

  /// Stops training every tensor whose name matches (* is any text). Returns how many; none is an error.
  int freeze(std::string const& pattern, bool frozen = true) {
    int n = 0;
    train_only([&](Parameter const& p) {
      const bool named = matches(pattern, p.name);
      n += named;
      return named ? !frozen : p.trainable;
    });
    if (n == 0) fail("freeze", "no tensor matches " + pattern, "a name such as " + parameters_.front().name);
    return n;
  }
  /// Trains those tensors for which trains(parameter) is true. The gradient of a frozen one is not computed; what had
  /// gathered before is forgotten.
  template <class F> void train_only(F&& trains) {
    auto b = on_backend();
    for (auto& p : parameters_) {
      const bool before = p.trainable;
      p.trainable = p.in_rows && trains(static_cast<Parameter const&>(p));
      if (before && p.in_rows && !p.trainable && gradients_region_.bytes() > 0) add<B>::clear(b, gradient(p));
    }
    bind_gradients();
  }

  /// Multiplies the learning rate of every tensor whose name matches. Throws where none does.
  void scale_rate(std::string const& pattern, float factor) {
    int n = 0;
    for (auto& p : parameters_)
      if (matches(pattern, p.name)) {
        p.lr_scale *= factor;
        ++n;
      }
    if (n == 0) fail("train", "no tensor matches " + pattern, "a name such as " + parameters_.front().name);
    bind_gradients();
  }
  /// From now on updates are Muon's for all matrices inside of layers, and AdamW's for the rest: embeddings, heads,
  /// vectors. The momentum is kept as moment 0; moment 1 of these stays zero, and is not touched.
  void use_muon(MuonOptions const& o) {
    if (!(o.rate >= 0 && o.momentum >= 0 && o.momentum < 1))
      fail("muon", "a rate of " + std::to_string(o.rate) + " and a momentum of " + std::to_string(o.momentum),
           "a rate of 0 or more, a momentum in [0, 1)");
    std::size_t room = 0;
    for (Parameter const& p : parameters_) {
      if (p.matrices == 0) continue;
      if (p.split.ways > 1)
        fail("muon", p.name + ", a part of a matrix in tensor parallel", "whole matrices", "AdamW takes parts");
      const std::size_t bytes = muon<B>::workspace(matrices_of(p), threads_);
      room = bytes > room ? bytes : room;
    }
    muon_ = o;
    muon_room_ = room;
    if (room > planned_.scratch) planned_.scratch = room;
    step_matrix_ = [](Trained& t, std::size_t i, Segment<scalar> const& s, AdamWOptions const& all, double scale) {
      muon<B>::step(
          t.on_backend(), s, matrices_of(t.parameters_[i]),
          {.lr = all.lr * t.muon_.rate, .momentum = t.muon_.momentum, .gradient_scale = scale, .clear_gradient = true});
    };
    scratch_.grow(room);
  }
  bool uses_muon() const { return step_matrix_ != nullptr; }
  /// Does Muon update the i-th tensor?
  bool by_muon(std::size_t i) const { return uses_muon() && parameters_[i].matrices > 0 && parameters_[i].trainable; }
  /// Muon's part of an update, of the i-th tensor, for a rank that has it in parts: all of its elements, wherever they
  /// are.
  void step_matrix(std::size_t i, scalar* value, scalar* gradient, scalar* momentum, AdamWOptions const& o,
                   UpdateReport const& seen) {
    Segment<scalar> s = segments_[i];
    s.value = value;
    s.gradient = gradient;
    s.m = momentum;
    s.size = parameters_[i].size();
    s.decay = decay_of(i, o);
    step_matrix_(*this, i, s, o, clip_coefficient(o.clip, seen.gradient_norm));
  }

  /// A side loss of the last batch, or a number that is only shown.
  struct SideValue {
    std::string const& name;
    double weight, value;
    bool counts;
  };
  /// Sets what side losses count in the loss, those of a matching name each; others as their blocks propose.
  void weigh_side_losses(std::vector<SideWeight> weights) {
    grow(side_region_, most_side_losses * sizeof(scalar));
    side_ = SideLosses<scalar>(static_cast<scalar*>(side_region_.data()), most_side_losses,
                               static_cast<std::vector<SideWeight>&&>(weights));
  }
  /// The side losses of the last accumulate, unweighted, and what else blocks show (Call::shown).
  std::vector<SideValue> side_losses() const { return values_of(side_); }

  /// Plans and allocates for training batches of this shape, and for their evaluation. Called again, only a larger
  /// shape allocates.
  void prepare_training(Shape shape) {
    shape.threads = threads_;
    if (gradients_region_.bytes() == 0) {
      // What is frozen by now stands behind, where its pages are never written.
      Arena a;
      for (const bool trains : {true, false}) {
        for (auto& p : parameters_)
          if (p.trainable == trains) {
            p.place = a.used() / sizeof(scalar);
            if (p.in_rows) a.take<scalar>(p.size());
          }
        if (trains) trained_bytes_ = a.used();
      }
      learnt_ = a.used() / sizeof(scalar);
      gradients_region_ = Region(learnt_ * sizeof(scalar));
      for (auto& m : moments_) m = Region(learnt_ * sizeof(scalar));
      kept_ = {{0, learnt_}};
      bind_gradients();
    }
    for (auto& kept : saved_) {
      grow(kept.region, saved_bytes<M, scalar>(shape));
      plan_saved(kept, shape);
    }
    const std::size_t step = training_scratch_bytes<M, B>(shape),
                      norm = clip<B>::workspace(segments_.data(), static_cast<int>(segments_.size()));
    scratch_.grow(step > norm ? step : norm);
    scratch_.grow(muon_room_);
    MemoryPlan p = plan<M, B>(shape);
    if (muon_room_ > p.scratch) p.scratch = muon_room_;
    p.saved *= saved_.size();
    p.gradients = trained_bytes_;
    p.moments = 2 * trained_bytes_;
    p.weights = weights_bytes<M, D>();
    if (parts_.weights > 0) {
      p.weights = parts_.weights;
      p.gradients = parts_.gradients;
      p.moments = parts_.moments;
    }
    if (p.total() > planned_.total()) planned_ = p;
  }
  /// From now on as many batches may be between their forward and their backward pass at once. After prepare_training.
  void hold(std::size_t batches) {
    const std::size_t before = saved_.size();
    if (batches <= before) return;
    saved_.resize(batches);
    for (std::size_t i = before; i < batches; ++i) {
      saved_[i].region = Region(saved_[0].region.bytes());
      plan_saved(saved_[i], saved_[0].of);
    }
    planned_.saved = planned_.saved / before * batches;
  }
  /// Plans and allocates for inference on batches of this shape. What is prepared for training stays as it is.
  void prepare_inference(Shape shape) {
    shape.threads = threads_;
    shape.backward = false;
    scratch_.grow(scratch_bytes<M, B>(shape));
  }
  MemoryPlan const& planned() const { return planned_; }
  /// For a rank that keeps parts of a model only: plans for these weights, gradients and moments instead of all.
  void plan_parts(MemoryPlan const& parts) {
    parts_ = parts;
    planned_.weights = parts.weights;
    planned_.gradients = parts.gradients;
    planned_.moments = parts.moments;
  }

  /// Forward and backward of one batch: the mean loss; gradients times `weight` are added. `key` draws the dropout.
  double accumulate(Batch const& batch, double weight = 1, Key key = {}, Tap<scalar> const* tap = nullptr) {
    return pass(batch, no_state_, no_state_, weight, key, tap);
  }
  /// The same for the next piece of a text: sequences go on from `state` and leave theirs there. `gradient` holds the
  /// loss's gradient of the leaving state (zeros where the text ends or is cut) and gets that of the entering one. For
  /// models whose state has one size; attention would need the keys of all pieces.
  template <class K>
  double accumulate(K& state, K& gradient, Batch batch, double weight = 1, Key key = {},
                    Tap<scalar> const* tap = nullptr) {
    static_assert(ConstantState<M>, "fauna: only a recurrent state can be carried on in training");
    batch.past = state.lengths();
    const double loss = pass(batch, state.state(), gradient.state(), weight, key, tap);
    state.advance(batch);
    return loss;
  }

  /// The same by a forward and a backward pass of one's own, of blocks that are no language models: f(call, weights,
  /// gradients, saved, state without memory).
  template <class F> void with(Batch const& batch, F&& f) {
    with(0, batch, 1, {}, nullptr, [&f](auto& call, auto&... rest) {
      call.side = nullptr;
      f(call, rest...);
    });
  }
  /// The same for one of the batches that `hold` allows, by its place among them; weight, key and tap as in accumulate.
  /// What f returns.
  template <class F>
  auto with(std::size_t held, Batch const& batch, double weight, Key key, Tap<scalar> const* tap, F&& f) {
    Kept& kept = saved_[held];
    prepare_pass(kept, batch);
    auto c = call(batch, mode::train, key, tap);
    c.loss_scale = weight;
    c.side = &side_;
    return f(c, weights_, gradients_, kept.saved, no_state_);
  }
  /// An evaluation by a pass of one's own: f(call, weights, state without memory).
  template <class F> void look(Batch const& batch, F&& f) {
    f(call(batch, mode::eval, {}, nullptr), weights_, no_state_);
  }

  /// Between accumulate and update, for training on several ranks: f(elements, n) is given all gradients, and what
  /// buffers have gathered, as one array in the backend's memory.
  template <class F> void reduce(F&& f) { f(static_cast<scalar*>(gradients_region_.data()), learnt_); }
  /// The same of all values, each tensor's at its offset, after an update of a part of them.
  template <class F> void share(F&& f) { f(static_cast<scalar*>(values_.data()), elements_); }
  /// Keeps moments of these elements of the gradients' array alone, one part after another, and from now on updates
  /// only those, buffers aside. The parts ascend; no tensor has elements in two. Moments that were kept and still are
  /// stay as they are, new ones are zero. After prepare_training.
  void keep_moments(std::vector<ElementRange> kept) {
    static_assert(!memory<B>::remote, "fauna: parts of moments are kept in the host's memory");
    std::size_t size = 0;
    for (ElementRange const& s : kept) size += s.size();
    for (auto& m : moments_) {
      Region part(size * sizeof(scalar));
      auto* to = static_cast<scalar*>(part.data());
      for (ElementRange const& s : kept) {
        auto const* from = static_cast<const scalar*>(m.data());
        for (ElementRange const& was : kept_) {
          const std::size_t first = s.from > was.from ? s.from : was.from, last = s.to < was.to ? s.to : was.to;
          if (first < last) memory<B>::write(to + (first - s.from), from + (first - was.from), last - first);
          from += was.size();
        }
        to += s.size();
      }
      m = static_cast<Region&&>(part);
    }
    kept_ = static_cast<std::vector<ElementRange>&&>(kept);
    bind_gradients();
  }
  /// For a rank that keeps parts of values and gradients only: memory is from now on given back in small pages.
  void in_small_pages() {
    values_.in_small_pages();
    gradients_region_.in_small_pages();
  }
  /// The values of these elements of `share` are lost, and their memory is given back.
  void discard_values(ElementRange s) { values_.discard(s.from * sizeof(scalar), s.to * sizeof(scalar)); }
  /// These elements of `reduce` become zero, and their memory is given back.
  void clear_gradients(ElementRange s) { gradients_region_.clear(s.from * sizeof(scalar), s.to * sizeof(scalar)); }
  /// Who hears of the layers in every pass from now on; null: nobody.
  void announce(Rounds const* to) { rounds_ = to; }
  Rounds const* announced() const { return rounds_; }
  /// The ranks that run the model together, for all calls from now on.
  void join(Group<scalar> const* group) { group_ = group; }
  /// The moments that are kept, from the first one on.
  scalar* moments(int which) const { return static_cast<scalar*>(moments_[which].data()); }
  /// The global norm of the gradients that update acts on, and what is wrong with them.
  UpdateReport norm() {
    UpdateReport r;
    const int n = static_cast<int>(segments_.size());
    r.gradient_norm = clip<B>::global_norm(on_backend(), segments_.data(), n, states_.data());
    for (int i = 0; i < n; ++i) {
      if (states_[static_cast<std::size_t>(i)] == gradient_state::zero && r.without_gradient < 0)
        r.without_gradient = i;
      if (states_[static_cast<std::size_t>(i)] == gradient_state::not_finite && r.not_finite < 0) r.not_finite = i;
    }
    return r;
  }
  /// Clips the gradients to a global norm, takes one step of AdamW (and Muon), clears them, and then lets buffers
  /// change.
  UpdateReport update(AdamWOptions const& o) { return update(o, norm()); }
  /// The same with a norm that is known. `all`: else what Muon updates has been by step_matrix.
  UpdateReport update(AdamWOptions const& o, UpdateReport const& seen, bool all = true) {
    if (seen.not_finite >= 0) return seen;
    for (std::size_t i = 0; i < segments_.size(); ++i) segments_[i].decay = decay_of(i, o);
    ++steps_;
    const double scale = clip_coefficient(o.clip, seen.gradient_norm);
    for (std::size_t i = 0; i < segments_.size() && all; ++i)
      if (by_muon(i)) step_matrix_(*this, i, segments_[i], o, scale);
    const auto muons_train = [this](bool trains) {
      for (std::size_t i = 0; i < segments_.size(); ++i)
        if (by_muon(i)) segments_[i].trainable = trains;
    };
    muons_train(false);
    adamw<B>::step(on_backend(), segments_.data(), static_cast<int>(segments_.size()),
                   {.lr = o.lr,
                    .beta1 = o.beta1,
                    .beta2 = o.beta2,
                    .eps = o.eps,
                    .step = steps_,
                    .gradient_scale = scale,
                    .clear_gradient = true});
    muons_train(true);
    update_buffers();
    return seen;
  }
  /// The parameters as optimizers see them, for a loop of one's own.
  std::vector<Segment<scalar>>& segments() { return segments_; }
  void clear_gradients() {
    auto b = on_backend();
    for (auto const& p : parameters_)
      if (p.in_rows) add<B>::clear(b, gradient(p));
  }

  /// Evaluation: losses [rows] in nats; 0 for rows without a target.
  void losses(Batch const& batch, scalar* losses) {
    scratch_.to_host(Matrix<scalar>(losses, batch.rows, 1), [&](Matrix<scalar> y) {
      M::losses(call(batch, mode::eval, {}, nullptr), weights_, no_state_, y.data());
    });
  }
  /// y: logits [rows, vocab] of every row, or [sequences, vocab] of the last row of each sequence.
  void logits(Batch const& batch, logit_rows which, Matrix<scalar> y, Tap<scalar> const* tap = nullptr) {
    scratch_.to_host(
        y, [&](Matrix<scalar> z) { M::logits(call(batch, mode::eval, {}, tap), weights_, no_state_, which, z); });
  }
  /// The same with a cache, which the rows are added to. prepare_inference must know its context.
  template <class K>
  void logits(K& cache, Batch batch, logit_rows which, Matrix<scalar> y, Tap<scalar> const* tap = nullptr) {
    batch.past = cache.lengths();
    scratch_.to_host(
        y, [&](Matrix<scalar> z) { M::logits(call(batch, mode::eval, {}, tap), weights_, cache.state(), which, z); });
    cache.advance(batch);
  }

 protected:
  static constexpr int most_side_losses = 1024;
  static std::vector<SideValue> values_of(SideLosses<scalar> const& side) {
    std::vector<SideValue> all;
    const OnHost<B, scalar> values(side.values(), side.slots().size());
    for (std::size_t i = 0; i < side.slots().size(); ++i)
      all.push_back({side.slots()[i].name, side.slots()[i].weight, static_cast<double>(values.data()[i]),
                     side.slots()[i].counts});
    return all;
  }

 private:
  using scalar_decay = decltype(Segment<scalar>::decay);

  /// What a batch leaves for its backward pass.
  struct Kept {
    Region region;
    typename M::template Saved<scalar> saved;
    Shape of{};
  };
  /// What is saved has the rows of this batch.
  void prepare_pass(Kept& kept, Batch const& batch) {
    if (gradients_region_.bytes() == 0) fail("train", "no memory for gradients", "prepare_training first");
    Shape shape{.sequences = batch.sequences, .length = 0, .threads = threads_, .total = batch.rows};
    for (int q = 0; q < batch.sequences; ++q) {
      const int rows = batch.last(q) - batch.first(q);
      if (rows > shape.length) shape.length = rows;
    }
    if (shape.sequences != kept.of.sequences || shape.rows() != kept.of.rows() || shape.length != kept.of.length)
      plan_saved(kept, shape);
  }
  template <class St>
  double pass(Batch const& batch, St& state, St& gradient, double weight, Key key, Tap<scalar> const* tap) {
    return with(0, batch, weight, key, tap, [&](auto const& c, auto& weights, auto& gradients, auto& saved, auto&) {
      const auto loss = M::forward(c, weights, gradients, state, saved);
      M::backward(c, weights, gradients, saved, gradient);
      return static_cast<double>(loss);
    });
  }
  static Matrices matrices_of(Parameter const& p) { return {p.rows / p.matrices, p.cols, p.matrices}; }
  scalar_decay decay_of(std::size_t i, AdamWOptions const& o) const {
    return parameters_[i].decays ? static_cast<scalar_decay>(o.decay) : 0;
  }
  B on_backend() { return scratch_.backend(threads_); }
  Call<B> call(Batch const& batch, mode m, Key key, Tap<scalar> const* tap) {
    Call<B> c;
    c.backend = on_backend();
    c.batch = &batch;
    c.mode = m;
    c.key = key;
    c.tap = tap;
    c.rounds = rounds_;
    c.asked = rounds_ != nullptr && rounds_->between != nullptr ? rounds_ : nullptr;
    c.group = group_;
    return c;
  }
  /// What is saved has the rows of the batch that saves it. Throws where that is more than was prepared for.
  void plan_saved(Kept& kept, Shape const& shape) {
    Arena a = kept.region.arena();
    M::plan(kept.saved, shape, a);
    kept.of = shape;
  }
  template <class W> void bind(W& w, Region const& r) {
    Arena a = r.arena();
    M::visit(w, Place{}, [&a](Tensor const& t, auto& v) { place(v, t, a); });
  }
  /// Gradients of what is frozen are null: nothing is computed for them.
  void bind_gradients() {
    if (gradients_region_.bytes() == 0) return;
    std::size_t i = 0;
    M::visit(gradients_, Place{}, [&](Tensor const&, auto& v) {
      Parameter const& p = parameters_[i++];
      v = p.trainable ? gradient(p) : Matrix<scalar>();
    });
    segments_.clear();
    states_.assign(parameters_.size(), gradient_state::zero);
    for (auto const& p : parameters_) {
      Segment<scalar>& s = segments_.emplace_back();
      s.lr_scale = p.lr_scale;
      s.trainable = p.trainable && p.is == role::parameter;
      if (!p.in_rows) continue;
      std::size_t before = 0;
      for (ElementRange const& kept : kept_) {  // none of them: another rank's
        const std::size_t end = p.place + p.size(), from = p.place > kept.from ? p.place : kept.from,
                          to = end < kept.to ? end : kept.to;
        if (from < to) {
          s.value = value(p).data() + (from - p.place);
          s.gradient = gradient(p).data() + (from - p.place);
          s.m = moments(0) + (before + from - kept.from);
          s.v = moments(1) + (before + from - kept.from);
          s.size = to - from;
        }
        before += kept.size();
      }
    }
  }
  void update_buffers() {
    std::vector<double> values, gathered;
    std::size_t i = 0;
    M::visit(weights_, Place{}, [&](Tensor const& t, auto& v) {
      Parameter const& p = parameters_[i++];
      if (p.is != role::buffer || !p.trainable) return;
      if (t.after_update != nullptr) {
        const auto read = [&p](std::vector<double>& to, Matrix<scalar> from) {
          const OnHost<B, scalar> host(from.data(), p.size());
          to.assign(host.data(), host.data() + p.size());
        };
        read(values, value(p));
        read(gathered, gradient(p));
        t.after_update(t, values.data(), gathered.data());
        fill(B{}, v, Matrix<const double>(values.data(), t.rows, t.cols));
      }
      add<B>::clear(on_backend(), gradient(p));
    });
  }
  Matrix<scalar> in(Region const& r, Parameter const& p, std::size_t at) const {
    return Matrix<scalar>(r.bytes() ? static_cast<scalar*>(r.data()) + at : nullptr, p.rows, p.cols);
  }
  void initialise() {
    std::vector<float> drawn;
    M::visit(weights_, Place{.rank = rank_}, [&](Tensor const& t, auto& v) {
      drawn.resize(t.size());
      fill(t, seed_, 0, t.rows, drawn.data());
      fill(B{}, v, Matrix<const float>(drawn.data(), t.rows, t.cols));
    });
  }

  std::uint64_t seed_;
  int threads_, rank_;
  long long steps_ = 0;
  std::vector<Parameter> parameters_;
  std::size_t elements_ = 0, learnt_ = 0, trained_bytes_ = 0;
  std::vector<ElementRange> kept_;  ///< what moments are kept of
  Region values_, gradients_region_, moments_[2], side_region_;
  typename M::template Weights<D> weights_;
  typename M::template Weights<All<scalar>> gradients_;
  std::vector<Kept> saved_ = std::vector<Kept>(1);  ///< one for each batch that `hold` allows
  typename M::template State<scalar> no_state_;     ///< without memory: sequences start from zeros and leave nothing
  SideLosses<scalar> side_;
  Scratch<B> scratch_;
  std::vector<Segment<scalar>> segments_;
  std::vector<gradient_state> states_;
  MuonOptions muon_{};
  std::size_t muon_room_ = 0;
  /// Muon's, where it is used.
  void (*step_matrix_)(Trained&, std::size_t, Segment<scalar> const&, AdamWOptions const&, double scale) = nullptr;
  MemoryPlan planned_, parts_;
  Rounds const* rounds_ = nullptr;
  Group<scalar> const* group_ = nullptr;
};

}  // namespace fauna::inline v0
