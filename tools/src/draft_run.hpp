// What programs that train drafters have in common: the text, and what is said and kept of the updates.
#pragma once
#include <string>
#include <vector>

#include <fauna/io/clock.hpp>
#include <fauna/io/file.hpp>
#include <fauna/io/print.hpp>
#include <fauna/text/bpe.hpp>
#include <tools/src/settings.hpp>
#include <tools/src/tokenizers.hpp>
#include <tools/src/training.hpp>

namespace tool {

class DraftRun {
 public:
  settings::DraftTrainRun s{};
  int threads = 0;
  std::vector<int> ids{};  ///< the text's

  DraftRun(int n, char** arguments) {
    settings::read(s, n - 1, arguments + 1);
    threads = threads_of(s.threads);
    ids = bpe_of(s.base).encode(fauna::read_file(s.data), {.match_special = false});
  }
  /// The time of updates counts from here.
  void begin() { start_ = fauna::seconds_now(); }
  /// An update: members of a JSON object, and the same as it is read; at_end() gives further members, of the last.
  template <class F> void see(int step, std::string const& members, std::string const& read, F&& at_end) {
    const bool last = step + 1 == s.steps;
    if (!last && (s.log_interval == 0 || step % s.log_interval != 0)) return;
    metrics_ += "{\"step\":" + std::to_string(step) + ',' + members + (last ? ',' + at_end() : "") + "}\n";
    if (s.log_interval > 0) fauna::print(stdout, "step " + std::to_string(step) + ": " + read + '\n');
  }
  /// Writes the metrics, and says how the model at `from` is drafted for.
  void end(std::string const& metrics, std::string const& from, std::string const& draft) const {
    fauna::write_file(metrics, metrics_);
    fauna::print(stdout, std::to_string(s.steps) + " updates in " + std::to_string(fauna::seconds_now() - start_) +
                             " s; wrote " + s.out + "\n  tools/fauna generate " + from + " --draft " + draft +
                             " --draft-stats --prompt ...\n");
  }

 private:
  std::string metrics_{};
  double start_ = 0;
};

}  // namespace tool
