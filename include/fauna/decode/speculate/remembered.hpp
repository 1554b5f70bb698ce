// What a trunk gave for the rows of a text, for drafters that go on from the model's own rows.
#pragma once
#include <cstring>
#include <vector>

#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

/// Rows of a text, from its first one on: their ids, what the trunk gave for them [width], and what entered some of its
/// layers [features].
class RememberedRows {
 public:
  explicit RememberedRows(int width = 0, int features = 0) : width_(width), features_(features) {}

  int rows() const { return static_cast<int>(ids_.size()); }
  const float* hidden(int row) const { return row >= 0 && row < rows() ? at(hidden_, row, width_) : nullptr; }
  const float* feature(int row) const { return at(features_of_, row, features_); }
  /// Of the rows of a text, how many, from the first one on, are these.
  int known(const int* ids, int n) const {
    int i = 0;
    while (i < n && i < rows() && ids_[static_cast<std::size_t>(i)] == ids[i]) ++i;
    return i;
  }
  /// Rows behind the first `from`, in place of others that may have been there. features: null where there are none.
  void add(int from, const int* ids, int rows, const float* hidden, const float* features) {
    cut(from);
    ids_.insert(ids_.end(), ids, ids + rows);
    append(hidden_, hidden, rows, width_);
    append(features_of_, features, rows, features_);
  }
  void cut(int rows) {
    if (rows >= this->rows()) return;
    ids_.resize(static_cast<std::size_t>(rows));
    hidden_.resize(size(rows, width_));
    features_of_.resize(size(rows, features_));
  }
  /// Of the rows behind the first `from`, those of a path of a tree's nodes stay.
  void keep(int from, std::vector<int> const& path) {
    for (std::size_t i = 0; i < path.size(); ++i) {
      const int to = from + static_cast<int>(i), row = from + path[i];
      ids_[static_cast<std::size_t>(to)] = ids_[static_cast<std::size_t>(row)];
      move(hidden_, to, row, width_);
      move(features_of_, to, row, features_);
    }
    cut(from + static_cast<int>(path.size()));
  }

 private:
  static std::size_t size(int rows, int cols) {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
  }
  static const float* at(std::vector<float> const& of, int row, int cols) { return of.data() + size(row, cols); }
  static void append(std::vector<float>& to, const float* from, int rows, int cols) {
    if (cols > 0) to.insert(to.end(), from, from + size(rows, cols));
  }
  static void move(std::vector<float>& of, int to, int from, int cols) {
    if (cols > 0) std::memmove(of.data() + size(to, cols), at(of, from, cols), size(1, cols) * sizeof(float));
  }

  int width_, features_;
  std::vector<int> ids_{};
  std::vector<float> hidden_{}, features_of_{};
};

}  // namespace fauna::inline v0
