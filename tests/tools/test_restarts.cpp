// Who starts ranks again: after a kill, so many times, and after nothing else.
#include <doctest/doctest.h>

#include <tools/src/restarts.hpp>

namespace test_restarts {

namespace {

struct Ended {
  int status = 0;
  std::size_t starts = 0;
};
/// A run whose starts do what `scripts` say, the last one again and again.
Ended ended(long restarts, std::vector<std::string> const& scripts) {
  Ended e;
  e.status = tool::run_again(restarts, [&] {
    const std::size_t i = e.starts++;
    return std::vector<std::string>{"sh", "-c", i < scripts.size() ? scripts[i] : scripts.back()};
  });
  return e;
}
const std::string killed = "kill -9 $$", mpirun_says_so = "exit 137";

}  // namespace

TEST_SUITE("restarts") {
  TEST_CASE("what was killed is started again, as often as it may") {
    const Ended once = ended(3, {killed, mpirun_says_so, "exit 0"});
    CHECK(once.status == 0);
    CHECK(once.starts == 3);
    const Ended always = ended(2, {killed});
    CHECK(always.status == 137);
    CHECK(always.starts == 3);
  }
  TEST_CASE("what ends, well or with an error, is not started again") {
    for (const int status : {0, 1, 126}) {
      const Ended e = ended(2, {"exit " + std::to_string(status)});
      CHECK(e.status == status);
      CHECK(e.starts == 1);
    }
    CHECK_THROWS_WITH_AS(tool::run_again(2, [] { return std::vector<std::string>{"./no-mpirun"}; }),
                         doctest::Contains("./no-mpirun ended with status 127"), fauna::error);
  }
  TEST_CASE("ranks are started by the command that is named") {
    ::unsetenv("FAUNA_MPIRUN");
    CHECK(tool::start_of_ranks(0) == std::vector<std::string>{"mpirun"});
    ::setenv("FAUNA_MPIRUN", "mpirun --hostfile hosts", 1);
    CHECK(tool::start_of_ranks(3) == std::vector<std::string>{"mpirun", "--hostfile", "hosts", "-n", "3"});
    ::unsetenv("FAUNA_MPIRUN");
  }
}

}  // namespace test_restarts
