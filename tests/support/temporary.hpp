// A folder of a test's own, removed with the files in it at the end of the scope.
#pragma once
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <vector>

class TemporaryFolder {
 public:
  TemporaryFolder() {
    const char* base = ::getenv("TMPDIR");
    path_ = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/fauna-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder " + path_);
  }
  TemporaryFolder(TemporaryFolder const&) = delete;
  TemporaryFolder& operator=(TemporaryFolder const&) = delete;
  ~TemporaryFolder() { remove(path_); }

  std::string operator/(std::string const& name) const { return path_ + '/' + name; }
  std::string const& path() const { return path_; }
  /// The names in the folder, in no particular order.
  std::vector<std::string> names() const { return names_in(path_); }

 private:
  static std::vector<std::string> names_in(std::string const& folder) {
    std::vector<std::string> names;
    if (DIR* d = ::opendir(folder.c_str())) {
      while (const dirent* e = ::readdir(d)) {
        const std::string name = e->d_name;
        if (name != "." && name != "..") names.push_back(name);
      }
      ::closedir(d);
    }
    return names;
  }
  static void remove(std::string const& path) {
    if (::unlink(path.c_str()) == 0) return;  // a file or a link; a folder refuses
    for (std::string const& name : names_in(path)) remove(path + '/' + name);
    ::rmdir(path.c_str());
  }

  std::string path_;
};
