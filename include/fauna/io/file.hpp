// Whole files, in and out, on POSIX calls. A file that is written here appears whole or not at all: it grows under
// another name in the same directory and takes its own name by rename, after its bytes have reached the disk. What a
// process that was killed leaves of it goes when the next file is written there.
#pragma once
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <fauna/core/error.hpp>

namespace fauna::inline v0 {

/// Throws `[io] cannot VERB PATH (what errno says)`.
[[noreturn]] inline void io_fail(const char* verb, std::string const& path, int code, std::string const& hint = {}) {
  fail("io", std::string("cannot ") + verb + ' ' + path + " (" + std::strerror(code) + ')', {}, hint);
}

/// An open file descriptor, closed at the end of its scope.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  int get() const { return fd_; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

  static Descriptor for_reading(std::string const& path) {
    Descriptor d(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (d.fd_ < 0) io_fail("open", path, errno);
    return d;
  }

 private:
  int fd_;
};

/// All bytes of a file (or of a pipe, until it ends).
inline std::string read_file(std::string const& path) {
  const Descriptor in = Descriptor::for_reading(path);
  struct stat status {};
  std::string bytes;
  // One byte more than the size, so that the read that fills the file also meets its end.
  bytes.resize(::fstat(in.get(), &status) == 0 && status.st_size > 0 ? static_cast<std::size_t>(status.st_size) + 1
                                                                     : 4096);
  for (std::size_t have = 0;;) {
    const ssize_t n = ::read(in.get(), bytes.data() + have, bytes.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) io_fail("read", path, errno);
    have += static_cast<std::size_t>(n);
    if (n == 0) {
      bytes.resize(have);
      return bytes;
    }
    if (have == bytes.size()) bytes.resize(2 * have);
  }
}

/// Is there a file, a directory or something else of this name?
inline bool exists(std::string const& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}
inline bool is_directory(std::string const& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

/// Makes a directory and those above it; those that exist are left as they are.
inline void make_directories(std::string const& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    struct stat status {};
    if (::mkdir(part.c_str(), 0777) != 0) {
      const int code = errno;
      if (::stat(part.c_str(), &status) != 0) io_fail("make directory", part, code);
      if (!S_ISDIR(status.st_mode)) io_fail("make directory", part, ENOTDIR);
    }
    if (end == std::string::npos) return;
  }
}

namespace file_detail {

/// The process of a temporary's name, NAME.tmpPROCESS-NUMBER; 0 for any other name.
inline pid_t process_of_temporary(std::string_view name) {
  const auto number = [&name] {  // takes the digits at the end; -1 without any
    std::size_t from = name.size();
    while (from > 0 && name[from - 1] >= '0' && name[from - 1] <= '9') --from;
    long long n = name.size() == from || name.size() - from > 10 ? -1 : 0;
    for (std::size_t i = from; n >= 0 && i < name.size(); ++i) n = 10 * n + (name[i] - '0');
    name = name.substr(0, from);
    return n;
  };
  if (number() < 0 || name.empty() || name.back() != '-') return 0;
  name.remove_suffix(1);
  const long long process = number();
  constexpr std::string_view middle = ".tmp";
  const bool known = name.size() > middle.size() && name.substr(name.size() - middle.size()) == middle;
  return known && process > 0 && process <= 0x7fffffff ? static_cast<pid_t>(process) : 0;
}

/// Removes the temporaries of processes that are no more. One that lives has its own locked: its number tells nothing
/// where it runs on another machine, or in another container.
inline void remove_abandoned(std::string const& directory) {
  DIR* const all = ::opendir(directory.c_str());
  if (all == nullptr) return;  // whoever writes there will be told
  while (const dirent* entry = ::readdir(all)) {
    const pid_t process = process_of_temporary(entry->d_name);
    if (process == 0 || ::kill(process, 0) == 0 || errno != ESRCH) continue;
    const std::string path = directory + '/' + entry->d_name;
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (file.get() >= 0 && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlink(path.c_str());
  }
  ::closedir(all);
}

/// The folder of a file.
inline std::string folder_of(std::string const& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

}  // namespace file_detail

/// A file being written. Nothing stands at `path`, or what stood there before stays, until `commit` has returned;
/// without it, after an error or an exception, the temporary is removed. Where `path` is a symbolic link, the link is
/// replaced. (A process that limits its file sizes should ignore SIGXFSZ, as this reports the limit as an error.)
class NewFile {
 public:
  explicit NewFile(std::string path) : path_(std::move(path)) {
    file_detail::remove_abandoned(file_detail::folder_of(path_));
    const std::string stem = path_ + ".tmp" + std::to_string(::getpid()) + '-';
    for (int i = 0;; ++i) {  // not mkstemp: that gives mode 0600, not the mode the user's umask asks for
      temporary_ = stem + std::to_string(i);
      fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (fd_ >= 0) {
        ::flock(fd_, LOCK_EX | LOCK_NB);  // says that it is in use, where the file system has locks
        return;
      }
      if (errno != EEXIST) io_fail("create", temporary_, errno);
    }
  }
  NewFile(NewFile const&) = delete;
  NewFile& operator=(NewFile const&) = delete;
  ~NewFile() { discard(); }

  void write(const void* data, std::size_t bytes) {
    const auto* at = static_cast<const char*>(data);
    while (bytes > 0) {
      const ssize_t n = ::write(fd_, at, bytes);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) give_up("write");
      at += n;
      bytes -= static_cast<std::size_t>(n);
      written_ += static_cast<std::size_t>(n);
    }
  }

  /// Flushes to the disk and takes the path's name, in one step as seen by every reader.
  void commit() {
    if (::fsync(fd_) != 0 && errno != EINVAL) give_up("flush");  // EINVAL: this file system has no fsync
    const int fd = fd_;
    fd_ = -1;
    if (::close(fd) != 0) give_up("close");
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) give_up("rename a temporary to");
    temporary_.clear();
    // The name is on the disk when the directory is. The file is whole either way, so an error here is no error.
    const Descriptor d(::open(file_detail::folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (d.get() >= 0) ::fsync(d.get());
  }

 private:
  void discard() {
    if (fd_ >= 0) ::close(fd_);
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
    fd_ = -1;
    temporary_.clear();
  }
  [[noreturn]] void give_up(const char* verb) {
    const int code = errno;
    discard();
    io_fail(verb, path_, code,
            "stopped after " + std::to_string(written_) +
                " bytes; the temporary is removed and what stood there before is untouched");
  }

  std::string path_, temporary_;
  int fd_ = -1;
  std::size_t written_ = 0;
};

/// Replaces a file by these bytes, or throws and leaves it as it was.
inline void write_file(std::string const& path, std::string_view bytes) {
  NewFile out(path);
  out.write(bytes.data(), bytes.size());
  out.commit();
}

}  // namespace fauna::inline v0
