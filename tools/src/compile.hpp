// A model as a program: its type written as a header into build/models/<hash>/, and one of the fixed programs compiled
// with it. The hash covers everything that went into the program, so a stale one is never run.
#pragma once
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <vector>

#include <fauna/io/clock.hpp>
#include <fauna/io/file.hpp>
#include <tools/src/family.hpp>
#include <tools/src/say.hpp>
#include <tools/src/sha256.hpp>

namespace tool {

namespace fs = std::filesystem;

/// The checkout, whose programs are compiled: tools/fauna says where it is.
inline const fs::path root = [] {
  const char* folder = std::getenv("FAUNA_SOURCE_DIR");
  return fs::path(folder != nullptr ? folder : "");
}();

/// Runs a command in the checkout, its output into a file; the exit status.
inline int run_command(std::vector<std::string> const& command, fs::path const& output) {
  std::vector<char*> arguments;
  for (std::string const& a : command) arguments.push_back(const_cast<char*>(a.c_str()));
  arguments.push_back(nullptr);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) fauna::io_fail("start", command[0], errno);
  if (child == 0) {
    const int fd = ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || ::dup2(fd, 1) < 0 || ::dup2(fd, 2) < 0 || ::chdir(root.c_str()) < 0) ::_exit(126);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// The compiler that $CXX names, g++ without it.
inline std::string compiler() {
  const char* cxx = std::getenv("CXX");
  return cxx != nullptr && *cxx != '\0' ? cxx : "g++";
}

/// Contents of all files that the program is compiled from, and all that else decides what comes out.
inline std::string fingerprint(std::string const& header, std::string const& flags, std::string const& version) {
  std::vector<fs::path> files;
  for (auto const& e : fs::recursive_directory_iterator(root / "include/fauna"))
    if (e.is_regular_file()) files.push_back(e.path());
  for (auto const& e : fs::directory_iterator(root / "tools/src")) files.push_back(e.path());
  files.push_back(root / "bench/support/peak.hpp");
  std::sort(files.begin(), files.end());
  std::string all = header + '\n' + flags + '\n' + version + '\n';
  for (fs::path const& f : files) all += f.lexically_relative(root).string() + ' ' + sha256(fauna::read_file(f)) + '\n';
  // -march=native means the processor at hand: every extension of it.
  const std::string cpu = fauna::read_file("/proc/cpuinfo");
  const std::size_t at = cpu.find("\nflags");
  if (at != std::string::npos) all += cpu.substr(at, cpu.find('\n', at + 1) - at);
  return sha256(all).substr(0, 16);
}

/// What a reader needs of a compiler's output: the library's own sentences, else the first errors.
inline std::string shortened(std::string const& log) {
  std::string own, errors;
  int count = 0;
  for (std::size_t at = 0; at < log.size();) {
    const std::size_t end = std::min(log.find('\n', at), log.size());
    const std::string line = log.substr(at, end - at);
    at = end + 1;
    const std::size_t sentence = line.find("fauna: "), error = line.find("error: ");
    if (error == std::string::npos) continue;
    if (sentence != std::string::npos) own += "  " + line.substr(error + 7) + '\n';
    else if (++count <= 3) errors += "  " + line + '\n';
  }
  return own.empty() ? errors : own;
}

/// The header of a model.
inline std::string header_of(Described const& model, std::string const& dtype) {
  return "// Written by tools/fauna: the model that the programs in this folder were compiled for.\n"
         "#pragma once\n"
         "#include <fauna/backend/cpu.hpp>\n"
         "#include <" +
         model.include +
         ">\n\n"
         "using Model = " +
         model.type +
         ";\n"
         "using Backend = fauna::Cpu<fauna::" +
         dtype + "_products>;\n";
}

/// The path of the program `name` (runner, inference or explain) for a model: compiled now, unless it is there already.
inline std::string program_for(Described const& model, std::string const& dtype, std::string const& name) {
  if (root.empty()) fauna::fail("fauna", "no FAUNA_SOURCE_DIR in the environment", "the checkout", "run tools/fauna");
  const std::string cxx = compiler(), header = header_of(model, dtype);
  std::vector<std::string> flags = {"-std=c++20", "-O2", "-march=native", "-fopenmp"};
  const char* more = std::getenv("CXXFLAGS");
  std::istringstream words(more != nullptr ? more : "");
  for (std::string f; words >> f;) flags.push_back(f);
  std::string line;
  for (std::string const& f : flags) line += ' ' + f;
  fs::create_directories(root / "build/models");
  const fs::path version_file = root / ("build/models/version." + std::to_string(::getpid()));
  const int status = run_command({cxx, "--version"}, version_file);
  const std::string version = fauna::read_file(version_file);
  fs::remove(version_file);
  if (status != 0) fauna::fail("fauna", "cannot run the compiler " + cxx, "a C++20 compiler", "set CXX");

  const std::string hash = fingerprint(header, line, version);
  const fs::path folder = root / "build/models" / hash, program = folder / name;
  const std::string shown = fs::relative(folder, fs::current_path()).string();
  if (fs::exists(program)) {
    say("the model's program is there already: " + shown + '/' + name);
    return program;
  }
  fs::create_directories(folder);
  fauna::write_file(folder / "model.hpp", header);
  say("wrote " + shown + "/model.hpp: " + model.type);
  const fs::path fresh = program.string() + '.' + std::to_string(::getpid()), log = folder / (name + ".log");
  const std::string object = fresh.string() + ".o";
  // Two commands, since a compiler cache knows objects; paths below the checkout, so that it knows them in any of them.
  std::vector<std::string> compile = {"tools/cached", cxx}, link = {cxx};
  compile.insert(compile.end(), flags.begin(), flags.end());
  link.insert(link.end(), flags.begin(), flags.end());
  compile.insert(compile.end(), {"-I" + fs::relative(folder, root).string(), "-Iinclude", "-I.", "-c",
                                 "tools/src/" + name + ".cpp", "-o", object});
  link.insert(link.end(), {object, "-o", fresh.string()});
  say("compiling it, a few seconds:" + std::string(" ") + cxx + line + " tools/src/" + name + ".cpp");
  const double start = fauna::seconds_now();
  const bool compiled = run_command(compile, log) == 0 && run_command(link, log) == 0;
  fs::remove(object);
  if (!compiled) {
    fs::remove(fresh);
    throw fauna::error("[fauna] the model does not compile:\n" + shortened(fauna::read_file(log)) +
                       "  (all of the compiler's output is in " + log.string() + ")");
  }
  fs::rename(fresh, program);
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.1f s", fauna::seconds_now() - start);
  say("compiled in " + std::string(seconds) + ": " + shown + '/' + name);
  return program;
}

/// Replaces this process by a program.
[[noreturn]] inline void become(std::string const& program, std::vector<std::string> const& arguments) {
  std::vector<char*> all = {const_cast<char*>(program.c_str())};
  for (std::string const& a : arguments) all.push_back(const_cast<char*>(a.c_str()));
  all.push_back(nullptr);
  std::fflush(nullptr);
  ::execv(program.c_str(), all.data());
  fauna::io_fail("start", program, errno);
}

}  // namespace tool
