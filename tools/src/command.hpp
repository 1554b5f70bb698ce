// Other programs, run and waited for.
#pragma once
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <fauna/io/file.hpp>

namespace tool {

/// Starts a command; its process. `prepare` runs in the new process first, and says whether all is well.
template <class F> pid_t start_prepared(std::vector<std::string> const& command, F prepare) {
  std::vector<char*> arguments;
  for (std::string const& a : command) arguments.push_back(const_cast<char*>(a.c_str()));
  arguments.push_back(nullptr);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) fauna::io_fail("start", command[0], errno);
  if (child == 0) {
    if (!prepare()) ::_exit(126);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  return child;
}
/// Of what waitpid says: that of a process which a signal has ended is above 128.
inline int exit_status(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

/// Runs a command and waits for it; the exit status, 127 where there is no such program.
template <class F> int run_prepared(std::vector<std::string> const& command, F prepare) {
  const pid_t child = start_prepared(command, prepare);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  return exit_status(status);
}

/// What a command leaves: its exit status, and what it wrote on standard output.
struct Said {
  int status = 0;
  std::string text{};
};
/// Runs a command with `input` as its standard input. Both texts are in memory, where nobody else finds them.
inline Said ask(std::vector<std::string> const& command, std::string_view input) {
  const fauna::Descriptor in(::memfd_create("input", MFD_CLOEXEC)), out(::memfd_create("output", MFD_CLOEXEC));
  if (in.get() < 0 || out.get() < 0) fauna::io_fail("make", "a file in memory", errno);
  if (::write(in.get(), input.data(), input.size()) != static_cast<ssize_t>(input.size()) ||
      ::lseek(in.get(), 0, SEEK_SET) != 0)
    fauna::io_fail("write", "a file in memory", errno);
  const int status = run_prepared(command, [&] { return ::dup2(in.get(), 0) == 0 && ::dup2(out.get(), 1) == 1; });
  return {status, fauna::read_file("/proc/self/fd/" + std::to_string(out.get()))};
}

}  // namespace tool
