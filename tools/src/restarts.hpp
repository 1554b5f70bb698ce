// A run on ranks that this process has mpirun start, and start again from its last checkpoint where a rank was killed.
#pragma once
#include <csignal>
#include <cstdlib>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include <tools/src/command.hpp>
#include <tools/src/say.hpp>

namespace tool {

/// What starts so many ranks, 0 for as many as there are: $FAUNA_MPIRUN, a command with words of its own such as
/// --hostfile FILE, or mpirun.
inline std::vector<std::string> start_of_ranks(long ranks) {
  const char* own = std::getenv("FAUNA_MPIRUN");
  std::istringstream words(own != nullptr && *own != '\0' ? own : "mpirun");
  std::vector<std::string> all;
  for (std::string w; words >> w;) all.push_back(w);
  if (ranks > 0) all.insert(all.end(), {"-n", std::to_string(ranks)});
  return all;
}

/// Runs a command as run_prepared does, and passes SIGTERM and SIGINT on to it, but for what a terminal sends to both.
/// `asked`: did either come?
inline int run_stoppable(std::vector<std::string> const& command, bool& asked) {
  sigset_t watched, before;
  sigemptyset(&watched);
  for (const int s : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&watched, s);
  sigprocmask(SIG_BLOCK, &watched, &before);
  const pid_t child = start_prepared(command, [&before] { return sigprocmask(SIG_SETMASK, &before, nullptr) == 0; });
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    siginfo_t signal{};
    if (sigwaitinfo(&watched, &signal) < 0 || signal.si_signo == SIGCHLD) continue;
    asked = true;
    if (signal.si_code != SI_KERNEL) ::kill(child, signal.si_signo);
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  return exit_status(status);
}

/// The exit status of command(), which is run again where one of its processes was killed, `restarts` times at most. A
/// run that ends with an error would do so again.
inline int run_again(long restarts, std::function<std::vector<std::string>()> const& command) {
  // Open MPI's mpirun asks whether its machines are there after so many seconds of silence, so often at such intervals:
  // one that is gone ends the run within 20 s and not a quarter of an hour later.
  ::setenv("OMPI_MCA_oob_tcp_keepalive_time", "10", 0);
  ::setenv("OMPI_MCA_oob_tcp_keepalive_intvl", "2", 0);
  ::setenv("OMPI_MCA_oob_tcp_keepalive_probes", "5", 0);
  bool asked = false;
  for (long i = 0;; ++i) {
    const auto words = command();
    const int status = run_stoppable(words, asked);
    if (status == 127)
      fauna::fail("fauna", words[0] + " ended with status 127, as where there is no such program",
                  "one that starts ranks", "$FAUNA_MPIRUN names another than mpirun");
    const bool killed = status > 128;  // as shells and mpirun say it
    if (!killed || asked || i == restarts) return status;
    say("a rank was killed (exit status " + std::to_string(status) + "): start " + std::to_string(i + 1) + " of " +
        std::to_string(restarts) + " more");
  }
}

}  // namespace tool
