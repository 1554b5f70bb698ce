// Where the time of a pass goes, block by block: spans of labelled blocks, as a trace that browsers show
// (chrome://tracing, https://ui.perfetto.dev) and as a table.
//
//   Profile<float> profile;
//   model.accumulate(batch, 1, key, profile.tap());
//   write_file("trace.json", profile.trace());      or      std::puts(profile.table().c_str());
//
// Kernels of a device run after they were launched: there, spans are those of launches.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <fauna/core/call.hpp>
#include <fauna/io/clock.hpp>
#include <fauna/models/explain.hpp>
#include <fauna/train/curve.hpp>

namespace fauna::inline v0 {

template <class S> class Profile {
 public:
  /// Seconds since the first span began. `own`: without those of spans within it.
  struct Span {
    std::string name;
    const char* kind;  ///< forward, backward, or what the caller said
    double start, seconds, own;
  };

  Profile() = default;
  Profile(Profile const&) = delete;
  Profile& operator=(Profile const&) = delete;

  Tap<S> const* tap() const { return &tap_; }
  /// A span of the caller's own, around others.
  void begin(std::string name, const char* kind) {
    const double now = seconds_now();
    if (spans_.empty()) origin_ = now;
    open_.push_back(spans_.size());
    spans_.push_back({std::move(name), kind, now - origin_, 0, 0});
  }
  void end() {
    Span& s = spans_[open_.back()];
    open_.pop_back();
    s.seconds = seconds_now() - origin_ - s.start;
    s.own += s.seconds;
    if (!open_.empty()) spans_[open_.back()].own -= s.seconds;
  }
  /// Spans that have begun, and not ended.
  std::size_t depth() const { return open_.size(); }
  /// Takes back the span that was begun last: nothing happened within it.
  void forget() {
    open_.pop_back();
    spans_.pop_back();
  }
  std::vector<Span> const& spans() const { return spans_; }

  /// Chrome's trace format: complete events, in microseconds.
  std::string trace() const {
    std::string json = "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [";
    for (auto const& s : spans_)
      json += (&s == spans_.data() ? "\n" : ",\n") + std::string("{\"name\": \"") + s.name + "\", \"cat\": \"" +
              s.kind + "\", \"ph\": \"X\", \"pid\": 0, \"tid\": 0, \"ts\": " + decimal(1e6 * s.start, 3) +
              ", \"dur\": " + decimal(1e6 * s.seconds, 3) + '}';
    return json + "\n]}\n";
  }

  /// Own times, those of a block in all layers together, the longest first.
  std::string table(std::size_t most = 20) const {
    std::vector<std::pair<std::string, double>> rows;
    double all = 0;
    for (auto const& s : spans_) {
      std::string name = std::string(s.kind) + "  " + of_all_layers(s.name);
      std::size_t row = 0;
      while (row < rows.size() && rows[row].first != name) ++row;
      if (row == rows.size()) rows.emplace_back(std::move(name), 0);
      rows[row].second += s.own;
      for (; row > 0 && rows[row - 1].second < rows[row].second; --row) std::swap(rows[row - 1], rows[row]);
      all += s.own;
    }
    std::string text;
    for (std::size_t i = 0; i < rows.size() && i < most; ++i)
      text += explained::padded(decimal(1e3 * rows[i].second, 2), 11, true) + " ms " +
              explained::padded(decimal(100 * rows[i].second / all, 1), 5, true) + " %  " + rows[i].first + '\n';
    return text;
  }

 private:
  static void span(void* self, Path const& path, bool gradient, bool before) {
    auto& p = *static_cast<Profile*>(self);
    before ? p.begin(path.str(), gradient ? "backward" : "forward") : p.end();
  }
  /// "h.0.attn" as "h.*.attn"
  static std::string of_all_layers(std::string const& name) {
    std::string s, part;
    bool layer = true;
    for (std::size_t at = 0; at <= name.size(); ++at) {
      if (at < name.size() && name[at] != '.') {
        layer = layer && name[at] >= '0' && name[at] <= '9';
        part += name[at];
        continue;
      }
      s += layer && !part.empty() ? "*" : part;
      if (at < name.size()) s += '.';
      part.clear();
      layer = true;
    }
    return s;
  }

  std::vector<Span> spans_;
  std::vector<std::size_t> open_;
  double origin_ = 0;
  Tap<S> tap_{nullptr, this, span};
};

}  // namespace fauna::inline v0
