// What a long-running program asks of its operating system: to be stopped gently, how much memory it took, whether
// somebody is watching.
#pragma once
#include <csignal>

#include <cstdlib>

#include <fauna/io/file.hpp>

namespace fauna::inline v0 {

namespace process_detail {
/// A line of Linux's /proc/self/status, in bytes. 0 where /proc does not tell.
inline std::size_t status_bytes(const char* key) {
  const Descriptor status(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  if (status.get() < 0) return 0;
  char text[4096] = {};
  if (::read(status.get(), text, sizeof text - 1) <= 0) return 0;
  const char* at = std::strstr(text, key);
  return at != nullptr ? static_cast<std::size_t>(std::strtoull(at + std::strlen(key), nullptr, 10)) * 1024 : 0;
}
}  // namespace process_detail

/// The most memory that this process ever had resident, in bytes; 0 if unknown. (getrusage would count the program that
/// this one replaced by exec.)
inline std::size_t peak_resident_bytes() { return process_detail::status_bytes("VmHWM:"); }
/// The memory that this process has resident now, in bytes; 0 if unknown.
inline std::size_t resident_bytes() { return process_detail::status_bytes("VmRSS:"); }

/// Is the stream shown on a terminal?
inline bool is_terminal(std::FILE* stream) { return ::isatty(::fileno(stream)) == 1; }

/// While it lives, SIGINT and SIGTERM only ask to stop, and a file size limit is an error of `write` instead of the end
/// of the process. What the signals did before is restored at its end. One at a time in a process.
class StopSignals {
 public:
  StopSignals() {
    asked_ = 0;
    struct sigaction note {
    }, ignore{};
    note.sa_handler = [](int number) { asked_ = number; };
    ignore.sa_handler = SIG_IGN;
    for (int i = 0; i < 3; ++i) ::sigaction(numbers[i], i < 2 ? &note : &ignore, &before_[i]);
  }
  StopSignals(StopSignals const&) = delete;
  StopSignals& operator=(StopSignals const&) = delete;
  ~StopSignals() {
    for (int i = 0; i < 3; ++i) ::sigaction(numbers[i], &before_[i], nullptr);
  }
  /// The signal that asked to stop, or 0.
  int asked() const { return asked_; }

 private:
  static constexpr int numbers[] = {SIGINT, SIGTERM, SIGXFSZ};
  static inline volatile sig_atomic_t asked_ = 0;
  struct sigaction before_[3] = {};
};

}  // namespace fauna::inline v0
