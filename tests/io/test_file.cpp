// Files: whole or not at all, errors that name the file, maps that equal the bytes.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <fauna/io/mapped.hpp>
#include <fauna/io/print.hpp>

#include "../support/temporary.hpp"

namespace test_file {

using namespace fauna;
using doctest::Contains;

namespace {

std::string bytes_of(std::size_t n) {
  std::string s;
  for (std::size_t i = 0; i < n; ++i) s += static_cast<char>(i * 31 + i / 256);
  return s;
}

}  // namespace

TEST_CASE("what is written is read, and mapped, byte by byte") {
  const TemporaryFolder folder;
  for (const std::size_t n : {0U, 1U, 4095U, 4096U, 4097U, 300000U}) {
    const std::string path = folder / "file", bytes = bytes_of(n);
    write_file(path, bytes);
    CHECK(read_file(path) == bytes);
    CHECK(Mapped(path).text() == bytes);
    CHECK(folder.names().size() == 1);  // no temporary stays
  }
}

TEST_CASE("a new file is not there before commit, and not at all without it") {
  const TemporaryFolder folder;
  const std::string path = folder / "file";
  write_file(path, "old");
  {
    NewFile out(path);
    out.write("new", 3);
    CHECK(read_file(path) == "old");
  }
  CHECK(read_file(path) == "old");
  CHECK(folder.names().size() == 1);
  NewFile a(path), b(path);  // two writers do not meet in one temporary
  a.write("aaa", 3);
  b.write("bb", 2);
  a.commit();
  CHECK(read_file(path) == "aaa");
  b.commit();
  CHECK(read_file(path) == "bb");
  CHECK(folder.names().size() == 1);
}

TEST_CASE("temporaries of dead processes go with the next file in their folder, those of living ones stay") {
  const TemporaryFolder folder;
  const pid_t dead = ::fork();
  REQUIRE(dead >= 0);
  if (dead == 0) ::_exit(0);
  REQUIRE(::waitpid(dead, nullptr, 0) == dead);
  const std::string gone = std::to_string(dead), here = std::to_string(::getpid());
  const std::string abandoned[] = {"a.tmp" + gone + "-0", "file.tmp" + gone + "-12"};
  const std::string kept[] = {
      "a.tmp" + here + "-0",  "a.tmp" + gone,       "tmp" + gone + "-0", ".tmp" + gone + "-0", "a.tmp" + gone + "-0x",
      "a.tmp-" + gone + "-0", "a.tmp" + gone + "-", "a.tmp0-0",          "a.tmp99999999999-0", "b.tmp" + gone + "-1"};
  for (std::string const& name : abandoned) std::fclose(std::fopen((folder / name).c_str(), "w"));
  for (std::string const& name : kept) std::fclose(std::fopen((folder / name).c_str(), "w"));
  // One that is locked is being written, by a process whose number means nothing here.
  const Descriptor held(::open((folder / kept[9]).c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(::flock(held.get(), LOCK_EX) == 0);
  NewFile other(folder / "other");
  write_file(folder / "file", "x");
  for (std::string const& name : abandoned) CHECK_FALSE(exists(folder / name));
  for (std::string const& name : kept) CHECK_MESSAGE(exists(folder / name), name);
  other.commit();
  CHECK(exists(folder / "other"));
}

TEST_CASE("text is printed by its length, and a stream that takes no more is an error") {
  const TemporaryFolder folder;
  const std::string text{"a\0b\n", 4};
  std::FILE* const file = std::fopen((folder / "file").c_str(), "w");
  REQUIRE(file != nullptr);
  print(file, text);
  CHECK(read_file(folder / "file") == text);  // flushed
  std::fclose(file);
  std::FILE* const closed = std::fopen((folder / "file").c_str(), "r");
  CHECK_THROWS_WITH_AS(print(closed, text, "a name"), Contains("[io] cannot write a name ("), error);
  std::fclose(closed);
}

TEST_CASE("a file gets the mode that the umask asks for") {
  const TemporaryFolder folder;
  const mode_t before = ::umask(027);
  write_file(folder / "file", "x");
  ::umask(before);
  struct stat status {};
  REQUIRE(::stat((folder / "file").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0640);
}

TEST_CASE("errors name the file and say what the system said") {
  const TemporaryFolder folder;
  const std::string missing = folder / "missing";
  CHECK_THROWS_WITH_AS(read_file(missing), ("[io] cannot open " + missing + " (No such file or directory)").c_str(),
                       error);
  CHECK_THROWS_WITH_AS(Mapped{missing}, Contains(missing.c_str()), error);
  CHECK_THROWS_WITH_AS(read_file(folder.path()), Contains("Is a directory"), error);
  CHECK_THROWS_WITH_AS(Mapped{folder.path()}, Contains("not a regular file"), error);
  CHECK_THROWS_WITH_AS(write_file(missing + "/file", "x"), Contains("[io] cannot create"), error);
  CHECK_THROWS_WITH_AS(write_file(folder.path(), "x"), Contains("[io] cannot rename"), error);
  CHECK(folder.names().empty());
}

TEST_CASE("directories are made with those above them") {
  const TemporaryFolder folder;
  make_directories(folder / "a/b//c/");
  make_directories(folder / "a/b/c");
  write_file(folder / "a/b/c/file", "x");
  CHECK_THROWS_WITH_AS(make_directories(folder / "a/b/c/file/d"), Contains("Not a directory"), error);
}

TEST_CASE("a mapped file stays when it is replaced, and moves") {
  const TemporaryFolder folder;
  const std::string path = folder / "file";
  write_file(path, "before");
  const auto map = [&] {
    Mapped first(path);
    return Mapped(std::move(first));  // ends here, and must not unmap what it gave away
  };
  Mapped a = map(), c;
  write_file(path, "after");
  CHECK(a.text() == "before");
  c = std::move(a);
  CHECK(c.text() == "before");
  c = Mapped(path);
  CHECK(c.text() == "after");
}

TEST_CASE("a full disk is an error, and the old file and no temporary stay") {
  const TemporaryFolder folder;
  const std::string path = folder / "file";
  write_file(path, "old");
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {  // the limit is the process's, so it is set in one of its own
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    int code = 1;
    if (::setrlimit(RLIMIT_FSIZE, &limit) == 0) {
      try {
        write_file(path, bytes_of(10000));
        code = 2;
      } catch (error const& e) {
        const std::string what = e.what(), start = "[io] cannot write " + path + " (File too large)";
        code = what.rfind(start, 0) != 0 ? 3 : what.find("after 4096 bytes") == std::string::npos ? 4 : 0;
      }
    }
    ::_exit(code);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(read_file(path) == "old");
  CHECK(folder.names().size() == 1);
}

TEST_CASE("no space left on the device") {
  if (::access("/dev/full", W_OK) != 0) {
    MESSAGE("skipped: there is no /dev/full");
    return;
  }
  const TemporaryFolder folder;
  NewFile out(folder / "file");
  const Descriptor full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  // The temporary is the only other open file of the folder: put the full device in its place.
  bool found = false;
  for (int fd = 0; fd < 256 && !found; ++fd) {
    struct stat a {
    }, b{};
    const std::string name = folder / folder.names().at(0);
    if (::fstat(fd, &a) == 0 && ::stat(name.c_str(), &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev)
      found = ::dup2(full.get(), fd) == fd;
  }
  REQUIRE(found);
  CHECK_THROWS_WITH_AS(out.write("x", 1), Contains("No space left on device"), error);
  CHECK(folder.names().empty());
}

}  // namespace test_file
