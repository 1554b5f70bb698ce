// What a training run is told, and what it tells afterwards.
#pragma once
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fauna/train/layer_skip.hpp>
#include <fauna/train/schedule.hpp>
#include <fauna/train/trained.hpp>

namespace fauna::inline v0 {

/// The defaults are nanoGPT's Shakespeare configuration for a CPU, as in its README.
struct TrainOptions {
  long steps = 2000;     ///< nanoGPT's max_iters. Updates 0 to `steps` are made: one more than this number
  int batch = 12;        ///< sequences of a batch
  int context = 0;       ///< tokens of a sequence; 0: the model's context, where it has one
  int accumulation = 1;  ///< batches whose gradients make one update
  AdamWOptions adamw{};
  std::optional<MuonOptions> muon{};  ///< for the matrices of layers, beside adamw for the rest; none: adamw for all
  LayerSkipOptions layer_skip{};
  std::vector<SideWeight> side_weights{};  ///< of side losses by name, in place of those that their blocks propose
  /// The learning rate of each update; its own lr counts, not adamw's. None: a cosine from adamw.lr to a tenth of it at
  /// `steps`, after a warm-up of 100 updates, or a twentieth of all where that is fewer.
  std::optional<Schedule> schedule{};
  long eval_interval = 250;  ///< evaluate before the updates that this number divides, 0 included; 0: never
  int eval_batches = 20;     ///< random batches of each part that make an estimate; 0: each part as a whole
  bool eval_only = false;    ///< evaluate once and stop
  /// Ends the run after so many evaluations in a row without a new lowest validation loss; 0: never.
  long patience = 0;
  long log_interval = 10;     ///< a line and a point of the curve for every so many updates; 0: none
  std::string out{};          ///< folder for checkpoints, metrics and curves; empty: nothing is written
  std::string tensorboard{};  ///< folder for TensorBoard's events; empty: none are written
  long profile = 0;           ///< so many updates after the first are timed block by block, into trace.json in `out`
  bool overwrite = false;     ///< removes what another run left in `out`; without it, a folder of another is an error
  std::string resume{};       ///< a checkpoint of this run to go on from
  /// On ranks: 0, or checkpoints of which each rank writes its part; so many of them, the last, are kept.
  int keep = 0;
  bool async_checkpoints = false;  ///< from a copy in memory, while updates go on
  bool always_save = false;        ///< best.safetensors at every evaluation, not only at a new best
  double peak_flops = 0;           ///< of the machine in FLOP/s, for the share reached; 0: unknown
  std::FILE* print = stdout;       ///< where lines go; null: nowhere
  std::string note{};              ///< kept in the checkpoint, for whoever reads it
  std::string data{};       ///< a hash of the text, kept in the checkpoint: a run resumes with no other; empty: unknown
  std::string tokenizer{};  ///< the same of a tokenizer that is no alphabet
  /// Names and contents of more files for `out`, such as the tokenizer; written before the first update.
  std::vector<std::pair<std::string, std::string>> files{};
};

struct SplitLosses {
  double train = 0, val = 0;  ///< mean cross-entropy in nats a token
};

struct TrainReport {
  long long iterations = 0;  ///< updates since the start of the run, those before a resume included
  double loss = 0;           ///< of the last batch
  SplitLosses estimate{};    ///< the last evaluation
  double best_val = 0;       ///< the lowest estimate of the validation loss; infinite without an evaluation
  double seconds = 0;        ///< of this process: updates and evaluations
  double tokens_per_second = 0;
  bool interrupted = false;  ///< SIGINT or SIGTERM asked to stop
};

}  // namespace fauna::inline v0
