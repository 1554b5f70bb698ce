// A model as a program: its type written as a header into build/models/<hash>/, and one of the fixed programs compiled
// with it. Objects and programs are named by a hash of all that went into them, sources as the preprocessor leaves
// them: a stale one is never run, and a comment compiles nothing again. What has nothing to do with the model is an
// object that all models' programs are linked with.
#pragma once
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>
#include <vector>

#include <fauna/io/clock.hpp>
#include <fauna/io/file.hpp>
#include <tools/src/command.hpp>
#include <tools/src/family.hpp>
#include <tools/src/say.hpp>
#include <tools/src/sha256.hpp>
#include <tools/src/tidy.hpp>

namespace tool {

namespace fs = std::filesystem;

/// The checkout, whose programs are compiled: tools/fauna says where it is.
inline const fs::path root = [] {
  const char* folder = std::getenv("FAUNA_SOURCE_DIR");
  return fs::path(folder != nullptr ? folder : "");
}();

/// Runs a command in the checkout, its output into a file; the exit status.
inline int run_command(std::vector<std::string> const& command, fs::path const& output) {
  return run_prepared(command, [&] {
    const int fd = ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    return fd >= 0 && ::dup2(fd, 1) >= 0 && ::dup2(fd, 2) >= 0 && ::chdir(root.c_str()) >= 0;
  });
}

/// Where compiled models are.
inline fs::path models() { return root / "build/models"; }

/// A compiler and its flags, with which it is to be run.
struct Toolchain {
  std::string cxx{};
  std::vector<std::string> flags{};
  std::string line{}, key{};  ///< the flags as a line; all that decides, beside the sources, what comes out

  std::vector<std::string> command(std::vector<std::string> const& more) const {
    std::vector<std::string> all{cxx};
    all.insert(all.end(), flags.begin(), flags.end());
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

inline std::vector<std::string> words_of(std::string const& line) {
  std::istringstream words(line);
  std::vector<std::string> all;
  for (std::string w; words >> w;) all.push_back(w);
  return all;
}
/// What programs of several ranks are linked with, as CMake found it; empty without MPI.
inline std::vector<std::string> mpi_libraries() { return words_of(FAUNA_MPI_LIBRARIES); }

/// What $CXX and $CXXFLAGS ask for; g++ without them. With `mpi`, also what finds MPI's header.
inline Toolchain toolchain(bool mpi) {
  const char *cxx = std::getenv("CXX"), *more = std::getenv("CXXFLAGS");
  Toolchain t{cxx != nullptr && *cxx != '\0' ? cxx : "g++", {"-std=c++20", "-O2", "-march=native", "-fopenmp"}};
  for (std::string const& f : words_of(more != nullptr ? more : "")) t.flags.push_back(f);
  if (mpi) {
    if (mpi_libraries().empty())
      fauna::fail("fauna", "tools/fauna was built without MPI", "MPI, for several ranks",
                  "tools/setup mpi installs it; remove " + (root / "build/tools").string() + " to find it");
    for (std::string const& f : words_of(FAUNA_MPI_FLAGS)) t.flags.push_back(f);
  }
  for (std::string const& f : t.flags) t.line += ' ' + f;
  const fs::path file = models() / ("version." + std::to_string(::getpid()));
  const int status = run_command({t.cxx, "--version"}, file);
  t.key = t.line + '\n' + fauna::read_file(file) + '\n';
  fs::remove(file);
  if (status != 0) fauna::fail("fauna", "cannot run the compiler " + t.cxx, "a C++20 compiler", "set CXX");
  // -march=native means the processor at hand: every extension of it.
  const std::string cpu = fauna::read_file("/proc/cpuinfo");
  const std::size_t at = cpu.find("\nflags");
  if (at != std::string::npos) t.key += cpu.substr(at, cpu.find('\n', at + 1) - at);
  return t;
}

/// What pkg-config says of a library, as words: "--cflags" or "--libs". Throws where the library is not there.
inline std::vector<std::string> package_words(std::string const& library, std::string const& which) {
  std::vector<std::string> all;
  if (library.empty()) return all;
  const fs::path file = models() / ("package." + std::to_string(::getpid()));
  const int status = run_command({"pkg-config", which, library}, file);
  std::istringstream words(fauna::read_file(file));
  fs::remove(file);
  if (status != 0)
    fauna::fail("fauna", "pkg-config knows no " + library, "the library with its headers",
                "on Debian, tools/setup installs it");
  for (std::string word; words >> word;) all.push_back(word);
  return all;
}

/// The first digits of a hash, as names of files have them.
inline std::string short_hash(std::string const& text) { return sha256(text).substr(0, 16); }

/// Of all files that programs are compiled from, as they stand: a shortcut past the preprocessor.
inline std::string fingerprint() {
  std::vector<fs::path> files;
  for (const char* folder : {"include/fauna", "tools/src"})
    for (auto const& e : fs::recursive_directory_iterator(root / folder))
      if (e.is_regular_file()) files.push_back(e.path());
  files.push_back(root / "bench/support/peak.hpp");
  std::sort(files.begin(), files.end());
  std::string all;
  for (fs::path const& f : files) all += f.lexically_relative(root).string() + ' ' + sha256(fauna::read_file(f)) + '\n';
  return all;
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

/// What a program of two models tells them apart by.
inline std::string engine_name(Described const& model, std::string const& dtype) {
  return short_hash(model.type + ' ' + dtype);
}

/// What stands for the precision of a model whose matrices are stored in blocks of small whole numbers.
inline constexpr const char* in_blocks = "blocks";

/// In which parts ranks have a model: so many of them; of a pipeline, with so many stages each, in a loop or there and
/// back, whose tensors are in so many parts.
struct ModelParts {
  long ranks = 0, rounds = 1;
  bool there_and_back = false;
  long tensor = 1, zero = 0;
  bool sequence = false;
};

/// The header of a model.
inline std::string header_of(Described const& model, std::string const& dtype, ModelParts const& parts = {}) {
  const bool blocks = dtype == in_blocks;
  std::string includes;
  for (std::string const& i : model.includes) includes += "#include <" + i + ">\n";
  if (blocks) includes += "#include <fauna/decode/in_blocks.hpp>\n";
  return "// Written by tools/fauna: the model that the programs in this folder were compiled for.\n"
         "#pragma once\n"
         "#include <fauna/backend/cpu.hpp>\n" +
         includes +
         "\n"
         "using Model = " +
         model.type +
         ";\n"
         "using Backend = fauna::Cpu<fauna::" +
         (blocks ? "f32" : dtype) + "_products>;\n" +
         (model.stored.empty() ? "" : "#define FAUNA_TRAINED_AS " + model.stored + "\n") +
         (model.recompute.empty() ? "" : "#define FAUNA_RECOMPUTED " + model.recompute + "\n") +
         (blocks ? "#define FAUNA_STORAGE fauna::InBlocks<Backend>\n" : "") + "constexpr char model_name[] = \"" +
         engine_name(model, dtype) + "\";\n" +
         (parts.ranks == 0
              ? ""
              : "constexpr int model_ranks = " + std::to_string(parts.ranks) + ", model_rounds = " +
                    std::to_string(parts.rounds) + ", model_tensor = " + std::to_string(parts.tensor) +
                    ", model_zero = " + std::to_string(parts.zero) +
                    ";\nconstexpr bool model_there_and_back = " + (parts.there_and_back ? "true" : "false") +
                    ", model_sequence = " + (parts.sequence ? "true" : "false") + ";\n");
}

/// Programs of a model: their name, the sources that it is compiled from with the model's header and without, and the
/// library that the latter use, as pkg-config knows it.
struct Program {
  const char* name;
  std::vector<std::string> of_model, of_any{};
  std::string library{};
  bool mpi = false;
};
inline Program const& program_named(std::string const& name) {
  static const Program all[] = {{"runner", {"train_alone"}, {"runner"}},
                                {"pieces", {"train_pieces"}, {"runner"}},
                                {"ranks", {"train_ranks"}, {"runner"}, {}, true},
                                {"replicas", {"train_replicas"}, {"runner"}, {}, true},
                                {"tensor", {"train_tensor"}, {"runner"}, {}, true},
                                {"pipeline", {"train_pipeline"}, {"runner"}, {}, true},
                                {"context", {"train_context"}, {"runner"}, {}, true},
                                {"experts", {"train_experts"}, {"runner"}, {}, true},
                                {"finetuner", {"adapter_trainer"}, {"finetuner"}},
                                {"preference_trainer", {"preference_trainer"}},
                                {"grpo_trainer", {"grpo_trainer"}},
                                {"draft_trainer", {"draft_trainer"}},
                                {"medusa2_trainer", {"medusa2_trainer"}},
                                {"eagle_trainer", {"eagle_trainer"}},
                                {"distil_trainer", {"engine"}},  // and distil_trainer.cpp, of the draft model
                                {"explain", {"explain"}},
                                {"inference", {"engine"}, {"inference"}},
                                {"inference_parts", {"engine_parts"}, {"inference"}, {}, true},
                                {"serve", {"engine"}, {"serve"}, "cpp-httplib"}};
  return *std::find_if(std::begin(all), std::end(all), [&](Program const& p) { return p.name == name; });
}

/// Compiles and links for one model, each object once for what the compiler sees of it.
class Build {
 public:
  using Words = std::vector<std::string>;

  Build(Toolchain t, fs::path folder, std::string const& name)
      : t_(std::move(t)), folder_(std::move(folder)), log_(folder_ / (name + ".log")) {}

  /// The object of tools/src/SOURCE.cpp. Below the checkout all paths are relative, so that a compiler cache knows it
  /// in any of them.
  fs::path object(std::string const& source, bool of_model, Words const& flags = {}) {
    const std::string file = "tools/src/" + source + ".cpp";
    Words words = with({"-Iinclude", "-I.", file}, flags);
    if (of_model) words.insert(words.begin(), "-I" + folder_.lexically_relative(root).string());
    const fs::path seen = fresh(folder_ / (source + ".ii"));
    run(t_.command(with(words, {"-E", "-P", "-o", seen.string()})), seen);
    const std::string key = short_hash(t_.key + file + '\n' + fauna::read_file(seen));
    fs::remove(seen);
    const fs::path object = models() / "objects" / (source + '-' + key + ".o");
    if (fs::exists(object)) {
      touch(object);
      return object;
    }
    fs::create_directories(object.parent_path());
    tidy(object.parent_path(), "", 100);
    say("compiling, a few seconds: " + t_.cxx + t_.line + ' ' + file);
    auto compile = t_.command(with(words, {"-c", "-o", fresh(object).string()}));
    compile.insert(compile.begin(), "tools/cached");
    run(compile, fresh(object));
    fs::rename(fresh(object), object);
    return object;
  }
  void link(std::vector<std::string> words, fs::path const& program) {
    run(t_.command(with(std::move(words), {"-o", fresh(program).string()})), fresh(program));
    fs::rename(fresh(program), program);
  }

 private:
  static Words with(Words words, Words const& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  /// A file of this process, until it is whole.
  static fs::path fresh(fs::path const& file) { return file.string() + '.' + std::to_string(::getpid()); }
  void run(Words const& command, fs::path const& output) const {
    if (run_command(command, log_) == 0) return;
    fs::remove(output);
    throw fauna::error("[fauna] the model does not compile:\n" + shortened(fauna::read_file(log_)) +
                       "  (all of the compiler's output is in " + log_.string() + ")");
  }

  Toolchain t_;
  fs::path folder_, log_;
};

/// The folder of a model, with its header in it.
inline fs::path folder_of(Described const& model, std::string const& header) {
  const fs::path folder = models() / short_hash(header), file = folder / "model.hpp";
  fs::create_directories(folder);
  if (fs::exists(file)) return folder;
  fauna::write_file(file, header);
  say("wrote " + fs::relative(file, fs::current_path()).string() + ": " + model.type);
  return folder;
}

/// Held while a model is compiled, so that of several ranks one does it and the others find what it has made.
inline fauna::Descriptor compiling(fs::path const& folder) {
  if (started_rank() < 0) return fauna::Descriptor();
  fauna::Descriptor lock(::open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (lock.get() >= 0) ::flock(lock.get(), LOCK_EX);
  return lock;
}

/// The path of the program `name` (program_named has all) for a model: compiled now, unless it is there already. With a
/// draft model it is linked with the engines of both, each of which is compiled as if it were alone. draft_source: what
/// a drafter that is no model is compiled as instead.
inline std::string program_for(Described const& model, std::string const& dtype, std::string const& name,
                               std::optional<Described> const& draft = {}, std::string const& draft_source = {},
                               ModelParts const& in_parts = {}) {
  if (root.empty()) fauna::fail("fauna", "no FAUNA_SOURCE_DIR in the environment", "the checkout", "run tools/fauna");
  fs::create_directories(models() / "known");
  Program const& parts = program_named(name);
  const Toolchain t = toolchain(parts.mpi);
  const std::string header = header_of(model, dtype, in_parts), second = draft ? header_of(*draft, dtype) : "";
  const fs::path folder = models() / short_hash(header);
  const auto shown = [](fs::path const& p) { return fs::relative(p, fs::current_path()).string(); };
  const auto there = [&](fs::path const& program) {
    say("the model's program is there already: " + shown(program));
    return program.string();
  };
  fs::create_directories(folder);
  const fauna::Descriptor lock = compiling(folder);
  const fs::path known = models() / "known" / short_hash(name + '\n' + header + second + t.key + fingerprint());
  if (fs::exists(known))
    if (const fs::path program = folder / fauna::read_file(known.string()); fs::exists(program)) return there(program);

  const double start = fauna::seconds_now();
  Build build(t, folder_of(model, header), name);
  std::vector<std::string> objects;
  const auto flags = package_words(parts.library, "--cflags"), libraries = package_words(parts.library, "--libs");
  for (std::string const& s : parts.of_model) objects.push_back(build.object(s, true));
  if (draft && second != header) {
    Build other(t, folder_of(*draft, second), name);
    for (std::string const& s : parts.of_model)
      objects.push_back(other.object(draft_source.empty() ? s : draft_source, true));
  }
  for (std::string const& s : parts.of_any) objects.push_back(build.object(s, false, flags));
  std::string all = t.key;
  for (std::string const& o : objects) all += fs::path(o).filename().string() + '\n';
  const fs::path program = folder / (name + '-' + short_hash(all));
  const bool was_there = fs::exists(program);
  objects.insert(objects.end(), libraries.begin(), libraries.end());
  if (parts.mpi)
    for (std::string const& l : mpi_libraries()) objects.push_back(l);
  if (!was_there) {
    tidy(folder, name + '-', 10);
    build.link(objects, program);
  }
  touch(program);
  fauna::write_file(known, program.filename().string());
  if (was_there) return there(program);
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.1f s", fauna::seconds_now() - start);
  say("compiled in " + std::string(seconds) + ": " + shown(program));
  return program;
}

/// Threads that wait for others spin for some 30 µs and then sleep, unless the user has said otherwise. OpenMP's own
/// choice is to spin for milliseconds: beside another program, which holds the processor of the one that is waited for,
/// a model of 135 M parameters took 30 to 69 s for what takes 3 to 4 s so.
inline void spin_briefly() {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  ::setenv("GOMP_SPINCOUNT", "2000", 0);  // GCC's: turns of a loop
  ::setenv("KMP_BLOCKTIME", "1", 0);      // LLVM's: ms, the least but none
}

/// Replaces this process by a program.
[[noreturn]] inline void become(std::string const& program, std::vector<std::string> const& arguments) {
  std::vector<char*> all = {const_cast<char*>(program.c_str())};
  for (std::string const& a : arguments) all.push_back(const_cast<char*>(a.c_str()));
  all.push_back(nullptr);
  std::fflush(nullptr);
  spin_briefly();
  ::execv(program.c_str(), all.data());
  fauna::io_fail("start", program, errno);
}

}  // namespace tool
