// Tensors by name, in whatever container: what is loaded from. The readers of each format derive from it, and differ in
// nothing once they have read.
#pragma once
#include <fauna/io/mapped.hpp>
#include <fauna/io/safetensors_header.hpp>

namespace fauna::inline v0 {

class TensorFile {
 public:
  TensorFile() = default;

  std::string const& path() const { return path_; }
  std::vector<SafeTensor> const& tensors() const { return tensors_; }
  /// Names that an index has and no file behind it, as a tool leaves them that drops tensors and keeps the index.
  /// Whoever needs one of them will miss it.
  std::vector<std::string> const& stale() const { return stale_; }
  /// Null where there is none of this name.
  const SafeTensor* find(std::string_view name) const {
    std::size_t low = 0, high = by_name_.size();
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      if (tensors_[by_name_[middle]].name < name) low = middle + 1;
      else high = middle;
    }
    return low < by_name_.size() && tensors_[by_name_[low]].name == name ? &tensors_[by_name_[low]] : nullptr;
  }
  /// Other numbers for one of these tensors, in its shape.
  void replace(SafeTensor const& which, std::vector<float> values) {
    SafeTensor& t = tensors_[static_cast<std::size_t>(&which - tensors_.data())];
    if (values.size() != t.elements())
      fail("tensors", std::to_string(values.size()) + " numbers for " + t.name + ' ' + t.text(), "one for each");
    replaced_.push_back(static_cast<std::vector<float>&&>(values));
    t.dtype = "F32";
    t.parts.clear();
    t.data = reinterpret_cast<const std::byte*>(replaced_.back().data());
    t.bytes = replaced_.back().size() * sizeof(float);
  }
  /// A tensor with these numbers, one for each element: in the place of that of its name, in the same shape, or one
  /// more. Ends what pointed to tensors.
  void put(std::string const& name, std::vector<std::size_t> const& shape, std::vector<float> values) {
    if (const SafeTensor* t = find(name)) {
      SafeTensor wanted;
      wanted.dtype = t->dtype;
      wanted.shape = shape;
      if (t->shape != shape) fail("tensors", path_ + " has " + name + ' ' + t->text(), wanted.text());
    } else {
      std::size_t at = 0;
      while (at < by_name_.size() && tensors_[by_name_[at]].name < name) ++at;
      by_name_.insert(by_name_.begin() + static_cast<std::ptrdiff_t>(at), tensors_.size());
      tensors_.emplace_back();
      tensors_.back().name = name;
      tensors_.back().shape = shape;
    }
    replace(*find(name), static_cast<std::vector<float>&&>(values));
  }

 protected:
  explicit TensorFile(std::string const& path) : path_(path) {}

  /// A file's bytes, for as long as this exists.
  std::string_view map(std::string const& path) {
    files_.emplace_back(path);
    return files_.back().text();
  }
  /// Makes `find` work, when all tensors are there. Throws where a name comes twice.
  void index_names(const char* format) {
    by_name_.resize(tensors_.size());
    for (std::size_t i = 0; i < by_name_.size(); ++i) by_name_[i] = i;
    safetensors_detail::sort(by_name_,
                             [this](std::size_t a, std::size_t b) { return tensors_[a].name < tensors_[b].name; });
    for (std::size_t i = 1; i < by_name_.size(); ++i)
      if (tensors_[by_name_[i]].name == tensors_[by_name_[i - 1]].name)
        fail(format, path_ + " has the tensor " + tensors_[by_name_[i]].name + " twice", "it once");
  }

  std::string path_;
  std::vector<SafeTensor> tensors_;
  std::vector<std::string> stale_;
  std::vector<std::vector<std::byte>> made_;  ///< bytes of tensors that lie in a file in another order

 private:
  std::vector<Mapped> files_;
  std::vector<std::vector<float>> replaced_;
  std::vector<std::size_t> by_name_;
};

}  // namespace fauna::inline v0
