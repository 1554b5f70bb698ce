// Reads the files that tools/oracles/*.py write (the format is described in gpt.py): named arrays, and how they came
// about.
#pragma once
#include <cstring>
#include <fauna/io/file.hpp>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "source_dir.hpp"

class Golden {
 public:
  struct Tensor {
    std::string name, dtype;
    std::vector<int> shape;  // empty for a scalar
    std::size_t size = 1, offset = 0;
  };

  /// tests/golden/NAME
  explicit Golden(std::string const& name) {
    const std::string path = test::source_path("tests/golden/" + name);
    const std::string bytes = fauna::read_file(path), mark = "\ndata\n";
    const std::size_t end = bytes.find(mark);
    std::istringstream lines(bytes.substr(0, end));
    std::string line;
    std::getline(lines, line);
    if (line != "fauna-golden 1" || end == std::string::npos) throw std::runtime_error(path + " is no golden file");
    data_ = bytes.substr(end + mark.size());
    while (std::getline(lines, line)) {
      std::istringstream words(line);
      std::string kind, dims, key;
      words >> kind;
      if (kind == "meta") {
        words >> key >> meta_[key];
        continue;
      }
      Tensor t;
      words >> t.name >> t.dtype >> dims >> t.offset;
      std::istringstream numbers(dims == "-" ? "" : dims);
      for (std::string n; std::getline(numbers, n, ',');) {
        t.shape.push_back(std::stoi(n));
        t.size *= static_cast<std::size_t>(t.shape.back());
      }
      if (kind != "tensor" || !words || t.offset + 4 * t.size > data_.size())
        throw std::runtime_error(path + " is damaged at '" + line + "'");
      index_[t.name] = tensors_.size();
      tensors_.push_back(t);
    }
  }

  std::vector<Tensor> const& tensors() const { return tensors_; }
  bool has(std::string const& name) const { return index_.count(name) == 1; }
  Tensor const& tensor(std::string const& name) const { return tensors_[index_.at(name)]; }
  std::vector<float> floats(std::string const& name) const { return values<float>(name, "f32"); }
  std::vector<int> ints(std::string const& name) const { return values<int>(name, "i32"); }
  std::string const& meta(std::string const& key) const { return meta_.at(key); }
  double number(std::string const& key) const { return std::stod(meta(key)); }

 private:
  template <class T> std::vector<T> values(std::string const& name, const char* dtype) const {
    Tensor const& t = tensor(name);
    if (t.dtype != dtype) throw std::runtime_error(name + " is " + t.dtype + ", not " + dtype);
    std::vector<T> v(t.size);
    std::memcpy(v.data(), data_.data() + t.offset, sizeof(T) * t.size);
    return v;
  }

  std::string data_;
  std::vector<Tensor> tensors_;
  std::map<std::string, std::size_t> index_;
  std::map<std::string, std::string> meta_;
};
