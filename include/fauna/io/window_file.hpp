// Rows of numbers for windows of a text, in a file that fills as they become known.
//   a head | a mark for each window | rows [windows, length, width], f32
// A mark is the hash of its window's rows, and 0 until they are there. Rows that were cut short, or lost when a machine
// stopped, have another hash than their mark says, and count as unknown.
#pragma once
#include <cstdint>
#include <vector>

#include <fauna/core/label.hpp>
#include <fauna/io/file.hpp>

namespace fauna::inline v0 {

/// What rows are of. Windows begin at multiples of their length; a rest of the text that is shorter has none.
struct WindowedRows {
  std::uint64_t model = 0, text = 0, tokens = 0;  ///< hashes of what gave the rows and of the ids; how many these are
  std::uint64_t length = 0, width = 0;            ///< rows of a window, numbers of a row

  std::size_t windows() const { return tokens / length; }
  std::size_t bytes() const { return length * width * sizeof(float); }  ///< of a window
};

class WindowFile {
 public:
  /// Makes a file without rows where there is none. Throws where the one that is there is of something else.
  WindowFile(std::string const& path, WindowedRows const& of) : path_(path), of_(of), file_(opened(path, of)) {
    Head head{.name = {}, .of = {}};
    if (!get(&head, sizeof head, 0) || std::memcmp(head.name, Head{}.name, sizeof head.name) != 0)
      fail("windows", path + " is no file of rows", "one that was made for this, or a name that is free");
    const auto require = [&](std::uint64_t found, std::uint64_t expected, std::string const& what, bool shown) {
      if (found == expected) return;
      fail("windows", path + " is of " + (shown ? std::to_string(found) : "another") + what,
           shown ? std::to_string(expected) : "the same", "give each its own file, or remove this one");
    };
    require(head.of.model, of.model, " model", false);
    require(head.of.tokens, of.tokens, " tokens of a text", true);
    require(head.of.text, of.text, " text", false);
    require(head.of.length, of.length, " tokens a window", true);
    require(head.of.width, of.width, " numbers a row", true);
    marks_.resize(of.windows());
    if (!get(marks_.data(), marks_.size() * sizeof(Mark), sizeof head))
      fail("windows", path + " was cut short", "marks of " + std::to_string(marks_.size()) + " windows");
  }

  /// The rows of a window [length, width], if they are known.
  bool read(std::size_t window, float* rows) const {
    return marks_[window] != 0 && get(rows, of_.bytes(), at(window)) && mark_of(rows) == marks_[window];
  }
  void write(std::size_t window, const float* rows) {
    put(rows, of_.bytes(), at(window));
    marks_[window] = mark_of(rows);
    put(&marks_[window], sizeof(Mark), sizeof(Head) + window * sizeof(Mark));
  }

 private:
  using Mark = std::uint64_t;
  struct Head {
    char name[8] = {'r', 'o', 'w', 's', 'f', '3', '2', '1'};
    WindowedRows of{};
  };

  static Descriptor opened(std::string const& path, WindowedRows const& of) {
    if (of.length == 0 || of.width == 0) fail("windows", "windows of nothing", "at least one token, of one number");
    if (!exists(path)) {
      const Head head{.of = of};
      const std::vector<Mark> none(of.windows());
      NewFile out(path);
      out.write(&head, sizeof head);
      out.write(none.data(), none.size() * sizeof(Mark));
      out.commit();
    }
    Descriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (file.get() < 0) io_fail("open", path, errno);
    return file;
  }
  Mark mark_of(const float* rows) const { return text_hash({reinterpret_cast<const char*>(rows), of_.bytes()}) | 1U; }
  std::size_t at(std::size_t window) const {
    return sizeof(Head) + marks_.size() * sizeof(Mark) + window * of_.bytes();
  }
  /// False where the file ends before.
  bool get(void* to, std::size_t bytes, std::size_t from) const {
    for (std::size_t have = 0; have < bytes;) {
      const ssize_t n =
          ::pread(file_.get(), static_cast<char*>(to) + have, bytes - have, static_cast<off_t>(from + have));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) io_fail("read", path_, errno);
      if (n == 0) return false;
      have += static_cast<std::size_t>(n);
    }
    return true;
  }
  void put(const void* data, std::size_t bytes, std::size_t to) {
    for (std::size_t done = 0; done < bytes;) {
      const ssize_t n =
          ::pwrite(file_.get(), static_cast<const char*>(data) + done, bytes - done, static_cast<off_t>(to + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) io_fail("write", path_, errno);
      done += static_cast<std::size_t>(n);
    }
  }

  std::string path_;
  WindowedRows of_;
  Descriptor file_;
  std::vector<Mark> marks_{};
};

}  // namespace fauna::inline v0
