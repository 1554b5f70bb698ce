// Training a model in a pipeline (models/pipeline.hpp): rank r has Staged<pipeline<M, N>::part<r>, B, C>, and all draw
// the same batches. An update's batches go through the stages one after another, and their gradients back, in the order
// of a schedule (pipeline_schedule.hpp); sums are made in the order of the batches, whatever the schedule.
#pragma once
#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <fauna/blocks/linear.hpp>
#include <fauna/dist/collectives.hpp>
#include <fauna/dist/mesh.hpp>
#include <fauna/dist/pipeline_schedule.hpp>
#include <fauna/dist/sequence_parallel.hpp>
#include <fauna/dist/tensor_parallel.hpp>
#include <fauna/dist/whole.hpp>
#include <fauna/models/pipeline.hpp>
#include <fauna/train/one_rank.hpp>
#include <fauna/train/trained.hpp>

namespace fauna::inline v0 {

/// A rank's stages with their memory; of a model in sequence parallel, for its share of the rows. `accumulate` only
/// takes a batch down; `run` then runs all of them.
template <class Part, Backend B, Communicator C> class Staged : public Trained<Part, B> {
  static_assert(!memory<B>::remote, "fauna: ranks exchange rows in the host's memory");
  static constexpr StagePlacement placement = Part::placement;
  static constexpr int stages = placement.stages();
  static constexpr int shares = row_shares<typename Part::model>();
  using Rows = RowShares<shares>;

 public:
  using Base = Trained<Part, B>;
  using typename Base::scalar, typename Base::SideValue;

  /// Its values are drawn as if it were a model of its own: take_part gives it a whole model's. Throws unless `ranks`
  /// are as many as the pipeline's, and this one is the part's.
  explicit Staged(C& ranks, seed s = {}, int threads = B{}.threads) : Base(s, threads), c_(&ranks) {
    if (ranks.size() != placement.ranks || ranks.rank() != Part::rank)
      fail("pipeline",
           "part " + std::to_string(Part::rank) + " of " + std::to_string(placement.ranks) + " on rank " +
               std::to_string(ranks.rank()) + " of " + std::to_string(ranks.size()),
           "a rank for each part");
    weigh_side_losses({});
  }

  /// For batches of this shape on all ranks together.
  void prepare_training(Shape shape) { Base::prepare_training(Rows::own(shape)); }
  void prepare_inference(Shape shape) { Base::prepare_inference(Rows::own(shape)); }
  void join(Group<scalar> const* group) {
    if (group != nullptr) group_ = *group;
    Base::join(group != nullptr ? &group_ : nullptr);
  }

  /// Trained's. Each of the rank's stages has slots of its own, as a pass begins with clearing those that it finds.
  void weigh_side_losses(std::vector<SideWeight> const& weights) {
    for (std::size_t k = 0; k < Part::rounds; ++k) {
      side_values_[k].assign(Base::most_side_losses, scalar{});
      side_[k] = SideLosses<scalar>(side_values_[k].data(), Base::most_side_losses, weights);
    }
  }
  /// Trained's, of the last batch on each of the rank's stages.
  std::vector<SideValue> side_losses() const {
    std::vector<SideValue> all;
    for (auto const& stage : side_)
      for (SideValue const& value : Base::values_of(stage)) all.push_back(value);
    return all;
  }

  double accumulate(Batch const& batch, double weight = 1, Key key = {}, Tap<scalar> const* tap = nullptr) {
    if (waiting_ == batches_.size()) batches_.emplace_back();
    batches_[waiting_++].take(batch, weight, key, tap);
    return 0;
  }
  /// Memory for the batches of an update that are between their passes at once.
  void hold(pipeline_schedule how, int batches) {
    Base::hold(static_cast<std::size_t>(most_held({how, placement, batches}, Part::rank)));
  }
  /// Forward and backward passes of what was accumulated, the same on all ranks. What this rank adds to the loss.
  double run(pipeline_schedule how) {
    return run(how, [] {});
  }
  /// before_last() is called before the last pass of a rank of one stage, if it is a whole backward pass: layers'
  /// gradients are complete as they leave it.
  template <class F> double run(pipeline_schedule how, F&& before_last) {
    const int batches = static_cast<int>(waiting_);
    if (batches == 0) return 0;
    const PipelinePlan plan{how, placement, batches};
    hold(how, batches);
    if constexpr (shares > 1)
      for (std::size_t i = 0; i < waiting_; ++i) batches_[i].cut(group_.rank);
    activations_.clear(stages, batches);
    products_.clear(stages, batches);
    double loss = 0;
    std::vector<StagePass> before(static_cast<std::size_t>(placement.ranks));
    for (auto const& now : timetable(plan)) {
      const StagePass p = now[static_cast<std::size_t>(Part::rank)];
      if (p.is == StagePass::kind::forward) activations_.take(p);
      send_gradients(before);
      send_rows(now);
      if (Part::rounds == 1 && p.is == StagePass::kind::backward && p.batch + 1 == batches) before_last();
      if (p.is != StagePass::kind::none) loss += run(p);
      before = now;
    }
    waiting_ = 0;
    add_gradients_of_two_tables();
    return loss;
  }

  /// Evaluation: losses [rows] in nats; 0 for rows without a target. All ranks get them.
  void losses(Batch const& batch, scalar* losses) {
    Waiting here;
    here.batch = here.whole = batch;
    scalar* own = losses;
    if constexpr (shares > 1) {
      here.cut(group_.rank);
      group_.whole = &here.whole;
      own += group_.rank * here.batch.rows;
    }
    typename Part::template State<scalar> none{};
    through(here.batch, none, [own](auto stage, auto const& call, auto const& w, auto h) {
      decltype(stage)::type::losses(call, w, h, own);
    });
    broadcast(*c_, own, static_cast<std::size_t>(here.batch.rows), placement.rank_of(stages - 1));
    if constexpr (shares > 1) Rows::gather(group_, losses, here.batch.rows);
  }
  /// Inference: logits as Trained has them, with a cache of this rank's stages. All ranks get them.
  template <class K> void logits(K& cache, Batch batch, logit_rows which, Matrix<scalar> y) {
    require_room<Part::vocab>(batch, which, y);
    batch.past = cache.lengths();
    through(batch, cache.state(), [&](auto stage, auto const& call, auto const& w, auto h) {
      decltype(stage)::type::logits(call, w, h, which, y);
    });
    if (which != logit_rows::none) broadcast(*c_, y.data(), y.size(), placement.rank_of(stages - 1));
    cache.advance(batch);
  }

 private:
  /// A batch that waits, with tokens and targets of its own.
  struct Waiting {
    Batch whole, batch;  ///< of all ranks that share rows, and this rank's
    std::vector<int> tokens, targets, positions;
    double weight = 1;
    Key key{};
    Tap<scalar> const* tap = nullptr;
    void take(Batch const& b, double weight_, Key key_, Tap<scalar> const* tap_) {
      if (b.offsets != nullptr || b.positions != nullptr || b.past != nullptr || b.document_start != nullptr ||
          b.parent != nullptr)
        fail("pipeline", "a batch of texts of several lengths or packed documents", "sequences of one length");
      tokens.assign(b.tokens, b.tokens + b.rows);
      targets.assign(b.targets, b.targets + b.rows);
      batch = whole = Batch::uniform(b.sequences, b.length, tokens.data(), targets.data());
      weight = weight_;
      key = key_;
      tap = tap_;
    }
    /// Leaves this rank's rows, which weigh as many as count of them.
    void cut(int rank) {
      batch = Rows::own(whole, rank, positions);
      weight *= Rows::of_targets(whole, batch);
    }
  };
  /// Places, as few as can be, for what batches on stages have from one pass to another.
  class Places {
   public:
    void clear(int stages, int batches) {
      batches_ = static_cast<std::size_t>(batches);
      of_.assign(static_cast<std::size_t>(stages) * batches_, 0);
      held_.clear();
    }
    std::size_t& of(int stage, int batch) {
      return of_[static_cast<std::size_t>(stage) * batches_ + static_cast<std::size_t>(batch)];
    }
    std::size_t take(StagePass const& p) {
      std::size_t free = 0;
      while (free < held_.size() && held_[free] != 0) ++free;
      if (free == held_.size()) held_.push_back(0);
      held_[free] = 1;
      return of(p.stage, p.batch) = free;
    }
    void leave(StagePass const& p) { held_[of(p.stage, p.batch)] = 0; }

   private:
    std::size_t batches_ = 0;
    std::vector<std::size_t> of_;
    std::vector<char> held_;
  };

  /// A batch through all stages, and last(stage's type, call, weights, rows) where they end.
  template <class St, class F> void through(Batch const& batch, St& state, F&& last) {
    this->look(batch, [&](auto const& c, auto const& w, auto&) {
      Scope s(c.scratch());
      const std::size_t room = static_cast<std::size_t>(batch.rows) * Part::widest;
      scalar *const x = c.scratch().template take<scalar>(room), *const h = c.scratch().template take<scalar>(room);
      for (int i = 0; i < stages; ++i) {
        Parcels parcels(placement.ranks);
        if (i > 0) carry(parcels, batch.rows, i - 1, h, i, x);
        parcels.exchange(*c_);
        Part::on_stage(i, [&](auto k) {
          using Stage = typename Part::template Stage<k>;
          const View<scalar, dyn, Stage::out> out(h, batch.rows);
          Part::template with_table<k>(c, w, static_cast<None*>(nullptr), [&](auto const& call) {
            Stage::rows(call, at<k>(w), at<k>(state.of), View<scalar, dyn, Stage::in>(x, batch.rows), out);
            if constexpr (Stage::last) last(std::type_identity<Stage>{}, call, at<k>(w), as_const(out));
          });
        });
      }
    });
  }
  /// f(k, call, weights, gradients, saved) of a batch on a stage, if it is of this rank: of round k.
  template <class F> void on(int stage, int batch, F&& f) {
    auto const& b = batches_[static_cast<std::size_t>(batch)];
    if constexpr (shares > 1) group_.whole = &b.whole;
    Part::on_stage(stage, [&](auto k) {
      this->with(activations_.of(stage, batch), b.batch, b.weight, b.key, b.tap,
                 [&](auto const& c, auto& w, auto& dw, auto& saved, auto&) { f(k, c, w, dw, at<k>(saved.of)); });
    });
  }
  /// A pass of this rank. What it adds to the loss.
  double run(StagePass const& p) {
    auto const& waiting = batches_[static_cast<std::size_t>(p.batch)];
    double loss = 0;
    if (p.is == StagePass::kind::weights) {
      this->look(waiting.batch, [&](auto const& c, auto const&, auto&) {
        later_[products_.of(p.stage, p.batch)].run(
            [&c](auto dw, auto dy, auto x) { add_product(c.backend, dw, dy, x); });
      });
      products_.leave(p);
      return loss;
    }
    on(p.stage, p.batch, [&](auto k, auto const& c, auto& w, auto& dw, auto& saved) {
      using Stage = typename Part::template Stage<k>;
      typename Stage::template State<scalar> none{};
      Part::template with_table<k>(c, w, &dw, [&](auto call) {
        call.side = &side_[k];
        if (p.is == StagePass::kind::forward) {
          loss = waiting.weight * Stage::forward(call, at<k>(w), at<k>(dw), none, saved);
        } else {
          if (p.is == StagePass::kind::inputs) call.later = products_for(p);
          Stage::backward(call, at<k>(w), at<k>(dw), saved, dx<Stage::in>(c.rows()), none);
        }
      });
    });
    if (p.returns()) activations_.leave(p);
    return loss;
  }
  LaterProducts<scalar>* products_for(StagePass const& p) {
    const std::size_t place = products_.take(p);
    if (place == later_.size()) later_.emplace_back();
    return &later_[place];
  }
  /// The gradients that a backward pass leaves until they are sent.
  template <int Width> View<scalar, dyn, Width> dx(int rows) {
    grow(dx_, static_cast<std::size_t>(rows) * Width * sizeof(scalar));
    return View<scalar, dyn, Width>(static_cast<scalar*>(dx_.data()), rows);
  }

  /// Rows from a stage to one beside it, which may be this rank's too.
  void carry(Parcels& parcels, int rows, int from_stage, const scalar* from, int to_stage, scalar* to) {
    const std::size_t n = static_cast<std::size_t>(rows) * Part::border;
    const int source = placement.rank_of(from_stage), target = placement.rank_of(to_stage), me = Part::rank;
    if (source == me && target == me)
      for (std::size_t i = 0; i < n; ++i) to[i] = from[i];
    else if (source == me) parcels.send(target, from, n);
    else if (target == me) parcels.receive(source, to, n);
  }
  /// Before a moment: rows go to the stages that are about to run on them, which then have room for them.
  void send_rows(std::vector<StagePass> const& now) {
    Parcels parcels(placement.ranks);
    for (StagePass const& p : now) {
      if (p.is != StagePass::kind::forward || p.stage == 0) continue;
      const scalar* from = nullptr;
      scalar* to = nullptr;
      on(p.stage - 1, p.batch, [&from](auto, auto const&, auto&, auto&, auto& saved) { from = saved.h.data(); });
      on(p.stage, p.batch, [&to](auto, auto const&, auto&, auto&, auto& saved) { to = saved.x.data(); });
      carry(parcels, rows_of(p), p.stage - 1, from, p.stage, to);
    }
    parcels.exchange(*c_);
  }
  /// And gradients of the moment before to the stages that wait for them.
  void send_gradients(std::vector<StagePass> const& before) {
    Parcels parcels(placement.ranks);
    for (StagePass const& p : before) {
      if (!p.returns() || p.stage == 0) continue;
      scalar* to = nullptr;
      on(p.stage - 1, p.batch, [&to](auto, auto const&, auto&, auto&, auto& saved) { to = saved.dh.data(); });
      carry(parcels, rows_of(p), p.stage, static_cast<const scalar*>(dx_.data()), p.stage - 1, to);
    }
    parcels.exchange(*c_);
  }
  int rows_of(StagePass const& p) const { return batches_[static_cast<std::size_t>(p.batch)].batch.rows; }

  /// Both get the sum, with the same bits.
  void add_gradients_of_two_tables() {
    if constexpr (Part::two_tables) {
      constexpr bool has_one = Part::has_first || Part::has_last;
      constexpr int other = Part::has_first ? placement.rank_of(stages - 1) : 0;
      const auto each = [&](auto&& f) {
        if constexpr (has_one)
          Part::Table::visit(at<Part::table_round>(this->gradients()).embed, Place{}, [&](Tensor const& t, auto& g) {
            if (g.data() != nullptr) f(g.data(), t.size());
          });
      };
      std::vector<scalar> own;
      each([&](scalar* g, std::size_t size) { own.insert(own.end(), g, g + size); });
      std::vector<scalar> theirs(own.size());
      Parcels parcels(c_->size());
      if (has_one) {
        parcels.send(other, own.data(), own.size());
        parcels.receive(other, theirs.data(), theirs.size());
      }
      parcels.exchange(*c_);
      std::size_t from = 0;
      each([&](scalar* g, std::size_t size) {
        add_to(g, theirs.data() + from, size);
        from += size;
      });
    }
  }

  C* c_;
  Group<scalar> group_;  ///< of those that have the other parts of its tensors
  std::vector<Waiting> batches_;
  std::size_t waiting_ = 0;
  SideLosses<scalar> side_[Part::rounds];  ///< of each round's stage
  std::vector<scalar> side_values_[Part::rounds];
  Places activations_, products_;
  std::vector<LaterProducts<scalar>> later_;
  Region dx_;
};

/// The ranks of a run (train/one_rank.hpp) whose model is in a pipeline. `pieces`: batches that go through the stages
/// in an update; 0: its accumulation's, which gives the sums of one rank. Replicas: who adds the gradients of several
/// such models, which share the pieces; DataParallel<C> on the ranks of a mesh, where a stage may be in tensor
/// parallel, or DataParallel<C, 1>: gradients are added after all batches, so replicas share no more than moments.
template <Communicator C, class Replicas = OneRank> class Pipeline {
  static_assert(zero_stage<Replicas> < 2, "fauna: replicas of a pipeline share moments alone, as in ZeRO's stage 1");

 public:
  explicit Pipeline(C& ranks, pipeline_schedule how = pipeline_schedule::one_by_one, int pieces = 0)
      : c_(&ranks), all_(&ranks), copy_(&ranks), how_(how), pieces_(pieces > 0 ? pieces : 1), asked_(pieces > 0) {}
  /// lap: do replicas exchange gradients while they compute? So they do where a rank has one stage, whose last backward
  /// pass is whole.
  explicit Pipeline(MeshGroups<C>& mesh, pipeline_schedule how = pipeline_schedule::one_by_one, int pieces = 0,
                    overlap lap = overlap::off)
      : c_(&mesh.pp),
        all_(&mesh.all),
        copy_(&mesh.copy),
        tp_(mesh.mesh.tp > 1 ? &mesh.tp : nullptr),
        saves_(mesh.dp.rank() == 0),
        replicas_(mesh.dp, 0, lap),
        how_(how),
        pieces_(pieces > 0 ? pieces : mesh.dp.size()),
        asked_(pieces > 0) {
    require_only(mesh.mesh, &Mesh::pp, "pipeline", &Mesh::tp);
  }
  bool writes() const { return all_->rank() == 0; }
  static constexpr bool evaluates() { return true; }
  int pieces() const { return pieces_; }
  /// A piece is of one batch: where there are fewer batches than replicas, of a part of one.
  void divide(int batches) {
    const int copies = replicas_.pieces();
    if (!asked_) pieces_ = batches * ((copies + batches - 1) / batches);
    if (pieces_ < copies)
      fail("train", std::to_string(pieces_) + " pieces for " + std::to_string(copies) + " copies of a pipeline",
           "at least one each");
  }
  template <class T> void start(T& model) {
    for (const int batches : {shares().fewest(), shares().most()})  // one rank's error is all ranks'
      require_schedule({how_, T::model::placement, batches});
    replicas_.start(model);
    model.hold(how_, shares().most());
  }
  template <class T, class F> double gradients(T& model, F&& pass) {
    constexpr bool by_rows = row_shares<typename T::model::model>() > 1;
    const double sum = replicas_.gradients(model, [&](int replica) {
      for (int i = shares().from(replica); i < shares().from(replica + 1); ++i) (void)pass(i);
      const double own = together(model, [&] {
        return model.run(how_, [&] {
          if constexpr (requires { replicas_.last_batch(model); }) replicas_.last_batch(model);
        });
      });
      double loss = 0;
      for (const double part : all_gather(by_rows ? *copy_ : *c_, own)) loss += part;
      return loss;
    });
    if constexpr (by_rows) add_shares(model, *tp_, replicas_);
    return sum;
  }
  /// One norm: of all stages and parts of tensors, what several ranks have alike once. Replicas have the same gradients
  /// by now.
  template <class T> UpdateReport update(T& model, AdamWOptions const& o) {
    using Part = typename T::model;
    UpdateReport r;
    double squares = 0;
    const std::vector<double> of = squares_by(replicas_, model);
    for (std::size_t i = 0; i < model.parameters().size(); ++i) {
      Parameter const& p = model.parameters()[i];
      if (!p.trainable || p.is != role::parameter) continue;
      const double own = of[i];
      if (own == 0 && r.without_gradient < 0) r.without_gradient = static_cast<int>(i);
      const bool first = tp_ == nullptr || tp_->rank() == 0 || p.split.ways > 1;
      if (first && !Part::counted_elsewhere(i)) squares += own;
    }
    double total = 0;
    for (const double part : all_gather(*copy_, squares)) total += part;
    if (!std::isfinite(total)) r.not_finite = 0;
    r.gradient_norm = std::sqrt(total);
    return update_by(replicas_, model, o, r);
  }
  /// Every rank is there: f runs the model on all.
  template <class T, class F> auto once(T& model, F&& f) { return together(model, f); }
  int most(int x) { return most_of(*all_, x); }
  void require_same(std::string const& what, std::uint64_t hash) { fauna::require_same(*all_, what, hash); }

  /// One file with all tensors, written by rank 0, as a run of one rank would write it: write(path, model, head).
  template <class T, class Write>
  void save(std::string const& path, T& model, CheckpointHead const& head, Write&& write) {
    replicas_.with_state(model, [&] {
      if (saves_) save_whole(path, model, head, *copy_, ways(), write);
    });
  }
  /// Its part of what a run of the whole model begins with.
  template <class T> void draw(T& model) { draw_part(model, part()); }
  /// Its part of a checkpoint of the whole model.
  template <class T> CheckpointHead load(std::string const& path, T& model, fauna::load what) {
    return load_part(path, model, what, part());
  }

 private:
  /// In how many ways tensors are cut, and which of their parts are here.
  int ways() const { return tp_ != nullptr ? tp_->size() : 1; }
  int part() const { return tp_ != nullptr ? tp_->rank() : 0; }
  /// f() that runs the model, with the ranks that have the other parts of its tensors.
  template <class T, class F> auto together(T& model, F&& f) {
    if (tp_ == nullptr) return f();
    const Joined joined(model, *tp_);
    return f();
  }
  /// Who of the replicas runs which pieces.
  PieceShares shares() const { return {pieces_, replicas_.pieces()}; }

  C *c_, *all_, *copy_, *tp_ = nullptr;
  bool saves_ = true;  ///< one of the replicas does
  Replicas replicas_;
  pipeline_schedule how_;
  int pieces_;
  bool asked_;  ///< for so many pieces
};

}  // namespace fauna::inline v0
