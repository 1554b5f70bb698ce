// Training a model in a pipeline (models/pipeline.hpp): rank s has Staged<pipeline<M, N>::stage<s>, B, C>, and all draw
// the same batches. An update's batches go through the stages one after another, and their gradients back; sums are
// made in the order of the batches, whatever the schedule.
#pragma once
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <fauna/dist/collectives.hpp>
#include <fauna/dist/mesh.hpp>
#include <fauna/dist/whole.hpp>
#include <fauna/models/pipeline.hpp>
#include <fauna/train/one_rank.hpp>
#include <fauna/train/trained.hpp>

namespace fauna::inline v0 {

/// In which order a stage runs an update's passes.
///   gpipe        all forward passes, then all backward passes (Huang et al. 2019): all batches are held
///   one_by_one   1F1B (Narayanan et al. 2021, "Efficient large-scale language model training on GPU clusters", section
///                2.2): a backward pass as soon as there is one; stage s of N holds N - s batches at most
enum class pipeline_schedule : int { gpipe, one_by_one };

struct StagePass {
  enum class kind : int { none, forward, backward } is = kind::none;
  int batch = 0;
};

/// How one stage runs the batches of an update.
struct StageOrder {
  int first;  ///< forward passes before the first backward pass, less the one that may be right before it
  int batches;
  StageOrder(pipeline_schedule how, int stage, int stages, int batches_)
      : first(how == pipeline_schedule::one_by_one && stages - 1 - stage < batches_ ? stages - 1 - stage : batches_),
        batches(batches_) {}
  /// Batches between their passes at once, at most.
  int held() const { return first < batches ? first + 1 : batches; }
  int passes() const { return 2 * batches; }
  StagePass pass(int i) const {
    const int pairs = 2 * (batches - first);
    if (i < first) return {StagePass::kind::forward, i};
    if (i >= first + pairs) return {StagePass::kind::backward, i - batches};
    const int pair = (i - first) / 2;
    return (i - first) % 2 == 0 ? StagePass{StagePass::kind::forward, first + pair}
                                : StagePass{StagePass::kind::backward, pair};
  }
};

/// What each stage does at each moment: [moment][stage]. A stage waits until its rows, or their gradients, are there.
inline std::vector<std::vector<StagePass>> timetable(pipeline_schedule how, int stages, int batches) {
  struct Done {
    int passes = 0, forward = 0, backward = 0;
  };
  std::vector<Done> done(static_cast<std::size_t>(stages));
  std::vector<std::vector<StagePass>> table;
  while (done[0].backward < batches) {
    const std::vector<Done> before = done;
    auto& moment = table.emplace_back(static_cast<std::size_t>(stages));
    for (std::size_t s = 0; s < before.size(); ++s) {
      const StageOrder order(how, static_cast<int>(s), stages, batches);
      if (before[s].passes == order.passes()) continue;
      const StagePass p = order.pass(before[s].passes);
      const bool forward = p.is == StagePass::kind::forward, last = s + 1 == before.size();
      if (forward ? s > 0 && before[s - 1].forward <= p.batch : !last && before[s + 1].backward <= p.batch) continue;
      moment[s] = p;
      ++done[s].passes;
      ++(forward ? done[s].forward : done[s].backward);
    }
  }
  return table;
}

/// A rank's stage with its memory. `accumulate` only takes a batch down; `run` then runs all of them.
template <class Stage, Backend B, Communicator C> class Staged : public Trained<Stage, B> {
  static_assert(!memory<B>::remote, "fauna: ranks exchange rows in the host's memory");

 public:
  using Base = Trained<Stage, B>;
  using typename Base::scalar;

  /// Its values are drawn as if it were a model of its own: take_part gives it a whole model's. Throws unless `ranks`
  /// are as many as there are stages, and this one is the stage's.
  explicit Staged(C& ranks, seed s = {}, int threads = B{}.threads) : Base(s, threads), c_(&ranks) {
    if (ranks.size() != Stage::stages || ranks.rank() != Stage::stage)
      fail("pipeline",
           "stage " + std::to_string(Stage::stage) + " of " + std::to_string(Stage::stages) + " on rank " +
               std::to_string(ranks.rank()) + " of " + std::to_string(ranks.size()),
           "a rank for each stage");
  }

  double accumulate(Batch const& batch, double weight = 1, Key key = {}, Tap<scalar> const* tap = nullptr) {
    if (waiting_ == batches_.size()) batches_.emplace_back();
    batches_[waiting_++].take(batch, weight, key, tap);
    return 0;
  }
  /// Memory for the batches of an update that are between their passes at once.
  void hold(pipeline_schedule how, int batches) {
    Base::hold(static_cast<std::size_t>(StageOrder(how, Stage::stage, Stage::stages, batches).held()));
  }
  /// Forward and backward passes of what was accumulated, the same on all ranks. What this stage adds to the loss.
  double run(pipeline_schedule how) {
    const int batches = static_cast<int>(waiting_);
    if (batches == 0) return 0;
    hold(how, batches);
    const int held = StageOrder(how, Stage::stage, Stage::stages, batches).held();
    double loss = 0;
    std::vector<StagePass> before(static_cast<std::size_t>(Stage::stages));
    for (auto const& now : timetable(how, Stage::stages, batches)) {
      exchange(before, now, held);
      const StagePass p = now[static_cast<std::size_t>(Stage::stage)];
      if (p.is != StagePass::kind::none) {
        auto const& b = batches_[static_cast<std::size_t>(p.batch)];
        on(p.batch, held, [&](auto const& c, auto& w, auto& dw, auto& saved, auto& state) {
          if (p.is == StagePass::kind::forward) loss += b.weight * Stage::forward(c, w, dw, state, saved);
          else Stage::backward(c, w, dw, saved, dx(c.rows()), state);
        });
      }
      before = now;
    }
    exchange(before, std::vector<StagePass>(before.size()), held);
    waiting_ = 0;
    add_gradients_of_two_tables();
    return loss;
  }

  /// Evaluation: losses [rows] in nats; 0 for rows without a target. All ranks get them.
  void losses(Batch const& batch, scalar* losses) {
    this->look(batch, [&](auto const& c, auto const& w, auto& state) {
      Scope s(c.scratch());
      const auto x = c.scratch().template take_view<scalar, dyn, Stage::in>(batch.rows);
      const auto h = c.scratch().template take_view<scalar, dyn, Stage::out>(batch.rows);
      for (int turn = 0; turn < Stage::stages; ++turn) {
        Parcels parcels(c_->size());
        if (turn > 0 && turn == Stage::stage) parcels.receive(turn - 1, x.data(), x.size());
        if (turn > 0 && turn - 1 == Stage::stage) parcels.send(turn, h.data(), h.size());
        if (turn > 0) parcels.exchange(*c_);
        if (turn == Stage::stage) Stage::rows(c, w, state, x, h);
      }
      if constexpr (Stage::last) Stage::losses(c, w, as_const(h), losses);
    });
    broadcast(*c_, losses, static_cast<std::size_t>(batch.rows), Stage::stages - 1);
  }

 private:
  /// A batch that waits, with tokens and targets of its own.
  struct Waiting {
    Batch batch;
    std::vector<int> tokens, targets;
    double weight = 1;
    Key key{};
    Tap<scalar> const* tap = nullptr;
    void take(Batch const& b, double weight_, Key key_, Tap<scalar> const* tap_) {
      if (b.offsets != nullptr || b.positions != nullptr || b.past != nullptr || b.document_start != nullptr ||
          b.parent != nullptr)
        fail("pipeline", "a batch of texts of several lengths or packed documents", "sequences of one length");
      tokens.assign(b.tokens, b.tokens + b.rows);
      targets.assign(b.targets, b.targets + b.rows);
      batch = Batch::uniform(b.sequences, b.length, tokens.data(), targets.data());
      weight = weight_;
      key = key_;
      tap = tap_;
    }
  };

  /// f on the memory of a batch.
  template <class F> void on(int batch, int held, F&& f) {
    auto const& b = batches_[static_cast<std::size_t>(batch)];
    this->with(static_cast<std::size_t>(batch % held), b.batch, b.weight, b.key, b.tap, f);
  }
  View<scalar, dyn, Stage::in> dx(int rows) {
    grow(dx_, static_cast<std::size_t>(rows) * Stage::in * sizeof(scalar));
    return View<scalar, dyn, Stage::in>(static_cast<scalar*>(dx_.data()), rows);
  }
  /// Before a moment: rows go to the stages that are about to run on them, which then have room for them, and gradients
  /// of the moment before to the stages that wait for them.
  void exchange(std::vector<StagePass> const& before, std::vector<StagePass> const& now, int held) {
    constexpr int me = Stage::stage;
    using enum StagePass::kind;
    Parcels parcels(c_->size());
    const auto with_saved = [&](int batch, auto&& f) {
      on(batch, held, [&](auto const&, auto&, auto&, auto& saved, auto&) { f(saved); });
    };
    const auto at = [](std::vector<StagePass> const& moment, int stage, StagePass::kind is) {
      return stage < Stage::stages && moment[static_cast<std::size_t>(stage)].is == is
                 ? moment[static_cast<std::size_t>(stage)].batch
                 : -1;
    };
    if (const int batch = at(now, me, forward); me > 0 && batch >= 0)
      with_saved(batch, [&](auto& saved) { parcels.receive(me - 1, saved.x.data(), saved.x.size()); });
    if (const int batch = at(now, me + 1, forward); batch >= 0)
      with_saved(batch, [&](auto& saved) { parcels.send(me + 1, saved.h.data(), saved.h.size()); });
    if (const int batch = at(before, me + 1, backward); batch >= 0)
      with_saved(batch, [&](auto& saved) { parcels.receive(me + 1, saved.dh.data(), saved.dh.size()); });
    if (const int batch = at(before, me, backward); me > 0 && batch >= 0) {
      auto const d = dx(batches_[static_cast<std::size_t>(batch)].batch.rows);
      parcels.send(me - 1, d.data(), d.size());
    }
    parcels.exchange(*c_);
  }
  /// Both get the sum, with the same bits.
  void add_gradients_of_two_tables() {
    if constexpr (Stage::two_tables) {
      using Table = typename Stage::Table;
      constexpr int other = Stage::first ? Stage::stages - 1 : 0;
      const auto each = [&](auto&& f) {
        if constexpr (Stage::first || Stage::last) {
          Table::visit(this->gradients().embed, Place{}, [&](Tensor const& t, auto& g) {
            if (g.data() != nullptr) f(g.data(), t.size());
          });
        }
      };
      std::size_t n = 0;
      each([&](scalar*, std::size_t size) { n += size; });
      std::vector<scalar> theirs(n);
      Parcels parcels(c_->size());
      std::vector<scalar> own;
      own.reserve(n);
      each([&](scalar* g, std::size_t size) { own.insert(own.end(), g, g + size); });
      if constexpr (Stage::first || Stage::last) {
        parcels.send(other, own.data(), n);
        parcels.receive(other, theirs.data(), n);
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
  std::vector<Waiting> batches_;
  std::size_t waiting_ = 0;
  Region dx_;
};

/// The ranks of a run (train/one_rank.hpp) whose model is in a pipeline. `pieces`: batches that go through the stages
/// in an update; 0: its accumulation's, which gives the sums of one rank. Replicas: who adds the gradients of several
/// such models, which share the pieces; DataParallel<C> on the ranks of a mesh.
template <Communicator C, class Replicas = OneRank> class Pipeline {
 public:
  explicit Pipeline(C& ranks, pipeline_schedule how = pipeline_schedule::one_by_one, int pieces = 0)
      : c_(&ranks), all_(&ranks), how_(how), pieces_(pieces > 0 ? pieces : 1), asked_(pieces > 0) {}
  explicit Pipeline(MeshGroups<C>& mesh, pipeline_schedule how = pipeline_schedule::one_by_one, int pieces = 0)
      : c_(&mesh.pp),
        all_(&mesh.all),
        saves_(mesh.dp.rank() == 0),
        replicas_(mesh.dp),
        how_(how),
        pieces_(pieces > 0 ? pieces : mesh.dp.size()),
        asked_(pieces > 0) {
    require_only(mesh.mesh, &Mesh::pp, "pipeline");
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
    replicas_.start(model);
    model.hold(how_, shares().from(1));
  }
  template <class T, class F> double gradients(T& model, F&& pass) {
    return replicas_.gradients(model, [&](int replica) {
      for (int i = shares().from(replica); i < shares().from(replica + 1); ++i) (void)pass(i);
      double loss = 0;
      for (const double part : all_gather(*c_, model.run(how_))) loss += part;
      return loss;
    });
  }
  /// One norm: of all stages, a table that two of them have once. Replicas have the same gradients by now.
  template <class T> UpdateReport update(T& model, AdamWOptions const& o) {
    using Stage = typename T::model;
    UpdateReport r;
    double squares = 0;
    std::size_t second = 0;  // tensors that the first stage counts
    if constexpr (Stage::two_tables && Stage::last) {
      typename Stage::Table::template Weights<All<float>> table{};
      Stage::Table::visit(table, Place{}, [&second](Tensor const&, auto&) { ++second; });
    }
    for (std::size_t i = 0; i < model.parameters().size(); ++i) {
      Parameter const& p = model.parameters()[i];
      if (!p.trainable || p.is != role::parameter) continue;
      const double own = sum_of_squares(model, p);
      if (own == 0 && r.without_gradient < 0) r.without_gradient = static_cast<int>(i);
      if (i >= second) squares += own;
    }
    double total = 0;
    for (const double part : all_gather(*c_, squares)) total += part;
    if (!std::isfinite(total)) r.not_finite = 0;
    r.gradient_norm = std::sqrt(total);
    return model.update(o, r);
  }
  /// Every rank is there: f runs the model on all.
  template <class T, class F> auto once(T&, F&& f) { return f(); }
  int most(int x) { return most_of(*all_, x); }
  void require_same(std::string const& what, std::uint64_t hash) { fauna::require_same(*all_, what, hash); }

  /// One file with all tensors, written by rank 0, as a run of one rank would write it: write(path, model, head).
  template <class T, class Write>
  void save(std::string const& path, T& model, CheckpointHead const& head, Write&& write) {
    if (saves_) save_whole(path, model, head, *c_, write);
  }
  /// Its part of what a run of the whole model begins with.
  template <class T> void draw(T& model) { draw_part(model, c_->rank()); }
  /// Its part of a checkpoint of the whole model.
  template <class T> CheckpointHead load(std::string const& path, T& model, fauna::load what) {
    return load_part(path, model, what, c_->rank());
  }

 private:
  /// Who of the replicas runs which pieces.
  PieceShares shares() const { return {pieces_, replicas_.pieces()}; }

  C *c_, *all_;
  bool saves_ = true;  ///< one of the replicas does
  Replicas replicas_;
  pipeline_schedule how_;
  int pieces_;
  bool asked_;  ///< for so many pieces
};

}  // namespace fauna::inline v0
