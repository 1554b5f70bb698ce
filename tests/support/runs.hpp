// A small model, a small text and a short run of training, for tests of the loop around them.
#pragma once
#include <cstdio>
#include <string>
#include <vector>

#include <fauna/models/gpt.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/text/chars.hpp>
#include <fauna/train/train.hpp>

namespace test {

/// Has what a run can have: dropout, biases, several layers.
using SmallGpt = fauna::Gpt<fauna::GptConfig{
    .layers = 2, .heads = 2, .width = 24, .context = 12, .vocab = 27, .bias = true, .dropout = 0.1F}>;
using Small = fauna::Trained<SmallGpt, fauna::Cpu<>>;

/// Words of 26 letters and spaces, `length` characters: the same for everyone.
inline std::string letters(std::size_t length) {
  std::string s = "abcdefghijklmnopqrstuvwxyz ";
  std::uint64_t x = 1;
  while (s.size() < length) {
    x = x * 6364136223846793005ULL + 1442695040888963407ULL;
    const auto r = static_cast<unsigned>(x >> 40);
    s += (r & 7U) == 0 ? std::string(" the ") : std::string(1, static_cast<char>('a' + (r >> 4) % 26));
  }
  return s.substr(0, length);
}

/// A run of 11 updates that evaluates and logs, with two batches an update.
inline fauna::TrainOptions short_run(std::string const& out = {}) {
  return {.steps = 10,
          .batch = 3,
          .accumulation = 2,
          .adamw = {.lr = 1e-2},
          .eval_interval = 4,
          .eval_batches = 2,
          .log_interval = 3,
          .out = out,
          .print = nullptr};
}

/// What a stream was given, for a run that prints.
class Captured {
 public:
  Captured() : file_(std::tmpfile()) {}
  Captured(Captured const&) = delete;
  Captured& operator=(Captured const&) = delete;
  ~Captured() { std::fclose(file_); }
  std::FILE* file() { return file_; }
  std::string text() {
    std::fflush(file_);
    std::rewind(file_);
    std::string s;
    for (int c = std::fgetc(file_); c != EOF; c = std::fgetc(file_)) s += static_cast<char>(c);
    return s;
  }

 private:
  std::FILE* file_;
};

inline fauna::CharText const& text() {
  static const fauna::CharText t = fauna::CharText::from_string(letters(900));
  return t;
}
inline fauna::Split both() { return {text().train(), text().val()}; }

inline std::string last_of(std::string const& folder) { return fauna::read_file(folder + "/last.safetensors"); }

/// The checkpoint that a short run ends with.
template <class M> std::string run_bytes(int threads, std::string const& out) {
  M model(fauna::seed{3}, threads);
  train(model, text(), short_run(out));
  return last_of(out);
}

/// How often a text has a part.
inline int count(std::string const& s, std::string const& part) {
  int n = 0;
  for (std::size_t at = s.find(part); at != std::string::npos; at = s.find(part, at + 1)) ++n;
  return n;
}

}  // namespace test
