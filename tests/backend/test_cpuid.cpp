#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include <fauna/backend/cpuid.hpp>

namespace test_cpuid {

using namespace fauna;

namespace {

struct Outcome {
  int status;
  std::string said;
};

/// Runs f in a child process: its exit status and what it wrote to stderr.
template <class F> Outcome in_child(F f) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    f();
    _exit(0);
  }
  close(ends[1]);
  std::string said;
  char piece[256];
  for (ssize_t n; (n = read(ends[0], piece, sizeof piece)) > 0;) said.append(piece, static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, said};
}

bool contains(std::string const& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("cpuid agrees with the kernel's list of flags") {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line) && line.rfind("flags", 0) != 0) {}
  line += ' ';
  CHECK((machine_isa() >= isa::avx2) == (contains(line, " avx2 ") && contains(line, " fma ")));
  CHECK((machine_isa() >= isa::avx512) == contains(line, " avx512dq "));
  CHECK((machine_isa() == isa::avx512bf16) == contains(line, " avx512_bf16 "));
}

TEST_CASE("a build too wide for the processor ends with a sentence") {
  const auto [status, said] = in_child([] { require_isa(isa::avx512bf16, isa::avx2, true, "run tools/again"); });
  CHECK(status == 1);
  CHECK(said == "[cpu] this program was built for avx512bf16, this processor has avx2: run tools/again\n");
}

TEST_CASE("so does one with extensions that the processor lacks") {
  const auto [status, said] = in_child([] { require_isa(isa::avx2, isa::avx2, false, "run tools/again"); });
  CHECK(status == 1);
  CHECK(contains(said, "extensions that are missing here"));
}

TEST_CASE("a narrower build runs and names the wider instruction set") {
  const auto [status, said] = in_child([] { require_isa(isa::baseline, isa::avx512, true, "run tools/again"); });
  CHECK(status == 0);
  CHECK(said == "[cpu] this program was built for baseline and this processor has avx512: run tools/again\n");
}

TEST_CASE("this build runs here, and silently when it was made for this processor") {
  const auto [status, said] = in_child([] { require_isa(); });
  CHECK(status == 0);
  CHECK(said.empty() == (build_isa == machine_isa()));
}

}  // namespace test_cpuid
