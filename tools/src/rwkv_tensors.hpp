// What the tensors of an RWKV checkpoint say of its sizes.
#pragma once
#include <string>

#include <fauna/io/tensor_file.hpp>

namespace tool {

/// Of a file under the author's names; `version` names the family in errors.
class RwkvTensors {
 public:
  RwkvTensors(fauna::TensorFile const& file, std::string version) : file_(file), version_(std::move(version)) {}

  /// One of a matrix' two sizes.
  int size(std::string const& name, std::size_t dimension) const {
    const fauna::SafeTensor* t = file_.find(name);
    if (t == nullptr || t->shape.size() != 2 || t->elements() == 0 || t->elements() > 0x7fffffff)
      fauna::fail("load", file_.path() + " has " + (t == nullptr ? "no " + name : name + ' ' + t->text()),
                  "a matrix, as every " + version_ + " has it");
    return static_cast<int>(t->shape[dimension]);
  }
  /// What a matrix has beside the width, whichever way it lies.
  int rank(std::string const& name) const {
    return static_cast<int>(static_cast<long>(size(name, 0)) * size(name, 1) / size("emb.weight", 1));
  }
  int layers() const {
    int n = 0;
    while (file_.find("blocks." + std::to_string(n) + ".ln1.weight") != nullptr) ++n;
    if (n < 2) fauna::fail("load", file_.path() + " has " + std::to_string(n) + " layers", "2 or more");
    return n;
  }

 private:
  fauna::TensorFile const& file_;
  std::string version_;
};

}  // namespace tool
