// A peer is another program that does the same work in segments, on request: one line in, one line of JSON out
// (bench/peers/). It runs beside the benchmark and takes turns with it, so that both meet the same machine.
#pragma once
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace bench {

class Peer {
 public:
  /// Starts bench/peers/SCRIPT with these arguments on $FAUNA_PEER_PYTHON. Absent where that is not set.
  explicit Peer(std::string const& script, std::string const& arguments = {}) : arguments_(arguments) {
    const char* python = std::getenv("FAUNA_PEER_PYTHON");
    if (python == nullptr || *python == '\0') return;
    int to[2], from[2];
    // Closed in every other child: a peer that held another's input open would keep it from ending.
    if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0) return;
    std::signal(SIGPIPE, SIG_IGN);
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(to[0], 0);
      ::dup2(from[1], 1);
      const std::string command =
          "exec \"" + std::string(python) + "\" \"" FAUNA_SOURCE_DIR "/bench/peers/" + script + "\" " + arguments;
      ::execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
      ::_exit(127);
    }
    ::close(to[0]);
    ::close(from[1]);
    ask_ = ::fdopen(to[1], "w");
    answer_ = ::fdopen(from[0], "r");
    ready_ = line();
    present_ = !ready_.empty();
    if (!present_) std::fprintf(stderr, "%s %s did not start: the peer is absent\n", script.c_str(), arguments.c_str());
  }
  Peer(Peer const&) = delete;
  Peer& operator=(Peer const&) = delete;
  ~Peer() {
    if (ask_ != nullptr) std::fclose(ask_);  // its input ends, and so does it
    if (answer_ != nullptr) std::fclose(answer_);
    if (child_ > 0) ::waitpid(child_, nullptr, 0);
  }

  bool present() const { return present_; }
  /// The line in which it said that it is ready.
  std::string const& ready() const { return ready_; }
  std::string const& arguments() const { return arguments_; }
  /// Seconds an iteration over a segment of n; `figure` for peers that know several. 0 where it is absent or has died.
  double segment(int n, std::string const& figure = {}) {
    if (!present_) return 0;
    std::fprintf(ask_, "segment %d%s%s\n", n, figure.empty() ? "" : " ", figure.c_str());
    std::fflush(ask_);
    const double seconds = number(line(), "\"seconds\": ");
    present_ = seconds > 0;
    return seconds / n;
  }
  static double number(std::string const& json, std::string const& key) {
    const auto at = json.find(key);
    return at == std::string::npos ? 0 : std::strtod(json.c_str() + at + key.size(), nullptr);
  }

 private:
  std::string line() {
    std::string s;
    for (int c; (c = std::fgetc(answer_)) != EOF && c != '\n';) s += static_cast<char>(c);
    return s;
  }

  std::string arguments_, ready_;
  pid_t child_ = -1;
  std::FILE *ask_ = nullptr, *answer_ = nullptr;
  bool present_ = false;
};

}  // namespace bench
