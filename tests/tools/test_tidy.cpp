// What compilations leave behind.
#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <fauna/io/file.hpp>
#include <tools/src/tidy.hpp>

#include "../support/temporary.hpp"

namespace test_tidy {

using namespace fauna;

TEST_CASE("the files that were used last stay, and what the dead left goes") {
  const TemporaryFolder folder;
  const pid_t dead = ::fork();
  if (dead == 0) ::_exit(0);
  ::waitpid(dead, nullptr, 0);
  const auto now = std::filesystem::file_time_type::clock::now();
  for (int i = 0; i < 5; ++i) {
    const std::string path = folder / ("a-" + std::to_string(i) + ".o");
    write_file(path, "x");
    std::filesystem::last_write_time(path, now - std::chrono::hours(10 - i));
  }
  const std::string other = folder / "b-0.o", left = folder / ("a-9.o." + std::to_string(dead)),
                    alive = folder / ("a-9.o." + std::to_string(::getpid())), lock = folder / "lock";
  for (std::string const& path : {other, left, alive, lock}) write_file(path, "x");
  tool::touch(folder / "a-0.o");  // the oldest is used again
  tool::tidy(folder.path(), "a-", 2);
  for (int i = 0; i < 5; ++i) {
    CAPTURE(i);
    CHECK(exists(folder / ("a-" + std::to_string(i) + ".o")) == (i == 0 || i == 4));
  }
  CHECK(exists(other));
  CHECK(exists(alive));
  CHECK(exists(lock));
  CHECK_FALSE(exists(left));
  tool::tidy(folder / "nowhere", "a-", 2);  // nothing to do there
}

TEST_CASE("a name tells whether it is of an unfinished file") {
  CHECK(tool::process_of("engine-0123.o.4567") == 4567);
  for (const char* name : {"engine-0123.o", "model.hpp", "4567", "x.", "x.12a", "x.123456789012"})
    CHECK(tool::process_of(name) == 0);
}

}  // namespace test_tidy
