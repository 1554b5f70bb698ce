// What a server counts and measures, for Prometheus to fetch (its text format, version 0.0.4).
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <tuple>

namespace tool::serve {

/// How often a time was at most so long.
class Histogram {
 public:
  void add(double seconds) {
    const auto at = std::lower_bound(bounds.begin(), bounds.end(), seconds) - bounds.begin();
    ++counts_[static_cast<std::size_t>(at)];
    sum_ += seconds;
  }
  std::uint64_t count() const { return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0}); }
  double sum() const { return sum_; }
  /// Each bucket counts those of the buckets before it, too.
  std::string text(std::string const& name) const {
    std::string all;
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      count += counts_[i];
      const std::string bound = i < bounds.size() ? nlohmann::json(bounds[i]).dump() : "+Inf";
      all += name + "_bucket{le=\"" + bound + "\"} " + std::to_string(count) + '\n';
    }
    return all + name + "_sum " + nlohmann::json(sum_).dump() + '\n' + name + "_count " + std::to_string(count) + '\n';
  }

 private:
  static constexpr std::array bounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                        0.5,   1.0,    2.5,   5.0,  10.0,  25.0, 50.0};  // s
  std::array<std::uint64_t, bounds.size() + 1> counts_{};
  double sum_ = 0;
};

/// Any thread may count.
class Metrics {
 public:
  /// `handler`: which endpoint, of few.
  void request(std::string const& handler, std::string const& method, int status) {
    const std::lock_guard lock(mutex_);
    ++requests_[{handler, method, status}];
  }
  /// A text's first token, so many seconds after it was asked for; `cached` tokens of its prompt had been read before.
  void first_token(double seconds, std::size_t prompt, int cached) {
    const std::lock_guard lock(mutex_);
    prompt_ += prompt;
    cached_ += static_cast<std::uint64_t>(cached);
    ++tokens_;
    first_.add(seconds);
  }
  /// Another one, so many seconds after the one before it.
  void further_token(double seconds) {
    const std::lock_guard lock(mutex_);
    ++tokens_;
    further_.add(seconds);
  }
  /// A draft of so many tokens, and how many of them stayed.
  void draft(std::size_t tokens, std::size_t stayed) {
    const std::lock_guard lock(mutex_);
    ++drafts_;
    drafted_ += tokens;
    accepted_ += stayed;
  }

  /// Sums since the server began, times in seconds.
  struct Totals {
    std::uint64_t requests = 0, prompt_tokens = 0, cached_tokens = 0, tokens = 0, texts = 0, drafted = 0, accepted = 0;
    double first_tokens = 0, further_tokens = 0;  ///< what they took
  };
  Totals totals() const {
    const std::lock_guard lock(mutex_);
    Totals all{0, prompt_, cached_, tokens_, first_.count(), drafted_, accepted_, first_.sum(), further_.sum()};
    for (auto const& [of, count] : requests_) all.requests += count;
    return all;
  }

  /// With what is so at the moment: requests that are being answered, and that wait for it.
  std::string text(int running, int waiting) const {
    const std::lock_guard lock(mutex_);
    std::string all = head("http_requests_total", "counter", "Requests that were answered.");
    for (auto const& [of, count] : requests_) {
      auto const& [handler, method, status] = of;
      all += "http_requests_total{handler=\"" + handler + "\",method=\"" + method + "\",status=\"" +
             std::to_string(status) + "\"} " + std::to_string(count) + '\n';
    }
    const auto one = [&all](const char* name, const char* type, auto value, const char* help) {
      all += head(name, type, help) + name + ' ' + std::to_string(value) + '\n';
    };
    one("fauna_num_requests_running", "gauge", running, "Requests for texts that are being answered.");
    one("fauna_num_requests_waiting", "gauge", waiting, "Requests for texts that wait for a place.");
    one("fauna_prompt_tokens_total", "counter", prompt_, "Tokens of the prompts of all texts.");
    one("fauna_prefix_cache_queries_total", "counter", prompt_,
        "The same: of them it is asked whether they were read.");
    one("fauna_prefix_cache_hits_total", "counter", cached_, "Those of them that had been read before.");
    one("fauna_generation_tokens_total", "counter", tokens_, "Tokens that were written.");
    one("fauna_spec_decode_num_drafts_total", "counter", drafts_, "Drafts of how a text may go on.");
    one("fauna_spec_decode_num_draft_tokens_total", "counter", drafted_, "Tokens of these.");
    one("fauna_spec_decode_num_accepted_tokens_total", "counter", accepted_, "Those of them that stayed.");
    const auto histogram = [&all](const char* name, Histogram const& of, const char* help) {
      all += head(name, "histogram", help) + of.text(name);
    };
    histogram("fauna_time_to_first_token_seconds", first_, "From a request to the first token of a text.");
    histogram("fauna_time_per_output_token_seconds", further_, "From a token of a text to the next one.");
    return all;
  }

 private:
  static std::string head(std::string const& name, std::string const& type, std::string const& help) {
    return "# HELP " + name + ' ' + help + "\n# TYPE " + name + ' ' + type + '\n';
  }

  mutable std::mutex mutex_;
  std::map<std::tuple<std::string, std::string, int>, std::uint64_t> requests_;
  std::uint64_t prompt_ = 0, cached_ = 0, tokens_ = 0, drafts_ = 0, drafted_ = 0, accepted_ = 0;
  Histogram first_, further_;
};

}  // namespace tool::serve
