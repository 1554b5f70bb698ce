// Files that are written while the caller goes on.
#pragma once
#include <pthread.h>

#include <atomic>
#include <exception>
#include <list>
#include <string>
#include <utility>

#include <fauna/io/file.hpp>

namespace fauna::inline v0 {

/// Files of the same bytes, each written by a thread of its own, whole or not at all (io/file.hpp). Its calls are one
/// thread's. The destructor waits.
class BackgroundFiles {
 public:
  BackgroundFiles() = default;
  BackgroundFiles(BackgroundFiles&&) noexcept = default;
  BackgroundFiles& operator=(BackgroundFiles&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(files_, other.files_);
    return *this;
  }
  ~BackgroundFiles() { join(); }

  /// What write() writes from now on. Waits as wait() does, so that there is one copy at a time.
  void stage(std::string bytes) {
    wait();
    bytes_.push_back(std::move(bytes));
  }
  /// Is there something staged, written or not?
  bool staged() const { return !bytes_.empty(); }
  /// Writes what is staged.
  void write(std::string const& path) {
    File& f = files_.emplace_back(path, bytes_.front());
    if (const int code = ::pthread_create(&f.thread, nullptr, run, &f); code != 0) {
      files_.pop_back();
      io_fail("start a thread for", path, code);
    }
  }
  /// Would wait() return, or throw, at once?
  bool ended() const {
    for (File const& f : files_)
      if (!f.ended) return false;
    return true;
  }
  /// Returns when all files stand, and nothing is staged any more. Throws what write_file said of the first that does
  /// not.
  void wait() {
    const std::exception_ptr wrong = join();
    if (wrong) std::rethrow_exception(wrong);
  }

 private:
  struct File {
    File(std::string path_, std::string const& bytes_) : path(std::move(path_)), bytes(bytes_) {}
    std::string path;
    std::string const& bytes;
    std::exception_ptr wrong{};
    std::atomic<bool> ended{false};
    pthread_t thread{};
  };
  static void* run(void* file) {
    File& f = *static_cast<File*>(file);
    try {
      write_file(f.path, f.bytes);
    } catch (...) {
      f.wrong = std::current_exception();
    }
    f.ended = true;
    return nullptr;
  }
  std::exception_ptr join() {
    std::exception_ptr wrong;
    for (File& f : files_) {
      ::pthread_join(f.thread, nullptr);
      if (!wrong) wrong = f.wrong;
    }
    files_.clear();
    bytes_.clear();
    return wrong;
  }

  // Lists, whose elements stay where they are when this is moved.
  std::list<std::string> bytes_;  ///< none, or one
  std::list<File> files_;
};

}  // namespace fauna::inline v0
