// What a run says while it goes: lines, a bar on a terminal, metrics.jsonl, the loss curve.
#pragma once
#include <cstdio>
#include <initializer_list>
#include <optional>
#include <utility>

#include <fauna/io/clock.hpp>
#include <fauna/io/event_file.hpp>
#include <fauna/io/print.hpp>
#include <fauna/io/process.hpp>
#include <fauna/models/explain.hpp>
#include <fauna/train/curve.hpp>
#include <fauna/train/options.hpp>

namespace fauna::inline v0 {

/// A number of a JSON file: fixed decimals whatever the locale; null for what is not finite.
inline std::string json_number(double x, int decimals) {
  return std::fabs(x) < 1e9 ? decimal(x, decimals) : x - x == 0 ? decimal(x, 0) : "null";
}

/// "1 h 02 min", "3 min 20 s", "12 s"
inline std::string duration_text(double seconds) {
  const auto two = [](long n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  const long s = seconds < 1e9 ? std::lround(seconds) : 1000000000;
  if (s >= 3600) return std::to_string(s / 3600) + " h " + two(s / 60 % 60) + " min";
  if (s >= 60) return std::to_string(s / 60) + " min " + two(s % 60) + " s";
  return std::to_string(s) + " s";
}

/// What one line of an update shows.
struct StepLine {
  long long step = 0;
  double loss = 0, lr = 0, gradient_norm = 0;
  double tokens_per_second = 0, milliseconds = 0, flops = 0, left_seconds = 0;
  std::string side{};  ///< members of a JSON object: the side losses, unweighted
};

class Report {
 public:
  /// Appends to the metrics of a run that had come to `iteration`; from 0, starts them.
  Report(TrainOptions const& o, long long iteration) : out_(o.out), print_(o.print), peak_(o.peak_flops) {
    bar_ = print_ != nullptr && is_terminal(print_);
    if (!out_.empty()) open_metrics(out_ + "/metrics.jsonl", iteration);
    if (!o.tensorboard.empty()) events_.emplace(o.tensorboard, iteration);
  }
  Report(Report const&) = delete;
  Report& operator=(Report const&) = delete;
  ~Report() {
    clear_bar();
    if (metrics_ != nullptr) std::fclose(metrics_);
  }

  void line(std::string const& text) {
    if (print_ == nullptr) return;
    clear_bar();
    print(print_, text + '\n');
  }

  void step(StepLine const& l) {
    using explained::padded;
    std::string text = "step " + padded(std::to_string(l.step), 7, true) + "  loss " + decimal(l.loss, 4) + "  lr " +
                       decimal(l.lr, 6) + "  norm " + decimal(l.gradient_norm, 3) + "  " +
                       padded(grouped(static_cast<std::size_t>(l.tokens_per_second)), 9, true) + " tokens/s " +
                       padded(decimal(l.milliseconds, 2), 8, true) + " ms " +
                       padded(decimal(l.flops * 1e-9, 1), 7, true) + " GFLOP/s";
    if (peak_ > 0 && l.flops <= peak_) text += " (" + decimal(100 * l.flops / peak_, 0) + " % of peak)";
    else if (peak_ > 0) text += " (more than the peak measured on a busy machine)";
    line(text + "  ETA " + duration_text(l.left_seconds));
    metric("{\"step\": " + std::to_string(l.step) + ", \"loss\": " + json_number(l.loss, 6) +
           ", \"lr\": " + json_number(l.lr, 9) + ", \"gradient_norm\": " + json_number(l.gradient_norm, 6) +
           ", \"tokens_per_second\": " + json_number(l.tokens_per_second, 1) +
           ", \"milliseconds\": " + json_number(l.milliseconds, 3) + ", \"flops\": " + json_number(l.flops, 0) +
           (l.side.empty() ? "" : ", \"side\": {" + l.side + '}') + '}');
    scalars(l.step, {{"loss/batch", l.loss},
                     {"lr", l.lr},
                     {"gradient_norm", l.gradient_norm},
                     {"tokens_per_second", l.tokens_per_second}});
  }

  void evaluation(long long step, SplitLosses e, bool best, double seconds) {
    line("step " + explained::padded(std::to_string(step), 7, true) + "  train " + decimal(e.train, 4) + "  val " +
         decimal(e.val, 4) + (best ? "  (lowest so far)" : ""));
    metric("{\"step\": " + std::to_string(step) + ", \"train_loss\": " + json_number(e.train, 6) +
           ", \"val_loss\": " + json_number(e.val, 6) + ", \"seconds\": " + json_number(seconds, 3) + "}");
    scalars(step, {{"loss/train", e.train}, {"loss/val", e.val}});
  }

  /// Redrawn at most ten times a second, on a terminal only; no allocation.
  void progress(long long done, long long all, double loss) {
    if (!bar_) return;
    const double now = seconds_now();
    if (now - drawn_ < 0.1) return;
    drawn_ = now;
    constexpr int width = 40;
    const int full = all > 0 ? static_cast<int>(width * done / all) : width;
    std::fprintf(print_, "\r[%.*s%.*s] %lld/%lld  loss %.4f ", full, "########################################",
                 width - full, "........................................", done, all, loss);
    std::fflush(print_);
    shown_ = true;
  }

  void curves(std::vector<LossPoint> const& train, std::vector<LossPoint> const& val) {
    const LossSeries t{train.data(), train.size()}, v{val.data(), val.size()};
    if (!out_.empty()) {
      write_file(out_ + "/loss.svg", loss_svg(t, v));
      write_file(out_ + "/loss.txt", loss_text(t, v));
    }
    if (!train.empty() || !val.empty()) line(loss_text(t, v));
  }

  /// A trace for trace.json, and its table.
  void profile(std::string const& trace, std::string const& table) {
    write_file(out_ + "/trace.json", trace);
    line("where the time went, by " + out_ + "/trace.json (for chrome://tracing or ui.perfetto.dev):\n" + table);
  }

  /// The plan beside what the system counted.
  void memory(std::size_t planned) {
    const std::size_t real = peak_resident_bytes();
    line("memory: planned " + bytes_text(planned) +
         (real > 0 ? ", process at most " + bytes_text(real) + " (with program and text)" : ""));
  }

 private:
  void scalars(long long step, std::initializer_list<std::pair<const char*, double>> points) {
    if (!events_) return;
    for (auto const& [tag, value] : points) events_->scalar(tag, step, value);
  }
  void clear_bar() {
    if (shown_) std::fprintf(print_, "\r%78s\r", "");
    shown_ = false;
  }
  void metric(std::string const& json) {
    if (metrics_ == nullptr) return;
    print(metrics_, json + '\n', out_ + "/metrics.jsonl");
  }
  /// Keeps the lines of steps before `iteration`: those after it will be made again.
  void open_metrics(std::string const& path, long long iteration) {
    std::string kept;
    if (iteration > 0 && ::access(path.c_str(), R_OK) == 0) {
      const std::string all = read_file(path);
      for (std::size_t at = 0, end = 0; (end = all.find('\n', at)) != std::string::npos; at = end + 1) {
        long long step = 0;
        if (std::sscanf(all.c_str() + at, "{\"step\": %lld", &step) == 1 && step < iteration)
          kept.append(all, at, end + 1 - at);
      }
    }
    write_file(path, kept);
    metrics_ = std::fopen(path.c_str(), "ae");
    if (metrics_ == nullptr) io_fail("open", path, errno);
  }

  std::string out_;
  std::optional<EventFile> events_{};
  std::FILE *print_, *metrics_ = nullptr;
  double peak_, drawn_ = 0;
  bool bar_ = false, shown_ = false;
};

}  // namespace fauna::inline v0
