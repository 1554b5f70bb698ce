// Models that ranks have in parts, tensors cut (blocks/tensor_parallel.hpp) or dealt out (models/pipeline.hpp), and the
// whole models that their checkpoints are of. A part knows its tensors by the whole one's names.
#pragma once
#include <string>
#include <vector>

#include <fauna/core/tensor.hpp>
#include <fauna/dist/collectives.hpp>
#include <fauna/train/checkpoint.hpp>
#include <fauna/train/trained.hpp>

namespace fauna::inline v0 {

/// T's backend with the whole model of T's part.
template <class T> using Whole = Trained<whole_model<typename T::model>, typename T::backend>;

/// f(i, j) for each element j of a rank's tensor, which is element i of the whole one; not for rows of the table that
/// no token has.
template <class F> void each_of_part(Parameter const& part, Parameter const& whole, int rank, F&& f) {
  for (int r = 0; r < part.rows; ++r)
    for (int c = 0; c < part.cols; ++c) {
      const bool split = part.split.ways > 1;
      const int row = split && !part.split.columns ? part.split.whole(r, part.rows, rank) : r,
                col = split && part.split.columns ? part.split.whole(c, part.cols, rank) : c;
      if (row < whole.rows)
        f(static_cast<std::size_t>(row) * static_cast<std::size_t>(whole.cols) + static_cast<std::size_t>(col),
          static_cast<std::size_t>(r) * static_cast<std::size_t>(part.cols) + static_cast<std::size_t>(c));
    }
}

/// Gives a rank's model its part of a whole one's values, of the moments too where both have them.
template <class Part, class W> void take_part(Part& part, W const& whole, int rank) {
  for (Parameter const& p : part.parameters()) {
    Parameter const& w = whole.parameter(p.name);
    const auto take = [&](auto to, auto from) {
      if (to.data() == nullptr || from.data() == nullptr) return;
      for (std::size_t i = 0; i < p.size(); ++i) to.data()[i] = 0;
      each_of_part(p, w, rank, [&](std::size_t i, std::size_t j) { to.data()[j] = from.data()[i]; });
    };
    take(part.value(p), whole.value(w));
    for (int which = 0; which < 2; ++which) take(part.moment(p, which), whole.moment(w, which));
  }
}

/// Gives a rank's model its part of the values that a run of the whole one begins with.
template <class T> void draw_part(T& part, int rank) {
  take_part(part, Whole<T>(seed{part.seed_value()}, part.threads()), rank);
}

namespace whole_detail {

/// The tensors of a model, in order, without its memory.
template <class M, class S> std::vector<std::string> names() {
  std::vector<std::string> all;
  typename M::template Weights<All<S>> none{};
  M::visit(none, Place{}, [&all](Tensor const& t, auto&) { all.push_back(t.name()); });
  return all;
}
/// Of a rank's part of a tensor.
struct Extent {
  int rows = 0, cols = 0;
  TensorPart split{};
};
/// For moments, in the host's memory.
template <class W> void prepare(W& whole) { whole.prepare_training({.sequences = 1, .length = 1}); }

}  // namespace whole_detail

/// Rank 0's `whole` gets all values, and moments, of the ranks' parts; the others' may be null. What several ranks have
/// alike comes from the first of them. Of a tensor that is cut in so many `ways`, rank r has part r % ways.
template <class T, Communicator C> void gather_whole(T const& part, Whole<T>* whole, C& ranks, int ways) {
  using S = typename T::scalar;
  static_assert(!memory<typename T::backend>::remote, "fauna: ranks exchange tensors in the host's memory");
  const auto names = whole_detail::names<typename Whole<T>::model, S>();
  const int n = ranks.size(), me = ranks.rank();
  std::vector<const Parameter*> own(names.size());
  constexpr char learns = 1, frozen = 2, cut = 4;  // one of the first two, and the third of a tensor that is cut
  std::vector<char> has(names.size() * static_cast<std::size_t>(n));
  const auto row = [&](int r) { return static_cast<std::size_t>(r) * names.size(); };
  for (std::size_t i = 0; i < names.size(); ++i)
    for (Parameter const& p : part.parameters())
      if (p.name == names[i]) {
        own[i] = &p;
        has[row(me) + i] = static_cast<char>((p.trainable ? learns : frozen) + (p.split.ways > 1 ? cut : 0));
      }
  all_gather(ranks, has.data(), row);
  if (whole != nullptr) {
    std::size_t i = 0;
    whole->train_only([&](Parameter const&) {
      char found = 0;
      for (int r = 0; r < n && found == 0; ++r) found = has[row(r) + i];
      ++i;
      return (found & learns) != 0;
    });
  }
  std::vector<S> room;
  for (std::size_t i = 0; i < names.size(); ++i) {
    int first = 0;
    while (has[row(first) + i] == 0) ++first;
    const bool in_parts = (has[row(first) + i] & cut) != 0;
    const auto gives = [&](int r) { return has[row(r) + i] != 0 && (in_parts || r == first); };
    const Parameter* w = whole != nullptr ? &whole->parameter(names[i]) : nullptr;
    Parameter looks;  // a rank's, on rank 0; one that is not cut looks as the whole one does
    if (own[i] != nullptr) looks = *own[i];
    else if (w != nullptr) looks = *w;
    if (in_parts && first != 0) {
      whole_detail::Extent extent{looks.rows, looks.cols, looks.split};
      Parcels parcels(n);
      if (me == first) parcels.send(0, &extent, 1);
      if (me == 0) parcels.receive(first, &extent, 1);
      parcels.exchange(ranks);
      if (me == 0) looks.rows = extent.rows, looks.cols = extent.cols, looks.split = extent.split;
    }
    for (int what = -1; what < 2; ++what) {
      const auto of = [&](auto const& model, Parameter const& p) {
        return what < 0 ? model.value(p) : model.moment(p, what);
      };
      Parcels parcels(n);
      if (gives(me) && me != 0) parcels.send(0, of(part, *own[i]).data(), own[i]->size());
      if (me == 0) {
        room.resize(looks.size() * static_cast<std::size_t>(n));
        for (int r = 1; r < n; ++r)
          if (gives(r)) parcels.receive(r, room.data() + looks.size() * static_cast<std::size_t>(r), looks.size());
      }
      parcels.exchange(ranks);
      if (me != 0) continue;
      const auto to = of(*whole, *w);
      for (int r = 0; r < n; ++r) {
        if (!gives(r)) continue;
        const S* from = r == 0 ? of(part, *own[i]).data() : room.data() + looks.size() * static_cast<std::size_t>(r);
        each_of_part(looks, *w, r % ways, [&](std::size_t k, std::size_t j) { to.data()[k] = from[j]; });
      }
    }
  }
}

/// write(path, model, head) of the whole model on rank 0, which has it for as long as that takes: the checkpoint is
/// what a run of one rank with these values would write. `ways` as in gather_whole.
template <class T, Communicator C, class Write>
void save_whole(std::string const& path, T const& part, CheckpointHead const& head, C& ranks, int ways, Write&& write) {
  if (ranks.rank() != 0) return gather_whole(part, static_cast<Whole<T>*>(nullptr), ranks, ways);
  Whole<T> whole(seed{part.seed_value()}, part.threads());
  whole_detail::prepare(whole);
  gather_whole(part, &whole, ranks, ways);
  whole.set_steps(part.steps());
  write(path, whole, head);
}

/// A rank's part of a checkpoint of the whole model, as load_checkpoint has it, which each rank loads for that.
template <class T> CheckpointHead load_part(std::string const& path, T& part, load what, int rank) {
  Whole<T> whole(seed{part.seed_value()}, part.threads());
  if (what == load::everything) whole_detail::prepare(whole);
  CheckpointHead head = load_checkpoint(path, whole, what);
  take_part(part, whole, rank);
  if (what == load::everything) {
    part.set_steps(whole.steps());
    part.train_only([&whole](Parameter const& p) { return whole.parameter(p.name).trainable; });
  }
  return head;
}

}  // namespace fauna::inline v0
