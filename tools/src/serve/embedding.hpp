// Embeddings: what the trunk gives for the tokens of a text, after its last norm, as one vector: their mean, of
// length 1.
#pragma once
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include <tools/src/say.hpp>
#include <tools/src/serve/task.hpp>

namespace tool::serve {

/// What a request for embeddings and the worker share.
class Embeddings : public Task {
 public:
  Embeddings(std::vector<std::vector<int>> of, clock::time_point end, std::size_t of_model = 0)
      : Task(end, of_model), texts(std::move(of)) {}

  const std::vector<std::vector<int>> texts;
  std::vector<std::vector<float>> vectors{};  ///< of the texts; the worker's until it is done
};

/// Reads texts chunk by chunk, so that others are not kept waiting; the worker's alone.
class Embedder {
 public:
  Embedder(std::vector<Model> models, int chunk) : models_(std::move(models)), chunk_(chunk) {}

  bool busy() const { return task_ != nullptr; }
  void start(std::shared_ptr<Embeddings> task) {
    task_ = std::move(task);
    task_->becomes(progress::runs);
  }
  /// A chunk of the task that was started.
  void step() {
    try {
      if (task_->over()) end(task_->cancelled() ? progress::done : progress::late);
      else if (read()) end(progress::done);
    } catch (std::exception const& e) {
      say(std::string("a request failed: ") + e.what());
      end(progress::failed);
    }
  }

 private:
  void end(progress how) {
    task_->becomes(how);
    task_.reset();
    reader_.reset();
  }
  /// True: all texts have been read.
  bool read() {
    auto const& ids = task_->texts[task_->vectors.size()];
    const auto n = static_cast<int>(ids.size());
    if (reader_ == nullptr) {  // it reads what it has read before no more, so each text has one of its own
      Model const& model = models_[task_->model];
      reader_ = model.engine->reader(n, chunk_, model.adapter);
      sum_.assign(static_cast<std::size_t>(reader_->width()), 0.0);
      read_ = 0;
    }
    const int to = std::min(n, read_ + chunk_);
    (void)reader_->logits(ids.data(), to, 1, to);
    for (; read_ < to; ++read_) {
      const float* row = reader_->hidden(read_);
      for (std::size_t c = 0; c < sum_.size(); ++c) sum_[c] += static_cast<double>(row[c]);
    }
    if (read_ < n) return false;
    double length = 0;
    for (const double x : sum_) length += x * x;
    length = std::sqrt(length);
    std::vector<float> unit;
    for (const double x : sum_) unit.push_back(static_cast<float>(length > 0 ? x / length : 0));
    task_->vectors.push_back(std::move(unit));
    reader_.reset();
    return task_->vectors.size() == task_->texts.size();
  }

  std::vector<Model> models_;
  int chunk_, read_ = 0;
  std::shared_ptr<Embeddings> task_{};
  std::unique_ptr<Reader> reader_{};
  std::vector<double> sum_{};
};

}  // namespace tool::serve
