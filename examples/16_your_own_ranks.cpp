// 16: your own communicator: ranks that are threads of one process.
//
//   rank, size   who this is, of how many
//   exchange     moves bytes from each to each, and returns when all are there. That is all: sums are made of it, in an
//                order that does not depend on who is there, so that a model trained on three ranks is the one trained
//                on one, to the bit
#include <barrier>
#include <cstdio>
#include <cstring>
#include <thread>

#include <fauna/dist/data_parallel.hpp>
#include <fauna/fauna.hpp>

using namespace fauna;

/// Where they meet.
struct Table {
  explicit Table(int ranks) : sent(static_cast<std::size_t>(ranks)), all(ranks) {}
  std::vector<const Outgoing*> sent;
  std::barrier<> all;
};

class Threads {
 public:
  Threads(Table& table, int rank) : table_(table), rank_(rank) {}
  int rank() const { return rank_; }
  int size() const { return static_cast<int>(table_.sent.size()); }
  /// Puts down what it sends, waits for the others, takes what is for it, and waits until they have theirs.
  void exchange(const Outgoing* to, const Incoming* from) {
    table_.sent[static_cast<std::size_t>(rank_)] = to;
    table_.all.arrive_and_wait();
    for (int r = 0; r < size(); ++r)
      if (r != rank_ && from[r].bytes > 0)
        std::memcpy(from[r].data, table_.sent[static_cast<std::size_t>(r)][rank_].data, from[r].bytes);
    table_.all.arrive_and_wait();
  }

 private:
  Table& table_;
  int rank_;
};
static_assert(Communicator<Threads>);

struct Model : Gpt<GptConfig{.layers = 2, .heads = 4, .width = 64, .context = 32, .vocab = 28, .bias = false}> {};

/// The weights after 40 updates, each of 6 pieces, on these ranks; none on ranks that do not write.
template <class C> std::vector<float> trained(C& ranks, CharText const& text) {
  Trained<Model, Cpu<>> model(seed{3}, 1);
  // ZeRO's stage 3: a rank keeps its part of weights, gradients and moments. A layer is gathered before it runs.
  zero<3, C> layout(ranks, 6);
  const TrainOptions options{.steps = 39, .batch = 6, .adamw = {.lr = 3e-3}, .eval_interval = 0, .print = nullptr};
  const auto report =
      train<Trained<Model, Cpu<>>, zero<3, C>&>(model, Split{text.train(), text.val()}, options, {}, layout);
  layout.make_whole(model);
  std::vector<float> weights;
  if (!layout.writes()) return weights;
  std::printf(
      "%d rank%s: loss %.6f, %.0f kB planned for weights, gradients and moments of each\n", ranks.size(),
      ranks.size() > 1 ? "s" : "", report.loss,
      1e-3 * static_cast<double>(model.planned().weights + model.planned().gradients + model.planned().moments));
  for (auto const& p : model.parameters())
    weights.insert(weights.end(), model.value(p).data(), model.value(p).data() + p.size());
  return weights;
}

int main() {
  std::string lines;
  for (int i = 0; i < 60; ++i) lines += "pack my box with five dozen liquor jugs\na quick wizard vexed jumbo frogs\n";
  const auto text = CharText::from_string(lines);

  Solo solo;
  const std::vector<float> alone = trained(solo, text);

  constexpr int n = 3;
  Table table(n);
  std::vector<std::vector<float>> weights(n);
  std::vector<std::thread> threads;
  for (int r = 0; r < n; ++r)
    threads.emplace_back([&, r] {
      Threads ranks(table, r);
      weights[static_cast<std::size_t>(r)] = trained(ranks, text);
    });
  for (auto& t : threads) t.join();

  std::printf("%s\n", weights[0] == alone ? "the same weights, to the bit" : "other weights");
  return weights[0] == alone ? 0 : 1;
}
